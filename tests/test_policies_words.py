"""What a prompt will do, in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from scheduled_prompts.policies import Policies
from scheduled_prompts.policies_words import in_words, policies_in_words
from scheduled_prompts.prompt import Definition
from scheduled_prompts.schedule import Cron, Once

ALWAYS = [
    "at most 1 at a time",
    "skipped if more than 1 h late",
    "tried again up to 4 times",
    "paused when it fails 5 times in a row",
]


def a_definition(**fields: Any) -> Definition:
    return Definition(
        **{"text": "x", "schedule": Cron(expression="0 9 * * 1-5"), "timezone": "Europe/Berlin", **fields}
    )


def test_the_whole_is_one_sentence() -> None:
    said = ", ".join(in_words(a_definition(budget_day=Decimal(2)), "USD"))
    assert said == (
        "every weekday at 09:00 Europe/Berlin, at most 1 at a time, skipped if more than 1 h late, "
        "tried again up to 4 times, paused when it fails 5 times in a row, at most 2.00 USD a day"
    )


def test_what_is_always_told() -> None:
    assert policies_in_words(a_definition(), "USD") == ALWAYS


def test_a_one_shot_has_nothing_to_overlap_with_and_runs_however_late() -> None:
    said = policies_in_words(a_definition(schedule=Once(at=2_000_000_000_000)), "USD")
    assert said == ["however late", "tried again up to 4 times"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start_at": 1_796_112_000_000}, "from 2026-12-01 09:00 +01:00 on"),
        ({"end_at": 1_796_112_001_000}, "until 2026-12-01 09:00:01 +01:00"),
        (
            {"start_at": 1_796_112_000_000, "end_at": 1_796_198_400_000},
            "from 2026-12-01 09:00 +01:00 until 2026-12-02 09:00 +01:00",
        ),
        ({"max_fires": 1}, "once"),
        ({"max_fires": 10}, "at most 10 times"),
        ({"quiet": "22:00-07:00"}, "not between 22:00 and 07:00"),
        ({"quiet": "22:00-07:00,12:00-13:00"}, "not between 12:00 and 13:00"),
        ({"quiet": "22:00-07:00", "quiet_policy": "defer"}, "what falls between 22:00 and 07:00 waits until 07:00"),
        ({"jitter": 300}, "up to 5 min later at random"),
        ({"overlap": "queue", "queue_limit": 3}, "at most 1 at a time and 3 waiting"),
        ({"overlap": "replace"}, "at most 1 at a time, the next one in its place"),
        ({"overlap": "allow"}, "several at a time if they take that long"),
        ({"concurrency_key": "gpu", "concurrency": 2}, "at most 2 at a time of all with gpu"),
        ({"misfire": "all"}, "up to 10 missed ones made up for in order"),
        ({"misfire": "skip"}, "skipped if more than 1 min late"),
        ({"grace": 5400}, "skipped if more than 1 h 30 min late"),
        ({"timeout": 1200}, "stopped after 20 min"),
        ({"retries": 0}, "not tried again"),
        ({"retries": 1}, "tried again once"),
        ({"retry_on": ("timeout", "ConnectionError")}, "tried again up to 4 times after timeout or ConnectionError"),
        ({"on_crash": "interrupt"}, "not run again after a crash"),
        ({"pause_after": 1}, "paused when it fails"),
        ({"max_cost": Decimal("0.0375")}, "at most 0.0375 EUR each time"),
        ({"budget_total": Decimal(50)}, "at most 50.00 EUR in all"),
    ],
)
def test_each_policy_has_its_words(fields: dict[str, Any], words: str) -> None:
    assert words in policies_in_words(a_definition(**fields), "EUR")


def test_no_quiet_hours_are_not_told() -> None:
    assert policies_in_words(a_definition(quiet="none", pause_after=0), "USD") == ALWAYS[:3]


UNTOLD = {
    "priority": "an order, not whether it runs",
    "origin": "an order, not whether it runs",
    "retry_delays": "in `show`",
    "retry_factor": "in `show`",
    "retry_jitter": "in `show`",
}


def test_every_policy_is_told_or_has_a_reason_not_to_be() -> None:
    """A new policy has its words here, or is told to be left out."""
    source = __import__("inspect").getsource(__import__("scheduled_prompts.policies_words", fromlist=["x"]))
    for name in Policies.model_fields:
        assert name in UNTOLD or name in source, name
