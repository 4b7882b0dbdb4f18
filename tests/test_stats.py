"""`Scheduler.stats`: how things stand, in numbers."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.runners.contract import Permanent
from scheduled_prompts.scheduler.stats import HOUR_MS, Ended, hours_until, percentile
from scheduled_prompts.store.script import _PRELUDE
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.scenes import Worker, scene

PRECISION = 2 ** (1 / 8)


def bucket(lateness: int) -> int:
    """As `count_lateness` in the prelude has it."""
    return math.floor(8 * math.log(lateness + 1) / math.log(2))


def nearest_rank(values: list[int], share: float) -> int:
    return sorted(values)[math.ceil(share * len(values)) - 1]


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=300), st.sampled_from([0.5, 0.99]))
def test_a_percentile_is_never_less_than_the_exact_one_and_hardly_more(values: list[int], share: float) -> None:
    exact = nearest_rank(values, share)
    said = percentile(Counter(map(bucket, values)), share)
    assert said is not None
    assert exact <= said <= exact * PRECISION + 1
    if exact <= 14:
        assert said == exact
    else:
        assert said <= exact * 1.091


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None


async def test_lua_puts_a_lateness_into_the_bucket_that_is_meant(lab: Lab) -> None:
    numbers = [*range(200), *(2**n + d for n in range(8, 32) for d in (-2, -1, 0, 1)), -5]
    source = f"""{_PRELUDE}
    for _, late in ipairs(cjson.decode(ARGV[3])) do count_lateness(late) end
    return redis.call('HGETALL', ended_key(0))"""
    flat = lab.inspector.eval(source, 1, f"{lab.prefix}meta", "", "0", str(numbers))
    found = dict(zip(flat[::2], map(int, flat[1::2]), strict=True))
    assert found == Counter(f"late:{bucket(max(0, number))}" for number in numbers)


async def test_lateness_is_that_of_the_fires_themselves(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(1), slots=1, watch_period=0.25)
        ids = [await at.add("in 5s") for _ in range(12)]
        await at.sleep(60)
        exact = [(await at.fire(prompt)).lateness_ms for prompt in ids]
        late = [one for one in exact if one is not None]
        stats = await at.scheduler.stats()
        assert stats.lateness.started == len(late) == 12
        assert stats.lateness.p50 is not None
        assert stats.lateness.p99 is not None
        assert nearest_rank(late, 0.5) <= stats.lateness.p50 <= nearest_rank(late, 0.5) * PRECISION + 1
        assert max(late) <= stats.lateness.p99 <= max(late) * PRECISION + 1
        assert stats.lateness.p99 > 10_000


async def test_a_store_that_was_never_used_has_stats(lab: Lab) -> None:
    async with lab:
        stats = await (await lab.scheduler(await lab.store())).stats()
        assert (stats.due_now, stats.oldest_due, stats.next_due) == (0, None, None)
        assert (stats.waiting, stats.running, stats.retrying, stats.quarantined) == (0, 0, 0, 0)
        assert stats.last_hour == Ended()
        assert stats.lateness == (0, None, None)
        assert [hour.ended for hour in stats.hours] == [Ended()] * 24
        assert stats.daemons == []


async def test_who_is_due_and_who_comes_next(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("a", "in 10s")).prompt
        await scheduler.schedule("b", "in 15s", platform="chat")
        stats = await scheduler.stats()
        assert (stats.due_now, stats.oldest_due, stats.next_due) == (0, None, (prompt.id, prompt.next_at))
        await store.clock.sleep(12)
        stats = await scheduler.stats()
        assert (stats.due_now, stats.oldest_due, stats.next_due) == (1, (prompt.id, prompt.next_at), None)
        assert stats.by_status["scheduled"] == 2


async def test_what_ended_is_told_by_the_hour_and_for_the_last_one(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        runners = {"good": RecordingRunner(), "bad": RecordingRunner(Permanent("no"))}
        await lab.daemon(store, runners, watch_period=60, heartbeat_period=60)
        start = store.clock.now()
        for minutes, runner in [(10, "good"), (70, "good"), (80, "bad"), (130, "bad"), (170, "good")]:
            await scheduler.schedule("x", f"in {minutes}m", runner=runner)
        skipped = (await scheduler.schedule("y", "in 171m", runner="good")).prompt
        await scheduler.skip(skipped.id, "next")
        await store.clock.sleep(178 * 60)
        stats = await scheduler.stats()
        assert [(hour.start - start) // HOUR_MS for hour in stats.hours] == list(range(-21, 3))
        assert [hour.ended for hour in stats.hours[-4:]] == [Ended(), Ended(1), Ended(1, 1), Ended(1, 1, 1)]
        assert stats.last_hour == Ended(1, 1, 1)
        assert stats.lateness.started == 2, "what was skipped did not start"


async def test_daemons_say_how_busy_they_are(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(20), slots=3, heartbeat_period=1)
        await at.add("in 1s")
        await at.sleep(5)
        stats = await at.scheduler.stats()
        [daemon] = stats.daemons
        assert (daemon.slots, daemon.running, stats.running) == (3, 1, 1)
        await at.sleep(20)


@pytest.mark.parametrize(
    ("timezone", "now", "first", "last"),
    [
        ("UTC", "2026-06-01T10:30:00Z", "2026-05-31T11:00:00Z", "2026-06-01T10:00:00Z"),
        ("Asia/Kolkata", "2026-06-01T10:40:00Z", "2026-05-31T11:30:00Z", "2026-06-01T10:30:00Z"),
        ("Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T13:00:00Z", "2026-10-25T12:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-05T02:10:00Z", "2026-04-04T03:00:00Z", "2026-04-05T01:30:00Z"),
    ],
)
def test_hours_are_those_of_the_zone_s_clock(timezone: str, now: str, first: str, last: str) -> None:
    starts = hours_until(_ms(now), timezone)
    assert (len(starts), starts[0], starts[-1]) == (24, _ms(first), _ms(last))
    assert starts == sorted(set(starts))


def test_every_hour_is_longer_than_nothing_whatever_the_zone_does() -> None:
    draw = random.Random(1)
    for name in ("Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu"):
        for _ in range(50):
            starts = hours_until(draw.randrange(_ms("2010-01-01T00:00:00Z"), _ms("2030-01-01T00:00:00Z")), name)
            assert all(later - earlier in (HOUR_MS, HOUR_MS // 2) for earlier, later in itertools.pairwise(starts))


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
