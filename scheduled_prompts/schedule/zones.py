"""Names of time zones, and what the rules in use are called.

A zone is an IANA name, spelled as IANA spells it. Abbreviations that IANA lists itself (`EST`, `UTC`) are
names; offsets (`+02:00`), files of the zone database that are no zones (`localtime`, `posixrules`) and
paths are not.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import zoneinfo
from datetime import datetime
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from zoneinfo import ZoneInfo

from scheduled_prompts.errors import UnknownTimezone, quoted
from scheduled_prompts.schedule import offsets

_NOT_ZONES = frozenset({"Factory", "localtime", "posixrules"})
_LONGEST_QUOTE = 64


def zone(name: str) -> ZoneInfo:
    """The zone that IANA calls `name`. Raises `UnknownTimezone`, with the closest names as a hint.

    The name is looked up in a list before any file is opened, so no path can be smuggled in, and a file
    system that ignores case cannot make `europe/berlin` a zone on one machine only.
    """
    if not isinstance(name, str):  # whatever stands in a file, or a caller gives
        raise UnknownTimezone(f"a time zone is a name, not {quoted(name)}", hint="such as 'Europe/Berlin'")
    return _zone(name)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    if name in _iana_names() or name in _names_of_this_machine():
        try:
            return ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise UnknownTimezone(f"the time zone database cannot read {name!r}: {error}") from error
    raise UnknownTimezone(f"there is no time zone called {name[:_LONGEST_QUOTE]!r}", hint=_hint(name))


def system_timezone() -> str:
    """The IANA name of this machine's zone; "UTC" when it has none that IANA knows."""
    import tzlocal  # only those who ask for the machine's zone pay for reading its files

    try:
        name = tzlocal.get_localzone_name()
        zone(name)
    except (UnknownTimezone, LookupError, ValueError, TypeError, OSError, UserWarning):
        return "UTC"
    return name


def to_instant(wall: datetime, timezone: str) -> int:
    """The first instant (ms UTC) at which a clock in `timezone` reads the naive `wall`, cut to whole ms.

    Where the clock reads it twice, the earlier; where it skips it, the end of the gap.
    """
    return offsets.first_reaching(zone(timezone), offsets.wall_of(wall))


def to_wall(instant: int, timezone: str) -> datetime:
    """What a clock in `timezone` reads at `instant` (ms UTC), as a naive datetime (`fold` is not set)."""
    return offsets.datetime_of(offsets.reading(zone(timezone), instant))


@cache
def rules_version() -> str:
    """Which rules are in use, e.g. "tzdata 2025b, croniter 7.0.0".

    A stored next occurrence that was computed under another version is computed again. `zoneinfo` asks the
    system's database first and the `tzdata` package second, so this does too.
    """
    system = (Path(directory) for directory in zoneinfo.TZPATH if Path(directory, "UTC").is_file())
    tzdata = _release_of(next(system, files("tzdata").joinpath("zoneinfo")))
    return f"tzdata {tzdata}, croniter {version('croniter')}"


def _release_of(database: Traversable) -> str:
    plain, source = database.joinpath("+VERSION"), database.joinpath("tzdata.zi")
    if plain.is_file():
        return plain.read_text(encoding="ascii").strip()
    if source.is_file():
        with source.open(encoding="utf-8") as lines:
            found = re.match(r"# version (\S+)", lines.readline())
        if found:
            return found[1]
    # Some systems ship the zones without saying which release they are; what they hold is then their name.
    digest = hashlib.blake2b(digest_size=6)
    for name in sorted(_iana_names()):
        file = database.joinpath(name)
        digest.update(file.read_bytes() if file.is_file() else b"-")
    return f"unversioned-{digest.hexdigest()}"


@cache
def _iana_names() -> frozenset[str]:
    listed = files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(listed) - _NOT_ZONES


@cache
def _names_of_this_machine() -> frozenset[str]:
    # Reads hundreds of files, so it is asked only for what the `tzdata` package does not list: a newer
    # system.
    return frozenset(zoneinfo.available_timezones()) - _NOT_ZONES


def _hint(name: str) -> str:
    known = sorted(_iana_names())
    asked = name[:_LONGEST_QUOTE].strip().replace(" ", "_").lower()
    if asked in {"z", "zulu", "gmt+0", "utc+0"}:
        return "use UTC"
    by_folded = {each.lower(): each for each in known}
    if asked in by_folded:
        return f"did you mean {by_folded[asked]}?"
    city = [each for each in known if each.lower().rpartition("/")[2] == asked]
    close = [by_folded[each] for each in difflib.get_close_matches(asked, by_folded, n=3, cutoff=0.75)]
    best = list(dict.fromkeys(city + close))[:3]
    if not best:
        return "use an IANA name such as Europe/Berlin or UTC"
    return f"did you mean {' or '.join(best)}?"
