"""look: what a daemon sees at a glance."""

from __future__ import annotations

from scheduled_prompts.store.records import ALL, Look, Serves
from tests.conftest import Lab
from tests.store.steps import EVERYTHING, LEASE, queued, retrying, running, saved


async def test_an_empty_store_shows_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert await store.look(overdue=store.clock.now(), serves=EVERYTHING) == Look(0, None, None, [])


async def test_a_look_shows_what_is_ready_held_waiting_and_overdue(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        await running(store, once=True)
        await retrying(store, once=True)
        await queued(store, once=True)
        late = await saved(store, next_at=now - 5)
        later = await saved(store, next_at=now - 3, platform="chat")
        await saved(store, next_at=now + 1)
        seen = await store.look(overdue=now, serves=EVERYTHING)
        assert seen == Look(1, now + LEASE, now + 60_000, [(later.id, now - 3, "chat"), (late.id, now - 5, "default")])


async def test_only_what_is_served_is_shown(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        mine = await saved(store, platform="chat")
        await saved(store, platform="mail")
        await queued(store, once=True, platform="chat", runner="echo")
        await queued(store, once=True, platform="chat", runner="log")
        await queued(store, once=True, platform="mail", runner="log")
        seen = await store.look(overdue=now, serves=Serves(("chat",), ("log",)))
        assert (seen.ready, seen.overdue) == (1, [(mine.id, now, "chat")])
        assert (await store.look(overdue=now, serves=Serves((), (ALL,)))).overdue == []


async def test_of_very_many_overdue_prompts_a_page_is_shown_first_due_first(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        prompts = [await saved(store, next_at=now - age) for age in (1, 3, 2)]
        seen = await store.look(overdue=now, serves=EVERYTHING, page=2)
        assert [prompt for prompt, _, _ in seen.overdue] == [prompts[1].id, prompts[2].id]


async def test_a_platform_with_much_overdue_hides_no_other(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for platform in ("chat", "chat", "mail", "mail", "news"):
            await saved(store, platform=platform)
        seen = await store.look(overdue=store.clock.now(), serves=EVERYTHING, page=3)
        assert [platform for _, _, platform in seen.overdue] == ["chat", "mail", "news"]


async def test_a_look_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await running(store)
        before = lab.keys()
        await store.look(overdue=store.clock.now() + LEASE, serves=EVERYTHING)
        assert lab.keys() == before
