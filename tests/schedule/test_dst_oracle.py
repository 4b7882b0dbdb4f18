"""Cron on clocks that are put forward and back, against the definitions applied minute by minute."""

from __future__ import annotations

from itertools import pairwise

import pytest

from scheduled_prompts.schedule import Cron, latest_between, next_after, upcoming
from tests.schedule.wall_clock_oracle import (
    HOUR,
    MINUTE,
    Stretch,
    latest_of,
    ms,
    next_of,
    read_clock,
    stretches,
    transitions,
)

FIXED = [
    "30 2 * * *",
    "0 0 * * *",
    "15 0 * * *",
    "0,30 1-4 * * *",
    "5 23,0,1 * * *",
    "59 23 * * *",
    "0-59 0-3 * * *",
    "0-59 0-23 * * *",
    "0 3 1-7 * 0",
    "30 1 L * *",
    "45 1,2 * * 0#5",
    "0 9 30 12 *",
]
WILDCARD = [
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "*/20 2 * * *",
    "30 */2 * * *",
    "*/7 1-2 * * 0",
    "45 * * * 7",
    "* 0 * * *",
    "10-50/10 */3 1,15,25-31 * *",
    "*/30 0-3 * 3,10,11 *",
    "45 */23 * * 6",
]


@pytest.fixture(scope="module")
def all_stretches() -> list[Stretch]:
    return stretches()


def _forwards(schedule: Cron, stretch: Stretch) -> list[int]:
    found, at = [], stretch.start - 1
    while (instant := next_after(schedule, at, timezone=stretch.zone, seed="")) is not None:
        if instant >= stretch.end:
            break
        found.append(instant)
        at = instant
    return found


def _backwards(schedule: Cron, stretch: Stretch) -> list[int]:
    found, until = [], stretch.end - 1
    while (instant := latest_between(schedule, stretch.start - 1, until, timezone=stretch.zone, seed="")) is not None:
        found.append(instant)
        until = instant - 1
    return found[::-1]


def test_the_oracle_sees_the_transitions_it_is_meant_to_see(all_stretches):
    assert len(transitions("Europe/Berlin", 2020, 2030)) == 22
    assert len(transitions("Africa/Casablanca", 2020, 2030)) >= 20
    assert len(transitions("Antarctica/Troll", 2020, 2030)) == 22
    assert len(transitions("Pacific/Apia", 2011, 2011)) == 3
    assert sum(len(set(s.readings)) < len(s.readings) for s in all_stretches) > 50, "folds"


@pytest.mark.parametrize("expression", FIXED + WILDCARD)
def test_occurrences_around_every_transition_are_those_of_the_definition(expression, all_stretches):
    schedule = Cron(expression=expression)
    for stretch in all_stretches:
        assert _forwards(schedule, stretch) == stretch.occurrences(expression), (stretch.zone, stretch.start)


@pytest.mark.parametrize("expression", FIXED + WILDCARD)
def test_walking_back_finds_the_same_occurrences(expression, all_stretches):
    schedule = Cron(expression=expression)
    for stretch in all_stretches[::9]:
        assert _backwards(schedule, stretch) == stretch.occurrences(expression), (stretch.zone, stretch.start)


@pytest.mark.parametrize("expression", ["30 2 * * *", "0-59 0-23 * * *", "*/20 2 * * *", "45 * * * *", "45 */23 * * 6"])
def test_a_restart_at_any_instant_goes_on_with_the_same_sequence(expression, all_stretches):
    schedule = Cron(expression=expression)
    for stretch in all_stretches[::2]:
        expected = stretch.occurrences(expression)
        for instant in range(stretch.start, stretch.end, 17 * MINUTE + 7_919):
            following, previous = next_of(expected, instant), latest_of(expected, instant)
            got = latest_between(schedule, stretch.start - 1, instant, timezone=stretch.zone, seed="")
            assert got == previous, (stretch.zone, instant)
            if following is not None:
                got = next_after(schedule, instant, timezone=stretch.zone, seed="")
                assert got == following, (stretch.zone, instant)


def _readings(expression: str, zone: str, after: int, count: int) -> list[str]:
    instants = upcoming(Cron(expression=expression), after, count, timezone=zone, seed="")
    return [f"{read_clock(zone, each):%m-%d %H:%M}" for each in instants]


def test_a_time_of_day_in_the_gap_occurs_at_its_end():
    assert _readings("30 2 * * *", "Europe/Berlin", ms(2026, 3, 28, 12), 2) == ["03-29 03:00", "03-30 02:30"]


def test_times_of_day_that_fall_together_at_the_end_of_a_gap_occur_once():
    assert _readings("0,20,40 2,3 * * *", "Europe/Berlin", ms(2026, 3, 28, 12), 3) == [
        "03-29 03:00",
        "03-29 03:20",
        "03-29 03:40",
    ]


def test_a_time_of_day_that_comes_twice_occurs_the_first_time():
    schedule = Cron(expression="30 2 * * *")
    instants = upcoming(schedule, ms(2026, 10, 24, 12), 2, timezone="Europe/Berlin", seed="")
    assert instants == [ms(2026, 10, 25, 0, 30), ms(2026, 10, 26, 1, 30)]


def test_a_rhythm_keeps_its_pace_while_the_clock_is_put_back():
    schedule = Cron(expression="*/30 * * * *")
    instants = upcoming(schedule, ms(2026, 10, 24, 22), 20, timezone="Europe/Berlin", seed="")
    assert {b - a for a, b in pairwise(instants)} == {30 * MINUTE}


def test_a_rhythm_within_an_hour_that_is_skipped_does_not_occur_that_day():
    assert _readings("*/30 2 * * *", "Europe/Berlin", ms(2026, 3, 28, 12), 2) == [
        "03-30 02:00",
        "03-30 02:30",
    ]


def test_a_day_that_a_zone_skipped_occurs_at_the_end_of_the_gap():
    assert _readings("0 9 * * *", "Pacific/Apia", ms(2011, 12, 29, 12), 4) == [
        "12-29 09:00",
        "12-31 00:00",
        "12-31 09:00",
        "01-01 09:00",
    ]


def test_zones_whose_offset_had_seconds_keep_the_wall_clock():
    # Monrovia was 44 min 30 s behind UTC until 1972-01-07.
    instants = upcoming(Cron(expression="0 9 * * *"), ms(1972, 1, 5), 3, timezone="Africa/Monrovia", seed="")
    assert instants == [
        ms(1972, 1, 5, 9, 44) + 30_000,
        ms(1972, 1, 6, 9, 44) + 30_000,
        ms(1972, 1, 7, 9, 0),
    ]
    gap = upcoming(Cron(expression="10 0 * * *"), ms(1972, 1, 6, 12), 1, timezone="Africa/Monrovia", seed="")
    assert gap == [ms(1972, 1, 7, 0, 44) + 30_000]


def test_the_last_of_a_million_occurrences_is_found_without_walking_through_them(monkeypatch):
    from scheduled_prompts.schedule.cron import CronMinutes

    asked = []
    original = CronMinutes.upto
    monkeypatch.setattr(CronMinutes, "upto", lambda self, wall: asked.append(wall) or original(self, wall))
    until = ms(2026, 11, 1, 12) + 12_345
    for expression in ("* * * * *", "0-59 0-23 * * *"):
        found = latest_between(
            Cron(expression=expression), until - 50_000 * 24 * HOUR, until, timezone="Europe/Berlin", seed=""
        )
        assert found == until - 12_345
    assert len(asked) == 2


def test_a_rare_rhythm_is_searched_without_stepping_through_every_change_of_the_clock(monkeypatch):
    from scheduled_prompts.schedule import readings

    asked = []
    original = readings.span_at
    monkeypatch.setattr(readings, "span_at", lambda zone, at: asked.append(at) or original(zone, at))
    schedule = Cron(expression="* 12 29 2 */7")  # a Sunday, 29 February: 2032, then 2060
    first = ms(2060, 2, 29, 11)
    assert next_after(schedule, ms(2032, 3, 1), timezone="Europe/Berlin", seed="") == first
    assert latest_between(schedule, 0, first - 1, timezone="Europe/Berlin", seed="") == ms(2032, 2, 29, 11, 59)
    assert len(asked) < 10
