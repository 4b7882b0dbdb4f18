"""What may be spent: `[budgets]` in the settings, for an owner and for everything. A prompt's own are policies.

Each daemon hands its own to the store with every take, where they are judged inside the script that reserves; daemons
of one namespace should have the same.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, field_validator

from scheduled_prompts.errors import UnknownTimezone
from scheduled_prompts.money import Currency, Money, Usage, to_micro
from scheduled_prompts.names import Name
from scheduled_prompts.schedule import zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD_MS = 10_000
"""A fire may be taken up to so much before it is due: it belongs to the day on which it is due."""


class OwnerBudget(BaseModel):
    """What one owner may spend, in the place of `owner_per_fire`, `owner_per_day` and `owner_total`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_fire: Money | None = None
    per_day: Money | None = None
    total: Money | None = None


class Budgets(BaseModel):
    """All of them, in `currency`. What is not said is not limited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Currency = "USD"
    timezone: str | None = None
    """In which a day begins and ends; None: that of the scheduler and the daemon, where one was given, else UTC."""
    per_fire: Money | None = None
    """What one fire may cost: what states more does not run, and what states nothing has this reserved."""
    per_day: Money | None = None
    total: Money | None = None
    owner_per_fire: Money | None = None
    owner_per_day: Money | None = None
    owner_total: Money | None = None
    owners: dict[Name, OwnerBudget] = Field(default_factory=dict)
    reserve: Money = Decimal(0)
    """What is reserved for a fire whose prompt states no `max_cost`."""

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str | None) -> str | None:
        try:
            return None if name is None else zone(name).key
        except UnknownTimezone as error:
            raise ValueError(error.message) from error

    def in_zone(self, name: str | None) -> Budgets:
        """The same, with a zone where none was said."""
        return self if self.timezone is not None else self.model_copy(update={"timezone": zone(name or "UTC").key})

    def day(self, now: int) -> str:
        """The date of an instant (ms UTC) in the budgets' zone: `2026-12-01`."""
        return (_EPOCH + timedelta(milliseconds=now)).astimezone(zone(self.timezone or "UTC")).date().isoformat()

    def document(self, now: int) -> str:
        """What `take` reads: JSON, in micro-units, without what is not limited."""
        day, ahead = self.day(now), self.day(now + AHEAD_MS)
        turn = "" if day == ahead else f'"next_day":"{ahead}","turns_at":"{self._midnight(ahead)}",'
        return f'{{{turn}"day":"{day}"{self._limits}}}'

    def _midnight(self, day: str) -> int:
        """When a day begins (ms UTC)."""
        return round(datetime.fromisoformat(day).replace(tzinfo=zone(self.timezone or "UTC")).timestamp() * 1000)

    def counted(self, usage: Usage, started_at: int) -> dict[str, str]:
        """What `settle` is told of what an attempt that began then (ms UTC) used. A cost in another currency is kept,
        and not counted."""
        currency = usage.currency or self.currency
        return {
            "day": self.day(started_at),
            "tokens_in": str(usage.tokens_in),
            "tokens_out": str(usage.tokens_out),
            "cost": "" if usage.cost is None else str(to_micro(usage.cost)),
            "currency": "" if usage.cost is None else currency,
            "is_foreign": "1" if currency != self.currency and usage.cost is not None else "",
        }

    def of_owner(self, owner: str | None) -> OwnerBudget:
        """What an owner may spend: what is said of it, else what is said of any."""
        own = self.owners.get(owner or "", OwnerBudget())
        return OwnerBudget(
            per_fire=self.owner_per_fire if own.per_fire is None else own.per_fire,
            per_day=self.owner_per_day if own.per_day is None else own.per_day,
            total=self.owner_total if own.total is None else own.total,
        )

    @cached_property
    def _limits(self) -> str:
        found: dict[str, object] = {"currency": self.currency, "reserve": str(to_micro(self.reserve))}
        for name in ("per_fire", "per_day", "total", "owner_per_fire", "owner_per_day", "owner_total"):
            if (amount := getattr(self, name)) is not None:
                found[name] = str(to_micro(amount))
        owners = {name: _micros(self.of_owner(name)) for name in self.owners}
        if owners:
            found["owners"] = owners
        return "," + json.dumps(found, separators=(",", ":"))[1:-1]


def _micros(budget: OwnerBudget) -> dict[str, str]:
    amounts = {"per_fire": budget.per_fire, "per_day": budget.per_day, "total": budget.total}
    return {name: str(to_micro(amount)) for name, amount in amounts.items() if amount is not None}
