"""All zones of the database, each change that their files list: read here from the files' own bytes (RFC 9636).

`zoneinfo` answers for instants; the files say where to ask. So no change can be missed by whoever steps over it, the
walks of these tests included.
"""

from __future__ import annotations

import random
import struct
import zoneinfo
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scheduled_prompts.schedule import offsets
from tests.schedule.walk_checks import (
    DENSE,
    FIXED,
    QUIET,
    WILDCARD,
    WINDOWS,
    check_cron,
    check_quiet,
    check_window,
)
from tests.schedule.wall_clock_oracle import ms
from tests.schedule.zone_walk import DAY, ZONES, changes, offset_at, walk_around

FIRST, LAST = ms(1900, 1, 2) // 1000, ms(2038, 1, 1) // 1000
_HEADER = struct.Struct(">4sc15x6l")


def listed_changes(name: str) -> list[int]:
    """The seconds, 1900 to 2037, at which the zone's file says that something changes: the offset, or only its name."""
    folders = (*map(Path, zoneinfo.TZPATH), Path(str(files("tzdata"))) / "zoneinfo")
    file = next(path for folder in folders if (path := folder / name).is_file())
    data = file.read_bytes()
    magic, _, isut, isstd, leap, times, types, chars = _HEADER.unpack_from(data)
    assert magic == b"TZif"
    # The first block counts in 32 bits; the second, with its own header, in 64.
    start = _HEADER.size + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    *_, times, _, _ = _HEADER.unpack_from(data, start)
    found = struct.unpack_from(f">{times}q", data, start + _HEADER.size)
    return [each for each in found if FIRST <= each < LAST]


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_every_change_that_a_file_lists_is_the_end_of_a_span_or_changes_no_offset():
    looked_at = changed = 0
    for name in sorted(zoneinfo.available_timezones() - {"Factory", "localtime"}):
        tz = ZoneInfo(name)
        for second in listed_changes(name):
            before, after = offset_at(name, second - 1), offset_at(name, second)
            for instant, offset in ((second - 1, before), (second, after)):
                assert offsets.span_at(tz, instant * 1000).offset == offset * 1000, (name, second)
            if before != after:
                assert offsets.span_at(tz, second * 1000).start == second * 1000, (name, second)
                assert offsets.span_at(tz, second * 1000 - 1).end == second * 1000, (name, second)
                changed += 1
            looked_at += 1
    print(f"{looked_at:,} listed changes, {changed:,} of them of the offset")
    assert changed > 10_000, "files that leave out what follows from a rule have fewer"


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_around_changes_of_any_zone_in_any_year_all_is_as_the_walk_finds_it():
    """Five hundred of some 39,000; a hundred of those with seconds in them, as clocks had before there were zones."""
    names = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
    places = [(name, each) for name in names for each in listed_changes(name) if each > FIRST + 5 * DAY]
    seconds = [(name, each) for name, each in places if (each - offset_at(name, each - 1)) % 60 or each % 60]
    draw = random.Random(1972)
    for name, change in draw.sample(seconds, 100) + draw.sample(places, 400):
        walk = walk_around(name, change, 4)
        for expression in (*FIXED[:3], WILDCARD[0], WILDCARD[4], DENSE[1]):
            check_cron(walk, expression, restarts=5)
        for window in (WINDOWS[2], WINDOWS[5]):
            check_window(walk, window, "p")
        for periods in QUIET[2:4]:
            check_quiet(walk, periods, looks=5)


@pytest.mark.parametrize("name", ["Pacific/Apia", "America/St_Johns", "Africa/Monrovia", "Antarctica/Casey"])
def test_a_walk_sees_every_change_of_offset_that_the_file_lists(name: str):
    check_changes(name, 2010, 2012)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ZONES)
def test_the_walks_see_every_change_of_offset_that_the_files_list(name: str):
    check_changes(name, 1970, 2037)


def check_changes(name: str, first_year: int, last_year: int) -> None:
    first, last = ms(first_year, 1, 1) // 1000, ms(last_year + 1, 1, 1) // 1000
    listed = {
        each
        for each in listed_changes(name)
        if first <= each < last and offset_at(name, each) != offset_at(name, each - 1)
    }
    assert listed <= set(changes(name, first_year, last_year))
