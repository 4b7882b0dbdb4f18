"""What is refused, and that the message names the field and says what would have been right."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.schedule import Cron, Once, RandomWindow, Schedule
from scheduled_prompts.schedule.cron import check_expression
from scheduled_prompts.schedule.cron_fields import read_fields


def _refusal(expression: str) -> InvalidSchedule:
    with pytest.raises(InvalidSchedule) as caught:
        check_expression(expression)
    return caught.value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("60 * * * *", "minute: 60 is out of range 0–59"),
        ("0 24 * * *", "hour: 24 is out of range 0–23"),
        ("0 0 0 * *", "day-of-month: 0 is out of range 1–31"),
        ("0 0 32 * *", "day-of-month: 32 is out of range 1–31"),
        ("0 0 * 13 *", "month: 13 is out of range 1–12"),
        ("0 0 * * 8", "day-of-week: 8 is out of range 0–7"),
        ("0 1-24 * * *", "hour: 24 is out of range 0–23"),
        ("0-70/5 * * * *", "minute: 70 is out of range 0–59"),
        ("0 0 * * 9#1", "day-of-week: 9 is out of range 0–7"),
        ("0 0 * * 8L", "day-of-week: 8 is out of range 0–7"),
        ("0 0 30 2 *", "day-of-month: month 2 has no day 30: this never matches"),
        ("0 0 31 4,6,9,11 *", "day-of-month: month 4,6,9,11 has no day 31: this never matches"),
        ("0 0 30-31 2 */2", "day-of-month: month 2 has no day 30,31 on day-of-week 0,2,4,6: this never matches"),
        ("0 0 */23 1 0L", "day-of-month: month 1 has no day 1,24 on day-of-week L0: this never matches"),
        ("0 0 */29 * 1#2", "day-of-month: month * has no day 1,30 on day-of-week 1#2: this never matches"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_field(expression, message):
    assert _refusal(expression).message == message


@pytest.mark.parametrize(
    "expression", ["0 0 29 2 *", "0 0 31 2 1", "0 0 */28 2 0#5", "0 0 */22 2 0L", "0 0 */21 2 0L", "0 0 L 2 */7"]
)
def test_what_matches_rarely_is_accepted(expression):
    check_expression(expression)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("50-10 * * * *", "write 50-59,0-10"),
        ("0 22-6 * * *", "write 22-23,0-6"),
        ("0 0 28-3 * *", "write 28-31,1-3"),
        ("0 0 * 11-2 *", "write 11-12,1-2"),
        ("0 0 * NOV-FEB *", "write NOV-DEC,JAN-FEB"),
        ("0 0 * * FRI-MON", "write FRI-SAT,SUN-MON"),
        ("0 0 * * 6-0", "write 6,0"),
        ("0 0 * * 7-MON", "write 0-MON"),
        ("0 0 * * 7-0", "write 0"),
        ("0 0 * * THU-TUE/2", "write 1,4,6"),
        ("50-10/15 * * * *", "write 5,50"),
    ],
)
def test_a_range_that_runs_backwards_is_refused_and_the_hint_is_accepted(expression, hint):
    refusal = _refusal(expression)
    assert "runs backwards" in refusal.message
    assert refusal.hint == hint
    wrong = next(each for each in expression.split() if "-" in each)
    check_expression(expression.replace(wrong, hint.removeprefix("write ")))


@given(st.sampled_from([(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]), st.data())
def test_what_the_hint_says_is_what_the_range_would_mean_round_the_end_of_its_field(bounds, data):
    low, high = bounds
    first = data.draw(st.integers(low + 1, high))
    last = data.draw(st.integers(low, first - 1))
    step = data.draw(st.integers(1, high - low))
    item = f"{first}-{last}" if step == 1 else f"{first}-{last}/{step}"
    place = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)].index(bounds)
    texts = ["*"] * 5
    texts[place] = item
    hint = _refusal(" ".join(texts)).hint
    assert hint is not None
    meant, at = set(), first  # counted on the finger
    for counted in range(2 * high):
        if counted % step == 0:
            meant.add(at)
        if at == last:
            break
        at = low if at == high else at + 1
    texts[place] = hint.removeprefix("write ")
    assert read_fields(" ".join(texts))[place].numbers == meant


FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize(
    "item",
    ["H", "R", "H/5", "H(0-9)", "?", "W", "1W", "x", "1-2-3", "1/0", "1/x", "*/99", "-1", "1,", ",1", "*-3", "1.5"],
)
def test_what_no_field_understands_is_refused_in_the_name_of_its_field(place, item):
    texts = ["1"] * 5
    texts[place] = item
    refusal = _refusal(" ".join(texts))
    assert refusal.message.startswith(f"{FIELDS[place]}: ")
    assert refusal.hint


@pytest.mark.parametrize("place", [0, 1, 3])
def test_l_and_hash_are_refused_outside_the_day_fields(place):
    for item in ("L", "1#2", "5L"):
        texts = ["1"] * 5
        texts[place] = item
        assert _refusal(" ".join(texts)).message.startswith(f"{FIELDS[place]}: ")


@pytest.mark.parametrize(
    "expression", ["0 0 L-3 * *", "0 0 1-L * *", "0 0 LW * *", "0 0 5L * *", "0 0 1#2 * *", "0 0 15W * *"]
)
def test_other_uses_of_l_and_w_in_day_of_month_are_refused(expression):
    assert _refusal(expression).message.startswith("day-of-month: ")


@pytest.mark.parametrize(
    "expression",
    ["0 0 * * L", "0 0 * * 1#0", "0 0 * * 1#6", "0 0 * * #1", "0 0 * * 1-5#1", "0 0 * * 1#1,3", "0 0 * * 5L,1"],
)
def test_other_uses_of_l_and_hash_in_day_of_week_are_refused(expression):
    assert _refusal(expression).message.startswith("day-of-week: ")


@pytest.mark.parametrize(
    ("expression", "number"), [("* * * * * *", 6), ("0 0 * * * * 2026", 7), ("* * * *", 4), ("x", 1)]
)
def test_another_number_of_fields_is_refused_with_the_number(expression, number):
    refusal = _refusal(expression)
    assert "five fields" in refusal.message
    assert f"has {number}" in refusal.message
    assert "minute hour day-of-month month day-of-week" in refusal.hint


@pytest.mark.parametrize("expression", ["", "   "])
def test_an_empty_expression_is_called_empty(expression):
    assert "empty" in _refusal(expression).message


@pytest.mark.parametrize(
    "expression", ["0 0 * * *\n", "0\t0 * * *", "0 0 * * \x00", "0\u00a00 * * *", "٣ 0 * * *", "0 0 * * １"]
)
def test_control_and_foreign_characters_are_refused(expression):
    assert "characters" in _refusal(expression).message


def test_an_expression_has_a_greatest_length():
    check_expression("0 0 * * *".ljust(256))
    assert "256" in _refusal("0 0 * * *".ljust(257)).message


@pytest.mark.parametrize("alias", ["@reboot", "@every 5m", "@noon", "@", "@daily 0"])
def test_other_aliases_are_refused_with_those_there_are(alias):
    assert "@hourly" in _refusal(alias).hint


def test_a_long_wrong_text_is_quoted_in_part():
    assert len(_refusal("7" * 240 + " * * * *").message) < 100


@given(st.text(alphabet="0123456789*,-/#LW?HR@ MONFRIJAN", max_size=40))
def test_any_text_is_either_understood_or_refused(text):
    with contextlib.suppress(InvalidSchedule):
        check_expression(text)
        assert len(text.split()) == 5 or text.strip().startswith("@")


def test_the_refusal_passes_through_pydantic_as_it_is():
    class Holder(BaseModel):
        schedule: Schedule

    for build in (
        lambda: Cron(expression="61 * * * *"),
        lambda: Holder(schedule={"kind": "cron", "expression": "61 * * * *"}),
        lambda: Holder.model_validate_json('{"schedule": {"kind": "cron", "expression": "61 * * * *"}}'),
        lambda: TypeAdapter(list[Schedule]).validate_python([{"kind": "cron", "expression": "61 * * * *"}]),
    ):
        with pytest.raises(InvalidSchedule, match="minute: 61 is out of range 0–59"):
            build()


def test_a_rhythm_of_weeks_needs_an_anchor():
    with pytest.raises(ValidationError, match="anchor"):
        Cron(expression="0 9 * * 5", every_weeks=2)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"at": 1, "wall": "2026-01-01T00:00"},
        {"wall": "2026-01-01T00:00Z"},
        {"wall": "9999-12-31T23:59"},
        {"wall": "1800-01-01T00:00"},
        {"at": 10**18},
    ],
)
def test_a_one_shot_that_names_no_single_instant_is_refused(fields):
    with pytest.raises(ValidationError):
        Once(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"start": 60, "end": 60},
        {"start": 60, "end": 61, "times": 61},
        {"start": 1439, "end": 0, "times": 61},
        {"start": 60, "end": 120, "weekdays": ()},
        {"start": 60, "end": 120, "weekdays": (7,)},
        {"start": 60, "end": 120, "times": 0},
        {"start": 1440, "end": 120},
    ],
)
def test_a_window_that_cannot_hold_its_draws_is_refused(fields):
    with pytest.raises(ValidationError):
        RandomWindow(**fields)


def test_a_whole_day_is_a_window():
    assert RandomWindow(start=0, end=1440, times=100)
