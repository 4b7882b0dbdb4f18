"""What was spent, and what may be: of everything, of an owner, of a prompt. Amounts are decimals of one currency."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.money import from_micro
from scheduled_prompts.prompt import Definition
from scheduled_prompts.store import Store
from scheduled_prompts.store.spend import Sums


class Spent(NamedTuple):
    """`reserved`: what running fires may cost at most; `limit` None: none."""

    spent: Decimal
    reserved: Decimal
    limit: Decimal | None
    tokens_in: int
    tokens_out: int

    @property
    def is_used(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.spent or self.reserved or self.tokens_in or self.tokens_out or self.limit is not None)


class Spending(NamedTuple):
    """Of one scope. `day` is the date of the day that is under way, in the budgets' zone."""

    currency: str
    day: str
    today: Spent
    total: Spent

    @property
    def is_used(self) -> bool:
        return self.today.is_used or self.total.is_used


async def of_everything(store: Store, budgets: Budgets) -> Spending:
    [sums] = await store.sums(["all"])
    return _spending(sums, budgets, store.clock.now(), budgets.per_day, budgets.total)


async def of_owner(store: Store, budgets: Budgets, owner: str) -> Spending:
    [sums] = await store.sums([f"owner:{owner}"])
    limits = budgets.of_owner(owner)
    return _spending(sums, budgets, store.clock.now(), limits.per_day, limits.total)


async def of_prompt(store: Store, budgets: Budgets, prompt_id: str, definition: Definition) -> Spending:
    [sums] = await store.sums([f"prompt:{prompt_id}"])
    return _spending(sums, budgets, store.clock.now(), definition.budget_day, definition.budget_total)


def _spending(sums: Sums, budgets: Budgets, now: int, per_day: Decimal | None, in_all: Decimal | None) -> Spending:
    day = budgets.day(now)
    today = sums.latest if sums.day >= day else {}
    return Spending(budgets.currency, day, _spent(today, per_day), _spent(sums.total, in_all))


def _spent(sums: dict[str, int], limit: Decimal | None) -> Spent:
    return Spent(
        from_micro(sums.get("spent", 0)),
        from_micro(sums.get("reserved", 0)),
        limit,
        sums.get("tokens_in", 0),
        sums.get("tokens_out", 0),
    )
