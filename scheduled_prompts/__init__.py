"""Prompts that fire on time, once, whatever crashes.

These are the public names; everything else may change. They are resolved when they are first used: importing the
package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduled_prompts.approval import Approval
    from scheduled_prompts.budgets import Budgets
    from scheduled_prompts.caller import Caller, Scope
    from scheduled_prompts.engine.daemon import Daemon
    from scheduled_prompts.errors import (
        AllStopped,
        Conflict,
        Forbidden,
        InvalidConfig,
        InvalidInput,
        InvalidSchedule,
        LimitReached,
        NotFound,
        ScheduledPromptsError,
        StoreUnreachable,
        StoreUnusable,
        TokenRefused,
        UnknownTimezone,
        VersionConflict,
    )
    from scheduled_prompts.fire import Fire, FireStatus, Result
    from scheduled_prompts.hosting import (
        cleanup_expired_prompts,
        hydrate_scheduled_prompts,
        set_bot_runner,
        tick_scheduled_prompts,
    )
    from scheduled_prompts.limits import Limits
    from scheduled_prompts.money import Usage
    from scheduled_prompts.policies import OwnerPolicies, Policies
    from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
    from scheduled_prompts.runners.command import CommandRunner
    from scheduled_prompts.runners.contract import Permanent, Retry, Runner
    from scheduled_prompts.runners.webhook import WebhookRunner
    from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, Schedule
    from scheduled_prompts.scheduler import Scheduler
    from scheduled_prompts.settings import EngineSettings
    from scheduled_prompts.store import Store
    from scheduled_prompts.tools import BoundTools, Tools, ToolSpec
    from scheduled_prompts.version import VERSION as __version__

_HOMES = {
    "AllStopped": "errors",
    "Approval": "approval",
    "BoundTools": "tools",
    "Budgets": "budgets",
    "Caller": "caller",
    "CommandRunner": "runners.command",
    "Conflict": "errors",
    "Cron": "schedule",
    "Daemon": "engine.daemon",
    "Definition": "prompt",
    "EngineSettings": "settings",
    "Fire": "fire",
    "FireStatus": "fire",
    "Forbidden": "errors",
    "Interval": "schedule",
    "InvalidConfig": "errors",
    "InvalidInput": "errors",
    "InvalidSchedule": "errors",
    "LimitReached": "errors",
    "Limits": "limits",
    "NotFound": "errors",
    "Once": "schedule",
    "OwnerPolicies": "policies",
    "Permanent": "runners.contract",
    "Policies": "policies",
    "PromptStatus": "prompt",
    "RandomWindow": "schedule",
    "Result": "fire",
    "Retry": "runners.contract",
    "Runner": "runners.contract",
    "Schedule": "schedule",
    "ScheduledPrompt": "prompt",
    "ScheduledPromptsError": "errors",
    "Scheduler": "scheduler",
    "Scope": "caller",
    "Store": "store",
    "StoreUnreachable": "errors",
    "StoreUnusable": "errors",
    "TokenRefused": "errors",
    "Tools": "tools",
    "UnknownTimezone": "errors",
    "Usage": "money",
    "VersionConflict": "errors",
    "WebhookRunner": "runners.webhook",
    "cleanup_expired_prompts": "hosting",
    "hydrate_scheduled_prompts": "hosting",
    "set_bot_runner": "hosting",
    "tick_scheduled_prompts": "hosting",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from scheduled_prompts.version import VERSION

        return VERSION
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
