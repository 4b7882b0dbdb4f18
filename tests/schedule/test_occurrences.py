"""What holds for all kinds of schedule, one-shots, and jitter."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scheduled_prompts.schedule as schedule_package
from scheduled_prompts.errors import UnknownTimezone
from scheduled_prompts.schedule import (
    Cron,
    Interval,
    Once,
    RandomWindow,
    due_of,
    latest_between,
    next_after,
    upcoming,
)
from tests.schedule.wall_clock_oracle import DAY, HOUR, ZONES, ms

crons = st.builds(
    Cron,
    expression=st.sampled_from(
        [
            "* * * * *",
            "*/15 * * * *",
            "30 2 * * *",
            "0,30 1-4 * * 0",
            "0 * * * *",
            "0 0 1 * 1",
            "0 9 29 2 *",
            "17 */5 L * *",
            "0 0 * * 5#5",
            "0-59 0-23 * * *",
        ]
    ),
    every_weeks=st.integers(1, 3),
    anchor=st.dates(date(2019, 1, 1), date(2026, 1, 1)),
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
    Interval, every_ms=st.integers(1_000, 40 * DAY), anchor=st.integers(ms(2015, 1, 1), ms(2027, 1, 1))
)
one_shots = st.one_of(
    st.builds(Once, at=st.integers(ms(2020, 1, 1), ms(2030, 1, 1))),
    st.builds(Once, wall=st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01"))),
)
schedules = st.one_of(crons, windows, intervals, one_shots)
instants = st.integers(ms(2020, 1, 1), ms(2030, 1, 1))


@settings(max_examples=300, deadline=None)
@given(schedules, st.sampled_from(ZONES), instants, st.floats(0, 1))
def test_the_next_occurrence_is_later_and_stays_the_next_until_it_has_come(schedule, zone, after, part):
    found = next_after(schedule, after, timezone=zone, seed="p")
    if found is None:
        assert isinstance(schedule, Once)
        return
    assert found > after
    between = after + int((found - 1 - after) * part)
    assert next_after(schedule, between, timezone=zone, seed="p") == found
    assert latest_between(schedule, after, found - 1, timezone=zone, seed="p") is None
    assert latest_between(schedule, after, found, timezone=zone, seed="p") == found


@settings(max_examples=300, deadline=None)
@given(schedules, st.sampled_from(ZONES), instants, st.integers(0, 12), st.integers(0, 3 * HOUR))
def test_the_latest_between_is_where_walking_forwards_ends(schedule, zone, after, steps, extra):
    walked = upcoming(schedule, after, steps, timezone=zone, seed="p")
    assert sorted(set(walked)) == walked
    until = (walked[-1] if walked else after) + extra
    while (more := next_after(schedule, walked[-1] if walked else after, timezone=zone, seed="p")) is not None:
        if more > until:
            break
        walked.append(more)
    expected = walked[-1] if walked else None
    assert latest_between(schedule, after, until, timezone=zone, seed="p") == expected


def test_a_one_shot_occurs_once():
    schedule = Once(at=1_000)
    assert upcoming(schedule, 0, 5, timezone="UTC", seed="") == [1_000]
    assert next_after(schedule, 999, timezone="UTC", seed="") == 1_000
    assert next_after(schedule, 1_000, timezone="UTC", seed="") is None
    assert latest_between(schedule, 999, 1_000, timezone="UTC", seed="") == 1_000
    assert latest_between(schedule, 1_000, 2_000, timezone="UTC", seed="") is None
    assert latest_between(schedule, 0, 999, timezone="UTC", seed="") is None


@pytest.mark.parametrize(
    ("wall", "instant"),
    [
        ("2026-07-01T09:00", ms(2026, 7, 1, 7)),
        ("2026-03-29T02:30", ms(2026, 3, 29, 1)),
        ("2026-10-25T02:30", ms(2026, 10, 25, 0, 30)),
    ],
)
def test_a_one_shot_in_wall_time_is_the_first_instant_or_the_end_of_the_gap(wall, instant):
    schedule = Once(wall=datetime.fromisoformat(wall))
    assert next_after(schedule, 0, timezone="Europe/Berlin", seed="") == instant


def test_nothing_lies_in_an_empty_or_reversed_stretch():
    schedule = Interval(every_ms=1_000, anchor=0)
    assert latest_between(schedule, 5_000, 5_000, timezone="UTC", seed="") is None
    assert latest_between(schedule, 5_000, 4_000, timezone="UTC", seed="") is None


@pytest.mark.parametrize("schedule", [Cron(expression="0 9 * * *"), RandomWindow(start=1, end=2)])
def test_an_unknown_zone_is_an_error(schedule):
    with pytest.raises(UnknownTimezone):
        next_after(schedule, 0, timezone="Middle/Earth", seed="")


@given(
    st.integers(0, ms(2100, 1, 1)),
    st.integers(0, 7 * DAY),
    st.one_of(st.none(), st.integers(1, 7 * DAY)),
    st.text(max_size=30),
)
def test_jitter_delays_by_at_most_its_length_and_ends_before_the_next_occurrence(nominal, jitter, distance, seed):
    following = None if distance is None else nominal + distance
    due = due_of(nominal, jitter_ms=jitter, next_nominal=following, seed=seed)
    assert nominal <= due <= nominal + jitter
    assert following is None or due < following
    assert due == due_of(nominal, jitter_ms=jitter, next_nominal=following, seed=seed)


def test_without_jitter_an_occurrence_is_due_at_its_nominal_time():
    assert due_of(5_000, jitter_ms=0, next_nominal=None, seed="p") == 5_000


def test_jitter_reaches_both_of_its_ends_and_differs_between_prompts_and_occurrences():
    dues = {due_of(0, jitter_ms=9, next_nominal=None, seed=f"p{number}") for number in range(200)}
    assert dues == set(range(10))
    assert len({due_of(n, jitter_ms=10**6, next_nominal=None, seed="p") - n for n in range(50)}) > 45


def test_jitter_that_is_longer_than_the_distance_is_spread_over_the_distance():
    dues = [due_of(0, jitter_ms=DAY, next_nominal=60_000, seed=f"p{number}") for number in range(2000)]
    assert max(dues) < 60_000
    quarters = [sum(low <= each < low + 15_000 for each in dues) for low in range(0, 60_000, 15_000)]
    assert all(430 < count < 570 for count in quarters), quarters


def test_the_jitter_of_an_occurrence_is_the_same_in_every_release():
    # Whoever changes this number moves what is armed in every running daemon.
    nominal = ms(2026, 6, 1)
    due = due_of(nominal, jitter_ms=60_000, next_nominal=None, seed="01JZ0000000000000000000000")
    assert due == nominal + 15_059


def test_the_names_of_the_room_are_all_there():
    for name in schedule_package.__all__:
        assert getattr(schedule_package, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = schedule_package.nothing


def test_computing_without_cron_does_not_load_croniter():
    code = (
        "import sys, scheduled_prompts.schedule as s\n"
        "s.next_after(s.Interval(every_ms=1000, anchor=0), 5, timezone='UTC', seed='')\n"
        "s.next_after(s.Cron(expression='0 9 * * *'), 5, timezone='UTC', seed='')\n"
        "assert 'croniter' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
