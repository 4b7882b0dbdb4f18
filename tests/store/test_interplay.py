"""Where policies meet in one take: what one of them decides about a fire holds for the others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.limits import Concurrency, Limits
from scheduled_prompts.money import Usage
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Serves, Taken
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    HOUR,
    LEASE,
    claim_for,
    claimed,
    crash,
    damage,
    edited,
    ending,
    paused,
    queued,
    read,
    read_fire,
    reap,
    saved,
    settle,
    settled,
    taken,
)

ONE_PER_OWNER = Limits(concurrency=Concurrency(owner=1))


async def take(store: Store, limits: Limits | None = None, budgets: Budgets | None = None, **more: Any) -> Taken:
    return await store.take(
        500,
        lease_ms=LEASE,
        daemon="daemon",
        serves=EVERYTHING,
        limits=limits or Limits(),
        budgets=budgets or Budgets(),
        **more,
    )


async def test_a_fire_that_ended_while_another_was_judged_does_not_run(lab: Lab) -> None:
    """The first has no room in the budget for its next attempt; so its prompt gives up, and takes back the second."""
    async with lab:
        store = await lab.store()
        prompt = await saved(store, max_cost="1.00", budget_total="1.50", pause_after=1)
        first = await claimed(store, prompt)
        lease = await taken(store)
        retry_at = store.clock.now() + HOUR
        await settled(store, lease, "retrying", retry_at=retry_at, reason="failed", error="no luck")
        await store.clock.sleep(HOUR / 1000)
        second = await claimed(store, prompt)
        assert await reap(store) == [(first, "retried")]
        lab.inspector.hset(f"{lab.prefix}spend:prompt:{prompt.id}", "spent", 2_000_000)
        found = await take(store)
        assert (await read_fire(store, first)).reason == "budget"
        assert (await read(store, prompt)).status == "paused"
        assert found.leases == []
        assert ((await read_fire(store, second)).status, (await read_fire(store, second)).reason) == (
            "skipped",
            "paused",
        )


@pytest.mark.unaccounted
@pytest.mark.parametrize("scope", ["all", "owner:ann", "prompt"])
@pytest.mark.parametrize("harm", ["type", "number"])
async def test_a_budget_that_cannot_be_read_has_no_room(lab: Lab, scope: str, harm: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, max_cost="1.00", owner="ann", budget_total="10")
        key = f"spend:{scope}" if scope != "prompt" else f"spend:prompt:{prompt.id}"
        if harm == "type":
            damage(lab, key)
        else:
            lab.inspector.hset(lab.prefix + key, "spent", "much")
        fire = await claimed(store, prompt)
        budgets = Budgets(total=Decimal(10), owner_total=Decimal(10))
        assert (await take(store, budgets=budgets)).leases == []
        found = await read_fire(store, fire)
        assert (found.status, found.reason) == ("skipped", "budget")
        assert "cannot be read" in (found.error or "")


async def test_what_is_not_limited_runs_whatever_is_wrong_with_what_was_spent(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        damage(lab, "spend:all")
        await queued(store, max_cost="1.00")
        assert len((await take(store)).leases) == 1
        lab.inspector.delete(f"{lab.prefix}spend:all")


@pytest.mark.unaccounted
async def test_a_cost_that_cannot_be_read_finds_no_room(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire = await queued(store, max_cost="1.00", budget_total="10")
        lab.inspector.hset(f"{lab.prefix}fire:{fire}", "max_cost", "much")
        await take(store)
        status = lab.inspector.hget(f"{lab.prefix}fire:{fire}", "status")
        assert status == "skipped"


async def test_what_was_given_back_and_has_not_begun_is_skipped_where_a_rate_is_reached(lab: Lab) -> None:
    limits = Limits(fires_per_owner=1)
    async with lab:
        store = await lab.store()
        fire = await queued(store, owner="ann")
        [lease] = (await take(store, limits)).leases
        item = ending(store, lease, "queued", reason="given_back") | {"started_at": ""}
        assert await settle(store, [item]) == ["settled"]  # type: ignore[list-item]
        other = await queued(store, owner="ann", priority=100)
        assert [lease.fire.id for lease in (await take(store, limits)).leases] == [other]
        found = await read_fire(store, fire)
        assert (found.status, found.reason) == ("skipped", "rate_limit")


async def test_a_one_shot_that_was_given_back_and_waits_for_its_turn_is_judged_by_its_grace(lab: Lab) -> None:
    limits = Limits(fires_per_owner=1)
    async with lab:
        store = await lab.store()
        prompt = await saved(store, owner="ann", once=True)
        claim = claim_for(prompt) | {"deadline": str(store.clock.now() + HOUR)}
        assert await store.claim([claim]) == ["claimed"]  # type: ignore[list-item]
        [lease] = (await take(store, limits)).leases
        item = ending(store, lease, "queued", reason="given_back") | {"started_at": ""}
        assert await settle(store, [item]) == ["settled"]  # type: ignore[list-item]
        await queued(store, owner="ann", priority=100)
        [other] = (await take(store, limits)).leases
        await settled(store, other)
        assert (await read_fire(store, claim["fire"])).reason == "rate_limit"
        await store.clock.sleep(25 * HOUR / 1000)
        await reap(store)
        assert (await take(store, limits)).leases == []
        assert (await read_fire(store, claim["fire"])).status == "missed"


async def test_when_a_limit_is_no_more_all_that_waited_for_it_run(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for _ in range(20):
            await queued(store, owner="ann")
        [lease] = (await take(store, ONE_PER_OWNER)).leases
        await settled(store, lease)
        assert len((await take(store, Limits())).leases) == 19
        assert "parked" not in lab.keys()


@pytest.mark.unaccounted
@pytest.mark.parametrize("harm", ["gone", "type", "ended"])
async def test_a_parked_fire_that_is_none_harms_nobody_else(lab: Lab, harm: str) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        first, second, third = [await queued(store, owner="ann", next_at=now - 9 + number) for number in range(3)]
        [lease] = (await take(store, ONE_PER_OWNER)).leases
        assert lease.fire.id == first
        if harm == "gone":
            lab.inspector.delete(f"{lab.prefix}fire:{second}")
        elif harm == "type":
            damage(lab, f"fire:{second}")
        else:
            lab.inspector.hset(f"{lab.prefix}fire:{second}", "status", "cancelled")
        assert await settle(store, [ending(store, lease)]) == ["settled"]
        assert (await read_fire(store, first)).status == "succeeded"
        assert [lease.fire.id for lease in (await take(store, ONE_PER_OWNER)).leases] == [third]
        if harm == "gone":
            assert f"fire:{second}" not in lab.keys()


@pytest.mark.unaccounted
async def test_a_limit_that_cannot_be_read_harms_nobody_else(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        broken, good = await queued(store, concurrency_key="gpu"), await queued(store)
        lab.inspector.hset(f"{lab.prefix}fire:{broken}", "concurrency", "many")
        await take(store)
        assert (await read_fire(store, good)).status == "running"
        status = lab.inspector.hget(f"{lab.prefix}fire:{broken}", "status")
        assert status == "running"
        assert lab.inspector.zscore(f"{lab.prefix}leases", broken) is not None


@pytest.mark.parametrize("reserve", ["0", "0.50"])
async def test_what_has_cost_all_that_it_may_is_not_tried_again(lab: Lab, reserve: str) -> None:
    budgets = Budgets(reserve=Decimal(reserve))
    async with lab:
        store = await lab.store()
        fields = {} if budgets.reserve else {"max_cost": "0.50"}
        for cost, again in (("0.49", True), ("0.50", False)):
            fire = await queued(store, **fields)
            [lease] = (await take(store, budgets=budgets)).leases
            item = ending(store, lease, "retrying", retry_at=store.clock.now(), error="no luck")
            item["usage"] = budgets.counted(Usage(cost=Decimal(cost)), store.clock.now())
            assert await settle(store, [item]) == ["settled"]
            await reap(store, leases=False)
            assert bool((await take(store, budgets=budgets)).leases) is again
            found = await read_fire(store, fire)
            assert found.status == ("running" if again else "failed")
        assert found.error == "no luck; not tried again: it has cost 0.50 of the 0.50 USD that it may"


@pytest.mark.parametrize("why", ["paused", "requested", "edited"])
@pytest.mark.parametrize("end", ["retry", "crash", "stopped"])
async def test_what_was_taken_back_too_late_did_not_skip(lab: Lab, why: str, end: str) -> None:
    """Its daemon heard of it when it had started: it goes on, or ends as what a pause finds running; and has fired."""
    async with lab:
        store = await lab.store()
        due = store.clock.now() + 2_000
        prompt = await saved(store, next_at=due)
        fire = await claimed(store, prompt)
        lease = await taken(store)
        if why == "paused":
            await paused(store, prompt)
        elif why == "edited":
            await edited(store, prompt, next_at=due + 10 * HOUR)
        else:
            assert await store.skip("skip", await read(store, prompt), due, [due]) == "taken_back"
        await store.clock.sleep(3)
        now = store.clock.now()
        assert await store.extend([(fire, lease.token, due)], lease_ms=LEASE) == ["take_back"]
        if end == "crash":
            await crash(store)
        elif end == "retry":
            await settled(store, lease, "retrying", started_at=due, retry_at=now, reason="failed", error="no luck")
            await reap(store)
        else:
            await settled(store, lease, "queued", started_at=due, reason="stopped")
        found = await read_fire(store, fire)
        if why == "paused":
            assert (found.status, found.reason) == ("failed" if end == "retry" else "interrupted", "paused")
        else:
            assert found.status == "queued"
            [again] = (await take(store)).leases
            assert await store.extend([(fire, again.token, None)], lease_ms=LEASE) == ["ok"]
            await settled(store, again)
        assert lab.inspector.hget(f"{lab.prefix}prompt:{prompt.id}", "fired") == "1"


@pytest.mark.parametrize("owner", ["ann", None])
async def test_what_replaces_one_that_waited_stands_where_that_stood(lab: Lab, owner: str | None) -> None:
    """Else a prompt whose occurrences come faster than its turn would never run, where all are busy."""
    async with lab:
        store = await lab.store()
        prompt = await saved(store, overlap="replace", owner=owner)
        first = await claimed(store, prompt)
        await store.clock.sleep(60)
        other = await queued(store, owner=owner)
        await store.clock.sleep(HOUR / 1000)
        for _ in range(3):
            replacing = await claimed(store, prompt)
            await store.clock.sleep(HOUR / 1000)
        assert (await read_fire(store, first)).reason == "replaced"
        for wanted in (replacing, other):
            [lease] = (await store.take(1, lease_ms=LEASE, daemon="daemon", serves=EVERYTHING)).leases
            assert lease.fire.id == wanted
            await settled(store, lease)
        assert "fair" not in lab.keys()


async def test_fires_that_only_a_lost_daemon_took_keep_no_slot_from_others(lab: Lab) -> None:
    echo = Serves(("*",), ("echo",))
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        await queued(store, owner="ann", runner="echo", next_at=now - 10)
        [running] = (await take(store, ONE_PER_OWNER)).leases
        for number in range(5):
            await queued(store, owner="ann", runner="claude", next_at=now - 9 + number)
        mine = await queued(store, owner="ann", runner="echo", next_at=now)
        assert (await take(store, ONE_PER_OWNER)).leases == []
        await settled(store, running)

        async def take_mine() -> list[str]:
            found = await store.take(9, lease_ms=LEASE, daemon="d", serves=echo, limits=ONE_PER_OWNER)
            return [lease.fire.id for lease in found.leases]

        assert await take_mine() == []  # one that this daemon does not take was woken
        await store.wake(echo)
        assert await take_mine() == [mine]
        assert (await take(store, ONE_PER_OWNER)).leases == []  # the others stand where they stood
