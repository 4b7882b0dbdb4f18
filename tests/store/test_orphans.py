"""What is left of prompts that are gone is found by a walk over all keys, and goes; nothing else does."""

from __future__ import annotations

import json

import pytest

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import ALL, Serves
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    edited,
    lease_runs_out,
    manual_for,
    read,
    reap,
    saved,
    settled,
    take,
    taken,
)

DAY = 86_400_000
GONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def eventful(store: Store, platform: str, **fields: object) -> ScheduledPrompt:
    """A prompt that has something under each kind of key: an ended, a retrying and a queued fire, a span, a version."""
    prompt = await saved(store, platform=platform, **fields)
    for outcome, retry_at in (("failed", None), ("retrying", store.clock.now() + HOUR)):
        await claimed(store, prompt)
        [lease] = (await take(store, serves=Serves((platform,), (ALL,)))).leases
        await settled(store, lease, outcome, retry_at=retry_at)
    await edited(store, prompt, text="other")
    await store.claim([manual_for(store, await read(store, prompt))])
    return prompt


def forget(lab: Lab, prompt: ScheduledPrompt) -> None:
    """The record and where it is listed; all else stays."""
    lab.inspector.delete(f"{lab.prefix}prompt:{prompt.id}")
    for index in ("by:status:active", f"by:platform:{prompt.platform}", f"due:{prompt.platform}"):
        lab.inspector.zrem(lab.prefix + index, prompt.id)


def of(lab: Lab, prompt: ScheduledPrompt) -> list[str]:
    return [name for name, held in lab.keys().items() if prompt.id in name + json.dumps(held, default=str)]


@pytest.mark.unaccounted
async def test_all_that_was_a_prompts_goes_after_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        stays, goes = await eventful(store, "here"), await eventful(store, "there")
        lab.inspector.hset(store.keys.spend(f"prompt:{goes.id}"), "spent", "5")
        kept = {name: held for name, held in lab.keys().items() if stays.id in name}
        forget(lab, goes)
        assert await store.delete_orphans() >= 6  # what listed the fires may be empty by then
        assert [name for name in of(lab, goes) if not name.startswith(("op:", "events"))] == []
        assert {name: held for name, held in lab.keys().items() if stays.id in name} == kept
        assert len((await take(store)).leases) == 1
        assert await store.delete_orphans() == 0


async def test_where_nothing_is_left_over_nothing_is_changed(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await eventful(store, "here", agent="bot", owner="ann")
        cancelled = await eventful(store, "there")
        await store.cancel(cancelled.id)
        before = lab.keys()
        assert await store.delete_orphans() == 0
        assert lab.keys() == before


@pytest.mark.unaccounted
async def test_what_still_runs_goes_when_it_has_ended(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fire = await claimed(store, prompt)
        await taken(store)
        forget(lab, prompt)
        await store.delete_orphans()
        assert f"fire:{fire}" in lab.keys()
        await lease_runs_out(store)
        await reap(store)
        assert await store.delete_orphans() >= 1
        assert f"fire:{fire}" not in lab.keys()
        assert (await take(store)).leases == []


async def test_what_is_counted_for_a_limit_is_not_counted_for_ever(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, agent="bot", owner="ann")
        counted = store.keys.active("owner", "ann")
        lab.inspector.sadd(counted, GONE)
        assert await store.delete_orphans() == 1
        assert lab.inspector.smembers(counted) == {prompt.id}


@pytest.mark.unaccounted
@pytest.mark.parametrize("fire", [f"{GONE}@1", "@ended"])
async def test_no_slot_and_no_turn_is_taken_for_ever(lab: Lab, fire: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        ended = await claimed(store, prompt)
        await settled(store, await taken(store))
        fire = ended if fire == "@ended" else fire
        lab.inspector.sadd(store.keys.slots("owner:ann"), fire)
        lab.inspector.zadd(f"{lab.prefix}turns:owner:ann", {fire: 1})
        assert await store.delete_orphans() == 2
        assert not [name for name in lab.keys() if name.startswith(("slots", "turns"))]


@pytest.mark.unaccounted
async def test_many_go_in_bounded_steps(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduled_prompts.store.inspection.BATCH", 7)
    async with lab:
        store = await lab.store()
        stays = await saved(store)
        for nominal in range(60):
            lab.inspector.hset(store.keys.fire(f"{GONE}@{nominal}"), mapping={"status": "failed", "nominal": nominal})
            lab.inspector.zadd(store.keys.history(GONE), {f"{GONE}@{nominal}": nominal})
        assert await store.delete_orphans() >= 60
        assert [name for name in lab.keys() if GONE in name] == []
        assert (await read(store, stays)).status == "active"


async def test_one_of_many_looks_for_them_once_in_a_while(lab: Lab) -> None:
    async with lab:
        store, other = await lab.store(), await lab.store()
        assert await store.time_for_orphans(DAY)
        assert not await other.time_for_orphans(DAY)
        await store.clock.sleep(86_399)
        assert not await store.time_for_orphans(DAY)
        await store.clock.sleep(1)
        assert await other.time_for_orphans(DAY)
        assert not await store.time_for_orphans(DAY)


@pytest.mark.parametrize(("keep", "left"), [(2, 2), (0, 5), (9, 5)])
async def test_of_a_prompt_that_only_skips_the_oldest_fires_go_too(lab: Lab, keep: int, left: int) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fires = [await skipped(store, prompt) for _ in range(5)]
        purged = await store.purge([await read(store, prompt)], 0, keep=keep, op="op")
        assert (purged.prompts, purged.fires) == (0, 5 - left)
        assert [fire for fire, _ in await store.history_page(prompt.id, "+inf", 0, 9)] == fires[::-1][:left]
        assert await store.purge([await read(store, prompt)], 0, keep=keep, op="op") == purged
        assert len(await store.history_page(prompt.id, "+inf", 0, 9)) == left


async def skipped(store: Store, prompt: ScheduledPrompt) -> str:
    item = claim_for(await read(store, prompt)) | {"skip": "requested"}
    assert await store.claim([item]) == ["claimed"]  # type: ignore[list-item]
    return item["fire"]


async def test_a_fire_that_has_not_ended_stays_however_many_there_are(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        waiting = [await claimed(store, prompt) for _ in range(3)]
        assert (await store.purge([await read(store, prompt)], 0, keep=1)).fires == 0
        assert len((await take(store)).leases) == len(waiting)
