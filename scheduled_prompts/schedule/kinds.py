"""The four kinds of schedule, as plain frozen records.

A schedule says *when* and nothing else. It is read in the zone that the prompt names; all instants are
integer milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MINUTE_MS = 60_000
FIRST_INSTANT = -2_208_988_800_000  # 1900-01-01T00:00Z
LAST_INSTANT = 253_086_767_999_999  # 9989-12-31T23:59:59.999Z: still a datetime in every zone
MAX_WINDOW_TIMES = 100
MAX_EVERY_WEEKS = 104


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Once(_Kind):
    """One instant, either as such (`at`, ms UTC) or as wall-clock time (`wall`, naive, in the prompt's zone).

    A wall time stays a wall time: when the zone's rules change before it comes, it moves with them. It
    means the first instant that reads it, or the end of the gap where the clock skips it.
    """

    kind: Literal["once"] = "once"
    at: Annotated[int, Field(ge=FIRST_INSTANT, le=LAST_INSTANT)] | None = None
    wall: datetime | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Once:
        if (self.at is None) == (self.wall is None):
            raise ValueError("a one-shot has either `at` or `wall`")
        if self.wall is not None and self.wall.tzinfo is not None:
            raise ValueError("`wall` is a time without a zone")
        if self.wall is not None and not 1900 < self.wall.year < 9989:
            raise ValueError("`wall` lies in the years 1901 to 9988")
        return self


class Cron(_Kind):
    """A five-field cron expression, read on the wall clock of the prompt's zone.

    With `every_weeks` = n > 1 only those local dates count that lie in week 0, n, 2n, … from the ISO week
    (Monday to Sunday) that holds `anchor`; before that week there are none.

    An expression that is not understood, or never matches, raises `InvalidSchedule`: it passes through
    pydantic as it is, because the message is made for whoever typed the expression.
    """

    kind: Literal["cron"] = "cron"
    expression: str
    every_weeks: Annotated[int, Field(ge=1, le=MAX_EVERY_WEEKS)] = 1
    anchor: date | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> Cron:
        from scheduled_prompts.schedule.cron import check_expression, check_rhythm

        check_expression(self.expression)
        if self.every_weeks > 1:
            if self.anchor is None:
                raise ValueError("`every_weeks` needs an `anchor` date")
            check_rhythm(self.expression, self.every_weeks, self.anchor)
        return self


class Interval(_Kind):
    """Every `every_ms` of elapsed time from `anchor` (ms UTC): anchor + every, anchor + 2·every, …"""

    kind: Literal["interval"] = "interval"
    every_ms: Annotated[int, Field(ge=1_000)]
    anchor: int


class RandomWindow(_Kind):
    """`times` different seconds drawn between two wall-clock times on each of the given weekdays.

    `start` and `end` are minutes of the local day (0–1439; `end` may be 1440). An `end` at or before
    `start` is on the next day. The window belongs to the local date on which it starts; `weekdays` (0 =
    Monday … 6 = Sunday) name that date.
    """

    kind: Literal["random_window"] = "random_window"
    times: Annotated[int, Field(ge=1, le=MAX_WINDOW_TIMES)] = 1
    start: Annotated[int, Field(ge=0, le=1439)]
    end: Annotated[int, Field(ge=0, le=1440)]
    weekdays: tuple[Annotated[int, Field(ge=0, le=6)], ...] = (0, 1, 2, 3, 4, 5, 6)

    @model_validator(mode="after")
    def _is_possible(self) -> RandomWindow:
        if not self.weekdays:
            raise ValueError("a window needs at least one weekday")
        if self.start == self.end:
            raise ValueError("a window that starts and ends at the same minute is empty")
        if self.times > (self.end - self.start) % 1440 * 60 > 0:
            raise ValueError("a window holds one occurrence a second at most")
        return self


Schedule = Annotated[Once | Cron | Interval | RandomWindow, Field(discriminator="kind")]
