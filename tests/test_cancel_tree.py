"""A person stops what an agent's prompt booked, and what that booked, down to the last generation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scheduled_prompts import Caller, Conflict, Forbidden, LimitReached, Limits, NotFound, Scheduler
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Lease
from scheduled_prompts.tools import Tools
from tests.conftest import Lab
from tests.store.steps import read, saved, settled
from tests.test_in_a_fire import MINE, at_work, fired, inside, told

WIDE = Limits(max_depth=5, active_per_tree=0, active_per_owner=0, active_per_conversation=0, min_interval=0)


async def child_of(store: Store, lease: Lease, when: str = "in 2h", **fields: Any) -> ScheduledPrompt:
    return (await inside(store, lease, WIDE).schedule("a child", when, **fields)).prompt


async def three_generations(store: Store) -> tuple[ScheduledPrompt, list[ScheduledPrompt], Lease]:
    """A root; its child, whose last fire runs, another one, and a grandchild; and that fire."""
    root, lease = await at_work(store, once=True)
    child, other = await child_of(store, lease, "in 1h"), await child_of(store, lease, "every day at 9am")
    await settled(store, lease)
    await store.clock.sleep(3600)
    running = await fired(store, child)
    return root, [child, other, await child_of(store, running)], running


async def living(store: Store) -> set[str]:
    page = await Scheduler(store, timezone="UTC").list(limit=1000)
    return {prompt.id for prompt in page.items if prompt.status not in ("executed", "cancelled")}


@pytest.mark.parametrize("owner", ["ann", None])
async def test_what_came_of_a_prompt_goes_on_without_it_and_ends_with_the_tree(lab: Lab, owner: str | None) -> None:
    async with lab:
        store = await lab.store()
        person = Scheduler(store, timezone="UTC")
        stranger = await saved(store, **{**MINE, "owner": owner}, next_at=store.clock.now() + 10**8)
        root, lease = await at_work(store, owner=owner)
        child, sister = await child_of(store, lease), await child_of(store, lease)
        await person.pause(sister.id)
        plain = await person.cancel(root.id)
        assert (plain.before, plain.asked_to_stop, plain.with_it, plain.living) == (
            "active",
            1,
            (),
            (child.id, sister.id),
        )
        whole = await person.cancel(root.id, tree=True)
        assert (whole.before, whole.with_it, whole.living) == ("cancelled", (child.id, sister.id), ())
        again = await person.cancel(root.id, tree=True)
        assert (again.before, again.with_it, again.ended, again.asked_to_stop) == ("cancelled", (), 0, 0)
        assert await living(store) == {stranger.id}


async def test_a_fire_of_a_descendant_that_has_run_out_is_stopped_too(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, below, running = await three_generations(store)
        done = await Scheduler(store, timezone="UTC").cancel(root.id, tree=True)
        assert (done.before, done.asked_to_stop) == ("executed", 1)
        assert done.with_it == (*sorted(prompt.id for prompt in below[:2]), below[2].id)
        assert "asked to stop" in await told(child_of(store, running), Forbidden)
        assert await living(store) == set()


async def test_of_a_descendant_alone_what_is_below_it_ends_and_nothing_beside(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, [child, other, grandchild], _ = await three_generations(store)
        done = await Scheduler(store, timezone="UTC").cancel(child.id, tree=True)
        assert done.with_it == (grandchild.id,)
        assert await living(store) == {other.id}
        assert (await read(store, root)).status == "executed"


async def test_what_is_made_meanwhile_ends_with_the_tree(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store)
        children = [await child_of(store, lease, "in 1h") for _ in range(4)]
        await store.clock.sleep(3600)
        at_it = [await fired(store, child) for child in children]

        async def multiply(running: Lease) -> int:
            made = 0
            while True:
                try:
                    await child_of(store, running)
                except (Forbidden, LimitReached):
                    return made
                made += 1

        multiplying = [asyncio.create_task(multiply(running)) for running in [lease, *at_it]]
        for _ in range(10):
            await living(store)
        done = await Scheduler(store, timezone="UTC").cancel(root.id, tree=True)
        made = sum(await asyncio.gather(*multiplying))
        assert await living(store) == set()
        assert len(done.with_it) == len(children) + made > len(children)


async def test_from_its_own_fire_a_prompt_ends_what_it_made_and_then_itself(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store)
        child = await child_of(store, lease)
        done = await inside(store, lease).cancel(root.id, tree=True)
        assert (done.before, done.with_it) == ("active", (child.id,))
        assert await living(store) == set()


async def test_a_tree_that_is_not_there_or_is_anothers_is_not_found(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store)
        child = await child_of(store, lease)
        person = Scheduler(store, timezone="UTC")
        absent = root.id[:-8] + "00000000"
        assert await told(person.cancel(absent, tree=True), NotFound) == f"there is no prompt {absent!r}"
        bob = person.as_caller(Caller(owner="bob", agent="aide"))
        assert await told(bob.cancel(root.id, tree=True), NotFound) == f"there is no prompt {root.id!r}"
        assert await living(store) == {root.id, child.id}
        ann = person.as_caller(Caller(owner="ann", agent="aide"))
        assert (await ann.cancel(root.id, tree=True)).with_it == (child.id,)


async def test_an_ended_prompt_says_what_of_it_goes_on(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store, once=True)
        child = await child_of(store, lease)
        await settled(store, lease)
        person = Scheduler(store, timezone="UTC")
        with pytest.raises(Conflict) as caught:
            await person.cancel(root.id)
        goes_on = f"what came of it goes on: {short(child.id)}"
        assert caught.value.hint == f"{goes_on}; `cancel --tree` ends that, too"
        agent = Tools(person).bound(Caller(owner="ann", agent="aide"))
        answer = await agent.call("cancel_scheduled_prompt", {"id": root.id})
        assert answer["error"]["hint"] == goes_on


async def test_a_record_that_is_broken_does_not_keep_the_others_of_its_tree(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store)
        broken, sound = await child_of(store, lease), await child_of(store, lease)
        lab.inspector.hset(f"{lab.prefix}prompt:{broken.id}", "doc", "{")
        done = await Scheduler(store, timezone="UTC").cancel(root.id, tree=True)
        assert set(done.with_it) == {broken.id, sound.id}


async def test_a_model_is_told_what_it_made_and_what_ends_that(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store)
        child = await child_of(store, lease)
        tools = Tools(Scheduler(store, timezone="UTC")).bound(Caller(owner="ann", agent="aide"))
        answer = await tools.call("cancel_scheduled_prompt", {"id": root.id})
        assert answer["still_living"] == [child.id]
        assert (
            f"1 scheduled prompt made in its runs goes on: {short(child.id)}. cancel_scheduled_prompt ends it."
            in answer["message"]
        )
