"""What a take reserves and a settle spends: exactly once, whoever repeats it, and never more than a budget holds."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from scheduled_prompts.budgets import Budgets, OwnerBudget
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.money import Usage
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Lease, Taken
from tests.conftest import Lab
from tests.store.steps import EVERYTHING, HOUR, LEASE, claimed, crash, ending, queued, read_fire, saved, settle

NO_ROOM = "no room in the budget of "


async def take(store: Store, budgets: Budgets, *, op: str | None = None, limit: int = 500) -> Taken:
    return await store.take(limit, lease_ms=LEASE, daemon="d", serves=EVERYTHING, budgets=budgets, op=op)


async def one(store: Store, budgets: Budgets) -> Lease:
    [lease] = (await take(store, budgets)).leases
    return lease


async def settled(
    store: Store, lease: Lease, outcome: str = "succeeded", cost: str | None = None, currency: str = "USD", **more: Any
) -> None:
    item = ending(store, lease, outcome, **more)
    usage = Usage(tokens_in=100, tokens_out=20, cost=None if cost is None else Decimal(cost), currency=currency)
    item["usage"] = Budgets().counted(usage, store.clock.now())
    assert await settle(store, [item]) == ["settled"]


def spend(lab: Lab, scope: str = "all") -> tuple[int, int, int]:
    """Cents: spent in all, spent on the latest day, reserved."""
    stored = lab.inspector.hgetall(f"{lab.prefix}spend:{scope}")
    spent, today, reserved = (int(stored.get(name, 0)) for name in ("spent", "day_spent", "reserved"))
    assert reserved >= 0
    return spent // 10_000, today // 10_000, reserved // 10_000


async def ended(store: Store, fire_id: str) -> Fire:
    return await read_fire(store, fire_id)


async def test_what_a_fire_may_cost_is_reserved_and_then_what_it_cost_is_spent(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, max_cost="0.50", owner="ann")
        await claimed(store, prompt)
        lease = await one(store, Budgets())
        scopes = ("all", "owner:ann", f"prompt:{prompt.id}")
        assert [spend(lab, scope) for scope in scopes] == [(0, 0, 50)] * 3
        await settled(store, lease, cost="0.20")
        assert [spend(lab, scope) for scope in scopes] == [(20, 20, 0)] * 3
        fire = await ended(store, lease.fire.id)
        assert fire.cost == Decimal("0.20")
        assert fire.usage == Usage(tokens_in=100, tokens_out=20, cost=Decimal("0.2"), currency="USD")


async def test_what_has_no_room_is_skipped_and_says_where(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first = await one_of(store, Budgets(per_day=Decimal(1)), max_cost="0.60")
        second = await queued(store, max_cost="0.60")
        assert (await take(store, Budgets(per_day=Decimal(1)))).leases == []
        fire = await ended(store, second)
        assert (fire.status, fire.reason) == (FireStatus.SKIPPED, "budget")
        assert fire.error is not None
        assert fire.error.startswith(
            NO_ROOM + "everything for 2026-01-01: 1.00 USD, of which 0.00 spent and 0.60 reserved"
        )
        assert fire.error.endswith("this fire may cost 0.60")
        await settled(store, first, cost="0.40")
        assert len((await taken_of(store, Budgets(per_day=Decimal(1)), max_cost="0.60")).leases) == 1


async def test_with_more_money_the_same_fire_runs(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await one_of(store, Budgets(per_day=Decimal(2)), max_cost="0.60")
        assert len((await taken_of(store, Budgets(per_day=Decimal("1.2")), max_cost="0.60")).leases) == 1


async def test_each_limit_counts_for_whom_it_is_said(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        one_dollar, half = Decimal(1), Decimal("0.50")
        for budgets, fields, runs in (
            (Budgets(total=half), {}, False),
            (Budgets(per_day=half), {}, False),
            (Budgets(owner_total=half), {"owner": "bob"}, False),
            (Budgets(owner_total=half), {}, True),
            (Budgets(owner_per_day=half), {"owner": "bob"}, False),
            (Budgets(owner_per_day=half, owners={"bob": OwnerBudget(per_day=one_dollar)}), {"owner": "bob"}, True),
            (Budgets(owner_per_day=half, owners={"bob": OwnerBudget(per_day=one_dollar)}), {"owner": "eve"}, False),
            (Budgets(owners={"bob": OwnerBudget(total=half)}), {"owner": "bob"}, False),
            (Budgets(owners={"bob": OwnerBudget(total=half)}), {"owner": "eve"}, True),
            (Budgets(per_fire=half), {}, False),
            (Budgets(per_fire=one_dollar), {}, True),
            (Budgets(owner_per_fire=half), {"owner": "bob"}, False),
            (Budgets(owner_per_fire=half), {}, True),
            (Budgets(per_fire=one_dollar, owners={"bob": OwnerBudget(per_fire=half)}), {"owner": "bob"}, False),
            (Budgets(owner_per_fire=half, owners={"bob": OwnerBudget(per_fire=one_dollar)}), {"owner": "bob"}, True),
            (Budgets(), {}, True),
        ):
            taken = await taken_of(store, budgets, max_cost="0.60", **fields)
            assert bool(taken.leases) is runs, (budgets, fields)
            for lease in taken.leases:
                await settled(store, lease, cost="0")


async def test_a_prompt_has_budgets_of_its_own(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, max_cost="0.60", budget_day="1.00", budget_total="1.50")
        outcomes = []
        for _ in range(4):
            fire = await claimed(store, prompt)
            for lease in (await take(store, Budgets())).leases:
                await settled(store, lease, cost="0.40")
            outcomes.append((await ended(store, fire)).status.value)
        assert outcomes == ["succeeded", "succeeded", "skipped", "skipped"]
        await store.clock.sleep(24 * 3600)
        for _ in range(2):
            fire = await claimed(store, prompt)
            for lease in (await take(store, Budgets())).leases:
                await settled(store, lease, cost="0.40")
            outcomes.append((await ended(store, fire)).status.value)
        assert outcomes[4:] == ["succeeded", "skipped"]
        assert spend(lab, f"prompt:{prompt.id}") == (120, 40, 0)
        assert "in all" in ((await ended(store, fire)).error or "")


async def test_where_nobody_says_what_it_may_cost_something_must_be_left(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        budgets = Budgets(per_day=Decimal("0.50"))
        lease = await one_of(store, budgets)
        await settled(store, lease, cost="0.49")
        lease = await one_of(store, budgets)  # this may cost too much: the weakness of saying nothing
        await settled(store, lease, cost="0.70")
        assert spend(lab) == (119, 119, 0)
        assert (await taken_of(store, budgets)).leases == []


async def test_a_default_reservation_stands_for_what_nobody_said(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        budgets = Budgets(per_day=Decimal("0.50"), reserve=Decimal("0.30"))
        lease = await one_of(store, budgets)
        assert spend(lab) == (0, 0, 30)
        assert (await taken_of(store, budgets)).leases == []
        await settled(store, lease, cost="0.10")
        assert len((await taken_of(store, budgets)).leases) == 1


async def test_where_one_fire_may_cost_so_much_that_is_reserved_for_what_states_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        budgets = Budgets(per_day=Decimal("0.50"), per_fire=Decimal("0.40"))
        lease = await one_of(store, budgets)
        assert spend(lab) == (0, 0, 40)
        assert (await taken_of(store, budgets)).leases == []
        await settled(store, lease, cost="0.10")
        assert len((await taken_of(store, budgets)).leases) == 1


async def test_a_repeated_take_reserves_once_and_a_repeated_settle_spends_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store, max_cost="0.50")
        [lease] = (await take(store, Budgets(), op="op")).leases
        before = lab.keys()
        assert len((await take(store, Budgets(), op="op")).leases) == 1
        assert lab.keys() == before
        await settled(store, lease, cost="0.20")
        before = lab.keys()
        await settled(store, lease, cost="0.20")
        assert lab.keys() == before
        assert spend(lab) == (20, 20, 0)


async def test_what_a_lost_attempt_cost_counts_as_what_was_reserved(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets(), max_cost="0.50")
        [(fire, outcome)] = await crash(store)
        assert (fire, outcome) == (lease.fire.id, "queued")
        assert spend(lab) == (50, 50, 0)
        again = await one(store, Budgets(per_day=Decimal("0.50")))  # it is paid for already
        assert spend(lab) == (50, 50, 0)
        await settled(store, again, cost="0.20")
        assert spend(lab) == (50, 50, 0)  # together not more than the maximum that was stated
        assert (await ended(store, fire)).cost == Decimal("0.50")
        late = ending(store, lease)
        late["usage"] = Budgets().counted(Usage(cost=Decimal("0.40")), store.clock.now())
        assert await settle(store, [late]) == ["lost"]
        assert spend(lab) == (50, 50, 0)


async def test_a_runner_that_says_nothing_is_counted_with_what_was_reserved(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets(), max_cost="0.50")
        assert await settle(store, [ending(store, lease)]) == ["settled"]
        assert spend(lab) == (50, 50, 0)


async def test_what_is_given_back_unstarted_cost_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets(), max_cost="0.50")
        item = ending(store, lease, "queued", reason="given_back")
        item["started_at"] = ""
        assert await settle(store, [item]) == ["settled"]
        assert spend(lab) == (0, 0, 0)
        assert (await ended(store, lease.fire.id)).cost is None


async def test_attempts_share_what_a_fire_may_cost(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets(), max_cost="0.50")
        await settled(store, lease, "retrying", cost="0.20", retry_at=store.clock.now(), error="no luck")
        await store.reap(leases=False, max_crashes=3)
        await one(store, Budgets())
        assert spend(lab) == (20, 20, 30)


async def test_a_later_attempt_without_room_fails_and_keeps_its_error(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets(), max_cost="0.50")
        await settled(store, lease, "retrying", cost="0.20", retry_at=store.clock.now(), error="no luck")
        await store.reap(leases=False, max_crashes=3)
        assert (await take(store, Budgets(total=Decimal("0.40")))).leases == []
        fire = await ended(store, lease.fire.id)
        assert (fire.status, fire.reason) == (FireStatus.FAILED, "budget")
        assert (fire.error or "").startswith(f"no luck; not tried again: {NO_ROOM}everything in all: 0.40 USD")


async def test_what_costs_more_than_was_stated_counts_and_is_told(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets(), max_cost="0.50")
        await settled(store, lease, cost="0.75")
        assert spend(lab) == (75, 75, 0)
        [told] = [fields for _, fields in await store.events_before(None, 10) if fields["type"] == "over_budget"]
        assert (told["fire"], told["cost"], told["max_cost"]) == (lease.fire.id, "0.75", "0.50")


async def test_a_cost_in_another_currency_is_kept_and_not_counted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets())
        await settled(store, lease, cost="0.75", currency="EUR")
        assert spend(lab) == (0, 0, 0)
        fire = await ended(store, lease.fire.id)
        assert fire.usage is not None
        assert (fire.usage.cost, fire.usage.currency, fire.cost) == (Decimal("0.75"), "EUR", None)
        assert "cost_not_counted" in [fields["type"] for _, fields in await store.events_before(None, 10)]


async def test_a_day_ends_where_the_budgets_say(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        auckland = Budgets(per_day=Decimal("0.50"), timezone="Pacific/Auckland")
        noon = store.clock.now() // (24 * HOUR) * 24 * HOUR + 11 * HOUR  # midnight there, in summer
        await store.clock.sleep((noon + 24 * HOUR - store.clock.now()) / 1000 - 60)
        lease = await one_of(store, auckland, max_cost="0.50")
        assert (await taken_of(store, auckland, max_cost="0.50")).leases == []
        await store.clock.sleep(60)
        day_after = await one_of(store, auckland, max_cost="0.50")
        await settled(store, day_after, cost="0.30")
        await settled(store, lease, cost="0.20")  # of the day before
        assert spend(lab) == (50, 30, 0)
        assert (await taken_of(store, Budgets(per_day=Decimal("0.79")), max_cost="0.50")).leases == []


async def test_what_is_wrong_with_a_sum_keeps_no_fire_from_ending(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await one_of(store, Budgets(per_day=Decimal(1)), max_cost="0.50")
        lab.inspector.delete(store.keys.spend("all"))
        lab.inspector.set(store.keys.spend("all"), "no sum")
        await settled(store, lease, cost="0.20")
        assert (await ended(store, lease.fire.id)).status is FireStatus.SUCCEEDED
        [damage] = [one for one in await store.inspect() if one.what == "spend:all"]
        assert damage.kind == "wrong_type"
        assert await store.repair(damage)


async def test_a_sum_goes_with_its_prompt(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True, max_cost="0.50", owner="ann")
        await claimed(store, prompt)
        await settled(store, await one(store, Budgets()), cost="0.20")
        [over] = await store.read_prompts([prompt.id])
        await store.purge([over], store.clock.now() + HOUR)  # type: ignore[list-item]
        assert f"spend:prompt:{prompt.id}" not in lab.keys()
        assert spend(lab, "owner:ann") == spend(lab) == (20, 20, 0)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_no_budget_is_overdrawn_and_the_sums_are_those_of_the_fires(lab: Lab, seed: int) -> None:
    """Random takes, ends, retries, losses and returns of fires that cost no more than they state."""
    async with lab:
        store = await lab.store(seed=seed)
        dice = random.Random(seed)
        budgets = Budgets(per_day=Decimal("1.50"), total=Decimal("4.00"), owner_per_day=Decimal("0.95"))
        prompts = [
            await saved(store, max_cost=f"0.{dice.randint(10, 90)}", owner=dice.choice(["ann", "bob"]))
            for _ in range(6)
        ]
        held: list[Lease] = []
        paid: dict[str, int] = {}
        fires = [await claimed(store, prompt) for prompt in prompts]
        for _ in range(60):
            step = dice.choice(["claim", "take", "take", "end", "end", "end", "back", "lose", "retry", "night"])
            if step == "claim":
                fires.append(await claimed(store, dice.choice(prompts)))
            elif step == "take":
                held += (await take(store, budgets, limit=dice.randint(1, 3))).leases
            elif step == "retry":
                await store.clock.sleep(1)
                await store.reap(leases=False, max_crashes=3)
            elif step == "night":
                await store.clock.sleep(dice.choice([0, 6 * 3600]))
            elif held and step == "lose":
                held.clear()
                await crash(store)
            elif held:
                lease = held.pop(dice.randrange(len(held)))
                assert lease.fire.prompt is not None
                assert lease.fire.prompt.max_cost is not None
                left = int(lease.fire.prompt.max_cost * 100) - paid.get(lease.fire.id, 0)
                outcome = "queued" if step == "back" else dice.choice(["succeeded", "retrying", "failed"])
                item = ending(store, lease, outcome, reason="given_back" if step == "back" else "")
                if step == "back":
                    item["started_at"] = ""
                elif dice.random() < 0.7:
                    cost = dice.randint(0, left)
                    paid[lease.fire.id] = paid.get(lease.fire.id, 0) + cost
                    item["usage"] = budgets.counted(Usage(cost=Decimal(cost) / 100), store.clock.now())
                item["retry_at"] = str(store.clock.now()) if outcome == "retrying" else ""
                assert await settle(store, [item]) == ["settled"]
            counts = await store.sums(["all", "owner:ann", "owner:bob"])
            for sums, per_day in zip(counts, (1_500_000, 950_000, 950_000), strict=True):
                assert sums.latest.get("spent", 0) + sums.latest.get("reserved", 0) <= per_day
            assert counts[0].total.get("spent", 0) + counts[0].total.get("reserved", 0) <= 4_000_000
            lab.check_accounts()
        costs = [await read_fire(store, fire) for fire in fires]
        [everything] = await store.sums(["all"])
        assert everything.total.get("spent", 0) == sum(int((fire.cost or 0) * 1_000_000) for fire in costs)
        assert "budget" in {fire.reason for fire in costs}
        assert all((fire.cost or 0) * 100 >= paid.get(fire.id, 0) for fire in costs)
        assert not [entry for entry in await store.events_before(None, 500) if entry[1]["type"] == "over_budget"]


async def one_of(store: Store, budgets: Budgets, **fields: Any) -> Lease:
    [lease] = (await taken_of(store, budgets, **fields)).leases
    return lease


async def taken_of(store: Store, budgets: Budgets, **fields: Any) -> Taken:
    """What is taken of a new prompt's fire."""
    await queued(store, **fields)
    return await take(store, budgets)
