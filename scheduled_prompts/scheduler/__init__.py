"""What a caller can do with prompts: `Scheduler`, and what its calls answer with."""

from scheduled_prompts.scheduler.answers import (
    Approved,
    Edited,
    FirePage,
    NotApproved,
    Paused,
    Preview,
    PromptPage,
    Resumed,
    Scheduled,
    Skipped,
)
from scheduled_prompts.scheduler.house_rules import HouseRules
from scheduled_prompts.scheduler.scheduler import Scheduler
from scheduled_prompts.scheduler.serving import read_daemons

__all__ = [
    "Approved",
    "Edited",
    "FirePage",
    "HouseRules",
    "NotApproved",
    "Paused",
    "Preview",
    "PromptPage",
    "Resumed",
    "Scheduled",
    "Scheduler",
    "Skipped",
    "read_daemons",
]
