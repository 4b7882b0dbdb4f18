"""save: a new prompt comes into being, or what is next is moved."""

from __future__ import annotations

import pytest

from scheduled_prompts.errors import StoreUnusable
from tests.conftest import Lab
from tests.store.steps import HOUR, claimed, new_prompt, read, running, saved, settled


async def test_a_saved_prompt_is_read_as_it_was_written(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(
            store, owner="ann", agent="bot", key="daily", platform="chat", labels={"k": "v"}, text='“ü” \\ "{}" \0 \n'
        )
        assert await read(store, prompt) == prompt


async def test_a_saved_prompt_is_in_every_index_that_its_fields_name_and_in_no_other(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, owner="ann", agent="bot", key="daily", platform="chat")
        entry = [(prompt.id, float(prompt.created_at))]
        keys = lab.keys()
        assert {name: value for name, value in keys.items() if name.split(":")[0] in ("by", "key", "due")} == {
            "by:status:active": entry,
            "by:owner:ann": entry,
            "by:agent:bot": entry,
            "by:platform:chat": entry,
            "key:ann:daily": prompt.id,
            "due:chat": [(prompt.id, float(prompt.next_at or 0))],
        }
        assert keys["platforms"] == {"chat"}


async def test_a_prompt_without_owner_agent_and_key_has_no_such_indexes(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await saved(store)
        kinds = {name.rsplit(":", 1)[0] for name in set(lab.keys())}
        assert not kinds & {"by:owner", "by:agent", "key:", "key"}


async def test_a_key_that_a_living_prompt_has_is_answered_with_its_id_and_nothing_is_written(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first = await saved(store, owner="ann", key="daily")
        before = lab.keys()
        assert (
            await store.create(new_prompt(store, owner="ann", key="daily", platform="other"), op="second") == first.id
        )
        after = lab.keys()
        del after["op:second"]
        assert after == before


async def test_the_same_key_of_another_owner_or_of_nobody_is_another_key(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for owner in ("ann", "bob", None):
            await saved(store, owner=owner, key="daily")
        assert await store.count("status", "active") == 3


@pytest.mark.parametrize("end", ["executed", "cancelled"])
async def test_a_key_is_free_again_when_its_prompt_has_ended(lab: Lab, end: str) -> None:
    async with lab:
        store = await lab.store()
        first = await saved(store, owner="ann", key="daily", once=True)
        if end == "executed":
            await claimed(store, first)
        else:
            await store.cancel(first.id)
        second = await saved(store, owner="ann", key="daily")
        assert lab.keys()["key:ann:daily"] == second.id


async def test_a_key_of_a_recurring_prompt_stays_taken_after_its_fires(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store, key="daily")
        await settled(store, lease)
        assert await store.create(new_prompt(store, key="daily")) == lease.fire.prompt_id


async def test_an_id_that_exists_is_refused_and_the_prompt_is_left_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first = await saved(store)
        before = lab.keys()
        with pytest.raises(StoreUnusable, match=f"{first.id} exists already"):
            await store.create(first.model_copy(update={"text": "another"}))
        assert lab.keys() == before


async def test_retiming_moves_what_is_next_and_the_due_index_together(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        now = store.clock.now()
        assert await store.retime(prompt, now + HOUR, now + HOUR + 5)
        moved = await read(store, prompt)
        assert (moved.next_nominal, moved.next_at, moved.seq) == (now + HOUR, now + HOUR + 5, prompt.seq + 1)
        assert moved.version == prompt.version
        assert lab.keys()["due:default"] == [(prompt.id, float(now + HOUR + 5))]


@pytest.mark.parametrize("field", ["version", "seq", "status"])
async def test_retiming_a_prompt_that_changed_since_it_was_read_changes_nothing(lab: Lab, field: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        stale = prompt.model_copy(update={field: "paused" if field == "status" else 7})
        before = lab.keys()
        assert not await store.retime(stale, store.clock.now() + HOUR, store.clock.now() + HOUR)
        assert lab.keys() == before


async def test_a_claim_makes_a_retiming_stale(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        assert not await store.retime(prompt, store.clock.now() + 2 * HOUR, store.clock.now() + 2 * HOUR)


async def test_retiming_a_prompt_that_was_cancelled_or_is_gone_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, unsaved = await saved(store), new_prompt(store)
        await store.cancel(prompt.id)
        before = lab.keys()
        for stale in (prompt, await read(store, prompt), unsaved):
            assert not await store.retime(stale, store.clock.now() + HOUR, store.clock.now() + HOUR)
        assert lab.keys() == before


@pytest.mark.parametrize(("back", "moved"), [(0, False), (1000, False), (-1, True)])
async def test_what_is_next_never_moves_back_to_or_before_the_last_occurrence_claimed(
    lab: Lab, back: int, moved: bool
) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        current = await read(store, prompt)
        assert current.last_nominal is not None
        assert await store.retime(current, current.last_nominal - back, current.last_nominal - back) is moved
