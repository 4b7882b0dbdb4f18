"""Too many failed fires in a row pause a prompt, in the script that ends the last of them."""

from __future__ import annotations

from typing import Any

import pytest

from scheduled_prompts.policies import Policies
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.script import _PRELUDE
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    crash,
    edited,
    ending,
    heard,
    manual_for,
    paused,
    read,
    read_fire,
    resumed,
    saved,
    settle,
    settled,
    take,
    taken,
)


async def fails(store: Store, prompt: ScheduledPrompt, times: int = 1, outcome: str = "failed", **fields: Any) -> None:
    for _ in range(times):
        await claimed(store, prompt)
        await settled(store, await taken(store), outcome, **{"error": "ValueError: no", **fields})


async def test_what_a_definition_does_not_say_is_the_same_in_lua(lab: Lab) -> None:
    assert lab.inspector.eval(f"{_PRELUDE}\nreturn PAUSE_AFTER", 1, lab.prefix + "meta", "", "0") == 5
    assert Policies().pause_after == 5


async def test_five_failures_in_a_row_pause_a_prompt(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        await fails(store, prompt, 4)
        before = await read(store, prompt)
        assert (before.status, before.failures) == ("active", 4)
        said = heard(lab)
        await fails(store, prompt)
        after = await read(store, prompt)
        assert (after.status, after.failures, after.paused_at) == ("paused", 5, store.clock.now())
        assert (after.pause_reason, after.pause_note) == ("failures", "ValueError: no")
        assert (after.version, after.seq) == (before.version + 1, before.seq + 2)
        assert "due:chat" not in lab.keys()
        assert [f["type"] for _, f in lab.keys()["events"]][-2:] == ["failed", "paused"]
        assert {"type": "paused", "prompt": prompt.id, "reason": "failures", "note": "ValueError: no"} in said()
        [span] = await store.spans(prompt.id)
        assert (span.kind, span.by, span.reason, span.start) == (
            "paused",
            "scheduled-prompts",
            "failures",
            after.next_nominal,
        )


@pytest.mark.parametrize("pause_after", [0, 1, 7])
async def test_a_prompt_says_how_many_are_too_many(lab: Lab, pause_after: int) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=pause_after)
        await fails(store, prompt, (pause_after or 9) - 1)
        assert (await read(store, prompt)).status == "active"
        await fails(store, prompt)
        assert (await read(store, prompt)).status == ("paused" if pause_after else "active")


async def test_a_success_in_between_begins_the_row_anew(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=2)
        for outcome in ("failed", "succeeded", "failed", "cancelled", "interrupted"):
            await fails(store, prompt, outcome=outcome)
        assert (await read(store, prompt)).status == "active"
        await fails(store, prompt, outcome="timed_out")
        assert (await read(store, prompt)).status == "paused"


async def test_an_attempt_that_is_made_again_is_no_failed_fire(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        await fails(store, prompt, outcome="retrying", retry_at=store.clock.now())
        assert (await read(store, prompt)).status == "active"


async def test_fires_that_crash_for_good_count(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        fire = await claimed(store, prompt)
        for _ in range(3):
            await take(store)
            await crash(store)
        assert (await read_fire(store, fire)).status == "failed"
        after = await read(store, prompt)
        assert (after.status, after.pause_note) == ("paused", "the daemon that ran it was lost, 3 times")


async def test_a_one_shot_is_not_paused_for_it_has_nothing_to_come(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True, pause_after=1)
        await store.claim([manual_for(store, prompt)])
        await settled(store, await taken(store), "failed")
        assert (await read(store, prompt)).status == "scheduled"
        await fails(store, prompt)
        assert (await read(store, prompt)).status == "executed"


async def test_what_waits_is_taken_back_and_what_runs_goes_on(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        await claimed(store, prompt)
        first = await taken(store)
        await store.clock.sleep(HOUR / 1000)
        await claimed(store, prompt)
        second = await taken(store)
        queued = await claimed(store, prompt)
        await settled(store, first, "failed")
        waiting = await read_fire(store, queued)
        assert (waiting.status, waiting.reason) == ("skipped", "paused")
        assert not (await read_fire(store, second.fire.id)).cancel_requested
        await settled(store, second, "retrying", retry_at=store.clock.now() + 1)
        assert (await read_fire(store, second.fire.id)).reason == "paused"


async def test_of_several_that_end_in_one_call_the_one_that_is_too_many_pauses_it_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=2)
        for _ in range(4):
            await claimed(store, prompt)
        items = [ending(store, lease, "failed") for lease in (await take(store)).leases]
        assert await settle(store, items) == ["settled"] * 4
        after = await read(store, prompt)
        assert (after.status, after.version, after.failures) == ("paused", 2, 4)
        assert len(await store.spans(prompt.id)) == 1


async def test_an_end_that_is_written_twice_pauses_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        await claimed(store, prompt)
        items = [ending(store, await taken(store), "failed")]
        await settle(store, items)
        await resumed(store, prompt, next_at=store.clock.now() + 5 * HOUR)
        before = lab.keys()
        await settle(store, items)
        assert lab.keys() == before


async def test_a_resumption_begins_the_row_anew(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=2)
        await fails(store, prompt, 2)
        after = await resumed(store, prompt, next_at=store.clock.now() + 9 * HOUR)
        assert (after.failures, after.pause_reason, after.pause_note) == (0, None, None)
        await fails(store, prompt)
        assert (await read(store, prompt)).status == "active"


async def test_it_is_the_present_definition_that_says_how_many(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        await claimed(store, prompt)
        lease = await taken(store)
        await edited(store, prompt, pause_after=0)
        await settled(store, lease, "failed")
        assert (await read(store, prompt)).status == "active"


async def test_one_that_is_paused_stays_so_for_the_first_reason(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        await claimed(store, prompt)
        lease = await taken(store)
        before = await paused(store, prompt)
        await settled(store, lease, "failed")
        after = await read(store, prompt)
        assert (after.pause_reason, after.version) == ("requested", before.version)


@pytest.mark.parametrize(
    ("error", "note"),
    [
        ("", None),
        ("first\nsecond", "first"),
        ("x" * 300, "x" * 300),
        ("é" * 300, "é" * 150 + "…"),
        ("x" + "é" * 300, "x" + "é" * 149 + "…"),
    ],
)
async def test_the_last_error_is_told_in_short(lab: Lab, error: str, note: str | None) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        await fails(store, prompt, error=error)
        assert (await read(store, prompt)).pause_note == note


@pytest.mark.parametrize("index", ["spans", "live"])
async def test_a_broken_index_does_not_keep_the_fire_from_ending(lab: Lab, index: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, pause_after=1)
        item = claim_for(prompt)
        await store.claim([item])
        lease = await taken(store)
        lab.inspector.delete(lab.prefix + f"{index}:{prompt.id}")
        lab.inspector.set(lab.prefix + f"{index}:{prompt.id}", "?")
        await settled(store, lease, "failed")
        assert (await read_fire(store, item["fire"])).status == "failed"
        assert (await read(store, prompt)).status == "paused"
        lab.inspector.delete(lab.prefix + f"{index}:{prompt.id}")
