"""settle: the end of an attempt, by whoever holds the lease."""

from __future__ import annotations

import pytest

from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claimed,
    crash,
    ending,
    lease_runs_out,
    manual_for,
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
    taken,
)

ENDS = ["succeeded", "failed", "timed_out", "cancelled", "interrupted", "skipped"]


@pytest.mark.parametrize("outcome", ENDS)
async def test_an_ended_fire_has_its_end_and_is_in_no_index_but_history(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        started = store.clock.now()
        await store.clock.sleep(2)
        await settled(
            store, lease, outcome, started_at=started, reason="why", result='{"text":"done"}', error="no — ü\0"
        )
        fire = await read_fire(store, lease.fire.id)
        assert (fire.status, fire.reason, fire.error) == (outcome, "why", "no — ü\0")
        assert (fire.started_at, fire.ended_at) == (started, started + 2000)
        assert fire.result is not None
        assert fire.result.text == "done"
        keys = lab.keys()
        assert "leases" not in keys
        assert f"live:{fire.prompt_id}" not in keys
        assert fire.id in [member for member, _ in keys[f"history:{fire.prompt_id}"]]


async def test_a_fire_to_be_retried_waits_for_its_time(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await retrying(store)
        fire = await read_fire(store, lease.fire.id)
        assert (fire.status, fire.reason, fire.failures, fire.error) == ("retrying", "failed", 1, "no luck")
        assert lab.keys()["retries"] == [(fire.id, float(fire.retry_at or 0))]
        assert (await take(store)).leases == []


async def test_a_fire_that_is_given_back_is_ready_again_with_its_old_place_in_the_queue(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store, next_at=store.clock.now() - 5)
        later = await queued(store)
        await settled(store, lease, "queued", reason="given_back")
        assert [again.fire.id for again in (await take(store)).leases] == [lease.fire.id, later]


async def test_a_success_after_a_failed_attempt_shows_no_error(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await retrying(store)
        await store.clock.sleep(60)
        await reap(store)
        lease = await taken(store)
        await settled(store, lease)
        fire = await read_fire(store, lease.fire.id)
        assert (fire.status, fire.error, fire.reason, fire.failures) == ("succeeded", None, None, 1)


async def test_failures_in_a_row_are_counted_on_the_prompt_until_one_succeeds(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        counts = []
        for outcome in ("failed", "timed_out", "cancelled", "skipped", "interrupted", "failed", "succeeded", "failed"):
            await store.claim([manual_for(store, prompt)])
            await settled(store, await taken(store), outcome, reason="why")
            counts.append((await read(store, prompt)).failures)
        assert counts == [1, 2, 2, 2, 2, 3, 0, 1]


async def test_an_expired_lease_can_be_settled_while_nobody_has_reaped_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await lease_runs_out(store)
        await settled(store, lease)
        assert await reap(store) == []


@pytest.mark.parametrize("outcome", [*ENDS, "retrying", "queued"])
async def test_a_reaped_lease_cannot_be_settled(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await crash(store)
        before = lab.keys()
        assert await settle(store, [ending(store, lease, outcome, retry_at=store.clock.now())]) == ["lost"]
        assert lab.keys() == before


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "retrying", "queued"])
async def test_who_lost_a_fire_cannot_settle_it_while_another_runs_it(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        old = await running(store)
        await crash(store)
        new = await taken(store)
        before = lab.keys()
        assert await settle(store, [ending(store, old, outcome, retry_at=store.clock.now())]) == ["lost"]
        assert lab.keys() == before
        await settled(store, new)


async def test_an_unknown_fire_and_a_fire_that_was_never_taken_are_lost(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await settled(store, lease)
        waiting = await queued(store)
        never_taken, unknown = ending(store, lease), ending(store, lease)
        never_taken["fire"], unknown["fire"] = waiting, lease.fire.id + "9"
        never_taken["token"] = unknown["token"] = ""
        before = lab.keys()
        assert await settle(store, [never_taken, unknown]) == ["lost", "lost"]
        assert lab.keys() == before


@pytest.mark.parametrize("outcome", ["retrying", "queued"])
async def test_a_fire_of_a_cancelled_prompt_is_neither_retried_nor_queued_again(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.cancel(lease.fire.prompt_id)
        await settled(store, lease, outcome, retry_at=store.clock.now(), error="oh")
        fire = await read_fire(store, lease.fire.id)
        assert (fire.status, fire.reason, fire.error) == ("cancelled", "prompt_cancelled", "oh")


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_a_fire_that_ended_before_it_heard_of_the_cancellation_keeps_its_end(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.cancel(lease.fire.prompt_id)
        await settled(store, lease, outcome)
        assert (await read_fire(store, lease.fire.id)).status == outcome


async def test_history_keeps_the_latest_fires_and_forgets_the_rest(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fires = []
        for _ in range(5):
            fires.append(await claimed(store, prompt))
            await settle(store, [ending(store, await taken(store))], keep=3)
            await store.clock.sleep(HOUR / 1000)
        keys = lab.keys()
        assert [fire for fire, _ in keys[f"history:{prompt.id}"]] == fires[2:]
        assert {name for name in keys if name.startswith("fire:")} == {f"fire:{fire}" for fire in fires[2:]}


async def test_history_never_forgets_a_fire_that_has_not_ended(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        hanging = await claimed(store, prompt)
        await taken(store)
        for _ in range(3):
            await store.clock.sleep(1)
            await store.claim([manual_for(store, prompt)])
            await settle(store, [ending(store, await taken(store))], keep=1)
        assert (await read_fire(store, hanging)).status == "running"


async def test_a_fire_that_ends_late_is_in_history_though_newer_ones_have_filled_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        late = await taken(store)
        for _ in range(3):
            await store.clock.sleep(1)
            await store.claim([manual_for(store, prompt)])
            await settle(store, [ending(store, await taken(store))], keep=2)
        item = ending(store, late)
        assert await settle(store, [item], keep=2) == ["settled"]
        assert (await read_fire(store, late.fire.id)).status == "succeeded"
        assert await settle(store, [item], keep=2) == ["settled"]


async def test_each_item_of_a_batch_is_answered_for_itself(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first, second, lost = [await running(store) for _ in range(3)]
        wrong = ending(store, lost)
        wrong["token"] = "another"
        items = [ending(store, first), wrong, ending(store, second, "retrying", retry_at=1)]
        assert await settle(store, items) == ["settled", "lost", "settled"]
        assert (await read_fire(store, lost.fire.id)).status == "running"


async def test_two_ends_of_one_fire_in_one_batch_are_the_first(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        assert await settle(store, [ending(store, lease), ending(store, lease, "failed")]) == ["settled", "settled"]
        assert (await read_fire(store, lease.fire.id)).status == "succeeded"


async def test_an_error_that_is_not_valid_unicode_is_kept_as_far_as_it_can_be(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await settled(store, lease, "failed", error="no such file: caf\udce9")
        assert (await read_fire(store, lease.fire.id)).error == "no such file: caf?"
