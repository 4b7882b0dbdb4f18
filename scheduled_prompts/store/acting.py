"""Who makes a change, as the scripts are told: a name, and, for an agent, whose it is and in which fire it acts."""

from __future__ import annotations

from typing import NamedTuple

from scheduled_prompts.caller import Caller


class Actor(NamedTuple):
    """`by`: as the account names it. `caller`: whose rights count; None: of whoever may reach the store, who may do
    anything."""

    by: str = ""
    caller: Caller | None = None

    @property
    def fire(self) -> str | None:
        return None if self.caller is None else self.caller.fire

    def fields(self) -> dict[str, str]:
        """As scripts/prelude/callers.lua reads them."""
        if self.caller is None:
            return {"by": self.by}
        found = {"by": self.by, "owner": self.caller.owner or ""}
        if self.caller.fire is not None:
            found["fire"] = self.caller.fire
            found["attempt"] = "" if self.caller.attempt is None else str(self.caller.attempt)
        return found


By = str | Actor
"""A name alone is that of somebody who may do anything."""


def actor_of(by: By) -> Actor:
    return by if isinstance(by, Actor) else Actor(by)
