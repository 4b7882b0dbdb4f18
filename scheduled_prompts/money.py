"""Money: amounts with up to six places, and what an attempt used.

The store counts in micro-units (millionths) of one currency, as integers: sums are exact.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scheduled_prompts.names import CURRENCY

MICRO = 1_000_000

Money = Annotated[Decimal, Field(ge=0, le=1_000_000_000, decimal_places=6)]
Currency = Annotated[str, Field(pattern=CURRENCY)]
"""Such as USD or EUR."""


class Usage(BaseModel):
    """What an attempt used. `cost` None: it is not known; `currency` None: the configured one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens_in: Annotated[int, Field(ge=0, le=10**12)] = 0
    tokens_out: Annotated[int, Field(ge=0, le=10**12)] = 0
    cost: Money | None = None
    currency: Currency | None = None


def to_micro(amount: Decimal) -> int:
    return int(amount * MICRO)


def from_micro(micro: int) -> Decimal:
    return Decimal(micro) / MICRO


def plain(amount: Decimal) -> str:
    """`2.00`, `0.0375`: two places at least, and no exponent."""
    whole, _, places = f"{amount:.6f}".partition(".")
    return f"{whole}.{places[:2]}{places[2:].rstrip('0')}"
