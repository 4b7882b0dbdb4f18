"""reap: what lost daemons held is run again or ended, and what waits for its next attempt becomes ready."""

from __future__ import annotations

import pytest

from tests.conftest import Lab
from tests.store.steps import (
    LEASE,
    MAX_CRASHES,
    crash,
    lease_runs_out,
    manual_for,
    read,
    read_fire,
    reap,
    retrying,
    running,
    saved,
    settled,
    take,
    taken,
)


async def test_a_fire_whose_daemon_was_lost_is_ready_again_under_the_same_id(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        assert await crash(store) == [(lease.fire.id, "queued")]
        fire = await read_fire(store, lease.fire.id)
        assert (fire.status, fire.reason, fire.crashes, fire.attempt) == ("queued", "crashed", 1, 1)
        assert "leases" not in set(lab.keys())
        assert "token" not in lab.keys()[f"fire:{fire.id}"]


async def test_a_lease_is_not_reaped_a_millisecond_before_it_ends(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.clock.sleep((LEASE - 1) / 1000)
        assert await reap(store) == []
        await store.clock.sleep(0.001)
        assert await reap(store) == [(lease.fire.id, "queued")]


async def test_leases_are_left_alone_by_who_may_not_reap_them_and_retries_are_not(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        waiting = await retrying(store)
        await running(store)
        await lease_runs_out(store)
        assert await reap(store, leases=False) == [(waiting.fire.id, "retried")]


async def test_a_fire_that_loses_its_daemon_too_often_fails(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.claim([manual_for(store, prompt)])
        outcomes = []
        for _ in range(MAX_CRASHES):
            await taken(store)
            outcomes += await crash(store)
        assert [outcome for _, outcome in outcomes] == ["queued", "queued", "failed"]
        fire = await read_fire(store, outcomes[0][0])
        assert (fire.status, fire.reason, fire.crashes, fire.attempt) == ("failed", "crashed", 3, 3)
        assert fire.error == "the daemon that ran it was lost, 3 times"
        assert (await read(store, prompt)).failures == 1


async def test_with_interrupt_a_fire_that_had_started_is_not_run_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store, on_crash="interrupt")
        await store.extend([(lease.fire.id, lease.token, store.clock.now())], lease_ms=LEASE)
        assert await crash(store) == [(lease.fire.id, "interrupted")]
        fire = await read_fire(store, lease.fire.id)
        assert (fire.status, fire.reason, fire.error) == ("interrupted", "crashed", "the daemon that ran it was lost")
        assert (await take(store)).leases == []


async def test_with_interrupt_a_fire_that_had_not_started_is_run_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store, on_crash="interrupt")
        assert await crash(store) == [(lease.fire.id, "queued")]


async def test_with_interrupt_the_start_of_an_earlier_attempt_does_not_count(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first = await retrying(store, on_crash="interrupt")
        assert (await read_fire(store, first.fire.id)).started_at is not None
        await store.clock.sleep(60)
        await reap(store)
        await taken(store)
        assert await crash(store) == [(first.fire.id, "queued")]


async def test_with_rerun_a_fire_that_had_started_is_run_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store, on_crash="rerun")
        await store.extend([(lease.fire.id, lease.token, store.clock.now())], lease_ms=LEASE)
        assert await crash(store) == [(lease.fire.id, "queued")]


@pytest.mark.parametrize("on_crash", ["rerun", "interrupt"])
async def test_a_lost_fire_of_a_cancelled_prompt_ends_cancelled(lab: Lab, on_crash: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, on_crash=on_crash)
        await store.claim([manual_for(store, prompt)])
        lease = await taken(store)
        await store.extend([(lease.fire.id, lease.token, store.clock.now())], lease_ms=LEASE)
        await store.cancel(prompt.id)
        assert await crash(store) == [(lease.fire.id, "cancelled")]
        assert (await read_fire(store, lease.fire.id)).reason == "prompt_cancelled"


async def test_a_retry_is_ready_when_its_time_has_come_and_not_before(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await retrying(store)
        await store.clock.sleep(59.999)
        assert await reap(store) == []
        await store.clock.sleep(0.001)
        assert await reap(store) == [(lease.fire.id, "retried")]
        assert (await read_fire(store, lease.fire.id)).status == "queued"
        assert (await taken(store)).fire.failures == 1


async def test_a_reaped_fire_keeps_its_place_in_the_queue(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        first = await running(store, next_at=now - 5, priority=80)
        second = await running(store, next_at=now - 9, priority=70)
        await crash(store)
        assert [lease.fire.id for lease in (await take(store)).leases] == [first.fire.id, second.fire.id]


async def test_at_most_a_batch_is_reaped_at_once_and_the_rest_by_the_next_call(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        for _ in range(2):
            await store.claim([manual_for(store, prompt) for _ in range(300)])
            await take(store)
        await lease_runs_out(store)
        assert [len(await reap(store)) for _ in range(3)] == [500, 100, 0]
        assert len((await take(store)).leases) == 500


async def test_a_settled_fire_is_never_reaped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await settled(store, await running(store))
        assert await crash(store) == []


async def test_a_lease_without_its_fire_is_dropped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        prompt_id = lease.fire.prompt_id
        lab.inspector.delete(store.keys.fire(lease.fire.id), store.keys.live(prompt_id), store.keys.history(prompt_id))
        assert await crash(store) == []
        assert "leases" not in set(lab.keys())
