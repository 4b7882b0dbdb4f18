"""extend: leases are renewed, and what has started is marked."""

from __future__ import annotations

from tests.conftest import Lab
from tests.store.steps import (
    LEASE,
    crash,
    lease_runs_out,
    manual_for,
    queued,
    read_fire,
    reap,
    running,
    saved,
    settled,
    take,
    taken,
)


async def test_an_extended_lease_ends_later(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await store.clock.sleep(15)
        assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=LEASE) == ["ok"]
        assert lab.keys()["leases"] == [(lease.fire.id, float(store.clock.now() + LEASE))]


async def test_a_lease_that_is_extended_in_time_is_never_reaped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        for _ in range(6):
            await store.clock.sleep(50)
            assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=LEASE) == ["ok"]
            assert await reap(store) == []


async def test_a_start_is_marked_and_a_later_extension_without_one_leaves_the_mark(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        started = store.clock.now()
        await store.extend([(lease.fire.id, lease.token, started)], lease_ms=LEASE)
        await store.extend([(lease.fire.id, lease.token, None)], lease_ms=LEASE)
        assert (await read_fire(store, lease.fire.id)).started_at == started


async def test_an_expired_lease_is_extended_while_nobody_has_reaped_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await lease_runs_out(store)
        assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=LEASE) == ["ok"]
        assert await reap(store) == []


async def test_a_reaped_lease_cannot_be_extended(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await crash(store)
        before = lab.keys()
        assert await store.extend([(lease.fire.id, lease.token, 1)], lease_ms=LEASE) == ["lost"]
        assert lab.keys() == before


async def test_who_lost_a_fire_cannot_extend_it_while_another_runs_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        old = await running(store)
        await crash(store)
        new = await taken(store)
        before = lab.keys()
        assert await store.extend([(old.fire.id, old.token, 1)], lease_ms=9 * LEASE) == ["lost"]
        assert lab.keys() == before
        assert await store.extend([(new.fire.id, new.token, None)], lease_ms=LEASE) == ["ok"]


async def test_a_settled_fire_an_unknown_fire_and_a_wrong_token_are_lost(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease, other = await running(store), await running(store)
        await settled(store, lease)
        items = [(lease.fire.id, lease.token, 1), ("unknown", "token", 1), (other.fire.id, lease.token, 1)]
        before = lab.keys()
        assert await store.extend(items, lease_ms=LEASE) == ["lost"] * 3
        assert lab.keys() == before


async def test_a_queued_fire_cannot_be_extended_even_without_a_token(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire = await queued(store)
        assert await store.extend([(fire, "", 1)], lease_ms=LEASE) == ["lost"]


async def test_who_extends_is_told_that_somebody_asked_for_a_stop_and_keeps_the_lease(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.claim([manual_for(store, prompt)])
        lease = await taken(store)
        await store.cancel(prompt.id)
        await store.clock.sleep(1)
        assert await store.extend([(lease.fire.id, lease.token, None)], lease_ms=LEASE) == ["cancel"]
        assert lab.keys()["leases"] == [(lease.fire.id, float(store.clock.now() + LEASE))]


async def test_more_than_a_batch_is_extended_in_order(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        for _ in range(3):
            await store.claim([manual_for(store, prompt) for _ in range(200)])
        leases = [*(await take(store)).leases, *(await take(store)).leases]
        items: list[tuple[str, str, int | None]] = [(lease.fire.id, lease.token, None) for lease in leases]
        items[555] = (leases[555].fire.id, "another", None)
        assert await store.extend(items, lease_ms=LEASE) == ["ok"] * 555 + ["lost"] + ["ok"] * 44
