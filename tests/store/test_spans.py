"""The list of what happened to a prompt: each change has an entry there, with who made it, and the list stays short."""

from __future__ import annotations

import json

import pytest

from scheduled_prompts.prompt import read_timing
from scheduled_prompts.schedule import Interval
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Span
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    approved,
    claim_for,
    claimed,
    damage,
    edit_of,
    edited,
    new_prompt,
    pending,
    read,
    saved,
    skipping,
)


async def kinds(store: Store, prompt_id: str) -> list[tuple[str, str | None]]:
    return [(span.kind, span.by) for span in await store.spans(prompt_id)]


async def test_each_change_is_noted_with_who_made_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + HOUR)
        later = store.clock.now() + 2 * HOUR
        await store.edit(edit_of(prompt, text="new"), by="ann")
        await store.skip("skip", await read(store, prompt), later, [later], by="bob")
        await store.skip("unskip", await read(store, prompt), later, [], by="cleo")
        await store.pause(prompt.id, reason="requested", by="dan")
        await store.resume(await read(store, prompt), "active", later, later, by="eve")
        await store.retime(await read(store, prompt), later + 1, later + 1, by="daemon:1")
        await store.cancel(prompt.id, by="fay")
        assert await kinds(store, prompt.id) == [
            ("edited", "ann"),
            ("skip", "bob"),
            ("unskip", "cleo"),
            ("paused", "dan"),
            ("resumed", "eve"),
            ("retimed", "daemon:1"),
            ("cancelled", "fay"),
        ]
        _, skip, _, _, _, retimed, cancelled = await store.spans(prompt.id)
        assert skip.start == later
        assert (retimed.start, retimed.end) == (later, later + 1)
        assert cancelled.start == later + 1
        assert cancelled.stood == "active"


async def test_what_was_claimed_ahead_and_is_skipped_is_noted_too(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 200)
        await claimed(store, prompt)
        assert prompt.next_nominal is not None
        skips = [prompt.next_nominal]
        answer = await store.skip("skip", await read(store, prompt), prompt.next_nominal, skips, by="bob")
        assert answer == "taken_back"
        [span] = await store.spans(prompt.id)
        assert (span.kind, span.start, span.by) == ("skip", prompt.next_nominal, "bob")


async def test_a_record_that_is_set_aside_says_why_in_short(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        assert await store.quarantine(prompt, "ValueError: " + "x" * 1000)
        assert not await store.quarantine(prompt, "again")
        [span] = await store.spans(prompt.id)
        assert (span.kind, span.by, span.stood) == ("quarantined", "scheduled-prompts", "active")
        assert span.reason == "ValueError: " + "x" * 288 + "…"
        await store.cancel(prompt.id, by="ann")
        assert (await kinds(store, prompt.id))[1] == ("cancelled", "ann")


async def test_a_refused_change_is_not_noted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.pause(prompt.id, version=7, reason="requested")
        await store.resume(prompt, "active", 1, 1)
        await store.edit(edit_of(prompt.model_copy(update={"version": 7}), text="new"))
        assert await store.spans(prompt.id) == []


async def test_an_edit_of_the_schedule_keeps_the_one_before(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + HOUR, timezone="Europe/Berlin", jitter=5.0)
        await edited(store, prompt, text="new")
        await edited(store, prompt, next_at=store.clock.now() + 2 * HOUR)
        text, schedule = await store.spans(prompt.id)
        assert text.was is None
        assert schedule.was is not None
        was = read_timing(schedule.was)
        assert (was.schedule, was.timezone, was.jitter) == (prompt.schedule, "Europe/Berlin", 5.0)
        assert isinstance(was.schedule, Interval)


async def test_a_prompt_says_who_made_it_and_who_brought_it_here(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = new_prompt(store, created_by="ann")
        assert await store.create(prompt, imported="5", by="bob") is None
        assert (await read(store, prompt)).created_by == "ann"
        [span] = await store.spans(prompt.id)
        assert (span.kind, span.by, span.start, span.end) == ("imported", "bob", 5, prompt.next_nominal)


async def test_of_more_than_a_thousand_entries_the_oldest_go_and_that_is_said(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        first = store.clock.now()
        old = [json.dumps({"kind": "missed", "at": str(first + n), "from": "1", "until": "2"}) for n in range(999)]
        lab.inspector.rpush(store.keys.spans(prompt.id), *old)
        for missed_from in range(5):
            await store.claim([claim_for(await read(store, prompt), missed_from=missed_from)])
        spans = await store.spans(prompt.id)
        assert len(spans) == 1000
        assert spans[0] == Span("trimmed", first + 4, since=first, trimmed=5)
        assert [span.start for span in spans[-5:]] == list(range(5))
        assert spans[1].at == first + 5


async def test_an_entry_that_is_none_is_trimmed_like_any_other(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        good = json.dumps({"kind": "missed", "at": "7"})
        lab.inspector.rpush(store.keys.spans(prompt.id), "[", "3", *[good] * 998)
        await skipping(store, prompt, store.clock.now() + HOUR)
        await skipping(store, prompt, store.clock.now() + 2 * HOUR)
        spans = await store.spans(prompt.id)
        assert (len(spans), spans[0].kind, spans[0].trimmed, spans[0].since) == (1000, "trimmed", 3, 7)


@pytest.mark.parametrize("change", ["cancel", "pause", "resume", "edit", "skip", "approve", "reject"])
async def test_a_list_that_is_none_keeps_nobody_from_a_change(lab: Lab, change: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        if change == "resume":
            await store.pause(prompt.id, reason="requested")
        if change in ("approve", "reject"):
            prompt = await pending(store)
        damage(lab, f"spans:{prompt.id}")
        due = store.clock.now() + HOUR
        if change == "cancel":
            await store.cancel(prompt.id)
        elif change == "pause":
            assert await store.pause(prompt.id, reason="requested") == 0
        elif change == "resume":
            assert await store.resume(await read(store, prompt), "active", due, due) is None
        elif change == "approve":
            await approved(store, prompt, next_at=due)
        elif change == "reject":
            assert await store.reject(prompt.id) == (0, 0)
        elif change == "edit":
            assert await store.edit(edit_of(prompt, text="new")) == 2
        else:
            await skipping(store, prompt, due)
        lab.inspector.delete(store.keys.spans(prompt.id))
