"""Budgets with daemons that live: nothing is overdrawn where maxima are stated, however many take at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire, FireStatus, Result
from scheduled_prompts.money import Usage
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.sentences import phrase
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from tests.conftest import Lab

COSTS_40_CENTS = Result(text="done", usage=Usage(tokens_in=100, tokens_out=20, cost=Decimal("0.40")))


class Seller:
    """A runner that takes a while, and costs 40 cents, or what it is told to say."""

    def __init__(self, store: Store, *says: Any) -> None:
        self._store = store
        self._says = list(says)
        self.begun = 0

    async def run(self, _fire: Fire) -> Result:
        self.begun += 1
        await self._store.clock.sleep(2)
        answer = self._says.pop(0) if self._says else COSTS_40_CENTS
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Result)
        return answer


LONG_SPANS: dict[str, Any] = {"watch_period": 60.0, "heartbeat_period": 900.0}
CAPE_VERDE = "Atlantic/Cape_Verde"
"""An hour behind UTC."""


async def daemon(lab: Lab, store: Store, runner: Seller, budgets: Budgets, **pace: Any) -> Daemon:
    settings = EngineSettings(**{"watch_period": 1.0, **pace})
    return await lab.stack.enter_async_context(
        Daemon(store, runners={"log": runner}, settings=settings, budgets=budgets)
    )


@pytest.mark.parametrize(("per_day", "run"), [("2.00", 4), ("3.00", 7), (None, 12)])
async def test_however_many_take_at_once_a_budget_is_never_overdrawn(lab: Lab, per_day: str | None, run: int) -> None:
    async with lab:
        store = await lab.store()
        others = [await lab.store(store.clock, seed=seed) for seed in (1, 2)]  # type: ignore[arg-type]
        budgets = Budgets(per_day=None if per_day is None else Decimal(per_day))
        runner = Seller(store)
        for one in (store, *others):
            await daemon(lab, one, runner, budgets)
        scheduler = await lab.scheduler(store)
        prompts = [(await scheduler.schedule("hello", "in 5s", max_cost="0.40")).prompt.id for _ in range(8)]
        prompts += [(await scheduler.schedule("hello", "in 20s", max_cost="0.40")).prompt.id for _ in range(4)]
        await store.clock.sleep(40)
        fires = [(await scheduler.history(prompt)).items[0] for prompt in prompts]
        ran = [fire for fire in fires if fire.status is FireStatus.SUCCEEDED]
        skipped = [fire for fire in fires if (fire.status, fire.reason) == (FireStatus.SKIPPED, "budget")]
        assert (len(ran), len(skipped), runner.begun) == (min(run + (per_day == "2.00"), 12), 12 - len(ran), len(ran))
        [sums] = await store.sums(["all"])
        assert sums.total["spent"] == 400_000 * len(ran)
        assert sums.total.get("reserved", 0) == 0


async def test_the_next_day_there_is_money_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()  # at midnight UTC, an hour before a day ends in the budgets' zone
        await daemon(lab, store, Seller(store), Budgets(per_day=Decimal("0.50"), timezone=CAPE_VERDE), **LONG_SPANS)
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("hello", "every 20m", max_cost="0.40")).prompt.id
        await store.clock.sleep(105 * 60)
        fires = [fire.status.value for fire in reversed((await scheduler.history(prompt)).items)]
        assert fires == ["succeeded", "skipped", "succeeded", "skipped", "skipped"]


@pytest.mark.parametrize("failure", [Retry, Permanent])
async def test_what_fails_may_have_cost_something_too(lab: Lab, failure: Any) -> None:
    async with lab:
        store = await lab.store()
        used = Usage(cost=Decimal("0.10"))
        await daemon(lab, store, Seller(store, failure("no", usage=used)), Budgets())
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("hello", "in 5s", retries=0, max_cost="0.40")).prompt.id
        await store.clock.sleep(20)
        [fire] = (await scheduler.history(prompt)).items
        assert (fire.status, fire.cost) == (FireStatus.FAILED, Decimal("0.10"))
        spent = await scheduler.spending(prompt=prompt)
        assert (spent.today.spent, spent.total.spent, spent.total.reserved) == (Decimal("0.10"), Decimal("0.10"), 0)


async def test_another_currency_is_told_and_not_counted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        paid = Result(usage=Usage(cost=Decimal(3), currency="EUR"))
        await daemon(lab, store, Seller(store, paid), Budgets(per_day=Decimal(1)))
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("hello", "in 5s")).prompt.id
        with capture_logs() as logs:
            await store.clock.sleep(20)
        [fire] = (await scheduler.history(prompt)).items
        assert fire.usage is not None
        assert (fire.status, fire.usage.currency, fire.cost) == (FireStatus.SUCCEEDED, "EUR", None)
        assert [line["currency"] for line in logs if line["event"] == "cost_not_counted"] == ["EUR"]
        assert (await scheduler.spending()).today.spent == 0


async def test_spending_is_told_of_a_prompt_an_owner_and_everything(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        budgets = Budgets(timezone=CAPE_VERDE)
        await daemon(lab, store, Seller(store), budgets, **LONG_SPANS)
        scheduler = Scheduler(store, timezone="UTC", budgets=budgets)
        prompt = (await scheduler.schedule("hello", "every 45m", owner="ann", budget_day="2")).prompt.id
        await scheduler.schedule("hello", "every 45m", owner="bob")
        await store.clock.sleep(100 * 60)
        mine = await scheduler.spending(prompt=prompt)
        assert (mine.total.spent, mine.today.limit, mine.total.tokens_in) == (Decimal("0.80"), Decimal(2), 200)
        assert (await scheduler.spending(owner="ann")).today.spent == Decimal("0.40")
        in_all = (await scheduler.stats()).spending
        assert in_all is not None
        assert (in_all.total.spent, in_all.today.spent, in_all.day) == (Decimal("1.60"), Decimal("0.80"), "2026-01-01")


async def test_the_account_tells_what_a_fire_cost(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await daemon(lab, store, Seller(store), Budgets())
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("hello", "in 5s")).prompt
        await store.clock.sleep(20)
        [row] = [row for row in (await scheduler.explain(prompt.id)).rows if row.fire is not None]
        assert "cost 0.40" in phrase(row, "UTC")


async def test_a_day_is_one_of_the_zone_that_was_given(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert Scheduler(store, timezone="Europe/Berlin").budgets.timezone == "Europe/Berlin"
        of_their_own = Budgets(timezone="Asia/Tokyo")
        assert Scheduler(store, timezone="Europe/Berlin", budgets=of_their_own).budgets.timezone == "Asia/Tokyo"
        assert Scheduler(store).budgets.timezone == "UTC"
