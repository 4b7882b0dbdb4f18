"""pause and resume: a prompt fires no more for a while, and what it would have fired meanwhile is accounted for."""

from __future__ import annotations

import pytest

from scheduled_prompts.store.records import Refused
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    LEASE,
    claim_for,
    claimed,
    crash,
    damage,
    edited,
    ending,
    heard,
    manual_for,
    new_prompt,
    paused,
    read,
    read_fire,
    reap,
    resumed,
    retrying,
    running,
    saved,
    settle,
    settled,
    skipping,
    take,
    taken,
)


async def test_a_paused_prompt_is_due_no_more_and_says_since_when_and_why(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.clock.sleep(5)
        assert await store.pause(prompt.id, reason="requested", note="holidays") == 0
        after = await read(store, prompt)
        assert (after.status, after.paused_at, after.pause_reason, after.pause_note) == (
            "paused",
            store.clock.now(),
            "requested",
            "holidays",
        )
        assert (after.version, after.seq, after.next_at) == (2, 1, prompt.next_at)
        assert "due:default" not in set(lab.keys())


async def test_a_claim_on_old_reads_is_lost_after_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        claim = claim_for(prompt)
        await paused(store, prompt)
        assert await store.claim([claim]) == ["lost"]
        assert await store.claim([claim_for(await read(store, prompt))]) == ["lost"]
        assert not await store.retime(await read(store, prompt), store.clock.now() + 5, store.clock.now() + 5)


async def test_what_waits_is_taken_back_by_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fire = await claimed(store, prompt)
        assert await store.pause(prompt.id, reason="requested") == 1
        after = await read_fire(store, fire)
        assert (after.status, after.reason) == ("skipped", "paused")
        assert (await take(store)).leases == []


async def test_what_waits_for_its_next_attempt_is_taken_back_by_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await retrying(store)
        assert await store.pause(lease.fire.prompt_id, reason="requested") == 1
        assert (await read_fire(store, lease.fire.id)).status == "skipped"
        assert "retries" not in set(lab.keys())


async def test_what_runs_goes_on_through_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        assert await store.pause(lease.fire.prompt_id, reason="requested") == 0
        assert await store.extend([(lease.fire.id, lease.token, 1)], lease_ms=1) == ["ok"]
        await settled(store, lease)
        assert (await read_fire(store, lease.fire.id)).status == "succeeded"


async def test_a_manual_run_is_not_taken_back_by_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.claim([manual_for(store, prompt)])
        assert await store.pause(prompt.id, reason="requested") == 0
        assert await store.claim([manual_for(store, prompt)]) == ["lost"]  # it has another version by now
        assert await store.claim([manual_for(store, await read(store, prompt))]) == ["claimed"]
        assert len((await take(store)).leases) == 2


async def test_what_is_in_hand_ahead_of_its_time_is_asked_to_stop_by_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        await claimed(store, prompt)
        lease = await taken(store)
        announced = heard(lab)
        assert await store.pause(prompt.id, reason="requested") == 1
        assert [message["type"] for message in announced()] == ["paused", "stop"]
        assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=60_000) == ["take_back"]
        await settled(store, lease, "cancelled")
        after = await read_fire(store, lease.fire.id)
        assert (after.status, after.reason) == ("skipped", "paused")


async def test_what_started_before_it_heard_that_it_was_taken_back_ends_as_it_ends(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        await claimed(store, prompt)
        lease = await taken(store)
        await paused(store, prompt)
        await store.clock.sleep(3)
        await settled(store, lease)
        assert (await read_fire(store, lease.fire.id)).status == "succeeded"


@pytest.mark.parametrize("end", ["crash", "given back", "retry"])
async def test_what_was_taken_back_does_not_come_again(lab: Lab, end: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        await claimed(store, prompt)
        lease = await taken(store)
        await paused(store, prompt)
        if end == "crash":
            assert await crash(store) == [(lease.fire.id, "skipped")]
        elif end == "given back":
            await settle(store, [ending(store, lease, "queued")])
        else:
            await settle(store, [ending(store, lease, "retrying", retry_at=store.clock.now())])
        assert await reap(store, leases=False) == []
        assert (await read_fire(store, lease.fire.id)).reason == "paused"
        assert (await take(store)).leases == []


async def test_a_cancellation_is_not_weakened_to_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        await claimed(store, prompt)
        lease = await taken(store)
        assert await store.cancel_fire(lease.fire.id) == "asked"
        await paused(store, prompt)
        assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=60_000) == ["cancel"]
        await settled(store, lease, "cancelled")
        assert (await read_fire(store, lease.fire.id)).reason == "fire_cancelled"


@pytest.mark.parametrize("status", ["paused", "cancelled", "executed", "quarantined"])
async def test_only_what_is_armed_can_be_paused(lab: Lab, status: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        if status == "paused":
            await paused(store, prompt)
        elif status == "cancelled":
            await store.cancel(prompt.id)
        elif status == "executed":
            await claimed(store, prompt)
        else:
            await store.quarantine(prompt, "broken")
        before = lab.keys()
        answer = await store.pause(prompt.id, reason="requested")
        assert isinstance(answer, Refused)
        assert answer.status == status
        assert lab.keys() == before


async def test_a_pause_on_a_version_that_is_not_the_present_one_is_refused(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await edited(store, prompt, text="x")
        assert await store.pause(prompt.id, version=1, reason="requested") == Refused("active", "2")
        assert await store.pause(prompt.id, version=2, reason="requested") == 0


async def test_what_is_gone_is_neither_paused_nor_resumed(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = new_prompt(store)
        before = lab.keys()
        assert await store.pause(prompt.id, reason="requested") == Refused("gone")
        assert await store.resume(prompt, "active", 1, 1) == Refused("gone")
        assert lab.keys() == before


async def test_a_resumed_prompt_is_due_again_and_nothing_of_the_pause_is_left(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.pause(prompt.id, reason="requested", note="why")
        await store.clock.sleep(HOUR / 1000)
        due = store.clock.now() + HOUR
        after = await resumed(store, prompt, next_at=due)
        assert (after.status, after.next_at, after.version, after.seq) == ("active", due, 3, 2)
        assert (after.paused_at, after.pause_reason, after.pause_note) == (None, None, None)
        assert lab.keys()["due:default"] == [(prompt.id, float(due))]


async def test_the_account_tells_what_a_pause_kept_from_firing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        since = store.clock.now()
        await store.pause(prompt.id, reason="requested", note="why")
        await store.clock.sleep(HOUR / 1000)
        due = store.clock.now() + HOUR
        await resumed(store, prompt, next_at=due)
        began, span = await store.spans(prompt.id)
        assert (began.kind, began.at, began.start, began.reason, began.note) == (
            "paused",
            since,
            prompt.next_nominal,
            "requested",
            "why",
        )
        assert (span.kind, span.start, span.end, span.since, span.reason, span.note) == (
            "resumed",
            prompt.next_nominal,
            due,
            since,
            "requested",
            "why",
        )


@pytest.mark.parametrize("status", ["active", "cancelled", "executed"])
async def test_only_what_is_paused_is_resumed(lab: Lab, status: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=status == "executed")
        if status == "cancelled":
            await store.cancel(prompt.id)
        elif status == "executed":
            await claimed(store, prompt)
        now = await read(store, prompt)
        before = lab.keys()
        assert await store.resume(now, "active", HOUR, HOUR) == Refused(status, str(now.version))
        assert lab.keys() == before


async def test_a_resumption_on_old_reads_is_refused(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        old = await paused(store, prompt)
        await edited(store, prompt, platform="mail", next_at=store.clock.now() + 3 * HOUR)
        before = lab.keys()
        assert await store.resume(old, "active", HOUR, HOUR) == Refused("paused", "3")
        assert lab.keys() == before


async def test_a_pause_and_its_end_do_not_let_an_old_claim_pass(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        claim = claim_for(prompt)
        await paused(store, prompt)
        await resumed(store, prompt, next_at=prompt.next_at or 0)
        assert await store.claim([claim]) == ["lost"]


async def test_what_was_claimed_ahead_of_a_pause_is_not_claimed_again_after_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        due = store.clock.now() + 2_000
        prompt = await saved(store, next_at=due)
        await claimed(store, prompt)
        now = await paused(store, prompt)
        assert await store.resume(now, "active", due, due) == Refused("paused", "2")


async def test_only_skips_still_to_come_outlast_a_pause(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        due = prompt.next_at or 0
        await skipping(store, prompt, due + HOUR, due + 3 * HOUR)
        await paused(store, prompt)
        assert (await resumed(store, prompt, next_at=due + 2 * HOUR)).skips == (due + 3 * HOUR,)


async def test_a_pause_holds_though_the_list_of_live_fires_is_no_list(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        damage(lab, f"live:{prompt.id}")
        assert await store.pause(prompt.id, reason="requested") == 0
        lab.inspector.delete(f"{lab.prefix}live:{prompt.id}")


@pytest.mark.parametrize(("outcome", "end"), [("retrying", "failed"), ("queued", "interrupted")])
async def test_what_ran_when_its_prompt_was_paused_gets_no_next_attempt(lab: Lab, outcome: str, end: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.pause(lease.fire.prompt_id, reason="requested")
        await settled(store, lease, outcome, retry_at=store.clock.now(), error="oh")
        fire = await read_fire(store, lease.fire.id)
        assert (fire.status, fire.reason) == (end, "paused")
        assert not await reap(store)


async def test_what_was_lost_with_its_daemon_is_not_run_again_while_its_prompt_is_paused(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.extend([(lease.fire.id, lease.token, store.clock.now())], lease_ms=LEASE)
        await store.pause(lease.fire.prompt_id, reason="requested")
        await store.clock.sleep(2 * LEASE / 1000)
        assert await reap(store) == [(lease.fire.id, "interrupted")]
        assert (await read_fire(store, lease.fire.id)).reason == "paused"
