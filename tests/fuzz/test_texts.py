"""Whatever somebody types where a time, a length of time, an amount or a name is wanted: it is read, or refused in
words, at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.cli import options, policies
from scheduled_prompts.durations import seconds
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.schedule import describe, next_after, parse_when, zone
from scheduled_prompts.schedule.cron import check_expression
from scheduled_prompts.schedule.quiet import canonical
from scheduled_prompts.scheduler.moments import instant_from
from tests.fuzz.effort import at_once, tries
from tests.fuzz.mutations import texts

DOCUMENTED = Path(__file__).parents[2] / "docs" / "when.md"
FORMS = sorted(
    {
        form
        for line in DOCUMENTED.read_text("utf-8").splitlines()
        if line.startswith("|")
        for form in re.findall(r"`([^`]+)`", line)
    }
)
CRONS = [
    *(
        "0 9 * * 1-5",
        "*/15 9-16 * * *",
        "0 0 1 1 *",
        "0 0 29 2 *",
        "0 9 L * *",
        "0 9 * * 5#2",
        "0 9 * * MON-FRI",
        "@daily",
    ),
    *(
        "5,10,15 0 1-7 * 1",
        "0 0 31 1,3,5 *",
        "0 0 * JAN-DEC SUN",
        "59 23 31 12 7",
        "0 9 * * 5L",
        "1-59/2 */3 1-31/5 * *",
    ),
]
ZONES = ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "../../etc/passwd", "Etc/GMT+5", "localtime"]
MOMENTS = [
    "2026-12-01",
    "2026-12-01T09:00",
    "2026-12-01T09:00+01:00",
    "2026-12-01T09:00 Europe/Berlin",
    "9999-12-31T23:59Z",
]
DURATIONS = ["90", "90s", "10m", "1h30m", "1.5h", "2d", "500ms"]
NOW = 1_767_225_600_000
NOT_FOR_PEOPLE = re.compile(r"Traceback|object at 0x|pydantic|Error:|errors\.")


def refused_in_words(read: Callable[[], Any], *expected: type[Exception]) -> None:
    """It is read, or refused with an error that is expected, in words that are for people and of a length that can be
    read; within the time that one may take."""
    try:
        at_once(read)
    except expected as error:
        said = str(error)
        assert said
        assert not NOT_FOR_PEOPLE.search(said), said
        assert len(said) < 1_000, f"{len(said)} characters"


@tries(60)
@given(texts(FORMS), st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]))
def test_what_is_typed_as_a_time(text: str, timezone: str) -> None:
    def read() -> None:
        schedule = parse_when(text, now=NOW, timezone=timezone)
        after: int | None = NOW
        for _ in range(3):
            if after is not None:
                after = next_after(schedule, after, timezone=timezone, seed="x")
        describe(schedule, timezone=timezone)

    refused_in_words(read, InvalidInput)


@tries(30)
@given(texts(CRONS))
def test_what_is_typed_as_a_cron_expression(text: str) -> None:
    refused_in_words(lambda: check_expression(text), InvalidInput)


READERS: dict[str, tuple[Callable[[str], Any], type[Exception], list[str]]] = {
    "a duration": (seconds, ValueError, DURATIONS),
    "an amount": (options.money, ValueError, ["2.50", "2", "0.000001", "1000000"]),
    "a label": (options.label, ValueError, ["team=ops", "a=b=c"]),
    "retries": (policies.retries, ValueError, ["3", "10s,1m,5m"]),
    "words": (policies.words, ValueError, ["error,timeout", "ConnectionError"]),
    "quiet hours": (canonical, ValueError, ["22:00-07:00", "22:00-07:00,12:00-13:00", "00:00-24:00", " 9:00 – 10:30 "]),
    "a zone": (zone, InvalidInput, ZONES),
    "a moment": (lambda text: instant_from(text, "Europe/Berlin"), InvalidInput, MOMENTS),
}


@pytest.mark.parametrize("what", READERS)
def test_what_is_typed_without_an_end(what: str) -> None:
    read, expected, seeds = READERS[what]
    for piece in ("9", " ", "9 ", "1s", seeds[0], f"{seeds[0]},", "-", ":", "\x00"):
        for end in ("", "x"):
            refused_in_words(lambda text=piece * 20_000 + end: read(text), expected)  # type: ignore[misc]


@pytest.mark.parametrize("what", READERS)
@tries(15, share=0.5)
@given(data=st.data())
def test_what_is_typed_where_something_else_is_wanted(what: str, data: st.DataObject) -> None:
    read, expected, seeds = READERS[what]
    text = data.draw(texts(seeds))
    refused_in_words(lambda: read(text), expected)
