"""Schedules on clocks that are put forward and back, held against a walk along the zone's own rules.

`make test` looks at the oddest changes there were; `make nightly` at every one of the zones of `zone_walk`, 1970 to
2037, and at the time between them.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduled_prompts.schedule import Cron, next_after
from tests.schedule.walk_checks import (
    DENSE,
    FIXED,
    QUIET,
    WILDCARD,
    WINDOWS,
    check_cron,
    check_due,
    check_interval,
    check_one_shots,
    check_quiet,
    check_window,
)
from tests.schedule.wall_clock_oracle import date_matcher
from tests.schedule.zone_walk import DAY, HOUR, ZONES, at, changes, offset_at, walk_around

ODD = (
    ("Africa/Monrovia", 1972),
    ("America/Scoresbysund", 2024),
    ("America/St_Johns", 1988),
    ("Antarctica/Casey", 2010),
    ("Antarctica/Troll", 2005),
    ("Asia/Gaza", 2011),
    ("Asia/Pyongyang", 2018),
    ("Australia/Lord_Howe", 1986),
    ("Pacific/Apia", 2011),
    ("Pacific/Kwajalein", 1993),
)


def odd_changes() -> list[tuple[str, int]]:
    return [(name, change) for name, year in ODD for change in changes(name, year, year)]


def every_change(name: str, expressions: tuple[str, ...], hours: int, restarts: int) -> int:
    return sum(
        check_cron(walk_around(name, change, hours), expression, restarts=restarts)
        for change in changes(name)
        for expression in expressions
    )


def test_the_walk_sees_the_changes_that_it_is_meant_to_see():
    assert len(odd_changes()) == 16
    offsets = [offset_at(name, change) - offset_at(name, change - 1) for name, change in odd_changes()]
    assert {-2 * HOUR, -HOUR, -HOUR // 2, HOUR // 2, HOUR, 2 * HOUR, DAY} <= set(offsets)
    assert 44 * 60 + 30 in offsets, "Monrovia"
    walk = walk_around("Africa/Monrovia", *changes("Africa/Monrovia", 1972, 1972), 6)
    assert walk.instants.step == 30
    assert walk.first_instant(at(1972, 1, 7, 0, 20)) == at(1972, 1, 7, 0, 44) + 30, "the end of the gap"
    berlin = walk_around("Europe/Berlin", at(2026, 10, 25, 1), 6)
    assert berlin.occurrences("30 2 * * *") == [at(2026, 10, 25, 0, 30)]
    assert berlin.occurrences("*/30 2 * * *") == [at(2026, 10, 25, 0) + half * 30 * 60 for half in range(4)]


@pytest.mark.parametrize(("name", "change"), odd_changes())
def test_around_odd_changes_all_is_as_the_walk_finds_it(name: str, change: int):
    walk = walk_around(name, change, 36)
    found = [check_cron(walk, expression, restarts=4) for expression in FIXED[:5] + WILDCARD[:4]]
    assert min(found) > 1
    check_cron(walk_around(name, change, 2), DENSE[0], restarts=4)
    check_cron(walk_around(name, change, 2), DENSE[1], restarts=4)
    check_cron(walk, "0 0,2 * * 0-6", restarts=4, every_weeks=2, anchor=date(1970, 1, 1))
    for window in (WINDOWS[2], WINDOWS[5]):
        assert check_window(walk, window, "p") > 2
    for periods in QUIET:
        check_quiet(walk, periods, looks=2)
    draw = random.Random(change)
    assert sum(check_due(walk_around(name, change, 60), "30 * * * *", draw) for _ in range(4)) > 0


def test_the_zones_are_many_and_odd():
    assert len(ZONES) >= 24
    assert all(reason for reason in ZONES.values())


@pytest.mark.nightly
@pytest.mark.parametrize("name", ZONES)
def test_around_every_change_a_cron_occurs_as_the_walk_finds_it(name: str):
    found = every_change(name, FIXED + WILDCARD, hours=36, restarts=6)
    found += every_change(name, DENSE, hours=3, restarts=6)
    print(f"{name}: {len(changes(name))} changes, {found:,} occurrences, each found forwards and backwards")


@pytest.mark.nightly
@pytest.mark.parametrize("name", ZONES)
def test_around_every_change_a_rhythm_of_weeks_belongs_to_the_local_date(name: str):
    draw = random.Random(name)
    for change in changes(name):
        walk = walk_around(name, change, 36)
        anchor = date(1970, 1, 1 + draw.randrange(28))
        for every, expression in ((2, "30 2 * * 0,6"), (2, "*/20 0,23 * * *"), (3, "0 0 L,1-28 * *")):
            check_cron(walk, expression, restarts=6, every_weeks=every, anchor=anchor)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ZONES)
def test_around_every_change_windows_one_shots_and_intervals_are_as_the_walk_finds_them(name: str):
    for number, change in enumerate(changes(name)):
        walk = walk_around(name, change, 36)
        for window in WINDOWS:
            check_window(walk, window, f"prompt-{number}")
        check_one_shots(walk)
        check_interval(walk, 17 * 60 + 1, walk.start - 3 * HOUR - 11)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ZONES)
def test_around_every_change_quiet_is_what_the_clock_reads(name: str):
    draw = random.Random(name)
    for change in changes(name):
        walk = walk_around(name, change, 60)
        for periods in QUIET:
            check_quiet(walk, periods, looks=10)
        for expression in ("0 * * * *", "30 2 * * *", "*/20 0-3 * * *", "15,45 6,22 * * *", "0 0 * * 0"):
            check_due(walk, expression, draw)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ZONES)
def test_between_the_changes_a_time_of_day_occurs_on_each_of_its_days(name: str):
    """Every day of 68 years that lies more than 36 h from a change: there `zoneinfo` alone says which instant it is."""
    tz, near = ZoneInfo(name), [(each - 36 * HOUR, each + 36 * HOUR) for each in changes(name)]
    first, last = at(1970, 1, 3), at(2037, 12, 29)

    def lies_between(instant: int) -> bool:
        return first <= instant < last and not any(low <= instant < high for low, high in near)

    for expression in ("30 2 * * *", "0 12 L * *", "59 23 1-7 * 1", "0 0 * * 3#5"):
        minute, hour, *_ = expression.split()
        fits = date_matcher(expression)
        days = (date(1970, 1, 1) + timedelta(days=number) for number in range(25_000))
        walls = [datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=tz) for day in days if fits(day)]
        expected = [instant for wall in walls if lies_between(instant := round(wall.timestamp()))]
        found, instant, cron = [], (first - 1) * 1000, Cron(expression=expression)
        while (instant := next_after(cron, instant, timezone=name, seed="")) < last * 1000:
            found.append(instant // 1000)
        assert list(filter(lies_between, found)) == expected
        assert len(expected) > 100
