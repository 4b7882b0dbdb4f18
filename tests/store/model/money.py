"""What was spent, for whom and on which day. What is reserved is what those that run have reserved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from scheduled_prompts.budgets import AHEAD_MS, Budgets
from scheduled_prompts.money import Usage, to_micro
from tests.store.model.records import ModelFire


def micro(amount: Decimal | None) -> int | None:
    return None if amount is None else to_micro(amount)


class Money:
    fires: dict[str, ModelFire]

    def __init__(self) -> None:
        super().__init__()
        self.spent: Counter[str] = Counter()
        self.spent_on: Counter[tuple[str, str]] = Counter()
        self.tokens: Counter[str] = Counter()
        self.latest: dict[str, str] = {}
        """The latest day of each scope that was ever booked in: of former ones only the sums are known."""

    def reserved(self, scope: str, day: str | None = None) -> int:
        return sum(
            fire.reserved
            for fire in self.fires.values()
            if fire.reserved is not None and scope in scopes(fire) and day in (None, fire.day)
        )

    def reserve(self, fire: ModelFire, budgets: Budgets, now: int) -> str | None:
        """Before an attempt. Why there is no money for it, as a word; None where there is."""
        day = _day(fire, budgets, now)
        most = _most(fire, budgets)
        wants = max(0, most - fire.cost - fire.assumed)
        of_one = _of_one(fire, budgets)
        if most and fire.cost >= most:
            return "used up"
        if of_one is not None and most > of_one:
            return "too much for one"
        for scope, per_day, total in _limits(fire, budgets):
            latest = self.latest.get(scope, "")
            today = self.spent_on[scope, latest] + self.reserved(scope, latest) if latest >= day else 0
            for limit, taken in ((total, self.spent[scope] + self.reserved(scope)), (per_day, today)):
                if limit is not None and (taken + wants > limit or (most == 0 and taken >= limit)):
                    return f"no room in {scope}"
        if most:
            fire.reserved, fire.day, fire.max_cost = wants, day, most
            self._book(fire, day, 0)
        return None

    def reconcile(self, fire: ModelFire, usage: Usage | None, *, began: bool, today: str) -> None:
        """After an attempt: it is paid for, with what was reserved where nobody knows what it cost."""
        reserved, day = fire.reserved, fire.day if fire.reserved is not None else today
        if reserved is None and usage is None:
            return
        before = fire.cost + fire.assumed
        if usage is not None and usage.cost is not None:
            fire.cost += to_micro(usage.cost)
            fire.assumed = min(fire.assumed, max(0, (fire.max_cost or 0) - fire.cost))
        elif began:
            fire.assumed += reserved or 0
        fire.reserved = None
        self._book(fire, day, fire.cost + fire.assumed - before)
        if usage is not None:
            for scope in scopes(fire):
                self.tokens[scope] += usage.tokens_in

    def _book(self, fire: ModelFire, day: str, spent: int) -> None:
        for scope in scopes(fire):
            self.latest[scope] = max(day, self.latest.get(scope, ""))
            self.spent[scope] += spent
            self.spent_on[scope, day] += spent

    def forget_prompt(self, prompt: str) -> None:
        self.latest.pop("prompt:" + prompt, None)


def scopes(fire: ModelFire) -> Iterable[str]:
    return ("all", "prompt:" + fire.prompt, *(() if fire.owner is None else ("owner:" + fire.owner,)))


def _limits(fire: ModelFire, budgets: Budgets) -> list[tuple[str, int | None, int | None]]:
    own = budgets.of_owner(fire.owner)
    found = [("prompt:" + fire.prompt, fire.budget_day, fire.budget_total)]
    if fire.owner is not None:
        found.append(("owner:" + fire.owner, micro(own.per_day), micro(own.total)))
    return [*found, ("all", micro(budgets.per_day), micro(budgets.total))]


def _of_one(fire: ModelFire, budgets: Budgets) -> int | None:
    said = [budgets.per_fire, *([] if fire.owner is None else [budgets.of_owner(fire.owner).per_fire])]
    return min((to_micro(limit) for limit in said if limit is not None), default=None)


def _most(fire: ModelFire, budgets: Budgets) -> int:
    if fire.max_cost is not None:
        return fire.max_cost
    return to_micro(budgets.reserve) or _of_one(fire, budgets) or 0


def _day(fire: ModelFire, budgets: Budgets, now: int) -> str:
    """What is taken ahead belongs to the day on which it is due."""
    today, soon = budgets.day(now), budgets.day(now + AHEAD_MS)
    return soon if budgets.day(fire.due) >= soon else today
