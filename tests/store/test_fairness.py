"""One owner's many fires do not go before another's one."""

from __future__ import annotations

import pytest

from scheduled_prompts.store import Store
from tests.conftest import Lab
from tests.store.steps import claim_for, claimed, crash, queued, reap, saved, settled, take


async def served(store: Store, count: int) -> list[str]:
    """Whose fires are taken, one after the other, each of which ends before the next."""
    found = []
    for _ in range(count):
        [lease] = (await take(store, 1)).leases
        assert lease.fire.prompt is not None
        found.append(lease.fire.prompt.owner or "-")
        await settled(store, lease)
    return found


async def test_two_owners_with_much_take_turns(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        for number in range(20):
            await queued(store, owner="ann", next_at=now - 100 + number)
        for number in range(4):
            await queued(store, owner="bob", next_at=now - 9 + number)
        assert await served(store, 8) == ["ann", "bob"] * 4
        assert await served(store, 16) == ["ann"] * 16


async def test_who_comes_later_with_one_is_served_next(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(20):
            await queued(store, owner="ann")
        await served(store, 5)
        await store.clock.sleep(30)
        await queued(store, owner="bob")
        assert await served(store, 1) == ["bob"]


async def test_who_comes_later_with_much_takes_turns_and_does_not_catch_up(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(20):
            await queued(store, owner="ann")
        await served(store, 10)
        for _ in range(10):
            await queued(store, owner="bob")
        first = await served(store, 6)
        assert first.count("ann") >= 2


async def test_an_owner_s_own_go_by_when_they_are_due(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        fires = [await queued(store, owner="ann", next_at=now - 50 + number) for number in range(10)]
        assert [lease.fire.id for lease in (await take(store)).leases] == fires


async def test_without_owners_fires_go_by_when_they_are_due(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        later, first = await queued(store, next_at=now - 1), await queued(store, next_at=now - 2)
        assert [lease.fire.id for lease in (await take(store)).leases] == [first, later]
        assert "fair" not in lab.keys()


async def test_a_high_priority_goes_first_however_much_its_owner_has(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(10):
            await queued(store, owner="ann")
        high = await queued(store, owner="ann", priority=90)
        await queued(store, owner="bob")
        [lease] = (await take(store, 1)).leases
        assert lease.fire.id == high


@pytest.mark.parametrize("how", ["taken", "cancelled", "given back"])
async def test_who_has_nothing_waiting_is_forgotten(lab: Lab, how: str) -> None:
    async with lab:
        store = await lab.store()
        fires = [await queued(store, owner="ann") for _ in range(3)]
        assert "50:ann" in lab.keys()["fair"]
        if how == "cancelled":
            for fire in fires:
                await store.cancel_fire(fire)
        else:
            for lease in (await take(store)).leases:
                await settled(store, lease, "queued" if how == "given back" else "succeeded")
        assert "fair" not in lab.keys()


async def test_what_is_put_back_stands_where_it_stood(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fires = [await queued(store, owner="ann") for _ in range(5)]
        leases = (await take(store, 3)).leases
        for lease in leases[1:]:
            await settled(store, lease, "queued", reason="given_back")
        await settled(store, leases[0], "retrying", retry_at=store.clock.now())
        await reap(store)
        assert [lease.fire.id for lease in (await take(store)).leases] == fires


async def test_with_the_last_that_was_put_back_the_turns_end_too(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(2):
            await queued(store, owner="ann")
        await take(store)
        await crash(store)
        for lease in (await take(store)).leases:
            await settled(store, lease)
        assert "fair" not in lab.keys()


async def test_with_the_last_the_turns_end_however_many_priorities_there_were(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for priority in (0, 20, 50, 80, 90, 100):
            for _ in range(2):
                await queued(store, owner="ann", priority=priority)
        for lease in (await take(store, 20)).leases:
            await settled(store, lease)
        assert "fair" not in lab.keys()


async def test_where_there_is_no_room_only_who_has_nothing_waiting_gets_more(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store, owner="ann")
        answers = []
        for owner in ("ann", "bob", "bob", None):
            item = claim_for(await saved(store, owner=owner))
            item["deep"] = True
            answers += await store.claim([item])
        assert answers == ["deep", "claimed", "deep", "deep"]


async def test_a_turn_that_a_vanished_fire_left_is_forgotten_by_the_sweep(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lab.inspector.hset(store.keys.fair, "50:ann", str(store.clock.now()))
        await store.wake()
        assert "fair" not in lab.keys()
        await claimed(store, await saved(store, owner="ann"))
