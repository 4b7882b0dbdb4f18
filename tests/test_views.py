"""The public JSON forms."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from scheduled_prompts.errors import UnknownTimezone
from scheduled_prompts.fire import Fire, FireStatus, Result
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.views import fire_view, instant, prompt_view, schedule_view, upcoming_view

NOMINAL = 1_796_112_000_000
PROMPT_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def a_prompt(**fields: object) -> ScheduledPrompt:
    return ScheduledPrompt.model_validate(
        {
            "id": PROMPT_ID,
            "text": "What is new?",
            "schedule": Cron(expression="0 9 * * *"),
            "timezone": "Europe/Berlin",
            "status": PromptStatus.ACTIVE,
            "created_at": NOMINAL - 1,
            "updated_at": NOMINAL - 1,
            "next_nominal": NOMINAL,
            "next_at": NOMINAL + 500,
        }
        | fields
    )


def a_fire(**fields: object) -> Fire:
    return Fire.model_validate(
        {
            "id": f"{PROMPT_ID}@{NOMINAL}",
            "prompt_id": PROMPT_ID,
            "version": 3,
            "status": FireStatus.QUEUED,
            "nominal": NOMINAL,
            "due": NOMINAL,
            "runner": "log",
            "platform": "default",
        }
        | fields
    )


@pytest.mark.parametrize(
    ("ms", "timezone", "text"),
    [
        (NOMINAL, "Europe/Berlin", "2026-12-01T09:00:00.000+01:00"),
        (NOMINAL + 7, "UTC", "2026-12-01T08:00:00.007+00:00"),
        (NOMINAL, "Asia/Kathmandu", "2026-12-01T13:45:00.000+05:45"),
        (NOMINAL, "America/St_Johns", "2026-12-01T04:30:00.000-03:30"),
        (0, "UTC", "1970-01-01T00:00:00.000+00:00"),
        (-1, "UTC", "1969-12-31T23:59:59.999+00:00"),
        (0, "Africa/Monrovia", "1970-01-01T00:00:00.000+00:00"),  # -00:44:30, which RFC 3339 cannot say
        (4_102_444_800_001, "UTC", "2100-01-01T00:00:00.001+00:00"),
    ],
)
def test_an_instant_has_milliseconds_and_a_numeric_offset(ms: int, timezone: str, text: str) -> None:
    assert instant(ms, timezone) == text
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == ms


def test_both_readings_of_an_hour_that_comes_twice_are_told_apart() -> None:
    assert instant(1_792_888_200_000, "Europe/Berlin") == "2026-10-25T02:30:00.000+02:00"
    assert instant(1_792_891_800_000, "Europe/Berlin") == "2026-10-25T02:30:00.000+01:00"


def test_no_instant_is_null() -> None:
    assert instant(None, "Europe/Berlin") is None


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(UnknownTimezone):
        instant(0, "Europe/Nowhere")


def test_a_prompt_has_every_promised_field() -> None:
    view = prompt_view(a_prompt(labels={"team": "news"}, priority=70, timeout=60, retries=2))
    promised = """id text name key schedule timezone runner platform owner agent conversation labels priority
        status version retries timeout on_crash next_at last_fire created_at updated_at ended_at"""
    assert set(promised.split()) <= set(view)
    assert (view["id"], view["text"], view["status"], view["version"]) == (
        PROMPT_ID,
        "What is new?",
        "active",
        1,
    )
    assert (view["labels"], view["priority"], view["timeout"], view["retries"]) == (
        {"team": "news"},
        70,
        60.0,
        2,
    )
    assert view["next_nominal"] == "2026-12-01T09:00:00.000+01:00"
    assert view["next_at"] == "2026-12-01T09:00:00.500+01:00"
    assert view["created_at"] == "2026-12-01T08:59:59.999+01:00"
    assert view["ended_at"] is None
    assert json.loads(json.dumps(view)) == view


@pytest.mark.parametrize("status", [PromptStatus.PAUSED, PromptStatus.CANCELLED, PromptStatus.EXECUTED])
def test_nothing_is_due_next_where_a_prompt_waits_for_nothing(status: PromptStatus) -> None:
    assert prompt_view(a_prompt(status=status))["next_at"] is None


@pytest.mark.parametrize(
    ("schedule", "fields"),
    [
        (Once(at=NOMINAL), {"kind": "once", "at": "2026-12-01T09:00:00.000+01:00", "wall": None}),
        (
            Once(wall=datetime.fromisoformat("2026-12-01T09:00")),
            {"kind": "once", "at": None, "wall": "2026-12-01T09:00:00"},
        ),
        (
            Cron(expression="0 9 * * 5", every_weeks=2, anchor=date(2026, 12, 4)),
            {"kind": "cron", "expression": "0 9 * * 5", "every_weeks": 2, "anchor": "2026-12-04"},
        ),
        (
            Interval(every_ms=7_200_000, anchor=NOMINAL),
            {"kind": "interval", "every_ms": 7_200_000, "anchor": "2026-12-01T09:00:00.000+01:00"},
        ),
        (
            RandomWindow(times=3, start=540, end=1020, weekdays=(0, 1)),
            {"kind": "random_window", "times": 3, "start": 540, "end": 1020, "weekdays": [0, 1]},
        ),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_schedule_has_its_fields_and_words(schedule: Schedule, fields: dict[str, object]) -> None:
    view = schedule_view(schedule, "Europe/Berlin")
    text = view.pop("text")
    assert isinstance(text, str)
    assert text
    assert view == fields


def test_a_fire_has_every_promised_field() -> None:
    fire = a_fire(
        status=FireStatus.SUCCEEDED,
        attempt=1,
        started_at=NOMINAL + 12,
        ended_at=NOMINAL + 40,
        queued_at=NOMINAL - 100,
        daemon="d1",
        result=Result(text="Nothing.", silent=True),
    )
    view = fire_view(fire, "Europe/Berlin")
    promised = """id prompt_id trigger status reason attempt nominal due started_at ended_at lateness_ms
        result error runner platform version crashes failures queued_at retry_at daemon"""
    assert set(promised.split()) <= set(view)
    assert (view["status"], view["trigger"], view["lateness_ms"]) == ("succeeded", "schedule", 12)
    assert view["nominal"] == "2026-12-01T09:00:00.000+01:00"
    assert view["ended_at"] == "2026-12-01T09:00:00.040+01:00"
    assert view["result"] == {"text": "Nothing.", "silent": True, "yielded": False, "truncated": False}
    assert json.loads(json.dumps(view)) == view


def test_a_fire_that_has_not_started_has_no_lateness_and_no_result() -> None:
    view = fire_view(a_fire(), "UTC")
    assert (view["started_at"], view["lateness_ms"], view["result"], view["error"]) == (
        None,
        None,
        None,
        None,
    )


def test_what_comes_next_is_written_in_the_prompts_zone() -> None:
    assert upcoming_view([(NOMINAL, NOMINAL + 500)], "Europe/Berlin") == [
        {"nominal": "2026-12-01T09:00:00.000+01:00", "due": "2026-12-01T09:00:00.500+01:00"}
    ]
