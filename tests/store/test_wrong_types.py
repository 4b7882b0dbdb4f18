"""A key of the wrong type in the middle of a batch: it harms its own prompt or fire, and no other."""

from __future__ import annotations

import pytest

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    LEASE,
    claim_for,
    claimed,
    damage,
    ending,
    lease_runs_out,
    manual_for,
    read,
    read_fire,
    reap,
    saved,
    settle,
    settled,
    take,
    taken,
)

OF_A_PROMPT = ["prompt", "live", "history", "spans"]


async def three(store: Store, **fields: object) -> list[ScheduledPrompt]:
    return [await saved(store, **fields) for _ in range(3)]


def drop(lab: Lab, *keys: str) -> None:
    """What no caller could mend: so that the accounts add up."""
    for key in keys:
        lab.inspector.delete(lab.prefix + key)


@pytest.mark.parametrize("kind", OF_A_PROMPT)
async def test_a_claim_of_others_is_made_and_nothing_is_left_of_the_broken_one(lab: Lab, kind: str) -> None:
    async with lab:
        store = await lab.store()
        prompts = await three(store)
        damage(lab, f"{kind}:{prompts[1].id}")
        items = [claim_for(prompt, missed_from=0) for prompt in prompts]
        first, broken, last = await store.claim(items)
        assert (first, last) == ("claimed", "claimed")
        assert broken.startswith("broken: ")
        assert "WRONGTYPE" in broken
        assert not [name for name in lab.keys() if name.startswith(f"fire:{prompts[1].id}")]
        assert len((await take(store)).leases) == 2
        drop(lab, f"{kind}:{prompts[1].id}")
        if kind != "prompt":
            assert (await read(store, prompts[1])).seq == 0
            assert await store.claim([items[1]]) == ["claimed"]
        else:
            await store.quarantine(prompts[1], "gone")  # its due entry goes too
            lab.inspector.zrem(f"{lab.prefix}by:status:active", prompts[1].id)
            lab.inspector.zrem(f"{lab.prefix}by:platform:default", prompts[1].id)


async def test_a_claim_finds_a_fire_that_is_no_record_and_is_lost(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompts = await three(store)
        items = [claim_for(prompt) for prompt in prompts]
        damage(lab, f"fire:{items[1]['fire']}")
        assert await store.claim(items) == ["claimed", "lost", "claimed"]
        drop(lab, f"fire:{items[1]['fire']}")


@pytest.mark.parametrize("kind", [*OF_A_PROMPT, "version"])
async def test_others_are_taken_and_settled_beside_a_broken_prompt(lab: Lab, kind: str) -> None:
    async with lab:
        store = await lab.store()
        prompts = await three(store)
        for prompt in prompts:
            await claimed(store, prompt)
        damage(lab, f"{kind}:{prompts[1].id}")
        found = await take(store)
        leases = {lease.fire.prompt_id: lease for lease in found.leases}
        assert leases.keys() >= {prompts[0].id, prompts[2].id}
        assert len(found.leases) + len(found.unreadable) == 3
        items = [ending(store, lease, "failed") for lease in leases.values()]
        assert await settle(store, items) == ["settled"] * len(items)
        for lease in leases.values():
            assert (await read_fire(store, lease.fire.id)).status == "failed"
        for fire in found.unreadable:
            await settle(store, [ending(store, found.leases[0], "failed") | {"fire": fire.id}])  # type: ignore[list-item]
        assert "leases" not in lab.keys()
        if kind == "prompt":
            await store.cancel(prompts[1].id)
        drop(lab, f"{kind}:{prompts[1].id}")
        if kind == "history":
            [name] = [name for name in lab.keys() if name.startswith(f"fire:{prompts[1].id}")]
            drop(lab, name)


@pytest.mark.unaccounted
@pytest.mark.parametrize("step", ["take", "extend", "settle", "reap", "retry"])
async def test_a_fire_that_is_no_record_stops_no_other(lab: Lab, step: str) -> None:
    async with lab:
        store = await lab.store()
        fires = [await claimed(store, prompt) for prompt in await three(store)]
        good = {fires[0], fires[2]}
        if step == "take":
            damage(lab, f"fire:{fires[1]}")
            assert {lease.fire.id for lease in (await take(store)).leases} == good
            return
        leases = (await take(store)).leases
        retry_at = store.clock.now() + 1
        if step == "retry":
            await settle(store, [ending(store, lease, "retrying", retry_at=retry_at) for lease in leases])
        damage(lab, f"fire:{fires[1]}")
        if step == "extend":
            states = await store.extend([(lease.fire.id, lease.token, None) for lease in leases], lease_ms=LEASE)
            assert states == ["lost" if lease.fire.id == fires[1] else "ok" for lease in leases]
        elif step == "settle":
            answers = await settle(store, [ending(store, lease) for lease in leases])
            assert answers == ["lost" if lease.fire.id == fires[1] else "settled" for lease in leases]
        else:
            await lease_runs_out(store)
            assert {fire for fire, _ in await reap(store)} == good
            assert {lease.fire.id for lease in (await take(store)).leases} == good


@pytest.mark.unaccounted
@pytest.mark.parametrize("kind", [*OF_A_PROMPT, "version", "fire"])
async def test_others_are_purged_beside_a_broken_one(lab: Lab, kind: str) -> None:
    async with lab:
        store = await lab.store()
        prompts = await three(store, once=True)
        for prompt in prompts:
            fire = await claimed(store, prompt)
            await settled(store, await taken(store))
            if prompt is prompts[1]:
                damage(lab, f"{kind}:{fire if kind == 'fire' else prompt.id}")
        found = await store.purge(prompts, store.clock.now() + 1)
        assert found.prompts >= 2
        left = {name[7:] for name in lab.keys() if name.startswith("prompt:")}
        assert left <= {prompts[1].id}


@pytest.mark.unaccounted
async def test_a_look_and_a_reading_of_many_go_on(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompts = await three(store)
        damage(lab, f"prompt:{prompts[1].id}")
        seen = await store.look(overdue=store.clock.now(), serves=EVERYTHING)
        assert len(seen.overdue) == 3
        found = await store.read_prompts([prompt.id for prompt in prompts])
        assert [type(prompt).__name__ for prompt in found] == ["ScheduledPrompt", "Unreadable", "ScheduledPrompt"]


async def test_a_manual_run_of_a_prompt_whose_list_of_live_fires_is_none_leaves_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        damage(lab, f"live:{prompt.id}")
        [answer] = await store.claim([manual_for(store, prompt)])
        assert answer.startswith("broken: ")
        drop(lab, f"live:{prompt.id}")
