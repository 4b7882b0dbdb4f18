"""At most so many active prompts, of those that agents made: counted inside the scripts, as sets of ids."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scheduled_prompts.errors import LimitReached
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Cancelled, Unreadable
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    edit_of,
    edited,
    manual_for,
    new_prompt,
    paused,
    read,
    saved,
    settled,
    taken,
)

CREATORS = 12
UNLIMITED = Limits(active_per_owner=0, active_per_conversation=0)
WHOSE: dict[str, Any] = {"agent": "bot", "owner": "ann", "conversation": "chat-1"}


def counted(lab: Lab) -> dict[str, int]:
    return {name.removeprefix("active:"): len(v) for name, v in lab.keys().items() if name.startswith("active:")}


async def several(store: Store, number: int, **fields: Any) -> list[ScheduledPrompt]:
    return [await saved(store, **{**WHOSE, **fields}) for _ in range(number)]


@pytest.mark.parametrize(
    ("limits", "made"),
    [
        (Limits(), 10),
        (Limits(active_per_owner=0), 10),
        (Limits(active_per_conversation=3), 3),
        (UNLIMITED, CREATORS),
    ],
)
async def test_of_twelve_creators_at_once_as_many_succeed_as_there_is_room_for(
    lab: Lab, limits: Limits, made: int
) -> None:
    async with lab:
        stores = [await lab.store(seed=seed) for seed in range(CREATORS)]
        creating = (store.create(new_prompt(store, **WHOSE), limits=limits) for store in stores)
        answers = await asyncio.gather(*creating, return_exceptions=True)
        assert sum(answer is None for answer in answers) == made
        assert sum(isinstance(answer, LimitReached) for answer in answers) == CREATORS - made
        assert counted(lab) == {"owner:ann": made, "conversation:chat-1": made}


async def test_of_twelve_resumed_at_once_ten_live_again(lab: Lab) -> None:
    async with lab:
        stores = [await lab.store(seed=seed) for seed in range(CREATORS)]
        resting = [await paused(store, await saved(store, **WHOSE)) for store in stores]
        due = stores[0].clock.now() + HOUR
        resuming = (
            store.resume(one, "active", due, due, limits=Limits()) for store, one in zip(stores, resting, strict=True)
        )
        answers = await asyncio.gather(*resuming, return_exceptions=True)
        assert [answer for answer in answers if answer is not None and not isinstance(answer, LimitReached)] == []
        assert answers.count(None) == 10
        assert counted(lab) == {"owner:ann": 10, "conversation:chat-1": 10}


async def test_of_twelve_executed_ones_that_get_another_time_at_once_ten_live_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        over = await several(store, CREATORS, once=True)
        for prompt in over:
            await claimed(store, prompt)
        assert counted(lab) == {}
        later = store.clock.now() + HOUR
        items = [edit_of(await read(store, prompt), next_at=later) for prompt in over]
        answers = await asyncio.gather(*(store.edit(item, limits=Limits()) for item in items), return_exceptions=True)
        assert sum(answer == 2 for answer in answers) == sum(isinstance(answer, int) for answer in answers) == 10
        assert counted(lab) == {"owner:ann": 10, "conversation:chat-1": 10}


@pytest.mark.parametrize("how", ["cancel", "pause", "execute", "set aside"])
async def test_a_prompt_that_fires_no_more_makes_room(lab: Lab, how: str) -> None:
    async with lab:
        store = await lab.store()
        full = Limits(active_per_owner=1)
        prompt = await saved(store, once=True, **WHOSE)
        with pytest.raises(LimitReached):
            await store.create(new_prompt(store, **WHOSE), limits=full)
        if how == "cancel":
            assert isinstance(await store.cancel(prompt.id), Cancelled)
        elif how == "pause":
            await paused(store, prompt)
        elif how == "execute":
            await claimed(store, prompt)
        else:
            lab.inspector.hset(store.keys.prompt(prompt.id), "doc", "{")
            [unreadable] = await store.read_prompts([prompt.id])
            assert isinstance(unreadable, Unreadable)
            assert await store.quarantine(unreadable, "broken")
        assert counted(lab) == {}
        assert await store.create(new_prompt(store, **WHOSE), limits=full) is None


async def test_each_owner_and_each_conversation_has_its_own_room(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(active_per_owner=2, active_per_conversation=1)

        async def refused(**fields: Any) -> str | None:
            try:
                await store.create(new_prompt(store, agent="bot", **fields), limits=limits)
            except LimitReached as error:
                return error.message
            return None

        assert await refused(owner="ann", conversation="one") is None
        assert "conversation 'one' has the 1 active prompts" in str(await refused(owner="bob", conversation="one"))
        assert await refused(owner="ann", conversation="two") is None
        assert "[limits] active_per_owner = 2" in str(await refused(owner="ann", conversation="three"))
        assert await refused(owner="bob") is None
        assert await refused() is None
        assert await refused() is None
        assert "what has no owner has the 2" in str(await refused())


async def test_what_people_make_is_not_counted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(3):
            await store.create(new_prompt(store, owner="ann", conversation="one"), limits=Limits(active_per_owner=1))
        assert counted(lab) == {}


async def test_an_edit_counts_a_prompt_where_it_now_belongs(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, **WHOSE)
        await edited(store, prompt, conversation="chat-2")
        assert counted(lab) == {"owner:ann": 1, "conversation:chat-2": 1}
        await edited(store, prompt, agent=None)
        assert counted(lab) == {}
        await saved(store, **WHOSE)
        item = edit_of(await read(store, prompt), agent="bot")
        before = lab.keys()
        with pytest.raises(LimitReached):
            await store.edit(item, limits=Limits(active_per_owner=1))
        assert lab.keys() == before
        assert await store.edit(item, limits=Limits(active_per_owner=2)) == 4


async def test_a_prompt_that_is_counted_already_may_be_edited_where_there_are_too_many(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        [first, _] = await several(store, 2)
        item = edit_of(await read(store, first), text="new", next_at=store.clock.now() + HOUR)
        assert await store.edit(item, limits=Limits(active_per_owner=1)) == 2


async def test_counts_that_are_wrong_are_found_and_repaired(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, **WHOSE)
        resting = await paused(store, await saved(store, **WHOSE))
        keys = store.keys
        lab.inspector.srem(keys.active("owner", "ann"), prompt.id)
        lab.inspector.sadd(keys.active("conversation", "chat-1"), resting.id, "0" * 26)
        lab.inspector.sadd(keys.active("conversation", "chat-2"), prompt.id)
        found = await store.inspect()
        assert {one.kind for one in found} == {
            "not_counted",
            "wrongly_counted",
            "index_without_prompt",
            "wrong_index",
        }
        for one in found:
            assert await store.repair(one), one.message
        lab.inspector.hdel(keys.prompt(prompt.id), "caps")
        [one] = await store.inspect()
        assert one.kind == "wrong_caps"
        assert await store.repair(one)
        assert await store.inspect() == []
        assert counted(lab) == {"owner:ann": 1, "conversation:chat-1": 1}


async def test_while_its_last_fire_may_still_be_taken_back_a_prompt_keeps_its_place(lab: Lab) -> None:
    """Else an agent lets its prompts be claimed, books others, and skips what was claimed: twice as many as may be."""
    async with lab:
        store = await lab.store()
        limits = Limits(active_per_owner=1)
        due = store.clock.now() + 1000
        last = await saved(store, next_at=due, max_fires=1, **WHOSE)
        assert await store.claim([{**claim_for(last), "max_fires": "1"}]) == ["claimed"]  # ahead of its time
        assert (await read(store, last)).status == "executed"
        with pytest.raises(LimitReached):
            await store.create(new_prompt(store, **WHOSE), limits=limits)
        assert await store.skip("skip", await read(store, last), due, []) == "taken_back"
        assert (await read(store, last)).status == "active"
        assert counted(lab) == {"owner:ann": 1, "conversation:chat-1": 1}


async def test_when_its_last_fire_has_ended_its_place_is_free(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        last = await saved(store, max_fires=1, **WHOSE)
        assert await store.claim([{**claim_for(last), "max_fires": "1"}]) == ["claimed"]
        assert counted(lab) == {"owner:ann": 1, "conversation:chat-1": 1}
        await settled(store, await taken(store))
        assert (await read(store, last)).status == "executed"
        assert counted(lab) == {}
        assert await store.claim([manual_for(store, await read(store, last))]) == ["claimed"]
        assert counted(lab) == {}  # what somebody runs by hand is no reason to live again
