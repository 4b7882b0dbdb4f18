"""From what a caller says to a definition: refused with a message that a person can act on, or right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from scheduled_prompts.errors import InvalidInput, InvalidSchedule, LimitReached, complaint
from scheduled_prompts.limits import Limits
from scheduled_prompts.money import plain
from scheduled_prompts.names import misnamed
from scheduled_prompts.policies import INSTANTS
from scheduled_prompts.prompt import FIELDS, Definition
from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.schedule.spacing import closer_than
from scheduled_prompts.scheduler.moments import instant_from
from scheduled_prompts.upcoming import next_named

When = str | Once | Schedule | datetime


def to_schedule(when: When, now: int, timezone: str) -> Schedule:
    if isinstance(when, str):
        from scheduled_prompts.schedule import parse_when  # who only reads does not load the grammar

        return parse_when(when, now=now, timezone=timezone)
    if isinstance(when, datetime):
        try:
            return Once(wall=when) if when.tzinfo is None else Once(at=round(when.timestamp() * 1000))
        except ValidationError as error:
            raise InvalidSchedule(f"{when.isoformat()} is out of range", hint="the years 1901 to 9988") from error
    if not isinstance(when, Once | Cron | Interval | RandomWindow):
        raise InvalidInput(f"{when!r} says no time", hint="a text, Once, Cron, Interval, RandomWindow, or a datetime")
    return when


def with_instants(fields: Mapping[str, Any], timezone: str) -> dict[str, Any]:
    """The fields, with instants that are given as text or as a datetime in ms UTC; in `timezone` where they name no
    zone. Raises InvalidInput."""
    read = dict(fields)
    for name in INSTANTS:
        value = read.get(name)
        if isinstance(value, date):  # a datetime is one, too
            value = value.isoformat()
        if isinstance(value, str):
            try:
                read[name] = instant_from(value, timezone)
            except InvalidInput as error:
                raise type(error)(f"{name}: {error.message}", hint=error.hint) from error
    return read


def nothing_to_come(definition: Definition, now: int) -> InvalidInput:
    """Why a definition that names no occurrence after `now` is refused."""
    start, end = definition.start_at, definition.end_at
    if next_named(definition, now, "") is not None:
        return InvalidSchedule(
            f"all that this schedule names lies in the quiet hours ({definition.quiet})",
            hint="give another time, or other hours; --quiet-policy defer fires when they end",
        )
    if end is not None and end <= now:
        return InvalidInput(f"the end, {_local(definition, end)}, has passed", hint="give a later one, or none")
    if start is None and end is None:
        return InvalidSchedule("this schedule names no instant in the future", hint="give another time")
    since = "" if start is None else f" from {_local(definition, start)} on"
    until = "" if end is None else f" before {_local(definition, end)}"
    return InvalidSchedule(f"this schedule names no instant{since}{until}", hint="give another time, or a wider window")


def _local(definition: Definition, instant: int) -> str:
    return definition.local(instant).isoformat(sep=" ", timespec="seconds")


def validated(fields: Mapping[str, Any]) -> Definition:
    try:
        return Definition.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput("; ".join(problem_text(problem) for problem in error.errors(include_url=False))) from error


def problem_text(problem: Any) -> str:
    """What pydantic found wrong with a definition, as a person is told it."""
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(field, Definition.model_fields, 1)
        return f"a prompt has no {field!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    if (words := misnamed(problem)) is not None:
        return f"{field}: {words}"
    if not field:
        return complaint(problem["msg"])
    given = problem["input"]
    value = plain(given) if isinstance(given, Decimal) and given.is_finite() else repr(given)
    return f"{field}: {complaint(problem['msg'], value)}"


def kept_where_same(wanted: Schedule, existing: Schedule) -> Schedule:
    """`existing`, where `wanted` differs from it in nothing but where it counts from: an interval or an every-n-weeks
    rhythm that is asked for again goes on as it was."""
    if isinstance(wanted, Interval) and isinstance(existing, Interval):
        same = wanted.every_ms == existing.every_ms
    elif isinstance(wanted, Cron) and isinstance(existing, Cron):
        same = (wanted.expression, wanted.every_weeks) == (existing.expression, existing.every_weeks)
    else:
        same = wanted == existing
    return existing if same else wanted


def changed_fields(existing: Definition, wanted: Definition) -> list[str]:
    """The names of the fields that differ."""
    return [name for name in FIELDS if getattr(existing, name) != getattr(wanted, name)]


def check_interval(limits: Limits, wanted: Definition, before: Definition | None = None) -> None:
    """Raises LimitReached where occurrences of a prompt made by an agent come too near to each other. `before`: what is
    edited; where neither its schedule nor its agent changes, it is as near as it was."""
    if not limits.min_interval or wanted.agent is None:
        return
    if before is not None and (before.schedule, before.agent) == (wanted.schedule, wanted.agent):
        return
    distance = closer_than(wanted.schedule, limits.min_interval * 1000)
    if distance is not None:
        raise LimitReached(
            f"occurrences of this schedule are {distance / 1000:g} s apart; what agents make may come every "
            f"{limits.min_interval:g} s, not more often ([limits] min_interval = {limits.min_interval:g})",
            hint="let it come less often, or lower the limit in the settings",
        )
