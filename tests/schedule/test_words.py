"""What people read: schedules in words that can be typed again, durations, distances."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduled_prompts.errors import InvalidSchedule, UnknownTimezone
from scheduled_prompts.schedule.kinds import FIRST_INSTANT, LAST_INSTANT, Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.schedule.language.grammar import parse_when
from scheduled_prompts.schedule.language.words import describe, humanize_duration, relative
from scheduled_prompts.schedule.occurrences import upcoming

ZONE = "Europe/Berlin"
NOW = round(datetime(2026, 11, 18, 9, tzinfo=UTC).timestamp() * 1000)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
DECEMBER_FIRST = round(datetime(2026, 12, 1, 8, tzinfo=UTC).timestamp() * 1000)


def cron(expression: str, weeks: int = 1, anchor: date | None = None) -> Cron:
    return Cron(expression=expression, every_weeks=weeks, anchor=anchor)


WORKING = (0, 1, 2, 3, 4)

SAID = [
    (Once(wall=datetime.fromisoformat("2026-12-01T09:00")), "once, on Tue 2026-12-01 at 09:00"),
    (Once(wall=datetime.fromisoformat("2026-12-01T09:00:30")), "once, on Tue 2026-12-01 at 09:00:30"),
    (Once(at=DECEMBER_FIRST), "once, on Tue 2026-12-01 at 08:00Z"),
    (Once(at=DECEMBER_FIRST + 250), "once, on Tue 2026-12-01 at 08:00:00.250Z"),
    (Interval(every_ms=2 * HOUR, anchor=0), "every 2 hours"),
    (Interval(every_ms=HOUR, anchor=0), "every hour"),
    (Interval(every_ms=90 * MINUTE, anchor=0), "every 1 hour 30 minutes"),
    (Interval(every_ms=DAY, anchor=0), "every 24 hours"),
    (Interval(every_ms=14 * DAY, anchor=0), "every 14 days"),
    (cron("0 9 * * *"), "every day at 09:00"),
    (cron("0 9 * * 1-5"), "every weekday at 09:00"),
    (cron("0 10 * * 0,6"), "every weekend at 10:00"),
    (cron("30 18 * * 1,4"), "every monday and thursday at 18:30"),
    (cron("0 9 * * 0,1,3"), "every monday, wednesday and sunday at 09:00"),
    (cron("0,30 9,17 * * *"), "every day at 09:00, 09:30, 17:00 and 17:30"),
    (cron("15,45 * * * *"), "every hour at :15 and :45"),
    (cron("0 10 * * 5", 2, date(2026, 12, 4)), "every 2 weeks on friday at 10:00, counted from 2026-12-04"),
    (cron("0 10 * * 5", 2, date(2021, 1, 1)), "every 2 weeks on friday at 10:00, counted from 2021-01-01"),
    (cron("0 8 1,15 * *"), "every month on the 1st and 15th at 08:00"),
    (cron("0 8 2,11,23 * *"), "every month on the 2nd, 11th and 23rd at 08:00"),
    (cron("0 17 L * *"), "every month on the last day at 17:00"),
    (cron("0 9 * * 1#1,1#3"), "every month on the first and third monday at 09:00"),
    (cron("0 9 * * 1#1,L5"), "every month on the first monday and last friday at 09:00"),
    (cron("0 17 * * L5"), "every month on the last friday at 17:00"),
    (cron("0 9 24 12 *"), "every year on december 24 at 09:00"),
    (cron("0 9 29 2 *"), "every year on february 29 at 09:00"),
    (cron("0 8 1 1,7 *"), "every january and july on the 1st at 08:00"),
    (cron("0 8 L 2 *"), "every february on the last day at 08:00"),
    (RandomWindow(start=540, end=660, weekdays=WORKING), "once a day at random between 09:00 and 11:00, every weekday"),
    (RandomWindow(times=3, start=540, end=1020), "3 times a day at random between 09:00 and 17:00, every day"),
    (
        RandomWindow(times=2, start=1320, end=120, weekdays=(4,)),
        "twice a day at random between 22:00 and 02:00, every friday",
    ),
    (RandomWindow(start=0, end=1440), "once a day at random between 00:00 and 24:00, every day"),
]


def typed_again(text: str) -> Schedule:
    return parse_when(text, now=NOW, timezone=ZONE)


def without_anchor(schedule: Schedule) -> Schedule:
    return schedule.model_copy(update={"anchor": 0}) if isinstance(schedule, Interval) else schedule


@pytest.mark.parametrize(("schedule", "text"), SAID, ids=[text for _, text in SAID])
def test_a_schedule_is_said_in_words_that_mean_it_when_typed(schedule: Schedule, text: str) -> None:
    assert describe(schedule) == text
    assert without_anchor(typed_again(text)) == schedule


@pytest.mark.parametrize("schedule", [schedule for schedule, _ in SAID], ids=[text for _, text in SAID])
def test_words_with_the_zone_can_be_typed_too(schedule: Schedule) -> None:
    text = describe(schedule, timezone=ZONE)
    assert text.endswith(" Europe/Berlin")
    assert without_anchor(typed_again(text)) == schedule


def test_an_instant_is_told_on_the_clock_of_the_zone() -> None:
    said = describe(Once(at=DECEMBER_FIRST), timezone=ZONE)
    assert said == "once, on Tue 2026-12-01 at 09:00+01:00 Europe/Berlin"


def test_an_instant_in_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(UnknownTimezone):
        describe(Once(at=DECEMBER_FIRST), timezone="Mars/Olympus")


@pytest.mark.parametrize("at", [FIRST_INSTANT, LAST_INSTANT])
def test_the_first_and_the_last_instant_can_be_said(at: int) -> None:
    assert describe(Once(at=at), timezone="Asia/Tokyo").startswith("once, ")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("00 09 * * mon-fri", "every weekday at 09:00"),
        ("0 9 * * 1-7", "every day at 09:00"),
        ("0 9 * * 7", "every sunday at 09:00"),
        ("0 9 * * 5L", "every month on the last friday at 09:00"),
        ("0 9 1 JAN,jul *", "every january and july on the 1st at 09:00"),
        ("@daily", "every day at 00:00"),
    ],
)
def test_another_spelling_of_an_expression_is_said_in_the_same_words(expression: str, text: str) -> None:
    assert describe(cron(expression)) == text
    assert_same_times(cron(expression), typed_again(text))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("*/5 * * * *", "every 5 minutes (*/5 * * * *)"),
        ("*/15 9-16 * * 1-5", "every 15 minutes, between 09:00 and 16:59, monday through friday (*/15 9-16 * * 1-5)"),
        ("0 9 1 * 1", "at 09:00, on day 1 of the month, on monday (0 9 1 * 1: either day counts)"),
        ("0 9 */2 * 1", "at 09:00, every 2 days, on monday (0 9 */2 * 1: both days have to match)"),
        ("0 9 1-7 * *", "at 09:00, between day 1 and 7 of the month (0 9 1-7 * *)"),
    ],
)  # fmt: skip
def test_what_the_grammar_cannot_say_is_said_with_its_expression(expression: str, text: str) -> None:
    assert describe(cron(expression)) == text
    with pytest.raises(InvalidSchedule):
        typed_again(text)


def assert_same_times(one: Schedule, other: Schedule) -> None:
    assert upcoming(one, NOW, 12, timezone=ZONE, seed="s") == upcoming(other, NOW, 12, timezone=ZONE, seed="s")


def field(low: int, high: int, *more: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    item = st.one_of(
        number.map(str),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.sampled_from(["*", "*/2", *more]),
    )
    return st.one_of(st.just("*"), number.map(str), st.lists(item, min_size=1, max_size=3).map(",".join))


expressions = st.tuples(
    field(0, 59), field(0, 23), field(1, 31, "L"), field(1, 12, "feb"), field(0, 7, "1#2", "L5", "fri", "3L")
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(expressions)
@example("0 9 */2 * 1")
@example("0 9 31 2,3 *")
def test_words_for_a_cron_expression_mean_the_same_or_are_refused(expression: str) -> None:
    try:
        schedule = cron(expression)
    except InvalidSchedule:
        return  # not an expression
    text = describe(schedule)
    assert text.isprintable()
    try:
        again = typed_again(text)
    except InvalidSchedule:
        assert text.endswith(f"({expression})") or f"({expression}: " in text
        return
    assert_same_times(schedule, again)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.builds(Interval, every_ms=st.integers(1, 10**8).map(lambda s: s * SECOND), anchor=st.just(0)),
        st.builds(
            RandomWindow,
            times=st.integers(1, 60),
            start=st.integers(0, 700),
            end=st.integers(701, 1440),
            weekdays=st.frozensets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
        ),
        st.builds(Once, at=st.integers(NOW + 1, NOW + 99 * 365 * DAY)),
    ),
    st.sampled_from([None, ZONE]),
)
def test_typing_what_is_said_gives_an_equal_schedule(schedule: Schedule, timezone: str | None) -> None:
    assert without_anchor(typed_again(describe(schedule, timezone=timezone))) == schedule


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (250, "250 ms"),
        (1_000, "1 s"),
        (59_999, "59 s"),
        (MINUTE, "1 min"),
        (90 * SECOND, "1 min 30 s"),
        (90 * MINUTE, "1 h 30 min"),
        (HOUR + SECOND, "1 h"),
        (DAY + 4 * HOUR + MINUTE, "1 d 4 h"),
        (400 * DAY, "400 d"),
        (-5 * SECOND, "-5 s"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(ms: int, text: str) -> None:
    assert humanize_duration(ms) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "now"),
        (499, "now"),
        (-499, "now"),
        (500, "in 1 s"),
        (45 * SECOND, "in 45 s"),
        (119_400, "in 119 s"),
        (119_600, "in 2 min"),
        (-2 * MINUTE, "2 min ago"),
        (90 * MINUTE, "in 90 min"),
        (119 * MINUTE + 40 * SECOND, "in 2 h"),
        (3 * HOUR, "in 3 h"),
        (-36 * HOUR, "36 h ago"),
        (47 * HOUR + 40 * MINUTE, "in 2 d"),
        (400 * DAY, "in 400 d"),
    ],
)
def test_a_distance_in_time_is_one_rounded_number(ms: int, text: str) -> None:
    assert relative(ms) == text
