"""How, and whether, an occurrence runs: the policies of a prompt, each with its default.

Whoever makes a prompt says what differs; `[policies]` in the settings says what holds where nobody does. Names follow
Temporal's and Quartz's terms. Durations are in seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scheduled_prompts.names import Name

DEFAULT_RETRY_DELAYS = (120.0, 600.0, 1800.0, 7200.0)
RETRY_JITTER = 0.25

MANUAL_PRIORITY = 80
ORIGIN_PRIORITIES = {"schedule": 50, "routine": 60, "assignment": 70, "goal": 75}

Delay = Annotated[float, Field(ge=0, le=30 * 86_400)]


class Policies(BaseModel):
    """All of them are fields of a prompt's definition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap: Literal["skip", "queue", "replace", "allow"] = "skip"
    """What becomes of an occurrence that is due while a fire of the prompt is queued or running. One that merely waits
    for its next attempt is superseded, except by `allow`."""
    queue_limit: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many may wait, behind the one that runs, where `overlap` is `queue`."""
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    """High goes first where not all can run at once. None: by what made the fire (a manual run 80) or the prompt (its
    `origin`)."""
    origin: Literal["schedule", "routine", "assignment", "goal"] = "schedule"
    """What the prompt came from: 50, 60, 70, 75 where nobody says a priority."""
    concurrency_key: Name | None = None
    """Of the fires of all prompts with this word at most `concurrency` run at once."""
    concurrency: Annotated[int, Field(ge=1, le=100_000)] = 1
    timeout: Annotated[float, Field(gt=0, le=7 * 86_400)] = 3600.0
    """How long one attempt may take."""
    retries: Annotated[int, Field(ge=0, le=100)] = 4
    retry_delays: Annotated[tuple[Delay, ...], Field(min_length=1)] = DEFAULT_RETRY_DELAYS
    """Before the first retry, the second, …; the last one serves for all that follow. Spread by ±25 %."""
    on_crash: Literal["rerun", "interrupt"] = "rerun"
    """Whether a fire whose daemon died runs again (at least once) or ends `interrupted` (at most once)."""
    jitter: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """Each occurrence is due up to this much after its nominal time, the same whoever computes it."""
    misfire: Literal["once", "skip", "all"] = "once"
    """Of occurrences that passed while nothing could fire them the latest fires, none is caught up with, or the last
    `catch_up_limit` fire in order, one at a time."""
    grace: Annotated[float | None, Field(ge=1, le=366 * 86_400)] = None
    """How late, from its due time on, an occurrence may still begin; later, it is missed. None: an hour (a one-shot:
    however late), a minute with `misfire="skip"`."""
    catch_up_limit: Annotated[int, Field(ge=1, le=1000)] = 10
    """How many occurrences `misfire="all"` catches up with at most; those before them are missed."""

    def priority_of(self, trigger: Literal["schedule", "manual"] = "schedule") -> int:
        """Which priority a fire has."""
        if self.priority is not None:
            return self.priority
        return MANUAL_PRIORITY if trigger == "manual" else ORIGIN_PRIORITIES[self.origin]

    def said(self) -> dict[str, Any]:
        """Those that somebody chose: by name, without what is default because nobody did."""
        return {name: getattr(self, name) for name in Policies.model_fields if name in self.model_fields_set}
