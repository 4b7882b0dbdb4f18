"""A script that runs twice, because its first answer was lost, answers the same and changes nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scheduled_prompts.store import Store
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    HOUR,
    LEASE,
    claim_for,
    claimed,
    crash,
    edit_of,
    edited,
    ending,
    lease_runs_out,
    manual_for,
    new_prompt,
    paused,
    pending,
    queued,
    read,
    read_fire,
    reap,
    retrying,
    running,
    saved,
    settle,
    settled,
    skipping,
    take,
    taken,
)

Call = Callable[[], Awaitable[Any]]
Case = Callable[[Store], Awaitable[Call]]


async def creating(store: Store) -> Call:
    prompt = new_prompt(store, owner="ann", agent="bot", key="daily")
    return lambda: store.create(prompt, op="op")


async def creating_with_a_taken_key(store: Store) -> Call:
    await saved(store, key="daily")
    prompt = new_prompt(store, key="daily")
    return lambda: store.create(prompt, op="op")


async def retiming(store: Store) -> Call:
    prompt = await saved(store)
    return lambda: store.retime(prompt, store.clock.now() + HOUR, store.clock.now() + HOUR, op="op")


async def retiming_what_changed(store: Store) -> Call:
    prompt = await saved(store)
    await claimed(store, prompt)
    return lambda: store.retime(prompt, store.clock.now() + HOUR, store.clock.now() + HOUR, op="op")


async def claiming(store: Store) -> Call:
    recurring, once, lost = await saved(store), await saved(store, once=True), await saved(store)
    await claimed(store, lost)
    items = [claim_for(recurring, missed_from=0), claim_for(once), claim_for(lost), manual_for(store, recurring)]
    items.append(claim_for(new_prompt(store)))
    return lambda: store.claim(items, op="op")


async def taking(store: Store) -> Call:
    for _ in range(3):
        await queued(store)
    return lambda: store.take(2, lease_ms=LEASE, daemon="d", serves=EVERYTHING, op="op")


async def extending(store: Store) -> Call:
    lease, asked = await running(store), await running(store)
    await store.cancel(asked.fire.prompt_id)
    await store.clock.sleep(5)
    items = [(lease.fire.id, lease.token, store.clock.now()), (asked.fire.id, asked.token, None), ("no", "no", 1)]
    return lambda: store.extend(items, lease_ms=LEASE)


def settling(outcome: str) -> Case:
    async def case(store: Store) -> Call:
        lease = await running(store)
        again = store.clock.now() + 5 if outcome == "retrying" else None
        item = ending(store, lease, outcome, retry_at=again, error="e", result="{}")
        return lambda: settle(store, [item], keep=1)

    return case


async def settling_what_was_cancelled(store: Store) -> Call:
    prompt = await saved(store)
    await claimed(store, prompt)
    lease = await taken(store)
    await store.cancel(prompt.id)
    item = ending(store, lease, "retrying", retry_at=1)
    return lambda: settle(store, [item])


async def settling_more_than_history_holds(store: Store) -> Call:
    prompt = await saved(store)
    await store.claim([manual_for(store, prompt) for _ in range(4)])
    items = [ending(store, lease) for lease in (await take(store)).leases]
    return lambda: settle(store, items, keep=1)


async def reaping(store: Store) -> Call:
    await running(store)
    started = await running(store, on_crash="interrupt")
    await store.extend([(started.fire.id, started.token, 1)], lease_ms=LEASE)
    await retrying(store)
    await lease_runs_out(store)
    return lambda: reap(store, op="op")


async def reaping_nothing(store: Store) -> Call:
    await running(store)
    return lambda: reap(store, op="op")


async def cancelling(store: Store) -> Call:
    prompt = await saved(store)
    await claimed(store, prompt)
    await taken(store)
    await store.claim([manual_for(store, prompt)])
    return lambda: store.cancel(prompt.id, op="op")


async def cancelling_what_ended(store: Store) -> Call:
    prompt = await saved(store)
    await store.cancel(prompt.id)
    return lambda: store.cancel(prompt.id, op="op")


async def editing(store: Store) -> Call:
    prompt = await saved(store, platform="chat", agent="bot")
    await claimed(store, prompt)
    item = edit_of(await read(store, prompt), text="new", platform="mail", agent="clerk")
    return lambda: store.edit(item, op="op")


async def rescheduling(store: Store) -> Call:
    prompt = await saved(store, once=True, key="k", next_at=store.clock.now() + 2_000)
    await claimed(store, prompt)
    await taken(store)
    item = edit_of(await read(store, prompt), next_at=store.clock.now() + HOUR)
    return lambda: store.edit(item, op="op")


async def editing_what_changed(store: Store) -> Call:
    prompt = await saved(store)
    await edited(store, prompt, text="new")
    return lambda: store.edit(edit_of(prompt, text="newer"), op="op")


async def repairing(store: Store) -> Call:
    prompt = await saved(store)
    await store.quarantine(prompt, "broken")
    item = edit_of(await read(store, prompt), next_at=store.clock.now() + HOUR)
    return lambda: store.edit(item, op="op")


async def pausing(store: Store) -> Call:
    prompt = await saved(store)
    await claimed(store, prompt)
    return lambda: store.pause(prompt.id, reason="requested", note="why", op="op")


async def resuming(store: Store) -> Call:
    prompt = await paused(store, await skipping(store, await saved(store), store.clock.now() + 9 * HOUR))
    due = store.clock.now() + HOUR
    return lambda: store.resume(prompt, "active", due, due, op="op")


async def asking(store: Store) -> Call:
    prompt = new_prompt(store, status="pending_approval", pending_since=1, pending_until=9 * 10**12, pending_why="so")
    return lambda: store.create(prompt, op="op")


async def asking_by_an_edit(store: Store) -> Call:
    prompt = await saved(store)
    await claimed(store, prompt)
    item = edit_of(await read(store, prompt), text="new")
    return lambda: store.edit({**item, "approval": {"until": "9000000000000", "why": "so"}}, op="op")


async def approving(store: Store) -> Call:
    prompt, due = await pending(store), store.clock.now() + HOUR
    return lambda: store.approve(prompt, "active", due, due, note="fine", by="eve", op="op")


async def approving_too_late(store: Store) -> Call:
    prompt, due = await pending(store, seconds=0), store.clock.now() + HOUR
    return lambda: store.approve(prompt, "active", due, due, op="op")


async def rejecting(store: Store) -> Call:
    prompt = await pending(store)
    return lambda: store.reject(prompt.id, note="no", by="eve", op="op")


async def expiring(store: Store) -> Call:
    await pending(store, seconds=0)
    await pending(store)
    return lambda: store.expire_approvals(op="op")


async def skipping_one(store: Store) -> Call:
    prompt = await saved(store)
    due = prompt.next_at or 0
    return lambda: store.skip("skip", prompt, due, [due], op="op")


async def skipping_what_was_claimed_ahead(store: Store) -> Call:
    due = store.clock.now() + 100_000
    prompt = await saved(store, next_at=due)
    await claimed(store, prompt)
    return lambda: store.skip("skip", prompt, due, [due], op="op")


async def unskipping(store: Store) -> Call:
    prompt = await saved(store)
    due = prompt.next_at or 0
    after = await skipping(store, prompt, due)
    return lambda: store.skip("unskip", after, due, [], op="op")


async def cancelling_a_fire_that_waits(store: Store) -> Call:
    fire = await queued(store)
    return lambda: store.cancel_fire(fire, op="op")


async def cancelling_a_fire_that_runs(store: Store) -> Call:
    lease = await running(store)
    return lambda: store.cancel_fire(lease.fire.id, op="op")


async def setting_aside(store: Store) -> Call:
    prompt = await saved(store)
    return lambda: store.quarantine(prompt, "broken", op="op")


async def purging(store: Store) -> Call:
    over, living = await saved(store, once=True, key="k"), await saved(store)
    for prompt in (over, living):
        await claimed(store, prompt)
        await settled(store, await taken(store))
    return lambda: store.purge([over, living], store.clock.now() + 1, op="op")


async def beating(store: Store) -> Call:
    return lambda: store.heartbeat("daemon", "{}")


CASES: list[Case] = [
    creating,
    creating_with_a_taken_key,
    retiming,
    retiming_what_changed,
    claiming,
    taking,
    extending,
    *(settling(outcome) for outcome in ("succeeded", "failed", "cancelled", "retrying", "queued")),
    settling_what_was_cancelled,
    settling_more_than_history_holds,
    reaping,
    reaping_nothing,
    cancelling,
    cancelling_what_ended,
    cancelling_a_fire_that_waits,
    cancelling_a_fire_that_runs,
    editing,
    rescheduling,
    editing_what_changed,
    repairing,
    pausing,
    resuming,
    asking,
    asking_by_an_edit,
    approving,
    approving_too_late,
    rejecting,
    expiring,
    skipping_one,
    skipping_what_was_claimed_ahead,
    unskipping,
    setting_aside,
    purging,
    beating,
]


@pytest.mark.parametrize("case", CASES)
async def test_a_repetition_answers_the_same_and_changes_nothing(lab: Lab, case: Case) -> None:
    async with lab:
        store = await lab.store()
        call = await case(store)
        first = await call()
        before = lab.keys()
        second = await call()
        assert lab.keys() == before
        if case is taking:  # "how many more are ready" is not kept: the next look says it
            first, second = first._replace(waiting=0), second._replace(waiting=0)
        assert second == first


@pytest.mark.parametrize("case", [case for case in CASES if case not in (extending, beating, reaping_nothing)])
async def test_a_repetition_a_minute_later_changes_nothing_either(lab: Lab, case: Case) -> None:
    # Not `extend` and `heartbeat`: to say later that one still lives is what they are for. Not an empty `reap`: who
    # never heard that there was nothing may as well hear what there is now.
    async with lab:
        store = await lab.store()
        call = await case(store)
        first = await call()
        before = lab.keys()
        await store.clock.sleep(90)
        second = await call()
        assert lab.keys() == before
        assert type(second) is type(first)


async def test_a_repeated_creation_after_the_prompt_was_cancelled_does_not_bring_it_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = new_prompt(store, key="daily")
        assert await store.create(prompt, op="op") is None
        await store.cancel(prompt.id)
        before = lab.keys()
        assert await store.create(prompt, op="op") is None
        assert lab.keys() == before


async def test_a_repeated_claim_after_its_fire_was_taken_and_settled_answers_claimed_and_changes_nothing(
    lab: Lab,
) -> None:
    async with lab:
        store = await lab.store()
        items = [claim_for(await saved(store)), claim_for(await saved(store, once=True))]
        assert await store.claim(items, op="op") == ["claimed", "claimed"]
        one, _ = (await take(store)).leases
        await settled(store, one)
        before = lab.keys()
        assert await store.claim(items, op="op") == ["claimed", "claimed"]
        assert lab.keys() == before


async def test_a_repeated_manual_claim_after_its_fire_was_purged_does_not_run_it_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        item = manual_for(store, prompt)
        await store.claim([item], op="op")
        await settle(store, [ending(store, lease) for lease in (await take(store)).leases])
        await store.purge([prompt], store.clock.now() + 1)
        before = lab.keys()
        assert await store.claim([item], op="op") == ["claimed"]
        assert lab.keys() == before


async def test_a_repeated_take_takes_nothing_that_became_ready_meanwhile(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first = await queued(store)
        await take(store, op="op")
        second = await queued(store)
        assert [lease.fire.id for lease in (await take(store, op="op")).leases] == [first]
        assert (await read_fire(store, second)).status == "queued"


async def test_a_repeated_take_hands_out_nothing_that_was_settled_meanwhile(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store)
        await queued(store)
        one, other = (await take(store, op="op")).leases
        await settled(store, one)
        before = lab.keys()
        assert [lease.fire.id for lease in (await take(store, op="op")).leases] == [other.fire.id]
        assert lab.keys() == before


async def test_a_repeated_take_hands_out_nothing_that_is_in_other_hands_by_now(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store)
        await take(store, op="op")
        await crash(store)
        assert (await take(store, op="op")).leases == []
        other = (await take(store, op="other")).leases
        before = lab.keys()
        assert (await take(store, op="op")).leases == []
        assert lab.keys() == before
        await settled(store, other[0])


async def test_a_repeated_take_after_the_prompt_was_cancelled_says_so(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        await take(store, op="op")
        await store.cancel(prompt.id)
        [lease] = (await take(store, op="op")).leases
        assert lease.fire.cancel_requested


async def test_a_repeated_take_of_nothing_may_take_what_is_ready_now(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert (await take(store, op="op")).leases == []
        fire = await queued(store)
        assert [lease.fire.id for lease in (await take(store, op="op")).leases] == [fire]


@pytest.mark.parametrize("outcome", ["succeeded", "retrying", "queued"])
async def test_a_repeated_settling_after_the_fire_was_taken_again_is_lost(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        again = ending(store, lease, outcome, retry_at=store.clock.now())
        if outcome == "succeeded":
            await crash(store)
        else:
            assert await settle(store, [again]) == ["settled"]
            await reap(store, leases=False)
        new = await taken(store)
        before = lab.keys()
        assert await settle(store, [again]) == ["lost"]
        assert lab.keys() == before
        await settled(store, new)


async def test_a_repeated_settling_of_a_retry_that_became_ready_meanwhile_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        item = ending(store, lease, "retrying", retry_at=store.clock.now())
        await settle(store, [item])
        await reap(store, leases=False)
        before = lab.keys()
        assert await settle(store, [item]) == ["settled"]
        assert lab.keys() == before


async def test_a_repeated_settling_of_a_retry_that_was_cancelled_meanwhile_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        item = ending(store, await taken(store), "retrying", retry_at=store.clock.now())
        await settle(store, [item])
        await store.cancel(prompt.id)
        before = lab.keys()
        assert await settle(store, [item]) == ["settled"]
        assert lab.keys() == before


async def test_a_repeated_reaping_after_the_fire_was_taken_again_leaves_it_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await running(store)
        await lease_runs_out(store)
        first = await reap(store, op="op")
        await taken(store)
        await lease_runs_out(store)
        before = lab.keys()
        assert await reap(store, op="op") == first
        assert lab.keys() == before


async def test_a_repeated_purge_leaves_alone_what_ended_meanwhile(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first, second = await saved(store, once=True), await saved(store, once=True)
        await store.cancel(first.id)
        first = await read(store, first)
        horizon = store.clock.now() + 1
        answer = await store.purge([first, second], horizon, op="op")
        await store.cancel(second.id)
        before = lab.keys()
        assert answer.prompts == 1
        assert await store.purge([first, await read(store, second)], horizon, op="op") == answer
        assert lab.keys() == before


async def test_what_was_answered_is_forgotten_after_two_minutes(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await store.create(new_prompt(store), op="op")
        assert 119_000 < lab.inspector.pttl(lab.prefix + "op:op") <= 120_000
