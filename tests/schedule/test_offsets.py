"""Zones as spans of constant offset, against `zoneinfo` itself."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.schedule import offsets
from scheduled_prompts.schedule.zones import to_instant, to_wall
from tests.schedule.wall_clock_oracle import EPOCH, HOUR, MINUTE, ZONES, ms, read_clock, transitions

ALL_ZONES = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
any_zone = st.sampled_from(ALL_ZONES)
any_instant = st.integers(ms(1900, 1, 1), ms(2200, 1, 1))


@given(any_zone, any_instant)
def test_a_span_has_the_offset_that_zoneinfo_gives_from_its_first_to_its_last_instant(name, instant):
    zone = ZoneInfo(name)
    span = offsets.span_at(zone, instant)
    assert span.start <= instant < span.end
    for each in (span.start, instant, span.end - 1):
        assert read_clock(name, each) == offsets.datetime_of(each + span.offset)


@given(any_zone, any_instant)
def test_spans_follow_on_each_other_without_a_hole(name, instant):
    zone = ZoneInfo(name)
    span = offsets.span_at(zone, instant)
    assert offsets.span_at(zone, span.end).start == span.end
    assert offsets.span_at(zone, span.start - 1).end == span.start


def test_every_change_of_offset_begins_a_span():
    for name in ZONES:
        zone = ZoneInfo(name)
        for hour in transitions(name, 2017, 2030):
            span = offsets.span_at(zone, hour)
            assert hour < span.end <= hour + 6 * HOUR, (name, hour)
            assert offsets.span_at(zone, span.end).offset != span.offset


near_a_transition = st.builds(
    lambda zone, number, minutes: (zone, transitions(zone, 2017, 2030), number, minutes),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll"]),
    st.integers(0, 10**6),
    st.integers(-12 * 60, 18 * 60),
)


@given(near_a_transition, st.integers(-26 * 60, 26 * 60))
def test_no_earlier_instant_reads_a_wall_time_and_none_in_a_gap_does(place, minutes):
    name, hours, number, _ = place
    hour = hours[number % len(hours)]
    wall = read_clock(name, hour) + timedelta(minutes=minutes)
    instant = to_instant(wall, name)
    candidates = range(hour - 54 * HOUR, hour + 54 * HOUR, 30 * MINUTE)
    assert read_clock(name, instant) >= wall
    assert read_clock(name, instant - 1) < wall
    # and nothing before has reached it, the fold's first pass included
    assert all(read_clock(name, each) < wall for each in candidates if each < instant)


@given(near_a_transition)
def test_the_highest_reading_is_the_maximum_of_all_readings_so_far(place):
    name, hours, number, minutes = place
    instant = hours[number % len(hours)] + minutes * MINUTE
    past = [read_clock(name, each) for each in range(instant - 6 * HOUR, instant + 1, MINUTE)]
    highest = offsets.datetime_of(offsets.highest_reading(ZoneInfo(name), instant))
    assert max(past) <= highest < max(past) + timedelta(minutes=1)


@given(any_zone, st.integers(ms(1970, 1, 1), ms(2100, 1, 1)))
def test_an_existing_wall_time_maps_as_pep_495_maps_its_first_fold(name, instant):
    wall = read_clock(name, instant)
    expected = (wall.replace(tzinfo=ZoneInfo(name), fold=0).astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)
    assert to_instant(wall, name) == expected
    assert to_wall(expected, name) == wall


def test_microseconds_are_cut_off():
    assert to_instant(datetime.fromisoformat("2026-05-01T09:00:00.001999"), "UTC") == ms(2026, 5, 1, 9) + 1
