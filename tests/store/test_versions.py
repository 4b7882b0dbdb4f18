"""Which definition a fire runs: the one it was claimed with, whatever became of its prompt since."""

from __future__ import annotations

import pytest

from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claimed,
    crash,
    damage,
    edited,
    ending,
    manual_for,
    paused,
    read,
    reap,
    resumed,
    saved,
    settle,
    settled,
    skipping,
    take,
    taken,
)


async def texts(store: Store) -> list[str]:
    """What the fires that are ready would run, in order; they are given back."""
    found = await take(store)
    await settle(store, [ending(store, lease, "queued") for lease in found.leases])
    return [lease.fire.text for lease in found.leases]


async def test_what_was_queued_before_an_edit_runs_what_it_was_claimed_with(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, text="old")
        await claimed(store, prompt)
        await edited(store, prompt, text="new")
        assert await texts(store) == ["old"]
        await claimed(store, prompt)
        assert await texts(store) == ["old", "new"]


async def test_a_retry_after_an_edit_runs_what_the_first_attempt_ran(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, text="old", retries=2)
        await claimed(store, prompt)
        await settled(store, await taken(store), "retrying", retry_at=store.clock.now())
        await edited(store, prompt, text="new", retries=0)
        await reap(store, leases=False)
        lease = await taken(store)
        assert (lease.fire.text, lease.fire.attempt) == ("old", 2)
        assert lease.fire.prompt is not None
        assert lease.fire.prompt.retries == 2
        assert await crash(store) == [(lease.fire.id, "queued")]
        assert await texts(store) == ["old"]


async def test_each_fire_runs_its_own_of_several_edits_with_pauses_and_skips_between_them(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, text="0")
        for number in range(1, 6):
            await store.claim([manual_for(store, await read(store, prompt))])
            await store.clock.sleep(1)
            if number == 2:
                await paused(store, prompt)
                await resumed(store, prompt, next_at=store.clock.now() + HOUR)
            if number == 4:
                await skipping(store, prompt, store.clock.now() + HOUR)
                await edited(store, prompt, priority=51)
                await store.claim([manual_for(store, await read(store, prompt))])
                await store.clock.sleep(1)
            await edited(store, prompt, text=str(number))
        await store.claim([manual_for(store, await read(store, prompt))])
        found = [lease.fire for lease in (await take(store)).leases]
        found.sort(key=lambda fire: fire.due)
        assert [fire.text for fire in found] == ["0", "1", "2", "3", "3", "4", "5"]
        assert [fire.prompt.priority for fire in found if fire.prompt] == [None, None, None, None, 51, 51, 51]


async def test_a_transition_without_an_edit_keeps_no_second_copy(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        await resumed(store, await paused(store, prompt), next_at=store.clock.now() + HOUR)
        await edited(store, prompt, next_at=store.clock.now() + 2 * HOUR)
        assert set(lab.keys()[f"version:{prompt.id}"]) == {"3"}


async def test_an_edit_before_the_first_fire_keeps_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await edited(store, prompt, text="new")
        assert f"version:{prompt.id}" not in lab.keys()


async def test_the_store_tells_which_definition_each_fire_ran(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, text="old")
        old = await claimed(store, prompt)
        await edited(store, prompt, text="new")
        new = await claimed(store, prompt)
        scheduler = await lab.scheduler(store)
        found: list[Fire] = [await scheduler.fire(fire, with_prompt=True) for fire in (old, new)]
        assert [fire.text for fire in found] == ["old", "new"]


async def purged(store: Store, prompt: ScheduledPrompt) -> int:
    return (await store.purge([await read(store, prompt)], store.clock.now() + 1)).fires


async def test_a_purge_forgets_the_versions_that_no_fire_refers_to(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, text="1")
        for number in range(2, 5):
            await claimed(store, prompt)
            await settled(store, await taken(store))
            await edited(store, prompt, text=str(number))
        assert set(lab.keys()[f"version:{prompt.id}"]) == {"1", "2", "3"}
        horizon = (prompt.next_at or 0) + 1  # the first of three fires
        assert (await store.purge([await read(store, prompt)], horizon)).fires == 1
        assert set(lab.keys()[f"version:{prompt.id}"]) == {"2", "3"}
        await store.clock.sleep(5 * HOUR / 1000)
        assert await purged(store, prompt) == 2
        assert f"version:{prompt.id}" not in lab.keys()


async def test_a_purge_keeps_the_version_of_a_fire_that_still_lives(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, text="old")
        await claimed(store, prompt)
        await paused(store, await saved(store))
        await edited(store, prompt, text="new")
        await store.clock.sleep(5)
        assert await purged(store, prompt) == 0
        assert await texts(store) == ["old"]


@pytest.mark.parametrize("end", ["executed", "cancelled"])
async def test_a_purge_of_a_prompt_takes_its_versions_along(lab: Lab, end: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        await settled(store, await taken(store))
        await edited(store, prompt, text="new")
        if end == "cancelled":
            await edited(store, prompt, next_at=store.clock.now() + HOUR)
            await store.cancel(prompt.id)
        assert (await store.purge([await read(store, prompt)], store.clock.now() + 1)).prompts == 1
        assert not [name for name in lab.keys() if prompt.id in name]


async def test_a_fire_whose_prompt_is_no_record_any_more_runs_what_is_still_known(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, text="old")
        await claimed(store, prompt)
        await edited(store, prompt, text="new")
        await claimed(store, prompt)
        damage(lab, f"prompt:{prompt.id}")
        found = await take(store)
        assert [lease.fire.text for lease in found.leases] == ["old"]
        assert len(found.unreadable) == 1
        await settle(store, [ending(store, lease) for lease in found.leases])
        await store.cancel_fire(found.unreadable[0].id)
        item = ending(store, found.leases[0], "cancelled") | {"fire": found.unreadable[0].id}
        await settle(store, [item])  # type: ignore[list-item]
        await store.cancel(prompt.id)
