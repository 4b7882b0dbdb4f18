"""A time that was said in an object of its own, as models do who know other schedulers: `{"type": "cron", "expression":
"0 9 * * *"}`, `{"frequency": "daily", "time": "9am"}`, `{"every": 2, "unit": "hours"}`. As the one text that it is, or
not at all: nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TEXTS = ("when", "value", "text", "schedule", "spec", "expression", "cron", "cron_expression", "crontab", "pattern")
ONCE = ("at", "run_at", "datetime", "date_time", "timestamp", "run_time", "execute_at")
AFTER = ("in", "delay", "after")
EVERY = ("every", "interval")
UNITS = ("seconds", "minutes", "hours", "days", "weeks")
FREQUENCIES = ("frequency", "repeat", "recurrence", "freq")
DAYS = ("day", "days", "weekday", "weekdays", "day_of_week", "days_of_week", "on", "on_days", "by_day")
KINDS = ("type", "kind", "mode", "schedule_type")
ZONES = ("timezone", "tz", "time_zone")
ONE_TIME = {"once", "one_time", "one_off", "onetime", "one_shot", "date", "datetime", "at", "absolute"}
DELAY = {"delay", "in", "relative", "after"}
RECURRING = {"every", "interval", "recurring", "repeat", "periodic"}
CRONS = {"cron", "crontab", "cron_expression"}
FREQUENCY_WORDS = ("hourly", "daily", "weekly", "weekdays", "weekends", "monthly", "every_day")
CARRIED = ("start_at", "end_at", "max_fires")
"""Arguments of the tool itself, found in the object."""
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}")
_WORDED = re.compile(r"(at|in|on|every|today|tomorrow|next)\b", re.IGNORECASE)
_BARE = re.compile(r"\d+(\.\d+)?")


def snake(name: str) -> str:
    """`maxFires`, `max-fires`, `Max fires` as `max_fires`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s\-.]+", "_", apart).lower()


def when_from(said: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The text for `when`, and what else of the tool's arguments was said; None where the meaning is not certain."""
    fields = {snake(name): value for name, value in said.items() if value not in (None, "", [], {})}
    if "schedule" in fields and isinstance(fields["schedule"], Mapping) and len(fields) == 1:
        return when_from(fields["schedule"])
    more: dict[str, Any] = {name: fields.pop(name) for name in CARRIED if name in fields}
    if (zone := _one(fields, ZONES)) is not None:
        more["timezone"] = zone
    kind = str(_one(fields, KINDS) or "").lower().replace("-", "_").replace(" ", "_")
    if kind and kind not in {"", *ONE_TIME, *DELAY, *RECURRING, *CRONS, *FREQUENCY_WORDS}:
        return None
    if kind in FREQUENCY_WORDS:
        if any(name in fields for name in FREQUENCIES):
            return None
        fields["frequency"], kind = kind, ""
    when = _text(fields, kind)
    return None if when is None else (when, more)


def _text(fields: dict[str, Any], kind: str) -> str | None:
    names = set(fields)
    for name in TEXTS:
        if names == {name}:
            return _worded(fields[name], kind)
    if names == {"time"} or (len(names) == 1 and names <= set(ONCE)):
        return _once(str(next(iter(fields.values()))), kind)
    if names == {"date", "time"} and kind in {"", *ONE_TIME}:
        return f"{fields['date']} at {fields['time']}" if not _has_time(str(fields["date"])) else None
    if names & set(FREQUENCIES):
        return _repeated(fields)
    return _every(fields, kind) or _after(fields, kind)


def _worded(text: Any, kind: str) -> str | None:
    if not isinstance(text, str):
        return None
    if kind in RECURRING and not text.lower().startswith(("every", "each")) and re.match(r"\d+\s*[a-z]", text.lower()):
        return f"every {text}"
    return f"in {text}" if kind in DELAY and re.match(r"\d", text) else text


def _once(text: str, kind: str) -> str | None:
    """An instant, or words for a single time."""
    if kind not in {"", *ONE_TIME}:
        return None
    if _INSTANT.match(text) or _WORDED.match(text):
        return text
    return f"at {text}" if kind else None  # a time alone may be meant for every day


def _every(fields: dict[str, Any], kind: str) -> str | None:
    """`{"every": "2h"}`, `{"every": 2, "unit": "hours"}`, `{"interval_minutes": 30}`, `{"type": "interval", "hours":
    2}`."""
    if kind not in {"", *RECURRING}:
        return None
    names = set(fields)
    units = names & {"unit", "units", "interval_unit"}
    base = names & {*EVERY, "interval_value"}
    if len(base) == 1 and len(names) == 1 + len(units) and len(units) <= 1:
        amount = str(fields[base.pop()]).strip()
        if units:
            unit = str(fields[units.pop()]).strip().lower()
            return f"every {amount} {unit}" if _BARE.fullmatch(amount) else None
        return None if _BARE.fullmatch(amount) else amount if amount.startswith("every") else f"every {amount}"
    if len(names) != 1:
        return None
    [(name, amount)] = fields.items()
    for unit in UNITS:
        if name in (f"interval_{unit}", f"every_{unit}") or (kind and name == unit):
            return f"every {amount} {unit}" if _BARE.fullmatch(str(amount)) else None
    return None


def _after(fields: dict[str, Any], kind: str) -> str | None:
    """`{"delay": "20m"}`, `{"delay_minutes": 20}`, `{"in": 20, "unit": "minutes"}`."""
    if kind not in {"", *DELAY, *ONE_TIME}:
        return None
    names = set(fields)
    units = names & {"unit", "units"}
    base = names & set(AFTER)
    if len(base) == 1 and len(names) == 1 + len(units) and len(units) <= 1:
        amount = str(fields[base.pop()]).strip()
        if units:
            return f"in {amount} {fields[units.pop()]}" if _BARE.fullmatch(amount) else None
        return None if _BARE.fullmatch(amount) else amount if amount.startswith("in ") else f"in {amount}"
    if len(names) != 1:
        return None
    [(name, amount)] = fields.items()
    for unit in UNITS:
        if name in (f"delay_{unit}", f"in_{unit}", f"after_{unit}") or (kind in DELAY and name == unit):
            return f"in {amount} {unit}" if _BARE.fullmatch(str(amount)) else None
    return None


def _repeated(fields: dict[str, Any]) -> str | None:
    """`{"frequency": "weekly", "days": ["monday", "thursday"], "time": "18:30"}`."""
    named = [name for name in FREQUENCIES if name in fields]
    if len(named) != 1:
        return None
    frequency = str(fields.pop(named[0])).lower().replace(" ", "_")
    time = _one(fields, ("time", "at", "time_of_day"))
    days = _one(fields, DAYS)
    number = _one(fields, ("day_of_month",))
    if fields:
        return None
    at = "" if time is None else f" at {time}"
    match frequency:
        case "hourly" if time is None and days is None and number is None:
            return "every hour"
        case "daily" | "every_day" if at and days is None and number is None:
            return f"every day{at}"
        case "weekdays" if at and days is None and number is None:
            return f"every weekday{at}"
        case "weekends" if at and days is None and number is None:
            return f"every weekend{at}"
        case "weekly" if at and days is not None and number is None:
            names = [str(day) for day in days] if isinstance(days, list) else [str(days)]
            return f"every {' and '.join(names)}{at}"
        case "monthly" if at and number is not None and days is None and str(number).isdecimal():
            return f"every month on the {_ordinal(int(number))}{at}"
        case _:
            return None


def _ordinal(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _one(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The value of the one of these that was said, which is then done with; None where it is none, or several."""
    said = [name for name in names if name in fields]
    return fields.pop(said[0]) if len(said) == 1 else None


def _has_time(text: str) -> bool:
    return "T" in text or ":" in text
