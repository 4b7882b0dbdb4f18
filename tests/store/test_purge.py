"""purge: what has been over for long is deleted, and nothing else."""

from __future__ import annotations

import pytest

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Purged, Refused
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    ending,
    manual_for,
    new_prompt,
    read,
    running,
    saved,
    settle,
    settled,
    take,
    taken,
)

NOTHING = Purged(0, 0, [])


async def executed(store: Store, **fields: object) -> ScheduledPrompt:
    """A one-shot that fired, ran and ended."""
    prompt = await saved(store, once=True, **fields)
    await claimed(store, prompt)
    await settled(store, await taken(store))
    return await read(store, prompt)


@pytest.mark.parametrize("end", ["executed", "cancelled"])
async def test_a_prompt_that_ended_before_the_horizon_goes_with_all_that_is_its(lab: Lab, end: str) -> None:
    async with lab:
        store = await lab.store()
        if end == "executed":
            prompt = await executed(store, owner="ann", agent="bot", key="k", platform="chat")
        else:
            prompt = await saved(store, owner="ann", agent="bot", key="k", platform="chat")
            await store.claim([claim_for(prompt, missed_from=0)])
            await settled(store, await taken(store))
            await store.cancel(prompt.id)
            prompt = await read(store, prompt)
        assert await store.purge([prompt], store.clock.now() + 1, op="once") == Purged(1, 1, [])
        assert {name for name in set(lab.keys()) if not name.startswith(("op:", "ended:"))} == {
            "meta",
            "events",
            "platforms",
            "queues",
        }


async def test_a_prompt_that_ended_at_or_after_the_horizon_is_kept(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await executed(store)
        assert await store.purge([prompt], prompt.ended_at or 0) == NOTHING
        assert (await read(store, prompt)) == prompt


async def test_retention_counts_from_the_creation_where_the_end_is_unknown(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        old, new = await executed(store), await executed(store)
        for prompt, created in ((old, 1000), (new, store.clock.now())):
            lab.inspector.hset(store.keys.prompt(prompt.id), "created_at", created)
            lab.inspector.hdel(store.keys.prompt(prompt.id), "ended_at")
        found = await store.purge([old, new], 1001)
        lab.inspector.hset(store.keys.prompt(new.id), "ended_at", store.clock.now())
        assert found == Purged(1, 1, [])
        assert await store.read_prompts([old.id]) == [None]


@pytest.mark.parametrize("value", ["", "soon", None])
async def test_a_prompt_with_neither_date_is_kept_and_named(lab: Lab, value: str | None) -> None:
    async with lab:
        store = await lab.store()
        prompt = await executed(store)
        for field in ("created_at", "ended_at"):
            if value is None:
                lab.inspector.hdel(store.keys.prompt(prompt.id), field)
            else:
                lab.inspector.hset(store.keys.prompt(prompt.id), field, value)
        assert await store.purge([prompt], store.clock.now() + HOUR) == Purged(0, 0, [prompt.id])
        lab.inspector.hset(store.keys.prompt(prompt.id), "ended_at", "1")


@pytest.mark.parametrize("state", ["queued", "running", "retrying"])
async def test_a_prompt_with_a_live_fire_is_kept_with_all_its_fires(lab: Lab, state: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await executed(store)
        await store.claim([manual_for(store, prompt)])
        if state != "queued":
            lease = await taken(store)
            if state == "retrying":
                await settled(store, lease, "retrying", retry_at=store.clock.now())
        before = lab.keys()
        assert await store.purge([prompt], store.clock.now() + HOUR, op="once") == NOTHING
        after = lab.keys()
        del after["op:once.0"]
        assert after == before


async def test_a_living_prompt_is_kept_and_its_fires_from_before_the_horizon_go(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        old = await claimed(store, prompt)
        await settled(store, await taken(store))
        await store.clock.sleep(HOUR / 1000)
        new = await claimed(store, prompt)
        await settled(store, await taken(store))
        horizon = (prompt.next_nominal or 0) + HOUR
        assert await store.purge([prompt], horizon) == Purged(0, 1, [])
        keys = lab.keys()
        assert [fire for fire, _ in keys[f"history:{prompt.id}"]] == [new]
        assert f"fire:{old}" not in keys
        assert (await read(store, prompt)).status == "active"


async def test_a_live_fire_of_a_living_prompt_is_kept_however_old_it_is(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        [prompt] = await store.read_prompts([lease.fire.prompt_id])
        assert await store.purge([prompt], store.clock.now() + HOUR) == NOTHING  # type: ignore[list-item]
        await settled(store, lease)


async def test_a_key_that_names_another_prompt_by_now_is_kept(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        old = await executed(store, key="daily", owner="ann")
        new = await saved(store, key="daily", owner="ann")
        assert (await store.purge([old], store.clock.now() + 1)).prompts == 1
        assert lab.keys()["key:ann:daily"] == new.id
        assert await store.create(new_prompt(store, key="daily", owner="ann")) == new.id


async def test_a_key_is_free_after_its_prompt_was_purged(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        old = await executed(store, key="daily")
        await store.purge([old], store.clock.now() + 1)
        assert await store.create(new_prompt(store, key="daily")) is None


async def test_a_prompt_that_came_back_to_life_since_it_was_read_is_judged_by_what_it_is_now(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        stale = prompt.model_copy(update={"status": "cancelled", "ended_at": 1})
        assert await store.purge([stale], store.clock.now() + 1) == NOTHING


async def test_a_prompt_that_is_gone_already_counts_for_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert await store.purge([new_prompt(store)], store.clock.now() + 1) == NOTHING


async def test_a_purge_of_nothing_deletes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert await store.purge([], store.clock.now()) == NOTHING


async def test_a_prompt_with_very_many_fires_goes_in_several_calls(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await executed(store)
        for _ in range(3):
            await store.claim([manual_for(store, prompt) for _ in range(400)])
            await settle(store, [ending(store, lease) for lease in (await take(store)).leases], keep=9_999)
        later = store.clock.now() + 1
        assert [await store.purge([prompt], later) for _ in range(3)] == [
            Purged(0, 1000, []),
            Purged(1, 201, []),
            NOTHING,
        ]


async def test_what_is_late_for_a_purged_prompt_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        lease = await taken(store)
        await settled(store, lease)
        assert (await store.purge([prompt], store.clock.now() + 1)).prompts == 1
        before = lab.keys()
        assert await settle(store, [ending(store, lease, "failed")]) == ["lost"]
        assert await store.extend([(lease.fire.id, lease.token, 1)], lease_ms=1) == ["lost"]
        assert await store.cancel(prompt.id) == Refused("gone")
        assert not await store.retime(prompt, store.clock.now() + 1, store.clock.now() + 1)
        assert lab.keys() == before
        assert await store.claim([manual_for(store, prompt)]) == ["gone"]


async def test_more_prompts_than_one_script_deletes_go_in_one_call(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompts = [await saved(store) for _ in range(60)]
        for prompt in prompts[10:]:
            await store.cancel(prompt.id)
        prompts = [await read(store, prompt) for prompt in prompts]
        lab.inspector.hset(store.keys.prompt(prompts[55].id), mapping={"ended_at": "", "created_at": ""})
        horizon = store.clock.now() + 1
        answer = await store.purge(prompts, horizon, op="op")
        assert answer == Purged(49, 0, [prompts[55].id])
        assert await store.purge(prompts, horizon, op="op") == answer
        lab.inspector.hset(store.keys.prompt(prompts[55].id), "ended_at", "1")
