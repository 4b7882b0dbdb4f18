"""What a caller may still do: the limits that hold for it, and how much of each is used."""

from __future__ import annotations

from typing import NamedTuple

from scheduled_prompts.caller import Caller
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store


class Allowance(NamedTuple):
    """`name` is that of the limit in `[limits]`; `used` None: it is nothing that is used up."""

    name: str
    most: float
    used: int | None = None

    @property
    def left(self) -> float | None:
        return None if self.used is None else max(0, self.most - self.used)


async def allowances(store: Store, limits: Limits, caller: Caller, acting: ScheduledPrompt | None) -> list[Allowance]:
    """`acting`: the prompt in whose fire the caller runs."""
    counted: list[tuple[str, str | None]] = [("owner", caller.owner)]
    if caller.conversation is not None:
        counted.append(("conversation", caller.conversation))
    if acting is not None:
        counted.append(("tree", acting.lineage[0] if acting.lineage else acting.id))
    *uses, made = await store.used([*counted, ("made", caller.owner)])
    found: list[Allowance] = []
    for (kind, _), use in zip(counted, uses, strict=True):
        if kind in limits.caps:
            found.append(Allowance(f"active_per_{kind}", limits.caps[kind], use.active))
        if kind in limits.rates:
            found.append(Allowance(f"fires_per_{kind}", limits.rates[kind], use.began))
    if limits.made_per_owner:
        found.append(Allowance("made_per_owner", limits.made_per_owner, made.began))
    if limits.min_interval:
        found.append(Allowance("min_interval", limits.min_interval))
    if acting is not None:
        found.append(Allowance("max_depth", limits.max_depth, acting.depth))
    return found
