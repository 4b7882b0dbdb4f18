"""What cron expressions match on a plain calendar."""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.schedule import Cron, latest_between, next_after, upcoming
from scheduled_prompts.schedule.cron import parse
from scheduled_prompts.schedule.cron_fields import read_fields
from tests.schedule.wall_clock_oracle import DAY, MINUTE, matcher, ms, read_clock


def _dates(expression: str, year: int, month: int, count: int) -> list[str]:
    instants = upcoming(Cron(expression=expression), ms(year, month, 1) - 1, count, timezone="UTC", seed="")
    return [f"{read_clock('UTC', each):%Y-%m-%d}" for each in instants]


def test_either_day_field_is_enough_when_neither_starts_with_a_star():
    assert _dates("0 0 13 * 5", 2026, 3, 5) == [f"2026-03-{day}" for day in ("06", "13", "20", "27")] + ["2026-04-03"]


def test_both_day_fields_have_to_match_when_one_starts_with_a_star():
    assert _dates("0 0 */10 * 1", 2026, 6, 2) == ["2026-06-01", "2026-08-31"]
    assert _dates("0 0 13 * */5", 2026, 1, 2) == ["2026-02-13", "2026-03-13"]


def test_a_named_weekday_and_a_day_of_month_are_either_or_too():
    assert _dates("0 0 20 * 5#2", 2026, 3, 4) == ["2026-03-13", "2026-03-20", "2026-04-10", "2026-04-20"]
    assert _dates("0 0 1 * 5L", 2026, 3, 4) == ["2026-03-01", "2026-03-27", "2026-04-01", "2026-04-24"]


def test_a_full_list_of_days_beside_a_weekday_means_every_day():
    assert _dates("0 0 1-31 * 1", 2026, 2, 3) == ["2026-02-01", "2026-02-02", "2026-02-03"]


def test_one_impossible_day_field_leaves_the_other():
    assert _dates("0 0 31 2 1", 2026, 1, 2) == ["2026-02-02", "2026-02-09"]


def test_l_is_the_last_day_of_each_month():
    assert _dates("0 0 L * *", 2028, 1, 4) == ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]
    assert _dates("0 0 15,L * *", 2027, 2, 3) == ["2027-02-15", "2027-02-28", "2027-03-15"]


@pytest.mark.parametrize("field", ["5L", "L5", "FRIL", "fril", "LFRI"])
def test_l_beside_a_weekday_is_its_last_one_in_the_month(field):
    assert _dates(f"0 0 * * {field}", 2026, 1, 3) == ["2026-01-30", "2026-02-27", "2026-03-27"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 0 * * 0", "0 0 * * 7"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 * * FRI-SUN", "0 0 * * 0,5,6"),
        ("0 0 * * sun-tue", "0 0 * * 0,1,2"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 * * 7#1", "0 0 * * SUN#1"),
        ("0 0 * * 3-7/4", "0 0 * * 0,3"),
        ("0 0 1 jan,Jul *", "0 0 1 1,7 *"),
        ("0 0 1 JAN-MAR *", "0 0 1 1-3 *"),
        ("5-5 * * * *", "5 * * * *"),
        ("0 7-7 * * *", "0 7 * * *"),
        ("0 0 * * 7-7", "0 0 * * 0"),
        ("50/5 * * * *", "50,55 * * * *"),
        ("59/15 * * * *", "59 * * * *"),
        ("*/60 * * * *", "0 * * * *"),
        ("05 09 * * *", "5 9 * * *"),
        ("  0   9 * * *  ", "0 9 * * *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@MONTHLY", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_two_spellings_of_one_schedule_occur_together(one, other):
    start = ms(2026, 1, 1)
    first, second = (upcoming(Cron(expression=each), start, 30, timezone="UTC", seed="") for each in (one, other))
    assert first == second


def test_hourly_follows_the_clock_and_daily_keeps_the_time_of_day():
    assert not parse("@hourly").fixed_time
    assert parse("@daily").fixed_time
    assert not parse("*/5 3 * * *").fixed_time
    assert not parse("5 */3 * * *").fixed_time
    assert parse("0-59 0-23 * * *").fixed_time


def _numbers(low: int, high: int, *, start_with_step: bool = True) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted)
    step = st.integers(1, high - low)
    item = st.one_of(
        number.map(str),
        pair.map(lambda p: f"{p[0]}-{p[1]}"),
        # cronsim takes `5-5/2` for `5/2`
        st.tuples(pair.filter(lambda p: p[0] < p[1]), step).map(lambda p: f"{p[0][0]}-{p[0][1]}/{p[1]}"),
        *([st.tuples(number, step).map(lambda p: f"{p[0]}/{p[1]}")] if start_with_step else []),
    )
    return st.one_of(st.just("*"), step.map(lambda n: f"*/{n}"), st.lists(item, min_size=1, max_size=3).map(",".join))


months = st.one_of(_numbers(1, 12), st.sampled_from(["JAN", "Feb-Apr", "jun,dec"]))
weekdays = st.one_of(
    _numbers(0, 7, start_with_step=False),  # cronsim counts `1/3` on to 7, croniter and we to 6
    st.sampled_from(["MON-FRI", "sat,sun", "5L", "1#2,3#5"]),
)
days = st.one_of(_numbers(1, 31), st.sampled_from(["L", "15,L", "31", "29-31"]))
expressions = st.tuples(_numbers(0, 59), _numbers(0, 23), days, months, weekdays).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(expressions, st.integers(ms(2000, 1, 1) // 1000, ms(2090, 1, 1) // 1000))
def test_occurrences_on_a_plain_clock_are_those_of_cronsim(expression, second):
    after = second * 1000
    start = read_clock("UTC", after)
    try:
        schedule = Cron(expression=expression)
    except InvalidSchedule:
        # What we call impossible, cronsim refuses too, or searches for 50 years in vain.
        with pytest.raises((CronSimError, StopIteration)):
            next(CronSim(expression, start))
        return
    theirs = CronSim(expression, start)
    expected = [int(next(theirs).replace(tzinfo=UTC).timestamp()) * 1000 for _ in range(5)]
    assert upcoming(schedule, after, 5, timezone="UTC", seed="") == expected
    back = CronSim(expression, start, reverse=True)
    before = int(next(back).replace(tzinfo=UTC).timestamp()) * 1000
    assert latest_between(schedule, after - 60 * 366 * DAY, after - 1, timezone="UTC", seed="") == before


@settings(max_examples=100, deadline=None)
@given(
    expressions,
    st.integers(1, 6),
    st.dates(date(2020, 1, 1), date(2027, 1, 1)),
    st.integers(ms(2019, 1, 1), ms(2028, 1, 1)),
)
def test_every_nth_week_counts_from_the_monday_of_the_anchor(expression, every, anchor, after):
    try:
        schedule = Cron(expression=expression, every_weeks=every, anchor=anchor)
        plain = Cron(expression=expression)
    except InvalidSchedule:
        return

    def counts(instant: int) -> bool:
        read = read_clock("UTC", instant).date()
        monday = anchor.toordinal() - anchor.weekday()
        weeks = (read.toordinal() - monday) // 7
        return every == 1 or (weeks >= 0 and weeks % every == 0)

    found = upcoming(schedule, after, 3, timezone="UTC", seed="")
    assert all(counts(each) for each in found)
    assert sorted(found) == found
    # Nothing that counts was left out: look at the plain schedule up to the first (or for a while).
    walk = [each for each in upcoming(plain, after, 300, timezone="UTC", seed="") if counts(each)]
    assert walk[:3] == found[: len(walk[:3])]
    if found:
        assert latest_between(schedule, after, found[-1], timezone="UTC", seed="") == found[-1]
        assert latest_between(schedule, after, found[0] - 1, timezone="UTC", seed="") is None


def test_every_second_week_belongs_to_the_local_date():
    # Monday 00:30 in Auckland is still Sunday in UTC.
    schedule = Cron(expression="30 0 * * 1", every_weeks=2, anchor=date(2026, 6, 3))
    instants = upcoming(schedule, ms(2026, 6, 2), 2, timezone="Pacific/Auckland", seed="")
    assert [f"{read_clock('Pacific/Auckland', each):%m-%d %H:%M}" for each in instants] == [
        "06-15 00:30",
        "06-29 00:30",
    ]


def test_nothing_occurs_before_the_week_of_the_anchor():
    schedule = Cron(expression="0 9 * * *", every_weeks=2, anchor=date(2026, 6, 3))
    assert next_after(schedule, ms(2020, 1, 1), timezone="UTC", seed="") == ms(2026, 6, 1, 9)
    assert latest_between(schedule, ms(2020, 1, 1), ms(2026, 6, 1), timezone="UTC", seed="") is None


def test_a_rhythm_of_weeks_that_misses_every_match_is_refused():
    # Of the Sundays that are 29 February there are three in a century, none of them 104 n weeks from here.
    with pytest.raises(InvalidSchedule, match="one week in 104"):
        Cron(expression="0 0 29 2 */7", every_weeks=104, anchor=date(2026, 1, 1))


def test_the_calendar_ends_without_an_error():
    schedule = Cron(expression="0 0 29 2 *")
    assert next_after(schedule, ms(9989, 1, 1), timezone="Europe/Berlin", seed="") is None
    assert next_after(schedule, 10**18, timezone="Europe/Berlin", seed="") is None
    assert next_after(Cron(expression="*/5 0 29 2 *"), ms(9989, 1, 1), timezone="Europe/Berlin", seed="") is None
    assert latest_between(schedule, -(10**18), ms(1903, 1, 1), timezone="UTC", seed="") is None
    assert parse("0 0 29 2 *").upto(ms(4, 1, 1)) is None
    assert parse("0 0 29 2 *").after(ms(9997, 1, 1)) is None
    assert next_after(Cron(expression="* * * * *"), 10**18, timezone="UTC", seed="") is None
    assert next_after(Cron(expression="* * * * *"), -(10**18), timezone="UTC", seed="") == ms(1900, 1, 1) + MINUTE
    assert latest_between(schedule, -(10**18), ms(1900, 1, 1), timezone="UTC", seed="") is None


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 29 2 */7",
        "0 0 */29 2 0#5",
        "59 23 29 2 6",
        "0 0 30 2 *",
        "0 0 */28 * 0#2,1#2,2#2,3#2,4#2,5#2,6#2",
        "0 0 31 2,4,6,9,11 */2",
        ",".join(str(n % 60) for n in range(85)) + " * * * *",
        "0-59/1," * 28 + "0-59/1 * * * *",
        "*/1 */1 */1 */1 */1",
        "9" * 248 + " * * * *",
        "-" * 256,
        "*" + "/1" * 120 + " * * * *",
        "0 0 * * " + "1#5," * 60 + "1#5",
        "@" * 256,
        "L" * 200 + " * * * *",
    ],
)
def test_no_expression_takes_longer_than_a_tenth_of_a_second(expression):
    assert "croniter" in sys.modules or parse("0 0 1 * *")  # what is measured is not the import

    def once() -> float:
        parse.cache_clear()
        begin = time.process_time()
        try:
            schedule = Cron(expression=expression)
            next_after(schedule, ms(2072, 3, 1), timezone="Europe/Berlin", seed="")  # 40 years without a Sunday 02-29
            latest_between(schedule, 0, ms(2032, 2, 28), timezone="Europe/Berlin", seed="")
        except InvalidSchedule:
            pass
        return time.process_time() - begin

    assert min(once() for _ in range(3)) < 0.1


def test_threads_that_share_an_expression_do_not_use_its_croniter_at_once(monkeypatch):
    from croniter import croniter

    inside, most = Counter(), []  # by croniter: this expression has two
    original = croniter.get_next

    def slow(self, *args, **kwargs):
        inside[id(self)] += 1
        most.append(inside[id(self)])
        time.sleep(0.002)
        try:
            return original(self, *args, **kwargs)
        finally:
            inside[id(self)] -= 1

    monkeypatch.setattr(croniter, "get_next", slow)
    parse.cache_clear()
    schedule = Cron(expression="17 3 1,15 * 2")
    starts = [ms(2026, 1, 1) + number * 30 * DAY for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda start: next_after(schedule, start, timezone="UTC", seed=""), starts))
    assert found == [next_after(schedule, start, timezone="UTC", seed="") for start in starts]
    assert len(most) >= 8
    assert max(most) == 1


def test_fields_are_handed_on_in_numbers_with_sunday_as_zero():
    fields = [str(read_fields(f"0 0 * * {text}").weekday) for text in ("0-7", "5-7", "sun,7,MON", "7#2,FRI#1", "7L")]
    assert fields == ["*", "0,5,6", "0,1", "0#2,5#1", "l0"]


def test_the_matcher_of_the_tests_agrees_on_a_year_of_days():
    expression = "0 0 1-7 * 2#2,4L"
    matches = matcher(expression)
    found = upcoming(Cron(expression=expression), ms(2026, 1, 1) - 1, 60, timezone="UTC", seed="")
    expected = [each for each in range(ms(2026, 1, 1), ms(2027, 1, 1), DAY) if matches(read_clock("UTC", each))]
    assert found[: len(expected)] == expected[:60]
