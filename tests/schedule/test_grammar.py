"""What `--when` takes, what it refuses, and that it answers in time and with nothing but its own errors."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduled_prompts.errors import InvalidSchedule, UnknownTimezone
from scheduled_prompts.schedule.kinds import Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.schedule.language.grammar import parse_when
from scheduled_prompts.schedule.language.nearest import FORMS
from scheduled_prompts.schedule.occurrences import next_after

ZONE = "Europe/Berlin"
ZONES = (ZONE, "UTC", "Asia/Kathmandu", "America/New_York")
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOW = instant("2026-11-18T10:00:00+01:00")  # a Wednesday


def when(text: str, *, now: int = NOW, timezone: str = ZONE) -> Schedule:
    return parse_when(text, now=now, timezone=timezone)


def cases(table: str) -> list[object]:
    rows = [line.split(" = ") for line in table.strip().splitlines()]
    return [pytest.param(form.strip(), meaning.strip(), id=form.strip()) for form, meaning in rows]


@pytest.mark.parametrize(
    ("text", "elapsed"),
    [
        ("in 20m", 20 * MINUTE),
        ("in 2 hours", 2 * HOUR),
        ("in 1h30m", 90 * MINUTE),
        ("in 1h 30m", 90 * MINUTE),
        ("in 1 hour and 30 minutes", 90 * MINUTE),
        ("in 3s", 3 * SECOND),
        ("in 2 days", 2 * DAY),
        ("in an hour", HOUR),
        ("in two weeks", 14 * DAY),
        ("20 minutes from now", 20 * MINUTE),
        ("IN  20   M", 20 * MINUTE),
    ],
)
def test_a_relative_time_is_elapsed_time_from_now(text: str, elapsed: int) -> None:
    assert when(text) == Once(at=NOW + elapsed)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01T09:00:00+01:00", "2026-12-01T09:00:00+01:00"),
        ("2026-12-01T09:00:00.250-05:30", "2026-12-01T09:00:00.250-05:30"),
        ("2026-12-01T09:00:00Z", "2026-12-01T09:00:00+00:00"),
        ("2026-12-01t09:00z", "2026-12-01T09:00:00+00:00"),
        ("at 2026-12-01 09:00 UTC", "2026-12-01T09:00:00+00:00"),
        ("2026-12-01 09:00 +01:00", "2026-12-01T09:00:00+01:00"),
    ],
)
def test_a_date_and_time_with_an_offset_is_an_instant(text: str, at: str) -> None:
    assert when(text) == Once(at=instant(at))


@pytest.mark.parametrize(
    ("text", "wall"),
    cases("""
        at 2026-12-01 09:00             = 2026-12-01T09:00
        2026-12-01 09:00                = 2026-12-01T09:00
        2026-12-01T09:00:30             = 2026-12-01T09:00:30
        on 2026-12-01 at 9am            = 2026-12-01T09:00
        tue 2026-12-01 at 9:00          = 2026-12-01T09:00
        at 9am on 2026-12-01            = 2026-12-01T09:00
        2026-12-01 09:00 europe/berlin  = 2026-12-01T09:00
        december 1, 2026 at 9am         = 2026-12-01T09:00
        1 dec 2026 at 9am               = 2026-12-01T09:00
        on the 1st of december at 9am   = 2026-12-01T09:00
        on november 18 at 9pm           = 2027-11-18T21:00
        on feb 29 at 9am                = 2028-02-29T09:00
        today at 18:30                  = 2026-11-18T18:30
        tomorrow at 9am                 = 2026-11-19T09:00
        tomorrow 9 a.m.                 = 2026-11-19T09:00
        9am tomorrow                    = 2026-11-19T09:00
        tomorrow at noon                = 2026-11-19T12:00
        on friday at 9am                = 2026-11-20T09:00
        friday 9am                      = 2026-11-20T09:00
        next friday at 9:30pm           = 2026-11-20T21:30
        on wednesday at 11am            = 2026-11-25T11:00
        at 18:30                        = 2026-11-18T18:30
        at 9am                          = 2026-11-19T09:00
        at 10:00                        = 2026-11-19T10:00
        at midnight                     = 2026-11-19T00:00
        at 12am                         = 2026-11-19T00:00
        at 12pm                         = 2026-11-18T12:00
    """),
)
def test_a_wall_time_stays_a_wall_time(text: str, wall: str) -> None:
    assert when(text) == Once(wall=datetime.fromisoformat(wall))


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("every 2h", 2 * HOUR),
        ("every 90s", 90 * SECOND),
        ("every 15 minutes", 15 * MINUTE),
        ("every 1d", DAY),
        ("every 2 weeks", 14 * DAY),
        ("every 1h30m", 90 * MINUTE),
        ("every hour", HOUR),
        ("hourly", HOUR),
        ("each minute", MINUTE),
        ("every second", SECOND),
    ],
)
def test_an_interval_is_elapsed_time_anchored_now(text: str, every: int) -> None:
    assert when(text) == Interval(every_ms=every, anchor=NOW)


@pytest.mark.parametrize(
    ("text", "expression"),
    cases("""
        every day at 9am                            = 0 9 * * *
        daily at 09:00                              = 0 9 * * *
        at 9am every day                            = 0 9 * * *
        9am and 5pm daily                           = 0 9,17 * * *
        every day at 9am and 5pm                    = 0 9,17 * * *
        every day at 9:00, 12:00 and at 17:00       = 0 9,12,17 * * *
        every day at 9:00, 9:30, 17:00 and 17:30    = 0,30 9,17 * * *
        every weekday at 9:00                       = 0 9 * * 1-5
        weekdays at 9am                             = 0 9 * * 1-5
        on weekdays at 9am                          = 0 9 * * 1-5
        mon-fri at 9am                              = 0 9 * * 1-5
        every monday to friday at 9am               = 0 9 * * 1-5
        every friday through monday at 9am          = 0 9 * * 0,1,5,6
        every weekend at 10am                       = 0 10 * * 0,6
        every monday and thursday at 18:30          = 30 18 * * 1,4
        every mon, wed and fri at 9am               = 0 9 * * 1,3,5
        Every MON, WED, and FRI, at 9AM             = 0 9 * * 1,3,5
        mondays at 9am                              = 0 9 * * 1
        every week on friday at 9am                 = 0 9 * * 5
        weekly on friday at 9am                     = 0 9 * * 5
        every hour at :15                           = 15 * * * *
        hourly at :00 and :30                       = 0,30 * * * *
        every hour on the hour                      = 0 * * * *
        every month on the 1st at 8am               = 0 8 1 * *
        monthly on the 1st at 8am                   = 0 8 1 * *
        every month on the 1st and 15th at 8am      = 0 8 1,15 * *
        every 1st of the month at 8am               = 0 8 1 * *
        on the 1st of every month at 8am            = 0 8 1 * *
        every month on the last day at 17:00        = 0 17 L * *
        every month on the 15th and the last day at 17:00 = 0 17 15,L * *
        every month on the first monday at 9am      = 0 9 * * 1#1
        every month on the first and third monday at 9am = 0 9 * * 1#1,1#3
        every last friday of the month at 17:00     = 0 17 * * L5
        every month on the last friday at 17:00     = 0 17 * * L5
        every year on december 24 at 9am            = 0 9 24 12 *
        every 24th of december at 9am               = 0 9 24 12 *
        yearly on feb 29 at 9am                     = 0 9 29 2 *
        every january and july on the 1st at 8am    = 0 8 1 1,7 *
        0 9 * * 1-5                                 = 0 9 * * 1-5
        */15  9-17 * * mon-fri                      = */15 9-17 * * mon-fri
        0 9 L * * Europe/Berlin                     = 0 9 L * *
        @daily                                      = 0 0 * * *
        @Hourly                                     = 0 * * * *
        @weekly                                     = 0 0 * * 0
    """),
)
def test_a_recurring_sentence_is_a_cron_expression(text: str, expression: str) -> None:
    assert when(text) == Cron(expression=expression)


@pytest.mark.parametrize(
    ("text", "weeks", "anchor"),
    [
        ("every 2 weeks on friday at 10am", 2, date(2026, 11, 20)),
        ("every other friday at 10am", 2, date(2026, 11, 20)),
        ("every second friday at 10am", 2, date(2026, 11, 20)),
        ("every other week on friday at 10am", 2, date(2026, 11, 20)),
        ("every fortnight on friday at 10am", 2, date(2026, 11, 20)),
        ("at 10am every three weeks on friday", 3, date(2026, 11, 20)),
        ("every 2 weeks on friday at 10am, counted from 2026-12-04", 2, date(2026, 12, 4)),
    ],
)
def test_a_rhythm_of_weeks_is_counted_from_its_first_occurrence(text: str, weeks: int, anchor: date) -> None:
    assert when(text) == Cron(expression="0 10 * * 5", every_weeks=weeks, anchor=anchor)


def test_a_rhythm_of_weeks_starts_today_if_the_time_is_still_to_come() -> None:
    later, earlier = when("every 2 weeks on wednesday at 11am"), when("every 2 weeks on wednesday at 9am")
    assert isinstance(later, Cron)
    assert isinstance(earlier, Cron)
    assert (later.anchor, earlier.anchor) == (date(2026, 11, 18), date(2026, 11, 25))


ALL, WORKING = tuple(range(7)), tuple(range(5))


@pytest.mark.parametrize(
    ("text", "times", "start", "end", "weekdays"),
    [
        ("between 9am and 11am every weekday", 1, 540, 660, WORKING),
        ("every weekday between 9am and 11am", 1, 540, 660, WORKING),
        ("between 9am and 11am on weekdays", 1, 540, 660, WORKING),
        ("on fridays between 9am and noon", 1, 540, 720, (4,)),
        ("once between 9am and 11am every weekend", 1, 540, 660, (5, 6)),
        ("3 times between 09:00 and 17:00", 3, 540, 1020, ALL),
        ("3 times a day between 09:00 and 17:00", 3, 540, 1020, ALL),
        ("twice between 09:00 and 17:00 every day", 2, 540, 1020, ALL),
        ("3 times between 09:00 and 17:00 on weekdays", 3, 540, 1020, WORKING),
        ("every day, three times, between 09:00 and 17:00", 3, 540, 1020, ALL),
        ("between 22:00 and 02:00", 1, 1320, 120, ALL),
        ("between 9pm and midnight", 1, 1260, 1440, ALL),
        ("between 00:00 and 24:00", 1, 0, 1440, ALL),
    ],
)
def test_between_is_a_window_to_draw_from(
    text: str, times: int, start: int, end: int, weekdays: tuple[int, ...]
) -> None:
    assert when(text) == RandomWindow(times=times, start=start, end=end, weekdays=weekdays)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_that_a_hint_can_show_is_accepted(form: str) -> None:
    when(form)


def test_an_unknown_zone_is_its_own_error() -> None:
    with pytest.raises(UnknownTimezone):
        when("in 20m", timezone="Mars/Olympus")


def test_at_a_time_read_twice_today_means_the_first_reading() -> None:
    # 2026-10-25 in Berlin: 02:00–03:00 is read at +02:00, then again at +01:00.
    between = instant("2026-10-25T02:45:00+02:00")
    assert when("at 02:30", now=between) == Once(wall=datetime.fromisoformat("2026-10-26T02:30"))
    before = instant("2026-10-25T01:00:00+02:00")
    assert when("at 02:30", now=before) == Once(wall=datetime.fromisoformat("2026-10-25T02:30"))


def test_days_are_counted_in_the_zone_of_the_prompt() -> None:
    evening = instant("2026-11-18T23:30:00+00:00")
    assert when("tomorrow at 9am", now=evening, timezone="UTC") == Once(wall=datetime.fromisoformat("2026-11-19T09:00"))
    assert when("tomorrow at 9am", now=evening, timezone="Asia/Tokyo") == Once(
        wall=datetime.fromisoformat("2026-11-20T09:00")
    )


def forms_in_the_docs() -> list[object]:
    """Every form in the first column of docs/when.md, and whether its table says that it is accepted."""
    text = (Path(__file__).parents[2] / "docs" / "when.md").read_text(encoding="utf-8")
    found: list[object] = []
    for accepted, table in zip((True, False), text.split("## Refused"), strict=True):
        first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
        forms = [form for cell in first_cells for form in re.findall("`([^`]+)`", cell)]
        found += [pytest.param(form, accepted, id=form) for form in forms if "…" not in form]
    return found


@pytest.mark.parametrize(("form", "accepted"), forms_in_the_docs())
def test_the_docs_say_what_is_accepted_and_what_is_refused(form: str, accepted: bool) -> None:
    with contextlib.nullcontext() if accepted else pytest.raises(InvalidSchedule):
        when(form)


@given(st.integers(0, 93 * 365 * 24 * 60), st.sampled_from(ZONES))
@settings(max_examples=100, deadline=None)
@example(128 * 24 * 60 + 19 * 60 + 30, ZONE)  # 02:30 on the night of a gap
def test_a_typed_wall_time_is_what_the_clock_reads_then_or_never_reads(minutes: int, timezone: str) -> None:
    wall = datetime.fromisoformat("2026-11-19T07:00") + timedelta(minutes=minutes)
    text = f"{wall:%Y-%m-%d %H:%M}"
    try:
        at = next_after(when(text, timezone=timezone), NOW, timezone=timezone, seed="seed")
    except InvalidSchedule:
        at = None
    if at is None:
        there_and_back = wall.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC).astimezone(ZoneInfo(timezone))
        assert there_and_back.replace(tzinfo=None) != wall
    else:
        assert datetime.fromtimestamp(at / 1000, ZoneInfo(timezone)).replace(tzinfo=None) == wall
