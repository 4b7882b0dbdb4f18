"""What croniter's own test suite expects (`croniter_suite.txt`), where its rules are ours, and where they are not, why.

croniter looks for our days, on lists of plain numbers; all else about cron is our own reading. Here the examples of its
authors are put to that reading: months and weekdays by name, leap years, ranges over Sunday, last and n-th weekdays,
clocks put forward and back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.schedule import Cron, latest_between, next_after
from scheduled_prompts.schedule.cron import check_expression
from scheduled_prompts.schedule.cron_fields import read_fields


class Expectation(NamedTuple):
    zone: str
    expression: str
    days: str
    way: str
    start: str
    answers: tuple[str, ...]


def _rows() -> list[list[str]]:
    text = Path(__file__).with_name("croniter_suite.txt").read_text(encoding="utf-8")
    return [[part.strip() for part in line.split(" | ")] for line in text.splitlines() if not line.startswith("#")]


ROWS = _rows()
EXPECTATIONS = [Expectation(*row[:5], tuple(row[5].split())) for row in ROWS if len(row) == 6]
REFUSED = [row[1] for row in ROWS if row[0] == "refused"]
NEVER = [row[1] for row in ROWS if row[0] == "never"]

# What croniter takes and we refuse: why, and the expressions of its suite.
WE_REFUSE = {
    "runs backwards": {
        *("0 0 1 Nov-Mar *", "0 0 1 Apr-Feb *", "0 0 1 Apr-Mar/2 *", "0 0 1 Apr-Mar/3 *"),
        *(f"0 0 * * {day}-0" for day in ("mon", "tue", "wed", "thu", "fri", "sat")),
        *(f"0 0 * * 7-{day}" for day in ("mon", "tue", "wed", "thu", "fri", "sat")),
        *("0 0 * * Thu-Tue/2", "0 0 * * Thu-Tue/3", "0 0 * * thu-tue/2", "0 0 * * thu-tue/3"),
    },
    "`W` (the nearest weekday) is not supported": {
        *("0 9 15W * *", "0 9 W15 * *", "0 9 1W * *", "0 0 1W * *", "0 9 30W * *", "0 9 31W * *"),
    },
    "`L` stands alone in day-of-month": {"0 0 29-L * *", "35 * 1-l/8 * *"},
    "mixes plain days": {"0 0 * * *,sat#3"},
    "`1#2` is the second Monday": {"30 23 1-7 JAN MON-FRI#1"},
    "write `*` instead of `?`": {"0 0 1 * ?"},
}

# What both take and read in different ways: why, and which rows.
WE_DIFFER = {
    "a range of one value is that value (Vixie's cron); croniter takes it for the whole field": {
        ("0 0 * * 0-0", "or", "UTC"),
        ("0 0 * * 7-7", "or", "UTC"),
        ("0 0 * * Sun-Sun", "or", "UTC"),
    },
    "a time of day that comes twice occurs once, the first time; croniter says it both times": {
        ("0 1 * * *", "or", "Europe/Dublin"),
    },
    "where either day field starts with `*` both have to match (Vixie's cron); croniter looks for `*` alone": {
        ("0 16 */2 * sat", "or", "UTC"),
    },
    "where no day field starts with `*` either is enough; there is no option to ask for both": {
        ("0 0 1 * mon", "and", "UTC"),
        ("0 0 10 * fri", "and", "UTC"),
        ("2 4 1 * wed", "and", "UTC"),
        ("0 13 8 1,4,7,10 wed", "and", "UTC"),
    },
}

# Fields as croniter's suite expects them to be read: expression, which field, values.
EXPANDED = [
    ("* 5,5,1-6 * * *", 1, {1, 2, 3, 4, 5, 6}),
    ("* * * * 2-3,4-5,3,3,3", 4, {2, 3, 4, 5}),
    ("* 4,1-4,5,4 * * *", 1, {1, 2, 3, 4, 5}),
    ("59 23 * 1 wed,fri,mon-thu,tue,tue", 4, {1, 2, 3, 4, 5}),
    ("0 8,22,10,23 1 1 0", 1, {8, 10, 22, 23}),
    ("59/15 * * * *", 0, {59}),
    ("* 23/6 * * *", 1, {23}),
    ("* * 31/5 * *", 2, {31}),
    ("* * * DEC/3 *", 3, {12}),
    ("* * * * SAT/2", 4, {6}),
    ("45/15 * * * *", 0, {45}),
    ("58/15 * * * *", 0, {58}),
    ("44/15 * * * *", 0, {44, 59}),
    ("5/15 * * * *", 0, {5, 20, 35, 50}),
    ("*/15 * * * *", 0, {0, 15, 30, 45}),
    ("* * * * 6/1", 4, {6}),
    ("59/1 * * * *", 0, {59}),
    ("10-50/15 * * * *", 0, {10, 25, 40}),
    ("20-40/5 * * * *", 0, {20, 25, 30, 35, 40}),
    ("0-1/2 * * * *", 0, {0}),
    ("0-59 0 1 1 0", 0, set(range(60))),
    ("30 1-12,0,10-23 15-21 * fri", 1, set(range(24))),
    ("30 1-23,0 15-21 * fri", 1, set(range(24))),
    ("* * * * 1-7", 4, set(range(7))),
]


def _why_refused(expression: str) -> str | None:
    return next((why for why, expressions in WE_REFUSE.items() if expression in expressions), None)


def _why_different(row: Expectation) -> str | None:
    key = (row.expression, row.days, row.zone)
    return next((why for why, rows in WE_DIFFER.items() if key in rows), None)


def _answers(row: Expectation) -> list[str]:
    """Ours to the same questions, each from where croniter's answer to the one before left off."""
    cron, found = Cron(expression=row.expression), []
    for start in (row.start, *row.answers[:-1]):
        microseconds = round(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp() * 1_000_000)
        if row.way == "next":
            instant = next_after(cron, microseconds // 1000, timezone=row.zone, seed="")
        else:
            before = -(-microseconds // 1000) - 1
            instant = latest_between(cron, -(10**15), before, timezone=row.zone, seed="")
        assert instant is not None
        found.append(f"{datetime.fromtimestamp(instant / 1000, UTC):%Y-%m-%dT%H:%M}")
    return found


def test_all_that_the_suite_expects_is_here():
    assert len(EXPECTATIONS) == 263
    assert sum(len(row.answers) for row in EXPECTATIONS) == 1143
    assert len(REFUSED) == 31
    assert {row.way for row in EXPECTATIONS} == {"next", "prev"}
    assert len({row.zone for row in EXPECTATIONS}) == 12


def test_where_its_rules_are_ours_our_answers_are_those_that_it_expects():
    agreed = 0
    for row in EXPECTATIONS:
        if _why_refused(row.expression) or _why_different(row):
            continue
        assert tuple(_answers(row)) == row.answers, row
        agreed += len(row.answers)
    assert agreed == 738


@pytest.mark.parametrize("why", WE_REFUSE)
def test_what_it_takes_and_we_refuse_is_refused_with_the_reason(why: str):
    for expression in WE_REFUSE[why]:
        assert any(row.expression == expression for row in EXPECTATIONS), "the list is no longer than it has to be"
        with pytest.raises(InvalidSchedule) as caught:
            check_expression(expression)
        assert why in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("why", WE_DIFFER)
def test_what_we_read_in_another_way_does_differ(why: str):
    for key in WE_DIFFER[why]:
        rows = [row for row in EXPECTATIONS if (row.expression, row.days, row.zone) == key]
        assert any(tuple(_answers(row)) != row.answers for row in rows), key


def test_a_hint_for_what_runs_backwards_is_what_it_takes_it_for():
    """Ranges over the end of a field: croniter's answers are those of the spelling that our refusal proposes."""
    asked = 0
    for row in EXPECTATIONS:
        if row.expression in WE_REFUSE["runs backwards"] and "/2" not in row.expression:
            with pytest.raises(InvalidSchedule) as caught:
                check_expression(row.expression)
            wrong = next(each for each in row.expression.split() if "-" in each)
            spelled = row.expression.replace(wrong, str(caught.value.hint).removeprefix("write "))
            assert tuple(_answers(row._replace(expression=spelled))) == row.answers, row
            asked += 1
    assert asked > 15
    # Of `Thu-Tue/2` croniter makes Thursday, Saturday and Tuesday, of `Apr-Mar/2` all even months from April on and
    # March: a step that counts on over the end would come to Monday, and to February.


@pytest.mark.parametrize("expression", REFUSED)
def test_what_it_refuses_we_refuse(expression: str):
    with pytest.raises(InvalidSchedule):
        check_expression(expression)


@pytest.mark.parametrize("expression", NEVER)
def test_what_never_comes_is_refused_unless_either_day_is_enough(expression: str):
    if expression in ("0 0 1 2 fri#2", "0 0 15 * fri#2"):  # for croniter, `#` is an "and"
        check_expression(expression)
    else:
        with pytest.raises(InvalidSchedule):
            check_expression(expression)


@pytest.mark.parametrize(("expression", "place", "values"), EXPANDED)
def test_a_field_is_read_as_its_suite_expects(expression: str, place: int, values: set[int]):
    assert read_fields(expression)[place].numbers == values
