"""What agents ask for and a person is to approve before it fires: `[approval]` in the settings.

What matches waits as `pending_approval`, and is never due until a person has approved it. What people make themselves
needs nobody's approval. A fire that books its own next turn needs none either: see `frees`.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.caller import Caller
from scheduled_prompts.money import Money, plain
from scheduled_prompts.names import Name
from scheduled_prompts.prompt import RESCHEDULING, Definition
from scheduled_prompts.schedule import Once

EVERY = "*"
DAY = 86_400.0
COSTS = frozenset({"max_cost", "budget_day", "budget_total"})
JUDGED = frozenset({"text", "runner"}) | RESCHEDULING | COSTS
"""The fields of which a change is to be approved."""
OWN_TIME = frozenset({"schedule", "timezone"})


class Approval(BaseModel):
    """Which prompts of bound callers wait for a person: where any of these matches. By default none does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agents: tuple[Name | Literal["*"], ...] = ()
    """What these agents ask for; `*`: any bound caller."""
    runners: tuple[Name | Literal["*"], ...] = ()
    """What these runners are to do."""
    cost_above: Money | None = None
    """What may cost more than this a fire, or says nothing of it."""
    expires_after: Annotated[float, Field(gt=0, le=366 * DAY, allow_inf_nan=False)] = 7 * DAY
    """For how long approval is waited for (seconds); what nobody approved by then is cancelled."""

    @field_validator("agents", "runners", mode="before")
    @classmethod
    def _one_or_several(cls, said: Any) -> Any:
        return (said,) if isinstance(said, str) else said

    @property
    def expires_after_ms(self) -> int:
        return round(self.expires_after * 1000)

    def why(self, wanted: Definition, caller: Caller | None, budgets: Budgets) -> str | None:
        """Why a person is to approve what a caller asks for, in words; None where nobody needs to."""
        if caller is None:
            return None
        reasons = []
        named = next((name for name in (caller.agent, wanted.agent) if name in self.agents), None)
        if named is not None:
            reasons.append(f"agent {named} is to be approved")
        elif EVERY in self.agents:
            reasons.append("what agents ask for is to be approved")
        if wanted.runner in self.runners or EVERY in self.runners:
            reasons.append(f"runner {wanted.runner} is to be approved")
        if self.cost_above is not None:
            most = most_a_fire_costs(wanted, budgets)
            above = f"{plain(self.cost_above)} {budgets.currency}"
            if most is None:
                reasons.append(f"no max_cost is said, and what may cost more than {above} is to be approved")
            elif most > self.cost_above:
                reasons.append(f"a fire may cost {plain(most)}, and what may cost more than {above} is to be approved")
        return "; ".join(reasons) or None

    def why_changed(
        self,
        wanted: Definition,
        changed: Collection[str],
        caller: Caller | None,
        budgets: Budgets,
        prompt_id: str,
    ) -> str | None:
        """The same for an edit that changes these fields of a prompt."""
        if caller is None or not JUDGED & set(changed) or frees(wanted, changed, caller, prompt_id):
            return None
        return self.why(wanted, caller, budgets)


def frees(wanted: Definition, changed: Collection[str], caller: Caller, prompt_id: str) -> bool:
    """Whether a fire merely books its own next turn: nothing but when, and once.

    A person approved what is done then, and by whose fire; without this an agent that says "again in two hours" would
    ask each time. Another *rhythm* is to be approved: "every minute" is not what somebody approved with "once". How
    often a fire books itself is bounded by what bounds all fires: rates, budgets, `end_at`, `max_fires`.
    """
    return caller.prompt == prompt_id and set(changed) <= OWN_TIME and isinstance(wanted.schedule, Once)


def most_a_fire_costs(wanted: Definition, budgets: Budgets) -> Decimal | None:
    """What a fire may cost at most; None: nothing says it. What states nothing has the budgets' `per_fire` reserved."""
    if wanted.max_cost is not None:
        return wanted.max_cost
    said = [most for most in (budgets.per_fire, budgets.of_owner(wanted.owner).per_fire) if most is not None]
    return min(said, default=None)
