"""What holds in a house, for all who schedule there and for the daemons: said once, handed on whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.limits import Limits
from scheduled_prompts.policies import OwnerPolicies, Policies


class HouseRules(TypedDict, total=False):
    """As `Scheduler` takes them, and explains them."""

    timezone: str | None
    policies: Policies | None
    owners: Mapping[str, OwnerPolicies] | None
    limits: Limits | None
    approval: Approval | None
    budgets: Budgets | None
