"""How many fires ended in five minutes, by how, and how late they started: counted where they end, once."""

from __future__ import annotations

import math

import pytest

from tests.conftest import Lab
from tests.store.steps import (
    claimed,
    crash,
    ending,
    manual_for,
    paused,
    read,
    retrying,
    running,
    saved,
    settle,
    settled,
    take,
)


def counted(lab: Lab) -> dict[str, int]:
    """The counts of all windows together."""
    total: dict[str, int] = {}
    for name, counts in lab.keys().items():
        if name.startswith("ended:"):
            for field, count in counts.items():
                total[field] = total.get(field, 0) + int(count)
    return total


def bucket(late: int) -> str:
    return f"late:{math.floor(8 * math.log2(late + 1))}"


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "timed_out", "cancelled", "interrupted"])
async def test_an_end_is_counted_in_its_window(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.clock.sleep(400)
        await settled(store, lease, outcome, started_at=lease.fire.due)
        assert lab.keys()[f"ended:{store.clock.now() // 300_000}"] == {outcome: "1", "late:0": "1"}


async def test_a_repetition_is_not_counted_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        item = ending(store, lease)
        for _ in range(3):
            await settle(store, [item])
        assert counted(lab) == {"succeeded": 1, "late:0": 1}


async def test_lateness_is_that_of_the_first_attempt(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await retrying(store)
        await store.clock.sleep(60)
        await store.reap(leases=False, max_crashes=3)
        [lease] = (await take(store)).leases
        await settled(store, lease)
        assert counted(lab) == {"succeeded": 1, "late:0": 1}


@pytest.mark.parametrize("late", [0, 1, 7, 250, 3_600_000])
async def test_lateness_is_counted_in_eight_buckets_to_a_doubling(lab: Lab, late: int) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await settled(store, lease, started_at=lease.fire.due + late)
        assert counted(lab) == {"succeeded": 1, bucket(late): 1}


async def test_what_never_started_has_no_lateness(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        await paused(store, prompt)
        await store.claim([manual_for(store, await read(store, prompt))])
        await store.cancel(prompt.id)
        assert counted(lab) == {"skipped": 1, "cancelled": 1}


async def test_a_fire_that_crashed_too_often_is_counted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await running(store)
        for _ in range(2):
            await crash(store)
            await take(store)
        await crash(store)
        assert counted(lab) == {"failed": 1}


async def test_counts_are_kept_for_a_day_and_two_hours(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await settled(store, await running(store))
        [name] = [name for name in lab.keys() if name.startswith("ended:")]
        assert 93_590 < lab.inspector.ttl(lab.prefix + name) <= 93_600
