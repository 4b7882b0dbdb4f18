"""cancel_fire: one fire is not to run, or is asked to stop; its prompt stays as it is."""

from __future__ import annotations

import pytest

from scheduled_prompts.store.records import Refused
from tests.conftest import Lab
from tests.store.steps import (
    claimed,
    crash,
    ending,
    heard,
    queued,
    read,
    read_fire,
    reap,
    retrying,
    running,
    saved,
    settle,
    settled,
    take,
)


async def test_a_fire_that_waits_ends_and_its_prompt_stays_as_it_is(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fire = await claimed(store, prompt)
        before = await read(store, prompt)
        assert await store.cancel_fire(fire) == "ended"
        after = await read_fire(store, fire)
        assert (after.status, after.reason, after.ended_at) == ("cancelled", "fire_cancelled", store.clock.now())
        assert await read(store, prompt) == before
        assert (await take(store)).leases == []


async def test_a_fire_that_waits_for_its_next_attempt_ends(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await retrying(store)
        assert await store.cancel_fire(lease.fire.id) == "ended"
        await store.clock.sleep(120)
        assert await reap(store) == []


async def test_a_fire_that_runs_is_asked_to_stop_and_told(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        announced = heard(lab)
        assert await store.cancel_fire(lease.fire.id) == "asked"
        assert announced() == [{"type": "stop", "fire": lease.fire.id, "take_back": False}]
        assert (await read_fire(store, lease.fire.id)).cancel_requested
        assert await store.extend([(lease.fire.id, lease.token, 1)], lease_ms=60_000) == ["cancel"]
        await settled(store, lease, "cancelled")
        after = await read_fire(store, lease.fire.id)
        assert (after.status, after.reason) == ("cancelled", "fire_cancelled")


async def test_a_fire_that_was_asked_to_stop_and_is_lost_ends_cancelled(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.cancel_fire(lease.fire.id)
        assert await crash(store) == [(lease.fire.id, "cancelled")]


@pytest.mark.parametrize("outcome", ["retrying", "queued"])
async def test_a_fire_that_was_asked_to_stop_does_not_come_again(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.cancel_fire(lease.fire.id)
        await settle(store, [ending(store, lease, outcome, retry_at=1)])
        assert (await read_fire(store, lease.fire.id)).status == "cancelled"
        assert (await take(store)).leases == []


async def test_a_fire_that_ended_is_left_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await settled(store, lease)
        before = lab.keys()
        assert await store.cancel_fire(lease.fire.id) == Refused("succeeded")
        assert lab.keys() == before


async def test_a_fire_that_is_not_there_is_answered_as_gone_and_nothing_is_written(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        before = lab.keys()
        assert await store.cancel_fire(f"{prompt.id}@5") == Refused("gone")
        assert lab.keys() == before


async def test_other_fires_of_the_same_prompt_are_left_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first = await queued(store)
        prompt = first[:26]
        [found] = await store.read_prompts([prompt])
        second = await claimed(store, found)  # type: ignore[arg-type]
        await store.cancel_fire(first)
        assert [lease.fire.id for lease in (await take(store)).leases] == [second]
