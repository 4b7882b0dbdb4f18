"""skip and unskip: one occurrence to come does not fire, or does after all."""

from __future__ import annotations

import pytest

from scheduled_prompts.engine.due import claim_of
from scheduled_prompts.store.records import Refused
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    edited,
    heard,
    new_prompt,
    paused,
    read,
    read_fire,
    saved,
    settled,
    skipping,
    take,
    taken,
)


async def test_a_skip_is_kept_in_order_and_moves_the_version_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        due = prompt.next_at or 0
        after = await skipping(store, prompt, due + 2 * HOUR, due + HOUR)
        assert after.skips == (due + HOUR, due + 2 * HOUR)
        assert (after.version, after.seq, after.next_at) == (2, 0, due)


async def test_an_occurrence_to_be_skipped_becomes_a_fire_that_was_skipped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        due = prompt.next_at or 0
        await skipping(store, prompt, due)
        now = await read(store, prompt)
        item = claim_of(now, store.clock.now(), store.clock.now())
        assert item is not None
        assert await store.claim([item]) == ["claimed"]
        fire = await read_fire(store, item["fire"])
        assert (fire.status, fire.reason, fire.nominal) == ("skipped", "requested", due)
        after = await read(store, prompt)
        assert (after.skips, after.next_at, after.last_nominal) == ((), due + HOUR, due)
        assert (await take(store)).leases == []
        assert "skips" not in lab.keys()[f"prompt:{prompt.id}"]


async def test_a_one_shot_that_is_skipped_is_over_when_its_time_comes(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        item = claim_of(await skipping(store, prompt, prompt.next_at or 0), store.clock.now(), store.clock.now())
        assert item is not None
        assert await store.claim([item]) == ["claimed"]
        assert (await read(store, prompt)).status == "executed"


async def test_a_claim_on_old_reads_does_not_fire_what_is_skipped_by_now(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        claim = claim_for(prompt)
        await skipping(store, prompt, prompt.next_at or 0)
        assert await store.claim([claim]) == ["lost"]


async def test_an_occurrence_is_not_skipped_after_all(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        due = prompt.next_at or 0
        now = await skipping(store, prompt, due)
        claim = claim_of(now, store.clock.now(), store.clock.now())
        assert claim is not None
        assert await store.skip("unskip", now, due, []) == "done"
        assert await store.claim([claim]) == ["lost"]  # it would have been skipped
        after = await read(store, prompt)
        assert (after.skips, after.version) == ((), 3)


@pytest.mark.parametrize("mode", ["skip", "unskip"])
async def test_a_skip_on_an_old_version_is_refused(lab: Lab, mode: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await edited(store, prompt, text="x")
        before = lab.keys()
        answer = await store.skip(mode, prompt, (prompt.next_at or 0) + HOUR, [])  # type: ignore[arg-type]
        assert answer == Refused("active", "2")
        assert lab.keys() == before


@pytest.mark.parametrize("status", ["cancelled", "executed", "quarantined"])
async def test_what_does_not_wait_has_nothing_to_skip(lab: Lab, status: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        if status == "cancelled":
            await store.cancel(prompt.id)
        elif status == "executed":
            await claimed(store, prompt)
        else:
            await store.quarantine(prompt, "broken")
        now = await read(store, prompt)
        before = lab.keys()
        later = store.clock.now() + HOUR
        assert await store.skip("skip", now, later, [later]) == Refused(status, str(now.version))
        assert lab.keys() == before


async def test_what_is_gone_has_nothing_to_skip(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        before = lab.keys()
        assert await store.skip("skip", new_prompt(store), 1, [1]) == Refused("gone")
        assert lab.keys() == before


async def test_a_paused_prompt_may_be_told_what_to_skip(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        now = await paused(store, prompt)
        announced = heard(lab)
        later = (prompt.next_at or 0) + HOUR
        assert await store.skip("skip", now, later, [later]) == "done"
        assert announced() == []
        assert "due:default" not in set(lab.keys())


@pytest.mark.parametrize("in_hand", [False, True])
async def test_what_was_claimed_ahead_is_taken_back_by_a_skip(lab: Lab, in_hand: bool) -> None:
    async with lab:
        store = await lab.store()
        due = store.clock.now() + 2_000
        prompt = await saved(store, next_at=due)
        fire = await claimed(store, prompt)
        lease = await taken(store) if in_hand else None
        announced = heard(lab)
        assert await store.skip("skip", await read(store, prompt), due, [due]) == "taken_back"
        assert announced() == ([{"type": "stop", "fire": fire, "take_back": True}] if in_hand else [])
        if lease:
            await settled(store, lease, "cancelled")
        after = await read_fire(store, fire)
        assert (after.status, after.reason) == ("skipped", "requested")
        assert (await read(store, prompt)).skips == ()


async def test_it_is_too_late_to_skip_what_is_due_already(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        due = prompt.next_at or 0
        await claimed(store, prompt)
        before = lab.keys()
        now = await read(store, prompt)
        assert await store.skip("skip", now, due, [due]) == "queued"
        assert await store.skip("skip", now, due - HOUR, [due - HOUR]) == "missed"
        assert lab.keys() == before


async def test_it_is_too_late_to_unskip_what_was_skipped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        due = prompt.next_at or 0
        old = await skipping(store, prompt, due, due + HOUR)
        item = claim_of(old, store.clock.now(), store.clock.now())
        assert item is not None
        await store.claim([item])
        before = lab.keys()
        assert await store.skip("unskip", old, due, [due + HOUR]) == "skipped"
        assert lab.keys() == before


async def test_live_daemons_are_told_so_that_a_claim_that_was_lost_is_made_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        announced = heard(lab)
        await skipping(store, prompt, (prompt.next_at or 0) + HOUR)
        assert [(m["type"], m["due"]) for m in announced()] == [("armed", str(prompt.next_at))]
