"""quarantine: a record that cannot be read or computed is set aside, until somebody edits or cancels it."""

from __future__ import annotations

import pytest

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Cancelled, Refused, Unreadable
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    damage,
    edit_of,
    edited,
    heard,
    manual_for,
    new_prompt,
    paused,
    read,
    read_fire,
    running,
    saved,
    settled,
    take,
    taken,
)


async def unreadable(store: Store, prompt: ScheduledPrompt) -> Unreadable:
    [found] = await store.read_prompts([prompt.id])
    assert isinstance(found, Unreadable)
    return found


async def test_what_is_set_aside_leaves_the_due_index_and_says_why(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        await store.clock.sleep(3)
        assert await store.quarantine(prompt, "no such day")
        [found] = await store.quarantined()
        assert (found.id, found.error, found.at, found.was) == (prompt.id, "no such day", store.clock.now(), "active")
        assert (await read(store, prompt)).status == "quarantined"
        keys = lab.keys()
        assert "due:chat" not in keys
        assert keys["by:status:quarantined"] == [(prompt.id, float(prompt.created_at))]


@pytest.mark.parametrize(
    "fault",
    [{"doc": "{"}, {"doc": "[]"}, {"seq": "many"}, {"version": "x"}, {"status": "undecided"}, {"created_at": "once"}],
    ids=str,
)
async def test_whatever_is_wrong_with_a_record_it_is_listed_once_and_can_be_cancelled(
    lab: Lab, fault: dict[str, str]
) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        lab.inspector.hset(store.keys.prompt(prompt.id), mapping=fault)
        assert await store.quarantine(await unreadable(store, prompt), "broken")
        keys = lab.keys()
        assert {name for name in keys if name.startswith("by:status")} == {"by:status:quarantined"}
        assert await store.cancel(prompt.id) == Cancelled("quarantined", 0, 0)
        assert {name for name in lab.keys() if name.startswith("by:status")} == {"by:status:cancelled"}
        assert await store.quarantined() == []


@pytest.mark.parametrize("fault", [{"doc": "[]"}, {"seq": "many"}, {"status": "undecided"}], ids=str)
async def test_a_record_that_is_cancelled_before_anybody_set_it_aside_leaves_nothing_due(
    lab: Lab, fault: dict[str, str]
) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        lab.inspector.hset(store.keys.prompt(prompt.id), mapping=fault)
        assert isinstance(await store.cancel(prompt.id), Cancelled)
        keys = lab.keys()
        assert "due:chat" not in keys
        assert {name for name in keys if name.startswith("by:status")} == {"by:status:cancelled"}


async def test_a_record_without_a_status_can_be_cancelled(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        lab.inspector.hdel(store.keys.prompt(prompt.id), "status")
        assert isinstance(await store.cancel(prompt.id), Cancelled)


async def test_a_key_that_is_no_record_is_set_aside_and_cancelled_with_all_that_is_its(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        await claimed(store, prompt)
        await settled(store, await taken(store))
        await edited(store, prompt, text="x")
        await claimed(store, prompt)
        damage(lab, f"prompt:{prompt.id}")
        found = await unreadable(store, prompt)
        assert "WRONGTYPE" in found.error
        assert await store.quarantine(found, found.error)
        assert lab.keys()["by:status:quarantined"][0][0] == prompt.id
        assert await store.cancel(prompt.id) == Cancelled("quarantined", 1, 0)
        assert {name for name in lab.keys() if prompt.id in name} == set()
        assert (await take(store)).leases == []


@pytest.mark.parametrize("change", ["version", "seq", "status"])
async def test_a_prompt_that_changed_since_it_was_read_is_not_set_aside(lab: Lab, change: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        if change == "version":
            await edited(store, prompt, text="x")
        elif change == "seq":
            await claimed(store, prompt)
        else:
            await paused(store, prompt)
        before = lab.keys()
        assert not await store.quarantine(prompt, "broken")
        assert lab.keys() == before


@pytest.mark.parametrize("end", ["executed", "cancelled"])
async def test_a_prompt_that_ended_is_not_set_aside(lab: Lab, end: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        if end == "executed":
            await claimed(store, prompt)
        else:
            await store.cancel(prompt.id)
        now = await read(store, prompt)
        before = lab.keys()
        assert not await store.quarantine(now, "broken")
        assert lab.keys() == before


async def test_a_prompt_is_set_aside_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        assert await store.quarantine(prompt, "first")
        assert not await store.quarantine(await read(store, prompt), "second")
        assert [found.error for found in await store.quarantined()] == ["first"]


async def test_what_is_gone_is_not_set_aside(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert not await store.quarantine(new_prompt(store), "broken")
        assert await store.quarantined() == []


async def test_what_it_fired_already_goes_on(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        [prompt] = await store.read_prompts([lease.fire.prompt_id])
        assert await store.quarantine(prompt, "broken")  # type: ignore[arg-type]
        await settled(store, lease)
        assert (await read_fire(store, lease.fire.id)).status == "succeeded"


async def test_nothing_claims_what_was_set_aside(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.quarantine(prompt, "broken")
        assert await store.claim([claim_for(prompt)]) == ["lost"]
        assert not await store.retime(prompt, store.clock.now() + 5, store.clock.now() + 5)


async def test_an_edit_of_its_text_alone_does_not_bring_it_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.quarantine(prompt, "broken")
        before = lab.keys()
        assert await store.edit(edit_of(await read(store, prompt), text="x")) == Refused("quarantined", "1")
        assert lab.keys() == before


async def test_an_edit_of_its_schedule_brings_it_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.quarantine(prompt, "broken")
        due = store.clock.now() + HOUR
        after = await edited(store, prompt, next_at=due)
        assert (after.status, after.next_at) == ("active", due)
        assert await store.quarantined() == []
        await claimed(store, prompt)


async def test_it_keeps_its_key_until_it_is_cancelled(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, key="daily")
        await store.quarantine(prompt, "broken")
        assert await store.create(new_prompt(store, key="daily")) == prompt.id
        await store.cancel(prompt.id)
        assert await store.create(new_prompt(store, key="daily")) is None


async def test_a_key_whose_holder_is_no_record_is_held(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, key="daily")
        damage(lab, f"prompt:{prompt.id}")
        assert await store.create(new_prompt(store, key="daily")) == prompt.id
        await store.cancel(prompt.id)
        assert await store.create(new_prompt(store, key="daily")) is None


async def test_a_long_error_is_cut(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        lab.inspector.hset(store.keys.prompt(prompt.id), "status", "x" * 50_000)
        found = await unreadable(store, prompt)
        assert len(found.error) <= 4_000
        await store.cancel(prompt.id)


async def test_live_daemons_are_told(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        announced = heard(lab)
        await store.quarantine(prompt, "broken")
        assert announced() == [{"type": "disarmed", "prompt": prompt.id}]


async def test_what_was_set_aside_can_be_run_by_nobody_by_an_old_read_after_it_was_cancelled(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        manual = manual_for(store, prompt)
        await store.quarantine(prompt, "broken")
        await store.cancel(prompt.id)
        assert await store.claim([manual]) == ["lost"]
