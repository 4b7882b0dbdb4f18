"""What finds a limit full waits beside `ready`, and comes back when one that ran has ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scheduled_prompts.limits import Concurrency, Limits
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Taken
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    KEEP,
    LEASE,
    claimed,
    crash,
    ending,
    heard,
    paused,
    queued,
    read,
    read_fire,
    saved,
    settled,
)

ONE_PER_OWNER = Limits(concurrency=Concurrency(owner=1))


async def take(store: Store, limit: int = 500, limits: Limits = ONE_PER_OWNER, op: str | None = None) -> Taken:
    return await store.take(limit, lease_ms=LEASE, daemon="daemon", serves=EVERYTHING, limits=limits, op=op)


def fires(found: Taken) -> list[str]:
    return [lease.fire.id for lease in found.leases]


async def test_what_finds_its_limit_full_is_parked_and_not_looked_at_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first, second = await queued(store, owner="ann"), await queued(store, owner="ann")
        found = await take(store)
        assert (fires(found), found.waiting) == ([first], 0)
        keys = lab.keys()
        assert [fire for fire, _ in keys["parked:owner:ann"]] == [second]
        assert keys["parked"] == {"owner:ann"}
        assert keys["slots:owner:ann"] == {first}
        assert (await read_fire(store, second)).status == "queued"
        assert (await store.look(overdue=0, serves=EVERYTHING)).ready == 0


async def test_those_behind_are_taken_in_the_same_call(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        anns = [await queued(store, owner="ann", next_at=now - 100 + number) for number in range(20)]
        bobs = await queued(store, owner="bob", next_at=now)
        assert fires(await take(store, 2)) == [anns[0], bobs]


async def test_when_one_has_ended_the_best_that_waits_is_ready_and_workers_are_told(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        await queued(store, owner="ann", next_at=now - 9)
        [lease] = (await take(store)).leases
        low = await queued(store, owner="ann", next_at=now - 8, priority=10)
        high = await queued(store, owner="ann", next_at=now - 7)
        assert fires(await take(store)) == []
        messages = heard(lab)
        await settled(store, lease)
        assert {"type": "ready"} in messages()
        [lease] = (await take(store)).leases
        assert lease.fire.id == high
        assert [fire for fire, _ in lab.keys()["parked:owner:ann"]] == [low]


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "retrying", "queued", "cancelled"])
async def test_a_slot_is_free_whatever_follows_and_a_repetition_frees_nothing_more(lab: Lab, outcome: str) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(4):
            await queued(store, owner="ann")
        [lease] = (await take(store)).leases
        item = ending(store, lease, outcome, retry_at=store.clock.now() + 60_000 if outcome == "retrying" else None)
        for _ in range(2):
            assert await store.settle([item], keep=KEEP) == ["settled"]
        assert len(lab.keys()["parked:owner:ann"]) == 2
        assert len(fires(await take(store))) == 1


async def test_a_repeated_take_says_the_same_and_parks_nothing_twice(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(3):
            await queued(store, owner="ann")
        first = fires(await take(store, op="token"))
        before = lab.keys()
        assert fires(await take(store, op="token")) == first
        assert lab.keys() == before


async def test_no_crash_leaves_a_slot_taken(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lost, waiting = await queued(store, owner="ann"), await queued(store, owner="ann")
        await take(store)
        assert await crash(store) == [(lost, "queued")]
        assert "slots:owner:ann" not in lab.keys()
        [lease] = (await take(store)).leases
        assert lease.fire.id == min(lost, waiting)


@pytest.mark.parametrize("how", ["fire", "prompt", "pause"])
async def test_what_is_stopped_while_it_is_parked_ends(lab: Lab, how: str) -> None:
    async with lab:
        store = await lab.store()
        await queued(store, owner="ann")
        prompt = await saved(store, owner="ann")
        fire = await claimed(store, prompt)
        await take(store)
        if how == "fire":
            await store.cancel_fire(fire)
        elif how == "prompt":
            await store.cancel(prompt.id)
        else:
            await paused(store, await read(store, prompt))
        assert (await read_fire(store, fire)).status == ("skipped" if how == "pause" else "cancelled")
        assert not {key for key in lab.keys() if key.startswith("parked")}


async def test_a_woken_one_that_is_cancelled_leaves_its_turn_to_the_next(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        for age in (3, 2, 1):
            await queued(store, owner="ann", next_at=now - age)
        [lease] = (await take(store)).leases
        second, third = (fire for fire, _ in lab.keys()["parked:owner:ann"])
        await settled(store, lease)
        await store.cancel_fire(second)
        assert fires(await take(store)) == [third]


async def test_a_woken_one_that_another_limit_holds_up_leaves_its_turn_to_the_next(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        limits = Limits(concurrency=Concurrency(owner=1, runners={"slow": 1}))
        await queued(store, owner="ann", next_at=now - 9)
        slow = await queued(store, owner="bob", runner="slow", next_at=now - 9)
        found = await take(store, limits=limits)
        held_up = await queued(store, owner="ann", runner="slow", next_at=now - 2)
        free = await queued(store, owner="ann", next_at=now - 1)
        assert fires(await take(store, limits=limits)) == []
        await settled(store, next(lease for lease in found.leases if lease.fire.id != slow))
        assert fires(await take(store, limits=limits)) == [free]
        assert [fire for fire, _ in lab.keys()["parked:runner:slow"]] == [held_up]


async def test_a_raised_limit_lets_all_in_that_now_find_room(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(6):
            await queued(store, owner="ann")
        await take(store)
        assert await store.wake() == 1
        found = await take(store, limits=Limits(concurrency=Concurrency(owner=1, owners={"ann": 4})))
        assert len(found.leases) == 3
        assert (len(lab.keys()["slots:owner:ann"]), len(lab.keys()["parked:owner:ann"])) == (4, 2)


async def test_a_sweep_frees_a_slot_that_nobody_runs_under(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lab.inspector.sadd(store.keys.slots("owner:ann"), "01ARZ3NDEKTSV4RRFFQ69G5FAV@1")
        fire = await queued(store, owner="ann")
        assert fires(await take(store)) == []
        await store.wake()
        assert fires(await take(store)) == [fire]


async def test_a_key_of_the_wrong_type_limits_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lab.inspector.set(store.keys.slots("owner:ann"), "no set")
        fire = await queued(store, owner="ann")
        assert fires(await take(store)) == [fire]
        lab.inspector.delete(store.keys.slots("owner:ann"))
        lab.inspector.sadd(store.keys.slots("owner:ann"), fire)


@pytest.mark.parametrize(
    ("limits", "fields"),
    [
        (Concurrency(owner=2), {"owner": "ann"}),
        (Concurrency(agent=2), {"agent": "bot"}),
        (Concurrency(conversation=2), {"conversation": "c7"}),
        (Concurrency(platform=2), {"platform": "chat"}),
        (Concurrency(runner=2), {"runner": "claude"}),
        (Concurrency(runner=9, runners={"claude": 2}), {"runner": "claude"}),
        (Concurrency(), {"concurrency_key": "gpu", "concurrency": 2}),
    ],
)
async def test_however_many_daemons_take_a_limit_is_never_exceeded(
    lab: Lab, limits: Concurrency, fields: dict[str, Any]
) -> None:
    async with lab:
        stores = [await lab.store(seed=seed) for seed in range(4)]
        for _ in range(12):
            await queued(stores[0], **fields)
        others = [await queued(stores[0]) for _ in range(3)]
        seen: set[str] = set()
        for _ in range(6):
            found = await asyncio.gather(*(take(store, 5, Limits(concurrency=limits)) for store in stores))
            leases = [(store, lease) for store, part in zip(stores, found, strict=True) for lease in part.leases]
            limited = [lease for _, lease in leases if lease.fire.id not in others]
            assert len(limited) == 2
            seen.update(lease.fire.id for _, lease in leases)
            for store, lease in leases:
                await settled(store, lease)
        assert seen >= {*others}
        assert len(seen) == 15


async def test_fires_with_one_key_may_differ_in_how_many_they_let_run(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        for number in range(2):
            await queued(store, concurrency_key="gpu", concurrency=3, next_at=now - 20 + number)
        found = await take(store)
        alone = await queued(store, concurrency_key="gpu", next_at=now - 5)
        await queued(store, concurrency_key="gpu", concurrency=2, next_at=now - 4)
        assert fires(await take(store)) == []
        await settled(store, found.leases[0])
        assert alone not in fires(again := await take(store))
        assert len(again.leases) == 1


@pytest.mark.parametrize(
    ("do_damage", "kind"),
    [
        (lambda lab, keys, held, parked: lab.inspector.srem(keys.slots("owner:ann"), held), "slot_not_held"),
        (lambda lab, keys, held, parked: lab.inspector.sadd(keys.slots("owner:ann"), parked), "slot_of_nobody"),
        (lambda lab, keys, held, parked: lab.inspector.srem(keys.parked_limits, "owner:ann"), "parking_unseen"),
        (lambda lab, keys, held, parked: lab.inspector.zrem(keys.parked("owner:ann"), parked), "fire_in_no_index"),
        (lambda lab, keys, held, parked: lab.inspector.hdel(keys.fire(parked), "parked"), "fire_in_no_index"),
    ],
    ids=["a slot is lost", "a slot is nobody's", "a limit is not looked at", "nowhere", "without its place"],
)
async def test_what_does_not_add_up_about_parked_fires_is_found_and_mended(lab: Lab, do_damage: Any, kind: str) -> None:
    async with lab:
        store = await lab.store()
        held, parked = await queued(store, owner="ann"), await queued(store, owner="ann")
        await take(store)
        do_damage(lab, store.keys, held, parked)
        assert kind in {one.kind for one in await store.inspect()}
        for _ in range(3):
            for one in await store.inspect():
                await store.repair(one)
        await store.wake()
        assert await store.inspect() == []
        lab.check_accounts()


async def test_what_is_parked_counts_as_waiting(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(3):
            await queued(store, owner="ann")
        await take(store)
        counted = await store.counts(due_by=0, windows=[], with_lateness=0)
        assert (counted.ready, counted.running) == (2, 1)
