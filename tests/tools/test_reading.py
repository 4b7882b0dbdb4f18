"""Whatever a model gives is read, or refused in words; and what is read is what a handler takes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.tools.catalogue import ALL
from scheduled_prompts.tools.nested import when_from
from scheduled_prompts.tools.reading import IDENTITY, OTHER_NAMES, WRAPPERS, read_arguments

KINDS: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, Decimal), "boolean": (bool,)}
TIMES = [
    *("type", "kind", "cron", "expression", "at", "date", "time", "every", "unit", "interval", "interval_minutes"),
    *("frequency", "days", "day_of_month", "delay", "delay_minutes", "in", "hours", "timezone", "end_at", "when"),
]
WORDS = [
    "cron",
    "once",
    "interval",
    "daily",
    "weekly",
    "monthly",
    "9am",
    "2h",
    "monday",
    "0 9 * * 1-5",
    "2026-02-01",
    "UTC",
]
NAMES = sorted(
    {
        *(argument.name for tool in ALL.values() for argument in tool.spec.arguments),
        *(other for others in OTHER_NAMES.values() for other in others),
        *WRAPPERS,
        *IDENTITY,
        *TIMES,
        *ALL,
        "maxFires",
        "self",
    }
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(WORDS)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), values, max_size=6)


@given(name=st.sampled_from(sorted(ALL)), said=objects, as_text=st.booleans())
def test_whatever_is_said_is_read_or_refused(name: str, said: dict[str, Any], as_text: bool) -> None:
    spec = ALL[name].spec
    refused: InvalidInput | None = None
    try:
        read = read_arguments(spec, json.dumps(said) if as_text else said)
    except InvalidInput as error:
        refused = error
    if refused is not None:
        assert f"{name}(" in (refused.hint or "")
        return
    by_name = {argument.name: argument for argument in spec.arguments}
    assert read.values.keys() <= by_name.keys()
    assert all(argument.name in read.values for argument in spec.arguments if argument.required)
    for key, value in read.values.items():
        argument = by_name[key]
        assert isinstance(value, KINDS[argument.kind])
        assert not argument.choices or value in argument.choices
        assert argument.between is None or argument.between.least <= value <= argument.between.most


@given(said=st.dictionaries(st.sampled_from(TIMES), values, max_size=4))
def test_a_time_in_an_object_is_one_text_or_not_read(said: dict[str, Any]) -> None:
    read = when_from(said)
    if read is not None:
        assert isinstance(read[0], str)


@pytest.mark.parametrize(
    ("said", "when"),
    [
        ({"type": "cron", "value": "0 9 * * *"}, "0 9 * * *"),
        ({"type": "once", "at": "2026-02-01T09:00:00"}, "2026-02-01T09:00:00"),
        ({"type": "one-time", "time": "9am"}, "at 9am"),
        ({"date": "2026-02-01", "time": "09:00"}, "2026-02-01 at 09:00"),
        ({"type": "interval", "every": "2h"}, "every 2h"),
        ({"type": "interval", "minutes": 30}, "every 30 minutes"),
        ({"interval_hours": 2}, "every 2 hours"),
        ({"every": "15 minutes"}, "every 15 minutes"),
        ({"every": 15, "unit": "minutes"}, "every 15 minutes"),
        ({"type": "delay", "value": "20m"}, "in 20m"),
        ({"type": "delay", "minutes": 20}, "in 20 minutes"),
        ({"delay": "20m"}, "in 20m"),
        ({"in": 20, "unit": "minutes"}, "in 20 minutes"),
        ({"frequency": "hourly"}, "every hour"),
        ({"frequency": "Daily", "time": "9am"}, "every day at 9am"),
        ({"type": "daily", "time": "9am"}, "every day at 9am"),
        ({"frequency": "weekdays", "time": "9am"}, "every weekday at 9am"),
        ({"repeat": "weekends", "at": "10:00"}, "every weekend at 10:00"),
        ({"recurrence": "weekly", "day_of_week": "friday", "time": "10am"}, "every friday at 10am"),
        ({"frequency": "monthly", "day_of_month": 2, "time": "10am"}, "every month on the 2nd at 10am"),
        ({"frequency": "monthly", "dayOfMonth": "11", "time": "10am"}, "every month on the 11th at 10am"),
        ({"schedule": {"cron": "0 9 * * *"}}, "0 9 * * *"),
        ({"when": "every day at 9am"}, "every day at 9am"),
    ],
)
def test_a_time_in_an_object_is_the_text_that_it_is(said: dict[str, Any], when: str) -> None:
    assert when_from(said) == (when, {})


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"minutes": 30},  # in them, or every
        {"time": "9am"},  # once, or every day
        {"frequency": "daily"},  # when?
        {"frequency": "weekly", "time": "9am"},  # on which day?
        {"frequency": "fortnightly", "time": "9am"},
        {"every": 30},  # what?
        {"cron": "0 9 * * *", "every": "2h"},
        {"type": "once", "every": "2h"},
        {"type": "cron", "frequency": "daily", "expression": "0 9 * * *"},
        {"type": "interval", "at": "9am"},
        {"type": "lunar", "phase": "full"},
        {"date": "2026-02-01T09:00", "time": "10:00"},
        {"timezone": "UTC", "tz": "Europe/Berlin", "cron": "0 9 * * *"},
    ],
)
def test_a_time_in_an_object_that_may_mean_two_things_is_not_read(said: dict[str, Any]) -> None:
    assert when_from(said) is None


def test_what_else_an_object_says_is_the_tools_own() -> None:
    said = {"cron": "0 9 * * *", "timezone": "UTC", "endAt": "2026-02-01", "max_fires": 3}
    assert when_from(said) == ("0 9 * * *", {"timezone": "UTC", "end_at": "2026-02-01", "max_fires": 3})
