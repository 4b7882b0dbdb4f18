"""Occurrences drawn at random from a daily window."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from scheduled_prompts.schedule import RandomWindow, latest_between, next_after, upcoming
from scheduled_prompts.schedule.draws import distinct_draws
from tests.schedule.wall_clock_oracle import DAY, HOUR, MINUTE, ZONES, Stretch, ms, read_clock, transitions

WINDOWS = [
    RandomWindow(start=60, end=240, times=7),
    RandomWindow(start=120, end=180, times=60),
    RandomWindow(start=1380, end=90, times=3),
    RandomWindow(start=1380, end=1320, times=5),
    RandomWindow(start=0, end=1440, times=4, weekdays=(5, 6)),
    RandomWindow(start=150, end=149, times=9, weekdays=(6, 0)),
]


def _stretches() -> list[Stretch]:
    places = [(zone, each) for zone in ZONES for each in transitions(zone, 2026, 2027)]
    places += [("Pacific/Apia", transitions("Pacific/Apia", 2011, 2011)[-1])]
    places += [("America/Sao_Paulo", each) for each in transitions("America/Sao_Paulo", 2018, 2019)]
    places += [("UTC", ms(2027, 1, 1))]
    return [Stretch(zone, hour - 4 * DAY, hour + 4 * DAY) for zone, hour in places]


@pytest.fixture(scope="module")
def all_stretches() -> list[Stretch]:
    return _stretches()


def _expected_windows(window: RandomWindow, stretch: Stretch) -> list[tuple[int, int]]:
    """[start, end) of each window that lies within the stretch, by the readings of the clock."""
    found = []
    midnight = stretch.readings[0].replace(hour=0, minute=0) + timedelta(days=1)
    while midnight + timedelta(days=2) < stretch.readings[-1]:
        if midnight.weekday() in window.weekdays:
            end = window.end if window.end > window.start else window.end + 1440
            bounds = [stretch.first_instant(midnight + timedelta(minutes=each)) for each in (window.start, end)]
            found.append((bounds[0], bounds[1]))
        midnight += timedelta(days=1)
    return found


@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: f"{w.start}-{w.end}")
def test_every_window_around_a_transition_holds_its_draws_and_nothing_lies_outside(window, all_stretches):
    looked_at = 0
    for stretch in all_stretches:
        expected = _expected_windows(window, stretch)
        if not expected:
            continue
        at, last = expected[0][0] - 1, expected[-1][1]
        drawn = []
        while (instant := next_after(window, at, timezone=stretch.zone, seed="p")) is not None and instant < last:
            assert instant > at
            drawn.append(instant)
            at = instant
        counts = [sum(start <= each < end for each in drawn) for start, end in expected]
        assert counts == [min(window.times, (end - start) // 1000) for start, end in expected], stretch.zone
        assert sum(counts) == len(drawn)
        back, until = [], last - 1
        while (
            instant := latest_between(window, expected[0][0] - 1, until, timezone=stretch.zone, seed="p")
        ) is not None:
            back.append(instant)
            until = instant - 1
        assert back[::-1] == drawn
        looked_at += len(expected)
    assert looked_at > 20


@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: f"{w.start}-{w.end}")
def test_a_restart_at_any_instant_redraws_nothing(window):
    start = ms(2026, 10, 22)
    drawn = upcoming(window, start, 25, timezone="Europe/Berlin", seed="p")
    for instant in range(start, drawn[-1], 3 * HOUR + 7_919):
        expected = next(each for each in drawn if each > instant)
        assert next_after(window, instant, timezone="Europe/Berlin", seed="p") == expected


def test_a_window_that_a_gap_swallows_has_no_occurrence_that_day():
    window = RandomWindow(start=125, end=175, times=2)
    instants = upcoming(window, ms(2026, 3, 27, 12), 4, timezone="Europe/Berlin", seed="p")
    assert [f"{read_clock('Europe/Berlin', each):%m-%d}" for each in instants] == ["03-28", "03-28", "03-30", "03-30"]


def test_a_window_that_began_before_the_clock_went_back_to_yesterday_is_found():
    # St. John's put its clock back at 00:01, to 23:01 of the day before, until 2010.
    window = RandomWindow(start=0, end=1, times=60)
    begin = ms(2010, 11, 7, 2, 30)
    drawn = upcoming(window, begin - 1, 60, timezone="America/St_Johns", seed="p")
    assert begin <= drawn[0] < drawn[-1] < begin + HOUR + MINUTE
    yesterday = [each for each in drawn if read_clock("America/St_Johns", each).day == 6]
    assert yesterday
    for each in yesterday:
        assert latest_between(window, 0, each, timezone="America/St_Johns", seed="p") == each


def test_draws_are_even_in_elapsed_time_when_an_hour_comes_twice():
    window = RandomWindow(start=0, end=360)  # seven hours long on this day
    start = ms(2026, 10, 24, 22)
    hours = Counter()
    for number in range(3500):
        instant = next_after(window, start - 1, timezone="Europe/Berlin", seed=f"prompt-{number}")
        hours[(instant - start) // HOUR] += 1
    assert sorted(hours) == list(range(7))
    # 500 expected in each; three standard deviations are 62
    assert all(438 < count < 562 for count in hours.values()), hours


def test_a_window_across_midnight_belongs_to_the_day_on_which_it_starts():
    window = RandomWindow(start=1380, end=120, times=20, weekdays=(4,))
    instants = upcoming(window, ms(2026, 6, 1), 20, timezone="Europe/Berlin", seed="p")
    first = datetime.fromisoformat("2026-06-05T23:00")  # a Friday
    readings = [read_clock("Europe/Berlin", each) for each in instants]
    assert all(first <= each < first + timedelta(hours=3) for each in readings)
    assert {each.day for each in readings} == {5, 6}


def test_draws_differ_between_prompts_and_between_days():
    window = RandomWindow(start=540, end=1020)
    after = ms(2026, 6, 1)
    seen = {next_after(window, after, timezone="UTC", seed=f"p{number}") for number in range(50)}
    assert len(seen) > 45
    days = upcoming(window, after, 50, timezone="UTC", seed="p")
    assert len({each % DAY for each in days}) > 45


def test_draws_fall_on_whole_seconds():
    instants = upcoming(RandomWindow(start=540, end=541, times=60), ms(2026, 6, 1), 120, timezone="UTC", seed="p")
    assert instants == [ms(2026, 6, day, 9) + second * 1000 for day in (1, 2) for second in range(60)]


def test_the_draws_of_a_prompt_are_the_same_in_every_release():
    # Whoever changes these numbers makes every stored prompt with a window draw anew.
    window = RandomWindow(start=540, end=1020, times=3)
    instants = upcoming(window, ms(2026, 6, 1), 3, timezone="Europe/Berlin", seed="01JZ0000000000000000000000")
    assert instants == [1_780_315_293_000, 1_780_319_217_000, 1_780_322_229_000]


def test_the_calendar_ends_without_an_error():
    window = RandomWindow(start=540, end=1020)
    assert next_after(window, ms(9989, 12, 31, 18), timezone="UTC", seed="p") is None
    assert latest_between(window, -(10**18), ms(1900, 1, 1, 8), timezone="UTC", seed="p") is None


def test_more_draws_than_places_take_every_place():
    assert distinct_draws(b"test", 9, 4, "seed") == [0, 1, 2, 3]
    assert distinct_draws(b"test", 9, 0, "seed") == []


def test_distinct_draws_are_distinct_when_nearly_all_places_are_taken():
    for seed in range(200):
        found = distinct_draws(b"test", 58, 60, seed)
        assert len(set(found)) == 58
        assert found == sorted(found)
        assert found[0] >= 0
        assert found[-1] < 60


def test_a_window_on_one_weekday_is_found_from_any_day_of_the_week():
    window = RandomWindow(start=540, end=600, weekdays=(2,))
    wednesday = ms(2026, 6, 10)
    for hours in range(-7 * 24 + 10, 9):
        instant = next_after(window, wednesday + hours * HOUR, timezone="UTC", seed="p")
        assert wednesday + 9 * HOUR <= instant < wednesday + 10 * HOUR
        later = wednesday + 7 * DAY + hours * HOUR + MINUTE
        if later >= wednesday + 10 * HOUR:
            assert latest_between(window, 0, later, timezone="UTC", seed="p") == instant
