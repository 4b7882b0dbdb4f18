"""Intervals: elapsed time from an anchor, whatever the clocks on the wall do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.schedule import Interval, latest_between, next_after, upcoming
from tests.schedule.wall_clock_oracle import DAY, HOUR, ZONES, ms, stretches

ANCHOR = ms(2026, 10, 24, 7)
intervals = st.builds(
    Interval, every_ms=st.integers(1_000, 400 * DAY), anchor=st.integers(ms(1970, 1, 1), ms(2050, 1, 1))
)


def test_the_anchor_itself_is_no_occurrence():
    schedule = Interval(every_ms=HOUR, anchor=ANCHOR)
    assert next_after(schedule, ANCHOR - 1, timezone="UTC", seed="") == ANCHOR + HOUR
    assert next_after(schedule, ANCHOR, timezone="UTC", seed="") == ANCHOR + HOUR
    assert next_after(schedule, 0, timezone="UTC", seed="") == ANCHOR + HOUR
    assert latest_between(schedule, 0, ANCHOR + HOUR - 1, timezone="UTC", seed="") is None
    assert latest_between(schedule, 0, ANCHOR + HOUR, timezone="UTC", seed="") == ANCHOR + HOUR


def test_an_occurrence_is_followed_by_the_next_one():
    schedule = Interval(every_ms=HOUR, anchor=ANCHOR)
    assert next_after(schedule, ANCHOR + HOUR, timezone="UTC", seed="") == ANCHOR + 2 * HOUR


def test_every_day_is_24_hours_also_when_the_clock_is_put_back():
    schedule = Interval(every_ms=DAY, anchor=ANCHOR)
    instants = upcoming(schedule, ANCHOR, 3, timezone="Europe/Berlin", seed="")
    assert instants == [ANCHOR + DAY, ANCHOR + 2 * DAY, ANCHOR + 3 * DAY]


def test_transitions_do_not_move_an_interval():
    for stretch in stretches()[::5]:
        schedule = Interval(every_ms=17 * 60_000, anchor=stretch.start - 5 * 60_000)
        expected = [i for i in stretch.instants if i > schedule.anchor and (i - schedule.anchor) % (17 * 60_000) == 0]
        assert upcoming(schedule, stretch.start - 1, len(expected), timezone=stretch.zone, seed="") == expected


@given(intervals, st.integers(ms(1960, 1, 1), ms(2100, 1, 1)), st.integers(1, 10**13), st.sampled_from(ZONES))
def test_the_arithmetic_is_that_of_multiples_from_the_anchor(schedule, after, length, zone):
    found = next_after(schedule, after, timezone=zone, seed="")
    assert found > after
    count, rest = divmod(found - schedule.anchor, schedule.every_ms)
    assert rest == 0
    assert count >= 1
    assert count == 1 or found - schedule.every_ms <= after, "none was left out"
    latest = latest_between(schedule, after, after + length, timezone=zone, seed="")
    if latest is None:
        assert found > after + length
    else:
        assert found <= latest <= after + length < latest + schedule.every_ms
        assert (latest - found) % schedule.every_ms == 0


def test_an_interval_beyond_the_calendar_has_no_occurrence():
    schedule = Interval(every_ms=10**15, anchor=ANCHOR)
    assert next_after(schedule, ANCHOR, timezone="UTC", seed="") is None
