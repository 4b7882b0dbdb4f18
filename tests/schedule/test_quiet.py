"""Quiet hours against an oracle that walks through the time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduled_prompts.schedule import zone
from scheduled_prompts.schedule.quiet import canonical, next_quiet, quiet_since, quiet_until

MINUTE = 60_000


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


TURNS = {
    "Europe/Berlin": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
    "America/New_York": ("2026-03-08T07:00Z", "2026-11-01T06:00Z"),
    "Australia/Lord_Howe": ("2026-04-04T15:00Z", "2026-10-03T15:30Z"),
    "America/Havana": ("2026-03-08T05:00Z", "2026-11-01T05:00Z"),
    "Pacific/Apia": ("2011-12-30T10:00Z", "2011-12-30T10:00Z"),
    "Asia/Kolkata": ("2026-01-01T00:00Z", "2026-06-01T00:00Z"),
}


def reads_quiet(periods: str, timezone: str, at: int) -> bool:
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone(timezone))
    clock = f"{local:%H:%M}"
    for period in periods.split(","):
        start, end = period.split("-")
        if (start <= clock < end) if start < end else (clock >= start or clock < end):
            return True
    return False


clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
periods_of_a_day = st.lists(st.tuples(clocks, clocks).filter(lambda p: p[0] != p[1]), min_size=1, max_size=2).map(
    lambda periods: ",".join(f"{start}-{end}" for start, end in periods)
)


def is_possible(periods: str) -> bool:
    try:
        canonical(periods)
    except ValueError:
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(
    periods_of_a_day.filter(is_possible),
    st.sampled_from([(name, turn) for name, turns in TURNS.items() for turn in turns]),
    st.integers(-30 * 3600, 30 * 3600),
)
def test_quiet_is_what_the_clock_reads(periods: str, turn: tuple[str, str], seconds: int) -> None:
    timezone, at = turn[0], instant(turn[1]) + seconds * 1000
    end = quiet_until(periods, zone(timezone), at)
    if not reads_quiet(periods, timezone, at):
        assert end is None
        walk = at // MINUTE * MINUTE + MINUTE
        while walk < at + 86_400_000 and not reads_quiet(periods, timezone, walk):
            walk += MINUTE
        assert next_quiet(periods, zone(timezone), at) == min(walk, at + 86_400_000)
        return
    walk = at // MINUTE * MINUTE + MINUTE
    while reads_quiet(periods, timezone, walk):
        walk += MINUTE
    assert end == walk
    walk = at // MINUTE * MINUTE
    while reads_quiet(periods, timezone, walk - 1):
        walk -= MINUTE
    assert quiet_since(periods, zone(timezone), at) == walk


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-01-10T22:00+01:00", "2026-01-11T02:30+01:00"),
        ("2026-01-10T21:59:59.999+01:00", None),
        ("2026-01-11T02:30+01:00", None),
        ("2026-03-28T23:00+01:00", "2026-03-29T03:00+02:00"),  # 02:30 does not exist: the end of the gap
        ("2026-10-24T23:00+02:00", "2026-10-25T02:30+02:00"),  # twice: the first time
        ("2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"),  # and quiet again when it is read again
    ],
)
def test_ends_where_the_clock_is_turned(at: str, end: str | None) -> None:
    found = quiet_until("22:00-02:30", zone("Europe/Berlin"), instant(at))
    assert found == (None if end is None else instant(end))


def test_several_that_touch_are_one() -> None:
    at = instant("2026-01-10T12:30Z")
    assert quiet_until("12:00-13:00,13:00-14:00", zone("UTC"), at) == instant("2026-01-10T14:00Z")
    assert quiet_since("23:00-24:00,00:00-12:31", zone("UTC"), at) == instant("2026-01-09T23:00Z")


@pytest.mark.parametrize(
    ("typed", "said"),
    [(" 9:00 – 10:30 ", "09:00-10:30"), ("22:00-24:00,00:00-7:00", "22:00-24:00,00:00-07:00")],
)
def test_spelled_alike_however_typed(typed: str, said: str) -> None:
    assert canonical(typed) == canonical(said) == said


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("22-7", "is no time of day from–to, such as 22:00-07:00"),
        ("", "is no time of day"),
        ("22:00-07:00,", "is no time of day"),
        ("22:60-07:00", "the times of a day are 00:00 to 24:00"),
        ("24:00-07:00", "the times of a day"),
        ("22:00-25:00", "the times of a day"),
        ("07:00-07:00", "starts and ends at the same time"),
        ("00:00-24:00", "the whole day"),
        ("00:00-12:00,12:00-00:00", "the whole day"),
        ("२२:00-07:00", "is no time of day"),
    ],
)
def test_what_is_no_quiet_hours_is_refused(typed: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        canonical(typed)
