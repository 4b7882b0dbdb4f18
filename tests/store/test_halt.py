"""The kill switch, script by script: what it keeps from happening, and what it leaves alone."""

from __future__ import annotations

import asyncio

from scheduled_prompts.store.halting import Halt
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    claim_for,
    heard,
    manual_for,
    queued,
    read_fire,
    retrying,
    running,
    saved,
    take,
)


async def test_while_all_is_stopped_nothing_is_claimed_or_taken(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire = await queued(store)
        prompt = await saved(store)
        await store.stop_all(by="ann", note="too many")
        before = lab.keys()
        assert await store.claim([claim_for(prompt), manual_for(store, prompt)]) == ["halted", "halted"]
        taken = await take(store)
        assert (taken.leases, taken.waiting) == ([], 0)
        assert lab.keys() == before
        await store.start_all()
        assert await store.claim([claim_for(prompt)]) == ["claimed"]
        assert fire in [lease.fire.id for lease in (await take(store)).leases]


async def test_a_look_tells_of_the_halt_and_names_nothing_to_claim(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        now = store.clock.now()
        await store.stop_all(by="ann", note="too many")
        seen = await store.look(overdue=now, serves=EVERYTHING)
        assert (seen.halt, seen.overdue) == (Halt(now, "ann", "too many"), [])
        await store.start_all()
        seen = await store.look(overdue=now, serves=EVERYTHING)
        assert seen.halt is None
        assert [row.prompt_id for row in seen.overdue] == [prompt.id]


async def test_a_retry_that_comes_due_waits(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await retrying(store)
        await store.stop_all()
        await store.clock.sleep(3600)
        await store.reap(leases=True, max_crashes=3)
        assert (await take(store)).leases == []
        await store.start_all()
        assert len((await take(store)).leases) == 1


async def test_what_runs_goes_on_unless_it_is_asked_to_stop(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        assert (await store.stop_all()).asked_to_stop == 0
        assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=60_000) == ["ok"]
        again = await store.stop_all(cancel_running=True)
        assert (again.is_new, again.asked_to_stop) == (False, 1)
        assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=60_000) == ["cancel"]
        assert (await read_fire(store, lease.fire.id)).cancel_requested


async def test_stopping_again_keeps_since_when_by_whom_and_why(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first = await store.stop_all(by="ann", note="why")
        await store.clock.sleep(60)
        assert (await store.stop_all(by="bob", note="other")).halt == first.halt == await store.halt()


async def test_halts_that_are_over_are_kept_for_the_account(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        began = store.clock.now()
        await store.stop_all(by="ann", note="why")
        await store.clock.sleep(60)
        assert await store.start_all(by="bob") == Halt(began, "ann", "why")
        assert await store.start_all() is None
        await store.stop_all()
        over, present = await store.halts()
        assert over == Halt(began, "ann", "why", began + 60_000, "bob")
        assert (present.at, present.until) == (store.clock.now(), None)
        types = [fields["type"] for _, fields in await store.events_before(None, 10)]
        assert types == ["stopped_all", "started_all", "stopped_all"]


async def test_a_repetition_answers_the_same_and_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await running(store)
        stopped = await store.stop_all(by="ann", cancel_running=True, op="one")
        before = lab.keys()
        assert await store.stop_all(by="ann", cancel_running=True, op="one") == stopped
        assert lab.keys() == before
        started = await store.start_all(op="two")
        before = lab.keys()
        assert await store.start_all(op="two") == started
        assert lab.keys() == before


async def test_live_daemons_are_told_at_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        messages = heard(lab)
        await store.stop_all(by="ann", cancel_running=True)
        await store.start_all()
        await asyncio.sleep(0)
        stopped, started = messages()
        assert (stopped["type"], stopped["cancel"], started["type"]) == ("stopped_all", True, "started_all")


async def test_what_is_stopped_stays_stopped_for_whoever_comes_later(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await store.stop_all(by="ann")
        other = await lab.store(seed=1)
        halt = await other.halt()
        assert halt is not None
        assert halt.by == "ann"
