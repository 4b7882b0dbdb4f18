"""After a long downtime, what is very late is spread; what is on time is not held up."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from scheduled_prompts.engine.pacing import Pace
from scheduled_prompts.engine.wanted import Wanted
from scheduled_prompts.schedule import Once
from tests.conftest import Lab
from tests.engine.scenes import CALM, Scene, scene
from tests.hosting_lab import Bot, Host


def let_go_each_second(pace: Pace, late: int, seconds: int) -> list[int]:
    """Looking ten times a second."""
    found = []
    for second in range(seconds):
        gone = 0
        for tenth in range(10):
            allowed = pace.allows(late, second * 1000 + tenth * 100)
            pace.let_go(allowed)
            late -= allowed
            gone += allowed
        found.append(gone)
    return found


@pytest.mark.parametrize(
    ("late", "spread", "each_second"),
    [
        (1, 30.0, [1, 0]),
        (10, 30.0, [10, 0]),
        (25, 30.0, [10, 10, 5, 0]),
        (300, 30.0, [10] * 30),
        (10_000, 30.0, [334] * 29 + [314, 0]),
        (10_000, 0.0, [10_000, 0]),
        (100, 2.0, [50, 50, 0]),
    ],
)
def test_so_many_go_each_second(late: int, spread: float, each_second: list[int]) -> None:
    assert let_go_each_second(Pace(spread), late, len(each_second)) == each_second


def test_what_is_heard_of_later_goes_at_the_pace_of_all() -> None:
    pace = Pace(10.0)
    assert pace.allows(5, 0) == 5
    pace.let_go(5)
    assert pace.allows(995, 0) == 95  # of the thousand, a hundred a second


def test_a_second_backlog_is_paced_by_its_own_size() -> None:
    pace = Pace(10.0)
    assert sum(let_go_each_second(pace, 1_000, 10)) == 1_000
    assert pace.allows(0, 20_000) == 0
    assert pace.allows(50, 30_000) == 10


def test_a_clock_that_is_put_back_stops_nothing() -> None:
    pace = Pace(30.0)
    pace.let_go(pace.allows(100, 50_000))
    assert pace.allows(90, 50_500) == 0
    assert pace.allows(90, 10_000) == 10


NOW = 10_000_000
LATE = NOW - 3_600_000


def wanted(late: int, soon: int = 0) -> Wanted:
    found = Wanted(30.0)
    for number in range(soon):
        found.add(f"soon {number}", NOW - number, NOW)
    for number in range(late):
        found.add(f"late {number}", LATE + number, NOW)
    return found


def test_what_is_soon_goes_beside_what_is_late() -> None:
    batch = wanted(25, soon=3).take_out(500, NOW)
    assert list(batch) == [*(f"late {number}" for number in range(10)), "soon 2", "soon 1", "soon 0"]


def test_what_was_let_go_and_does_not_fire_leaves_its_place_to_others() -> None:
    backlog = wanted(25)
    batch = backlog.take_out(500, NOW)
    for prompt in list(batch)[:4]:
        backlog.fires(prompt)
    backlog.done(batch)
    assert list(backlog.take_out(500, NOW + 10)) == [f"late {number}" for number in range(10, 16)]
    assert backlog.goes_on_at == NOW + 1_000


def test_what_could_not_be_claimed_is_wanted_still_and_still_late() -> None:
    backlog = wanted(12, soon=1)
    batch = backlog.take_out(500, NOW)
    backlog.put_back(batch)
    backlog.done(batch)
    assert len(backlog) == 13
    assert backlog.take_out(500, NOW + 10) == batch


def test_what_is_moved_to_later_is_late_no_more() -> None:
    backlog = wanted(12)
    backlog.add("late 11", NOW, NOW)
    assert list(backlog.take_out(500, NOW))[-1] == "late 11"
    assert len(backlog) == 1


async def back_after(lab: Lab, count: int, late: int, **settings: float) -> tuple[Scene, int]:
    """A daemon that comes back when so many one-shots, a millisecond apart, are `late` seconds late."""
    at = await scene(lab)
    await at.daemon.__aexit__()
    first = at.now + 10_000
    for number in range(count):
        await at.scheduler.schedule(f"{number}", Once(at=first + number))
    await at.sleep(10 + late)
    back = at.now
    at.daemon = await lab.daemon(at.store, at.runner, **{**CALM, **settings})
    return at, back


def starts(at: Scene, back: int) -> list[int]:
    """How many started in each second since the daemon is back."""
    seconds = Counter(((fire.started_at or 0) - back) // 1000 for fire in at.runner.fires)
    return [seconds[second] for second in range(max(seconds, default=-1) + 1)]


async def test_after_a_long_downtime_the_late_ones_start_by_and_by_in_the_order_of_their_due_times(
    lab: Lab,
) -> None:
    async with lab:
        at, back = await back_after(lab, 45, 3600)
        await at.sleep(10)
        assert starts(at, back) == [10, 10, 10, 10, 5]
        assert at.runner.texts == [str(number) for number in range(45)]


async def test_a_great_many_are_spread_over_the_interval(lab: Lab) -> None:
    async with lab:
        at, back = await back_after(lab, 100, 3600, late_spread=5)
        await at.sleep(10)
        assert starts(at, back) == [20] * 5


async def test_without_a_spread_all_start_at_once(lab: Lab) -> None:
    async with lab:
        at, back = await back_after(lab, 45, 3600, late_spread=0)
        await at.sleep(1)
        assert starts(at, back) == [45]


async def test_what_is_less_than_a_minute_late_is_not_spread(lab: Lab) -> None:
    async with lab:
        at, back = await back_after(lab, 45, 59)
        await at.sleep(1)
        assert starts(at, back) == [45]


async def test_what_is_on_time_is_not_held_up_by_what_is_late(lab: Lab) -> None:
    async with lab:
        at, _ = await back_after(lab, 45, 3600)
        await at.sleep(1.5)
        on_time = [await at.add("in 1s") for _ in range(20)]
        await at.sleep(1.1)
        assert [(await at.fire(prompt)).lateness_ms for prompt in on_time] == [0] * 20
        assert len(at.runner.fires) < 60
        await at.sleep(10)
        assert len(at.runner.fires) == 65


async def test_after_a_halt_the_late_ones_are_spread_as_well(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        for number in range(25):
            await at.scheduler.schedule("x", Once(at=at.now + 10_000 + number))
        await at.sleep(1)
        await at.scheduler.stop_all()
        await at.sleep(90)
        assert at.runner.fires == []
        back = at.now
        await at.scheduler.start_all()
        await at.sleep(10)
        assert sum(starts(at, back)) == 25
        assert max(starts(at, back)) == 10


@pytest.mark.usefixtures("clean_host")
async def test_a_host_has_all_that_is_late_within_one_tick(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from scheduled_prompts import set_bot_runner, tick_scheduled_prompts

    async with lab, Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        for _ in range(120):
            await host.add("in 10s")
        await asyncio.sleep(3600)
        before = host.clock.now()
        await tick_scheduled_prompts(host.redis)
        assert len(bot.texts) == 120
        assert 8_000 <= host.clock.now() - before <= 11_000


@pytest.mark.usefixtures("clean_host")
async def test_a_host_catches_up_with_all_that_one_prompt_missed_in_one_tick(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scheduled_prompts import set_bot_runner, tick_scheduled_prompts

    async with lab, Host(lab, monkeypatch) as host:
        bot = Bot(takes=2.0)
        set_bot_runner(bot)
        prompt = await host.add("*/10 * * * *", misfire="all")
        await asyncio.sleep(35 * 60)
        await tick_scheduled_prompts(host.redis)
        assert await host.statuses(prompt) == ["succeeded"] * 3


async def test_after_a_suspend_the_late_ones_are_spread_and_judged_by_how_late_they_are(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, watch_period=1.0)
        for number in range(25):
            await at.scheduler.schedule("x", Once(at=at.now + 600_000 + number))
        once, skip = await at.add("*/10 * * * *"), await at.add("*/10 * * * *", misfire="skip")
        await at.sleep(5)
        clock = at.store.clock
        slept = False

        async def measure_clock() -> None:
            nonlocal slept
            if slept:
                clock._offset_ms += 35 * 60_000
                slept = False

        at.store.measure_clock = measure_clock  # type: ignore[method-assign]
        clock.stepped = lambda: slept  # type: ignore[method-assign]
        slept = True
        back = at.now + 35 * 60_000
        await at.sleep(10)
        assert sum(starts(at, back)) == 26
        assert max(starts(at, back)) == 10
        assert (await at.fire(once)).status == "succeeded"
        assert ((await at.fire(skip)).status, (await at.fire(skip)).reason) == ("missed", "late")
