"""How, and whether, an occurrence runs: the policies of a prompt, each with its default.

Whoever makes a prompt says what differs; `[policies]` in the settings says what holds where nobody does. Names follow
Temporal's and Quartz's terms. Durations are in seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from scheduled_prompts.money import Money
from scheduled_prompts.names import EXCEPTION, Name
from scheduled_prompts.schedule.kinds import FIRST_INSTANT, LAST_INSTANT
from scheduled_prompts.schedule.quiet import canonical
from scheduled_prompts.schedule.zones import zone

DEFAULT_RETRY_DELAYS = (120.0, 600.0, 1800.0, 7200.0)

MANUAL_PRIORITY = 80
ORIGIN_PRIORITIES = {"schedule": 50, "routine": 60, "assignment": 70, "goal": 75}

RetryWord = Annotated[str, StringConstraints(pattern=EXCEPTION, max_length=128)]
Delay = Annotated[float, Field(ge=0, le=30 * 86_400)]


def _ms(value: object) -> object:
    """An instant as ms UTC; one without an offset is refused, for here no zone is known."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("an instant such as 2026-12-01T09:00:00+01:00 is expected") from error
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError("it says no zone; 2026-12-01T09:00:00+01:00 does")
    return round(moment.timestamp() * 1000)


Instant = Annotated[int, Field(ge=FIRST_INSTANT, le=LAST_INSTANT), BeforeValidator(_ms)]
"""ms UTC."""
INSTANTS = ("start_at", "end_at")
"""The fields that are instants."""

NO_QUIET = "none"
QuietHours = Annotated[str, AfterValidator(lambda text: text if text == NO_QUIET else canonical(text))]
"""Times of day such as `22:00-07:00`, several with commas; `none`: there are none, whatever the owner's are."""
QuietPolicy = Literal["skip", "defer"]


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
    """Before the first retry, the second, …; the last one serves for all that follow."""
    retry_factor: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Each delay behind the last of `retry_delays` is this many times the one before, up to 30 days."""
    retry_jitter: Annotated[float, Field(ge=0, le=1)] = 0.25
    """By which part of it, at most, a delay is longer or shorter."""
    retry_on: Annotated[tuple[RetryWord, ...], Field(min_length=1, max_length=32)] = ("error", "timeout")
    """Which ends of an attempt are tried again: `error` (any exception), `timeout`, and names of exception classes,
    which stand for what is derived from them, too. A runner that raises `Retry(after=…)` gets it all the same."""
    pause_after: Annotated[int, Field(ge=0, le=1000)] = 5
    """So many failed fires in a row pause a recurring prompt; 0: it goes on however many fail."""
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
    start_at: Instant | None = None
    """Only occurrences at or after this instant (ms UTC) count, by their nominal time."""
    end_at: Instant | None = None
    """Only occurrences before this instant (ms UTC) count; then the prompt is `executed`."""
    max_fires: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """How many occurrences fire, those that are skipped or missed not counted; then the prompt is `executed`."""
    quiet: QuietHours | None = None
    """The prompt's own times of day, on its zone's clock, at which none of its occurrences is to be due."""
    quiet_policy: QuietPolicy = "skip"
    """Whether an occurrence in quiet hours is skipped, or due when they end; of several that are due then together the
    latest fires."""

    @property
    def quiet_hours(self) -> str | None:
        return None if self.quiet == NO_QUIET else self.quiet

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.start_at is not None and self.end_at is not None and self.end_at <= self.start_at:
            start, end = (self._local(instant) for instant in (self.start_at, self.end_at))
            raise ValueError(f"the end, {end}, is not after the start, {start}: nothing lies between them")
        return self

    def _local(self, instant: int) -> str:
        """In the zone of a prompt; in UTC where there is none."""
        moment = datetime.fromtimestamp(instant / 1000, zone(getattr(self, "timezone", "UTC")))
        return moment.isoformat(sep=" ", timespec="seconds")

    def priority_of(self, trigger: Literal["schedule", "manual"] = "schedule") -> int:
        """Which priority a fire has."""
        if self.priority is not None:
            return self.priority
        return MANUAL_PRIORITY if trigger == "manual" else ORIGIN_PRIORITIES[self.origin]

    max_cost: Money | None = None
    """What one fire may cost at most, over all its attempts, in the configured currency: so much is reserved before it
    runs."""
    budget_day: Money | None = None
    """What all its fires may cost in a day (of the budgets' zone)."""
    budget_total: Money | None = None

    @field_validator("budget_day", "budget_total")
    @classmethod
    def _one_fire_fits(cls, budget: Money | None, info: ValidationInfo) -> Money | None:
        most = info.data.get("max_cost")
        if budget is not None and most is not None and most > budget:
            raise ValueError(f"one fire may cost {most}, by max_cost, which is more: none could ever run")
        return budget

    def said(self) -> dict[str, Any]:
        """Those that somebody chose: by name, without what is default because nobody did."""
        return {name: getattr(self, name) for name in Policies.model_fields if name in self.model_fields_set}


class OwnerPolicies(BaseModel):
    """What prompts of one owner get, instead of the `policies` of all, where they say nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiet: QuietHours | None = None
    quiet_policy: QuietPolicy = "skip"

    def said(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}
