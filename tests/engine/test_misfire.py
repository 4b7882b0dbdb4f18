"""What becomes of occurrences that passed while nobody could fire them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from scheduled_prompts.engine.due import claim_of
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Cron, Interval, Once
from scheduled_prompts.store.records import EVERYTHING, ClaimItem
from tests.conftest import Lab
from tests.engine.scenes import Scene, Worker, scene
from tests.engine.test_due import DAY, HOUR, MIDNIGHT, a_prompt, claim

MINUTE = 60_000
HOURLY = Cron(expression="0 * * * *")
EVERY_MINUTE = Cron(expression="* * * * *")
SLOW: dict[str, Any] = {"watch_period": 60.0}
"""Timers are punctual all the same."""


# What a claim decides


def judged(item: ClaimItem) -> tuple[int, str]:
    """Which occurrence it is of, in ms from midnight, and why it does not run."""
    return int(item["nominal"]) - MIDNIGHT, item["skip"]


def missed(item: ClaimItem) -> tuple[int, int] | None:
    if not item["missed_from"]:
        return None
    return int(item["missed_from"]) - MIDNIGHT, int(item["missed_until"]) - MIDNIGHT


@pytest.mark.parametrize(
    ("policies", "late", "runs"),
    [
        ({}, HOUR, True),
        ({}, HOUR + 1, False),
        ({"misfire": "all"}, HOUR, True),
        ({"misfire": "all"}, HOUR + 1, False),
        ({"misfire": "skip"}, MINUTE, True),
        ({"misfire": "skip"}, MINUTE + 1, False),
        ({"grace": 5.0}, 5_000, True),
        ({"grace": 5.0}, 5_001, False),
        ({"misfire": "skip", "grace": 7200.0}, 2 * HOUR, True),
    ],
)
def test_what_is_later_than_its_grace_is_missed(policies: dict[str, Any], late: int, runs: bool) -> None:
    item = claim(a_prompt(Cron(expression="0 9 * * *"), **policies), MIDNIGHT + 9 * HOUR + late)
    assert judged(item) == (9 * HOUR, "" if runs else "late")
    assert missed(item) is None
    assert item["next_nominal"] == str(MIDNIGHT + 33 * HOUR)


@pytest.mark.parametrize(
    ("policies", "late", "runs"),
    [
        ({}, 300 * DAY, True),
        ({"misfire": "all"}, 300 * DAY, True),
        ({"misfire": "skip"}, MINUTE, True),
        ({"misfire": "skip"}, MINUTE + 1, False),
        ({"grace": 60.0}, MINUTE + 1, False),
    ],
)
def test_a_one_shot_runs_however_late_unless_it_is_told_otherwise(
    policies: dict[str, Any], late: int, runs: bool
) -> None:
    item = claim(a_prompt(Once(at=MIDNIGHT + 1), **policies), MIDNIGHT + 1 + late)
    assert judged(item) == (1, "" if runs else "late")
    assert item["next_status"] == "executed"


@pytest.mark.parametrize(
    ("policies", "deadline"),
    [
        ({}, str(MIDNIGHT + 2 * HOUR)),
        ({"misfire": "skip"}, str(MIDNIGHT + HOUR + MINUTE)),
        ({"grace": 90.0}, str(MIDNIGHT + HOUR + 90_000)),
    ],
)
def test_a_fire_has_until_its_deadline_to_begin(policies: dict[str, Any], deadline: str) -> None:
    assert claim(a_prompt(HOURLY, **policies), MIDNIGHT + HOUR - 100, 2_000)["deadline"] == deadline


def test_a_one_shot_has_no_deadline() -> None:
    assert claim(a_prompt(Once(at=MIDNIGHT + 1)), MIDNIGHT + HOUR)["deadline"] == ""


def test_of_several_that_passed_the_latest_runs_once_and_is_missed_with_the_rest_where_it_is_too_late() -> None:
    now = MIDNIGHT + 5 * HOUR + 10 * MINUTE
    once = claim(a_prompt(HOURLY), now)
    skip = claim(a_prompt(HOURLY, misfire="skip"), now)
    assert (judged(once), missed(once)) == ((5 * HOUR, ""), (HOUR, 5 * HOUR))
    assert (judged(skip), missed(skip)) == ((5 * HOUR, "late"), (HOUR, 5 * HOUR))


def caught_up(prompt: ScheduledPrompt, now: int) -> tuple[list[int], list[tuple[int, int]]]:
    """What runs, claim by claim, and the missed ranges: ms from midnight."""
    runs, ranges = [], []
    while (item := claim_of(prompt, now, now)) is not None:
        nominal, why = judged(item)
        runs += [nominal] if not why else []
        ranges += [span] if (span := missed(item)) else []
        prompt = prompt.model_copy(
            update={"next_nominal": int(item["next_nominal"]), "next_at": int(item["next_at"]), "last_nominal": nominal}
        )
    return runs, ranges


def test_all_catches_up_in_order_with_the_last_so_many_within_their_grace() -> None:
    now = MIDNIGHT + 8 * HOUR + 10 * MINUTE
    hours = [hour * HOUR for hour in range(1, 9)]
    day = 86_400.0
    assert caught_up(a_prompt(HOURLY, misfire="all", grace=day), now) == (hours, [])
    few = a_prompt(HOURLY, misfire="all", grace=day, catch_up_limit=3)
    assert caught_up(few, now) == (hours[-3:], [(hours[0], hours[-3])])
    fresh = a_prompt(HOURLY, misfire="all", grace=3 * 3600.0)
    assert caught_up(fresh, now) == (hours[-3:], [(hours[0], hours[-3])])
    assert caught_up(a_prompt(HOURLY, grace=day), now) == (hours[-1:], [(hours[0], hours[-1])])


def test_all_with_nothing_within_its_grace_catches_up_with_nothing() -> None:
    prompt = a_prompt(HOURLY, misfire="all", grace=60.0)
    assert caught_up(prompt, MIDNIGHT + 8 * HOUR + 10 * MINUTE) == ([], [(HOUR, 8 * HOUR)])


def test_what_was_to_be_skipped_does_not_count_as_caught_up_with() -> None:
    prompt = a_prompt(HOURLY, misfire="all", grace=86_400.0, catch_up_limit=3).model_copy(
        update={"skips": (MIDNIGHT + 6 * HOUR,)}
    )
    runs, ranges = caught_up(prompt, MIDNIGHT + 8 * HOUR)
    assert (runs, ranges) == ([5 * HOUR, 7 * HOUR, 8 * HOUR], [(HOUR, 5 * HOUR)])


@pytest.mark.parametrize("misfire", ["once", "skip", "all"])
def test_a_month_of_a_minutely_prompt_is_one_range(misfire: str) -> None:
    now = MIDNIGHT + 31 * DAY + 30_000
    runs, ranges = caught_up(a_prompt(EVERY_MINUTE, misfire=misfire), now)
    assert len(ranges) == 1
    assert ranges[0] == (MINUTE, runs[0])
    assert runs == [31 * DAY - n * MINUTE for n in range(9 if misfire == "all" else 0, -1, -1)]


@pytest.mark.parametrize("misfire", ["once", "skip", "all"])
@pytest.mark.parametrize("late", [0, 45, 61, 3_000, 3_601, 4_000, 9_000])
def test_every_occurrence_is_claimed_or_in_one_range(misfire: str, late: int) -> None:
    prompt = a_prompt(Interval(every_ms=600_000, anchor=MIDNIGHT), jitter=300, misfire=misfire, catch_up_limit=4)
    now = MIDNIGHT + 600_000 + late * 1000
    accounted: list[int] = []
    while (item := claim_of(prompt, now, now)) is not None:
        if item["missed_from"]:
            accounted += range(int(item["missed_from"]), int(item["missed_until"]), 600_000)
        accounted.append(int(item["nominal"]))
        prompt = prompt.model_copy(update={"next_nominal": int(item["next_nominal"]), "next_at": int(item["next_at"])})
    assert prompt.next_nominal is not None
    assert accounted == list(range(MIDNIGHT + 600_000, prompt.next_nominal, 600_000))


# After a downtime


async def down(at: Scene, seconds: float) -> None:
    """Nobody is there for so long; then somebody is again."""
    await at.daemon.__aexit__()
    await at.sleep(seconds)
    at.daemon = await at.lab.daemon(at.store, at.runner, **SLOW)
    await at.sleep(1)


async def ends(at: Scene, prompt: str) -> list[tuple[str, str | None]]:
    return [(fire.status.value, fire.reason) for fire in reversed(await at.fires(prompt))]


async def test_a_downtime_longer_than_the_grace_misses_what_passed_and_a_longer_grace_does_not(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **SLOW)
        start = at.now
        usual, patient = await at.add("0 * * * *"), await at.add("0 * * * *", grace=7200.0)
        daily, long = await at.add("0 1 * * *"), await at.add("0 1 * * *", grace=3 * 3600.0)
        await down(at, 3 * 3600 + 60)  # the latest is a minute late
        assert await ends(at, usual) == await ends(at, patient) == [("succeeded", None)]
        assert (await ends(at, daily), await ends(at, long)) == ([("missed", "late")], [("succeeded", None)])
        found = await at.scheduler.get(daily)
        assert (found.failures, found.next_nominal) == (0, start + 25 * HOUR)


async def test_after_a_downtime_skip_catches_up_with_nothing_and_goes_on(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **SLOW)
        start = at.now
        once, skip = await at.add("*/10 * * * *"), await at.add("*/10 * * * *", misfire="skip")
        await down(at, 35 * 60)
        assert await ends(at, once) == [("succeeded", None)]
        assert await ends(at, skip) == [("missed", "late")]
        for prompt in (once, skip):
            [span] = await at.store.spans(prompt)
            assert (span.kind, span.start, span.end) == ("missed", start + 600_000, start + 1_800_000)
        await at.sleep(600)
        assert await ends(at, skip) == [("missed", "late"), ("succeeded", None)]


async def test_a_one_shot_fires_after_a_month_and_one_with_a_grace_does_not(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **SLOW)
        usual, strict = await at.add("in 1m"), await at.add("in 1m", grace=600.0)
        await down(at, 30 * 86_400)
        fire = await at.fire(usual)
        assert fire.status == "succeeded"
        assert (fire.lateness_ms or 0) > 29 * DAY
        assert await ends(at, strict) == [("missed", "late")]
        assert (await at.scheduler.get(strict)).status == "executed"


async def test_a_manual_run_has_no_grace(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **SLOW)
        prompt = await at.add("every 2h", grace=10.0)
        await at.daemon.__aexit__()
        await at.scheduler.run_now(prompt)
        await at.sleep(3600)
        at.daemon = await lab.daemon(at.store, at.runner, **SLOW)
        await at.sleep(61)
        assert await ends(at, prompt) == [("succeeded", None)]


async def test_what_waited_too_long_for_a_slot_is_missed_and_what_has_time_is_not(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100), slots=1, **SLOW)
        hasty, patient = await at.add("every 3m", grace=60.0), await at.add("every 3m", grace=600.0)
        await at.sleep(178)
        await at.add("in 1s", priority=90)
        await at.sleep(120)
        assert await ends(at, hasty) == [("missed", "late")]
        assert [status for status, _ in await ends(at, patient)] == ["running"]


async def test_many_that_waited_too_long_do_not_hold_up_one_that_did_not(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100), slots=1, **SLOW)
        await at.add("in 3s")
        await at.sleep(4)
        late = [await at.add("in 1s", grace=10.0, priority=80) for _ in range(5)]
        good = await at.add("in 1s")
        await at.sleep(102)
        assert [await ends(at, prompt) for prompt in late] == [[("missed", "late")]] * 5
        assert [status for status, _ in await ends(at, good)] == ["running"]


# One at a time


class Diary(Worker):
    """When each began and ended, in seconds after midnight, by the minute it was for."""

    def __init__(self, at_midnight: int, clock: Any, seconds: float) -> None:
        super().__init__(seconds)
        self.midnight = at_midnight
        self.clock = clock
        self.entries: list[tuple[str, int, int]] = []

    def _note(self, what: str, fire: Any) -> None:
        seconds = round((self.clock.now() - self.midnight) / 1000)
        self.entries.append((what, (fire.nominal - self.midnight) // MINUTE, seconds))

    async def run(self, fire: Any) -> str:
        self._note("begins", fire)
        answer = await super().run(fire)
        self._note("ends", fire)
        return answer


async def diary(lab: Lab, seconds: float, **settings: Any) -> tuple[Scene, Diary]:
    store = await lab.store()
    runner = Diary(store.clock.now(), store.clock, seconds)
    return await scene(lab, runner, store=store, **{**SLOW, **settings}), runner


def in_order(runner: Diary) -> list[int]:
    """The minutes that ran, each of which ended before the next one began, and less than a second before that."""
    entries = iter(runner.entries)
    minutes, before = [], None
    for begun, ended in zip(entries, entries, strict=True):
        assert (begun[0], ended[0], begun[1]) == ("begins", "ends", ended[1])
        assert before is None or begun[2] >= before
        minutes.append(begun[1])
        before = ended[2]
    return minutes


async def test_all_catches_up_one_at_a_time_and_at_once_after_each_end(lab: Lab) -> None:
    async with lab:
        at, runner = await diary(lab, 7)
        prompt = await at.add("* * * * *", misfire="all", catch_up_limit=4)
        await down(at, 6 * 60 + 10)
        await at.sleep(35)
        assert runner.entries == [
            (what, minute, 370 + 7 * number + (7 if what == "ends" else 0))
            for number, minute in enumerate([3, 4, 5, 6])
            for what in ("begins", "ends")
        ]
        [span] = await at.store.spans(prompt)
        assert ((span.start or 0) - runner.midnight, (span.end or 0) - runner.midnight) == (MINUTE, 3 * MINUTE)
        await at.sleep(60)  # and it is on time again
        assert runner.entries[-2:] == [("begins", 7, 420), ("ends", 7, 427)]


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace", "allow"])
async def test_catching_up_is_one_at_a_time_whatever_overlap_says(lab: Lab, overlap: str) -> None:
    async with lab:
        at, runner = await diary(lab, 20)
        await at.add("*/10 * * * *", misfire="all", overlap=overlap)
        await down(at, 35 * 60)
        await at.sleep(62)
        assert in_order(runner) == [10, 20, 30]


async def test_what_passes_while_it_catches_up_is_caught_up_with_too(lab: Lab) -> None:
    async with lab:
        at, runner = await diary(lab, 24)
        await at.add("* * * * *", misfire="all", catch_up_limit=5)
        await down(at, 4 * 60 + 30)
        await at.sleep(180)
        assert in_order(runner) == [1, 2, 3, 4, 5, 6, 7]
        assert runner.entries[-2:] == [("begins", 7, 420), ("ends", 7, 444)]


async def test_what_is_due_soon_after_the_catching_up_is_on_time(lab: Lab) -> None:
    async with lab:
        at, _ = await diary(lab, 0.01)
        prompt = await at.add("every 5 seconds", misfire="all")
        claim = at.store.claim

        async def tells_late(items: Any, **kwargs: Any) -> Any:
            answers = await claim(items, **kwargs)
            await at.sleep(0.05)  # what it is to wait for has ended when it is told so
            return answers

        at.store.claim = tells_late  # type: ignore[method-assign]
        await down(at, 13)
        await at.sleep(15)
        late = [(fire.lateness_ms or 0) for fire in reversed(await at.fires(prompt))]
        assert len(late) == 5
        assert late[2:] == [0, 0, 0]
        at.store.claim = claim  # type: ignore[method-assign]


async def test_one_that_waits_its_turn_is_not_looked_at_all_the_time(lab: Lab) -> None:
    async with lab:
        at, runner = await diary(lab, 100)
        prompt = await at.add("* * * * *", misfire="all")
        await at.daemon.__aexit__()
        await at.sleep(200)
        read = 0
        read_prompts = at.store.read_prompts

        async def counted(ids: Any) -> Any:
            nonlocal read
            read += prompt in ids
            return await read_prompts(ids)

        at.store.read_prompts = counted  # type: ignore[method-assign]
        at.daemon = await lab.daemon(at.store, runner, watch_period=0.25)
        await at.sleep(60)
        assert [entry[:2] for entry in runner.entries] == [("begins", 1)]
        assert read <= 2 + 60 // 10
        assert (await at.scheduler.get(prompt)).next_nominal == runner.midnight + 2 * MINUTE
        at.store.read_prompts = read_prompts  # type: ignore[method-assign]


async def test_one_that_waits_goes_on_when_the_fire_before_it_is_cancelled(lab: Lab) -> None:
    async with lab:
        at, runner = await diary(lab, 1000)
        prompt = await at.add("*/10 * * * *", misfire="all")
        await down(at, 25 * 60)
        first = await at.fire(prompt)
        await at.scheduler.cancel_fire(first.id)
        await at.sleep(1)
        assert [entry[1] for entry in runner.entries] == [10, 20]


async def test_one_that_waits_for_a_fire_of_a_dead_daemon_goes_on_after_it(lab: Lab) -> None:
    async with lab:
        at, runner = await diary(lab, 5)
        prompt = await at.add("*/10 * * * *", misfire="all", grace=86_400.0)
        await at.daemon.__aexit__()
        await at.sleep(601)
        [item] = [claim_of(await at.scheduler.get(prompt), at.now, at.now)]
        assert item is not None
        assert await at.store.claim([item]) == ["claimed"]
        await at.store.take(1, lease_ms=60_000, daemon="dead", serves=EVERYTHING, limits=Limits())
        await at.sleep(610)
        at.daemon = await lab.daemon(at.store, runner, watch_period=1.0)
        await at.sleep(30)
        assert runner.entries == []
        await at.sleep(60)
        assert in_order(runner) == [10, 20]


async def test_with_several_daemons_it_is_still_one_at_a_time(lab: Lab) -> None:
    async with lab:
        at, runner = await diary(lab, 20)
        for number in range(3):
            await at.add("*/10 * * * *", f"{number}", misfire="all")
        await at.daemon.__aexit__()
        await at.sleep(35 * 60)
        clock = at.store.clock
        stores = [await lab.store(clock) for _ in range(2)]  # type: ignore[arg-type]
        for store in stores:
            await lab.daemon(store, runner, watch_period=1.0)
        await at.sleep(85)
        for prompt in {fire.prompt_id for fire in runner.begun}:
            fires = (await at.fires(prompt))[::-1]
            assert [(fire.nominal - runner.midnight) // MINUTE for fire in fires] == [10, 20, 30]
            assert [fire.status for fire in fires] == ["succeeded"] * 3
            for before, after in itertools.pairwise(fires):
                # Virtual time may pass before another daemon's message arrives: then it is looked at after a while.
                assert 0 <= (after.started_at or 0) - (before.ended_at or 0) <= 11_000
        assert len(runner.begun) == 9
