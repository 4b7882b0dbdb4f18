"""What a caller may still do: the limits that hold for it, and how much of each is used."""

from __future__ import annotations

from typing import NamedTuple

from scheduled_prompts.caller import Caller
from scheduled_prompts.limits import Limits
from scheduled_prompts.store import Store


class Allowance(NamedTuple):
    """`name` is that of the limit in `[limits]`; `used` None: it is nothing that is used up."""

    name: str
    most: float
    used: int | None = None

    @property
    def left(self) -> float | None:
        return None if self.used is None else max(0, self.most - self.used)


async def allowances(store: Store, limits: Limits, caller: Caller) -> list[Allowance]:
    caps: list[tuple[str, str | None]] = [("owner", caller.owner)]
    if caller.conversation is not None:
        caps.append(("conversation", caller.conversation))
    found: list[Allowance] = []
    for (kind, _), use in zip(caps, await store.used(caps), strict=True):
        if kind in limits.caps:
            found.append(Allowance(f"active_per_{kind}", limits.caps[kind], use.active))
        if kind in limits.rates:
            found.append(Allowance(f"fires_per_{kind}", limits.rates[kind], use.began))
    if limits.min_interval:
        found.append(Allowance("min_interval", limits.min_interval))
    return found
