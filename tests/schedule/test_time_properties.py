"""What holds of any schedule, on any clock, from any instant on. Few examples in `make test`, many in `make nightly`.

An occurrence lies strictly after the instant it was asked for; none comes twice; none is left out, wherever between two
others one begins to ask (so a restart at any instant changes nothing); and backwards is forwards, read from the end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.prompt import Definition
from scheduled_prompts.schedule import (
    Cron,
    Interval,
    Once,
    RandomWindow,
    Schedule,
    describe,
    latest_between,
    next_after,
    parse_when,
    upcoming,
)
from scheduled_prompts.schedule.kinds import FIRST_INSTANT, LAST_INSTANT
from scheduled_prompts.schedule.spacing import closer_than
from scheduled_prompts.upcoming import is_named, latest_named, next_named, occurrences
from tests.schedule.walk_checks import check_cron, check_due
from tests.schedule.wall_clock_oracle import DAY, HOUR, MINUTE, date_matcher, ms, read_clock
from tests.schedule.zone_walk import DAY as DAY_S
from tests.schedule.zone_walk import HOUR as HOUR_S
from tests.schedule.zone_walk import ZONES, Walk, changes, walk_around, wall_date

FIRST, LAST = ms(1970, 1, 1), ms(2037, 12, 31)
YEARS = ((1970, 1989), (1990, 2009), (2010, 2037))


def _field(low: int, high: int, *more: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    step = st.integers(1, high - low)
    item = st.one_of(
        number.map(str),
        span,
        st.builds("{}/{}".format, span, step),
        *([st.sampled_from(more)] if more else []),
    )
    starred = st.one_of(st.just("*"), st.builds("*/{}".format, step))
    listed = st.lists(item, min_size=1, max_size=3).map(",".join)
    return st.one_of(starred, number.map(str), listed)


_marked = st.lists(st.sampled_from(["1#1", "0#5", "3#2", "5L", "0L", "6#4"]), min_size=1, max_size=2).map(",".join)
rare_expressions = st.builds(
    "0 0 {} {} {}".format,
    st.sampled_from(["*/8", "*/14", "*/30", "31", "30", "29", "*/29", "29-31", "L", "15"]),
    st.sampled_from(["2", "2,4", "4-6/2", "*", "*/10", "4,6,9,11", "11/2"]),
    st.sampled_from(["*", "0#5", "1#1,2#5", "5L", "*/7", "*/3", "3#2", "1"]),
)
rarely = rare_expressions.map(lambda text: text.replace("0 0 ", "*/40 2 ", 1))
expressions = st.tuples(
    _field(0, 59), _field(0, 23), _field(1, 31, "L"), _field(1, 12), st.one_of(_field(0, 7), _marked)
).map(" ".join)


def _cron(expression: str, **more: Any) -> Cron:
    try:
        return Cron(expression=expression, **more)
    except InvalidSchedule:
        assume(False)  # it can never match; test_cron.py looks at those
        raise


crons = st.one_of(
    expressions.map(_cron),
    st.builds(_cron, expressions, every_weeks=st.integers(2, 5), anchor=st.dates(date(1970, 1, 1), date(2030, 1, 1))),
)
windows = st.builds(
    lambda times, start, length, weekdays: RandomWindow(
        times=times, start=start, end=(start + length) % 1440, weekdays=tuple(weekdays)
    ),
    st.integers(1, 5),
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.sets(st.integers(0, 6), min_size=1),
)
intervals = st.builds(
    Interval, every_ms=st.integers(1, 7_776_000).map(lambda s: s * 1000), anchor=st.integers(FIRST, LAST)
)
one_shots = st.builds(
    Once, wall=st.datetimes(datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("2037-12-30"))
)
schedules = st.one_of(crons, crons, windows, intervals, one_shots)


@st.composite
def moments(draw: st.DrawFn, zones: tuple[str, ...] = tuple(ZONES), years: Any = YEARS) -> tuple[str, int]:
    """A zone and an instant, as often as not within two days of a change of its clock."""
    zone, (first, last) = draw(st.sampled_from(zones)), draw(st.sampled_from(years))
    turns = changes(zone, first, last)
    if turns and draw(st.booleans()):
        return zone, draw(st.sampled_from(turns)) * 1000 + draw(st.integers(-2 * DAY, 2 * DAY))
    return zone, draw(st.integers(ms(first, 1, 1), ms(last, 12, 31)))


some = moments(("Africa/Cairo", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"), ((2010, 2011),))


def _sequence(schedule: Schedule, zone: str, after: int, until: int) -> list[int]:
    """What occurs in (after, until], at most 200 of them, up to the last whole one."""
    found: list[int] = []
    while (instant := next_after(schedule, after, timezone=zone, seed="p")) is not None and instant <= until:
        assert instant > after, "strictly after"
        found.append(instant)
        after = instant
        if len(found) == 200:
            break
    return found


def the_next_stays_the_next_until_it_has_come(schedule: Schedule, moment: tuple[str, int], data: st.DataObject) -> None:
    zone, after = moment
    found = next_after(schedule, after, timezone=zone, seed="p")
    if found is None:
        assert latest_between(schedule, after, 10**15, timezone=zone, seed="p") is None
        return
    assert found > after
    restart = data.draw(st.integers(after, found - 1))
    assert next_after(schedule, restart, timezone=zone, seed="p") == found
    assert latest_between(schedule, after, restart, timezone=zone, seed="p") is None
    assert latest_between(schedule, restart, found, timezone=zone, seed="p") == found
    following = next_after(schedule, found, timezone=zone, seed="p")
    assert following is None or following > found


def what_lies_in_two_stretches_is_what_lies_in_both(
    schedule: Schedule, moment: tuple[str, int], length: int, part: float
) -> None:
    zone, after = moment
    until = after + length
    whole = _sequence(schedule, zone, after, until)
    if len(whole) == 200:
        until = whole[-1]
    middle = after + int((until - after) * part)
    assert _sequence(schedule, zone, after, middle) + _sequence(schedule, zone, middle, until) == whole
    assert sorted(set(whole)) == whole
    back: list[int] = []
    while (instant := latest_between(schedule, after, until, timezone=zone, seed="p")) is not None:
        back.append(instant)
        until = instant - 1
    assert back[::-1] == whole


def a_window_leaves_what_lies_in_it(
    schedule: Schedule, moment: tuple[str, int], start: int, length: int, asked: int
) -> None:
    zone, at = moment
    start_at, end_at = at + start, at + start + length
    defined = Definition(text="x", schedule=schedule, timezone=zone, start_at=start_at, end_at=end_at)
    whole = _sequence(schedule, zone, start_at - 1, end_at - 1)
    full = len(whole) == 200
    assert next_named(defined, start_at - asked, "p") == (whole[0] if whole else None)
    if not full:
        assert latest_named(defined, start_at - asked, end_at + asked, "p") == (whole[-1] if whole else None)
    for before, instant in zip([start_at - 1, *whole], whole, strict=False):
        assert next_named(defined, before, "p") == instant == latest_named(defined, before, instant, "p")
        assert is_named(defined, instant, "p")
        assert instant - before < 2 or not is_named(defined, instant - 1, "p")
    if not full and whole:
        assert next_named(defined, whole[-1], "p") is None


def a_cron_is_as_the_walk_finds_it(expression: str, moment: tuple[str, int], every: int, anchor: date) -> None:
    zone, at = moment
    _cron(expression, every_weeks=every, anchor=anchor)
    walk = walk_around(zone, at // 1000 // 3600 * 3600, 12)
    check_cron(walk, expression, restarts=5)
    if every > 1:
        check_cron(walk, expression, restarts=2, every_weeks=every, anchor=anchor)


def a_plain_clock_is_that_of_cronsim(expression: str, second: int) -> None:
    # cronsim takes `5-5/2` for `5/2`; and on a clock that never changes, all else of it is ours
    assume(not any(_is_one_value(item) for field in expression.split() for item in field.split(",")))
    cron, start = _cron(expression), read_clock("UTC", second * 1000)
    theirs = CronSim(expression, start)
    expected = [int(next(theirs).replace(tzinfo=UTC).timestamp()) * 1000 for _ in range(4)]
    assert upcoming(cron, second * 1000, 4, timezone="UTC", seed="") == expected


def what_is_refused_as_impossible_never_comes(expression: str) -> None:
    try:
        Cron(expression=expression)
        refused = False
    except InvalidSchedule:
        refused = True
    # In 28 years each date of the year falls on each day of the week.
    days = (date(1972, 1, 1) + timedelta(days=number) for number in range(28 * 366))
    assert refused != any(map(date_matcher(expression), days))


def a_cron_comes_next_on_the_first_date_that_the_calendar_names(expression: str, moment: tuple[str, int]) -> None:
    """However far away: date by date, and minute by minute around those that fit."""
    zone, after = moment
    cron, fits = _cron(expression), date_matcher(expression)
    found = next_after(cron, after, timezone=zone, seed="")
    day = after // 1000 // DAY_S * DAY_S - 2 * DAY_S
    for _ in range(41 * 366):
        if fits(wall_date(day)):
            walk = Walk(zone, day - 36 * HOUR_S, day + 60 * HOUR_S)
            coming = [each * 1000 for each in walk.occurrences(expression) if each * 1000 > after]
            if coming:
                assert found == coming[0]
                assert latest_between(cron, after, coming[0] - 1, timezone=zone, seed="") is None
                return
        day += DAY_S
    assert found is None or found > after + 40 * 366 * DAY


def what_comes_nearer_than_a_limit_does_so_on_a_plain_clock(expression: str, limit: int) -> None:
    cron = _cron(expression)
    instants = upcoming(cron, ms(2026, 1, 1), 2_001, timezone="UTC", seed="")
    instants = [each for each in instants if each <= instants[0] + 1461 * DAY]
    nearer = [later - earlier for earlier, later in pairwise(instants) if later - earlier < limit]
    found = closer_than(cron, limit)
    assert found == (nearer[0] if nearer else None)


def the_calendar_ends_without_an_error(schedule: Schedule, zone: str, edge: int, near: int) -> None:
    at = edge + near
    found = next_after(schedule, at, timezone=zone, seed="p")
    assert found is None or (found > at and FIRST_INSTANT <= found <= LAST_INSTANT)
    latest = latest_between(schedule, -(10**18), at, timezone=zone, seed="p")
    assert latest is None or (latest <= at and FIRST_INSTANT <= latest <= LAST_INSTANT)
    defined = Definition(
        text="x", schedule=schedule, timezone=zone, quiet="22:00-07:00", quiet_policy="defer", jitter=3600
    )
    for each in occurrences(defined, at, 2, "p"):
        assert at < each.nominal <= each.due


def _is_one_value(item: str) -> bool:
    span, slash, _ = item.partition("/")
    first, dash, last = span.partition("-")
    return bool(slash and dash and first == last)


def words_that_can_be_typed_mean_the_same(schedule: Schedule, moment: tuple[str, int]) -> None:
    zone, now = moment
    assume(not isinstance(schedule, Once))  # an instant of the past cannot be typed
    text = describe(schedule)
    try:
        typed = parse_when(text, now=now, timezone=zone)
    except InvalidSchedule:
        assert isinstance(schedule, Cron), text
        assert "(" in text
        return
    if isinstance(schedule, Interval):
        assert isinstance(typed, Interval)
        assert typed.every_ms == schedule.every_ms
    else:
        expected = upcoming(schedule, now, 5, timezone=zone, seed="p")
        assert upcoming(typed, now, 5, timezone=zone, seed="p") == expected, text


def a_prompt_is_due_when_the_walk_says(expression: str, moment: tuple[str, int], chance: Any) -> None:
    zone, at = moment
    check_due(walk_around(zone, at // 1000 // 3600 * 3600, 60), expression, chance)


TIMES_OF_DAY = ("0 * * * *", "30 2 * * *", "*/20 0-3 * * *", "15,45 6,22 * * *", "0 0 * * 0", "7 1-5 * * 1-6")
Property = Callable[..., None]
Of = tuple[st.SearchStrategy[Any], ...]


def _properties(when: st.SearchStrategy[tuple[str, int]]) -> list[tuple[Property, Of]]:
    lengths = st.one_of(st.integers(0, 3 * DAY), st.integers(0, 900 * DAY))
    return [
        (the_next_stays_the_next_until_it_has_come, (schedules, when, st.data())),
        (what_lies_in_two_stretches_is_what_lies_in_both, (schedules, when, lengths, st.floats(0, 1))),
        (
            a_window_leaves_what_lies_in_it,
            (schedules, when, st.integers(0, 3 * DAY), st.integers(1, 30 * DAY), st.integers(1, 5 * HOUR)),
        ),
        (a_plain_clock_is_that_of_cronsim, (expressions, st.integers(FIRST // 1000, LAST // 1000))),
        (words_that_can_be_typed_mean_the_same, (schedules, when)),
        (
            the_calendar_ends_without_an_error,
            (
                schedules,
                st.sampled_from(("Pacific/Apia", "Africa/Casablanca", "UTC")),
                st.sampled_from((-(10**18), FIRST_INSTANT, LAST_INSTANT, 10**18)),
                st.one_of(st.integers(-2, 2), st.integers(-3 * DAY, 3 * DAY), st.integers(-900 * DAY, 900 * DAY)),
            ),
        ),
        (what_is_refused_as_impossible_never_comes, (st.one_of(rare_expressions, expressions),)),
    ]


def _properties_of_walks(when: st.SearchStrategy[tuple[str, int]]) -> list[tuple[Property, Of]]:
    """Those that cost a walk each, or thousands of occurrences: `test_zone_walk.py` has a cheap form."""
    anchors = st.dates(date(1960, 1, 1), date(1969, 12, 31))
    return [
        (a_cron_is_as_the_walk_finds_it, (expressions, when, st.integers(1, 3), anchors)),
        (
            a_prompt_is_due_when_the_walk_says,
            (st.sampled_from(TIMES_OF_DAY), when, st.randoms(use_true_random=False)),
        ),
        (
            a_cron_comes_next_on_the_first_date_that_the_calendar_names,
            (st.one_of(rare_expressions, rarely, expressions), when),
        ),
        (
            what_comes_nearer_than_a_limit_does_so_on_a_plain_clock,
            (st.one_of(rare_expressions, expressions), st.sampled_from((5, 61, 1440, 3000)).map(lambda n: n * MINUTE)),
        ),
    ]


def _named(properties: list[tuple[Property, Of]]) -> list[Any]:
    return [pytest.param(*each, id=each[0].__name__) for each in properties]


@pytest.mark.parametrize(("holds", "of"), _named(_properties(some)))
def test_a_few_times(holds: Property, of: Of) -> None:
    settings(max_examples=25)(given(*of)(holds))()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("holds", "of"), _named(_properties(moments())))
def test_many_times(holds: Property, of: Of) -> None:
    settings(max_examples=4_000)(given(*of)(holds))()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("holds", "of"), _named(_properties_of_walks(moments())))
def test_many_times_with_a_walk_each(holds: Property, of: Of) -> None:
    settings(max_examples=800)(given(*of)(holds))()


def test_a_minute_is_the_finest_that_a_cron_knows() -> None:
    found = _sequence(_cron("* * * * *"), "Pacific/Chatham", FIRST, FIRST + HOUR)
    assert found == [FIRST + number * MINUTE for number in range(1, 61)]
