"""When: the four kinds of schedule, the text people type for them, and the instants they name.

Pure: no clock, no I/O, no Redis. (schedule, instant) → instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduled_prompts.schedule.kinds import Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.schedule.occurrences import due_of, latest_between, next_after, upcoming
from scheduled_prompts.schedule.zones import rules_version, system_timezone, zone

if TYPE_CHECKING:
    from scheduled_prompts.schedule.language.grammar import parse_when
    from scheduled_prompts.schedule.language.words import describe

__all__ = [
    "Cron",
    "Interval",
    "Once",
    "RandomWindow",
    "Schedule",
    "describe",
    "due_of",
    "latest_between",
    "next_after",
    "parse_when",
    "rules_version",
    "system_timezone",
    "upcoming",
    "zone",
]


def __getattr__(name: str) -> Any:
    # Reading and writing words is for the edge; whoever only computes occurrences does not load it.
    if name == "parse_when":
        from scheduled_prompts.schedule.language.grammar import parse_when

        return parse_when
    if name == "describe":
        from scheduled_prompts.schedule.language.words import describe

        return describe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
