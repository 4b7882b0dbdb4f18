"""cancel: a prompt fires no more; what waits ends, what runs is asked to stop."""

from __future__ import annotations

import json

import pytest

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Cancelled, Refused
from tests.conftest import Lab
from tests.store.steps import (
    claim_for,
    claimed,
    crash,
    manual_for,
    new_prompt,
    read,
    read_fire,
    saved,
    settled,
    take,
    taken,
)


async def one_of_each(store: Store, **fields: object) -> tuple[ScheduledPrompt, list[str]]:
    """A prompt with a fire that ended, one that retries, one that runs and one that waits."""
    prompt = await saved(store, **fields)
    fires = []
    for step in ("end", "retry", "run", "wait"):
        item = manual_for(store, prompt)
        await store.claim([item])
        fires.append(item["fire"])
        if step == "wait":
            continue
        lease = await taken(store)
        if step == "end":
            await settled(store, lease)
        elif step == "retry":
            await settled(store, lease, "retrying", retry_at=store.clock.now() + 1)
    return prompt, fires


async def test_a_cancelled_prompt_is_due_no_more_and_listed_as_cancelled(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.clock.sleep(5)
        assert await store.cancel(prompt.id) == Cancelled("active", 0, 0)
        after = await read(store, prompt)
        assert (after.status, after.next_nominal, after.next_at) == ("cancelled", None, None)
        assert (after.version, after.seq) == (2, 1)
        assert after.ended_at == after.updated_at == store.clock.now()
        keys = lab.keys()
        assert "due:default" not in keys
        assert keys["by:status:cancelled"] == [(prompt.id, float(prompt.created_at))]


async def test_waiting_fires_end_in_the_same_script_and_running_ones_are_asked_to_stop(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, (ended, retries, runs, waits) = await one_of_each(store)
        assert await store.cancel(prompt.id) == Cancelled("active", 2, 1)
        for fire in (retries, waits):
            cancelled = await read_fire(store, fire)
            assert (cancelled.status, cancelled.reason) == ("cancelled", "prompt_cancelled")
        flagged = await read_fire(store, runs)
        assert (flagged.status, flagged.cancel_requested) == ("running", True)
        assert (await read_fire(store, ended)).status == "succeeded"
        assert lab.keys()[f"live:{prompt.id}"] == {runs}
        assert (await take(store)).leases == []


async def test_the_fires_of_other_prompts_are_left_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        mine, other = await saved(store), await saved(store)
        await claimed(store, mine)
        kept = await claimed(store, other)
        await store.cancel(mine.id)
        assert (await taken(store)).fire.id == kept


async def test_a_waiting_fire_is_taken_out_of_its_own_queue(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat", runner="echo")
        await claimed(store, prompt)
        await store.cancel(prompt.id)
        assert "ready:chat/echo" not in set(lab.keys())


async def test_an_executed_prompt_with_a_live_fire_can_be_cancelled(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        assert await store.cancel(prompt.id) == Cancelled("executed", 1, 0)
        assert (await read(store, prompt)).status == "cancelled"


async def test_an_executed_prompt_without_live_fires_has_nothing_to_cancel(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        await settled(store, await taken(store))
        before = lab.keys()
        assert await store.cancel(prompt.id) == Refused("executed")
        assert lab.keys() == before


async def test_a_second_cancellation_answers_that_it_is_cancelled_and_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, _ = await one_of_each(store)
        await store.cancel(prompt.id)
        before = lab.keys()
        assert await store.cancel(prompt.id) == Refused("cancelled")
        assert lab.keys() == before


async def test_a_prompt_that_is_gone_is_answered_as_gone_and_nothing_is_written(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        before = lab.keys()
        assert await store.cancel(new_prompt(store).id) == Refused("gone")
        assert lab.keys() == before


async def test_a_cancellation_by_a_stale_reading_cancels_what_is_there_now(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fire = await claimed(store, prompt)
        assert await store.cancel(prompt.id) == Cancelled("active", 1, 0)
        assert (await read_fire(store, fire)).status == "cancelled"
        assert "due:default" not in set(lab.keys())


async def test_nothing_that_was_on_its_way_brings_a_cancelled_prompt_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, (_, _, runs, _) = await one_of_each(store)
        claim, manual = claim_for(prompt), manual_for(store, prompt)
        await store.cancel(prompt.id)
        assert await store.claim([claim, manual]) == ["lost", "lost"]
        assert not await store.retime(prompt, store.clock.now() + 1, store.clock.now() + 1)
        assert await crash(store) == [(runs, "cancelled")]
        assert (await take(store)).leases == []
        assert (await read(store, prompt)).status == "cancelled"


async def test_live_daemons_are_told_what_was_cancelled_and_what_is_to_stop(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, (_, _, runs, _) = await one_of_each(store)
        listener = lab.inspector.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(store.keys.changes)
        listener.get_message(timeout=0.05)
        await store.cancel(prompt.id)
        heard = [json.loads(message["data"]) for _ in range(20) if (message := listener.get_message(timeout=0.01))]
        listener.close()
        assert heard == [{"type": "disarmed", "prompt": prompt.id}, {"type": "stop", "fire": runs, "take_back": False}]


async def test_five_hundred_waiting_fires_end_at_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.claim([manual_for(store, prompt) for _ in range(500)])
        assert await store.cancel(prompt.id) == Cancelled("active", 500, 0)


@pytest.mark.unaccounted
async def test_a_live_entry_without_its_fire_is_dropped_and_makes_no_record(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fire = await claimed(store, prompt)
        lab.inspector.delete(store.keys.fire(fire))
        assert await store.cancel(prompt.id) == Cancelled("active", 0, 0)
        keys = lab.keys()
        assert f"fire:{fire}" not in keys
        assert f"live:{prompt.id}" not in keys
