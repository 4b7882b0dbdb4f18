"""Names of zones, and the version of the rules."""

from __future__ import annotations

import zoneinfo
from datetime import datetime

import pytest
import tzlocal

from scheduled_prompts.errors import UnknownTimezone
from scheduled_prompts.schedule import rules_version, system_timezone, zone, zones
from scheduled_prompts.schedule.zones import to_instant
from tests.schedule.wall_clock_oracle import ms


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST", "GB"])
def test_an_iana_name_is_a_zone(name):
    assert zone(name).key == name
    assert zone(name) is zone(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../Europe/Berlin",
        "/etc/localtime",
        "/usr/share/zoneinfo/UTC",
        "Europe/",
        "Europe",
        "Europe/../UTC",
        "Europe//Berlin",
        "posix/Europe/Berlin",
        "right/UTC",
        "posixrules",
        "localtime",
        "Factory",
        "zone.tab",
        "tzdata.zi",
        "UTC\x00",
        " UTC",
        "\udc80",
        "europe/berlin",
        "+02:00",
        "CET-1CEST",
        "x" * 100_000,
    ],
)
def test_what_iana_does_not_list_is_no_zone(name):
    with pytest.raises(UnknownTimezone) as caught:
        zone(name)
    assert len(caught.value.message) < 200
    assert caught.value.hint


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("America/NewYork", "America/New_York"),
        ("Europe/Belrin", "Europe/Berlin"),
        ("z", "use UTC"),
        ("+02:00", "an IANA name such as Europe/Berlin or UTC"),
    ],
)
def test_the_closest_names_are_offered(asked, offered):
    with pytest.raises(UnknownTimezone) as caught:
        zone(asked)
    assert offered in caught.value.hint


def test_a_database_entry_that_cannot_be_read_is_an_error_of_ours(monkeypatch):
    def broken(name):
        raise ValueError("not a TZif file")

    zones._zone.cache_clear()
    monkeypatch.setattr("scheduled_prompts.schedule.zones.ZoneInfo", broken)
    with pytest.raises(UnknownTimezone, match="cannot read 'Europe/Vienna'"):
        zone("Europe/Vienna")


def test_a_zone_that_only_this_machine_knows_is_a_zone(monkeypatch):
    monkeypatch.setattr("scheduled_prompts.schedule.zones._iana_names", lambda: frozenset({"UTC"}))
    zones._zone.cache_clear()
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    zones._zone.cache_clear()


def test_the_systems_zone_is_the_one_tzlocal_finds(monkeypatch):
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: "Asia/Tokyo")
    assert system_timezone() == "Asia/Tokyo"


@pytest.mark.parametrize("found", ["local", "localtime", "", None, "/etc/localtime"])
def test_a_system_without_an_iana_name_is_in_utc(monkeypatch, found):
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: found)
    assert system_timezone() == "UTC"


@pytest.mark.parametrize("error", [zoneinfo.ZoneInfoNotFoundError("two zones"), ValueError("x"), PermissionError()])
def test_a_system_whose_settings_contradict_each_other_is_in_utc(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(tzlocal, "get_localzone_name", fail)
    assert system_timezone() == "UTC"


@pytest.fixture
def database(tmp_path, monkeypatch):
    rules_version.cache_clear()
    (tmp_path / "UTC").write_bytes(b"TZif")
    monkeypatch.setattr(zoneinfo, "TZPATH", ("/nowhere", str(tmp_path)))
    yield tmp_path
    rules_version.cache_clear()


def test_the_rules_are_named_by_the_release_of_the_systems_database(database):
    (database / "tzdata.zi").write_text("# version 2031z\n# more\n")
    assert rules_version().startswith("tzdata 2031z, croniter ")


def test_the_rules_are_named_by_a_version_file_where_there_is_one(database):
    (database / "+VERSION").write_text("2032a\n")
    assert rules_version().startswith("tzdata 2032a, croniter ")


def test_a_database_that_does_not_say_its_release_is_named_by_what_it_holds(database):
    before = rules_version()
    rules_version.cache_clear()
    assert rules_version() == before
    (database / "GB").write_bytes(b"TZif2")
    rules_version.cache_clear()
    assert rules_version() != before
    assert rules_version().startswith("tzdata unversioned-")


def test_without_a_system_database_the_rules_are_those_of_the_package(monkeypatch):
    import tzdata

    rules_version.cache_clear()
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    assert rules_version().startswith(f"tzdata {tzdata.IANA_VERSION}, croniter ")
    rules_version.cache_clear()


def test_a_wall_time_becomes_its_first_instant_or_the_end_of_the_gap():
    def at(text: str) -> int:
        return to_instant(datetime.fromisoformat(text), "Europe/Berlin")

    assert at("2026-07-01T09:00") == ms(2026, 7, 1, 7)
    assert at("2026-03-29T02:30") == ms(2026, 3, 29, 1)
    assert at("2026-10-25T02:30") == ms(2026, 10, 25, 0, 30)
