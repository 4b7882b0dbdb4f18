"""What `--when` refuses, with what message and which hint, and how long it takes at most."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.schedule.kinds import Schedule
from scheduled_prompts.schedule.language.grammar import parse_when
from scheduled_prompts.schedule.language.lexer import MAX_WHEN_LENGTH
from scheduled_prompts.schedule.language.nearest import FORMS
from scheduled_prompts.schedule.occurrences import next_after

ZONE = "Europe/Berlin"
ZONES = (ZONE, "UTC", "Asia/Kathmandu", "America/New_York")
NOW = round(datetime.fromisoformat("2026-11-18T10:00:00+01:00").timestamp() * 1000)  # a Wednesday


def when(text: str) -> Schedule:
    return parse_when(text, now=NOW, timezone=ZONE)


def refused(text: str) -> InvalidSchedule:
    with pytest.raises(InvalidSchedule) as caught:
        when(text)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "empty", "in 20m"),
        ("  \t ", "empty", "in 20m"),
        ("30m", "once or again and again", "“in 30m” (once) or “every 30m”"),
        ("2 hours", "once or again and again", "“in 2 hours” (once) or “every 2 hours”"),
        ("9am", "once or every day", "“at 9am” (once) or “every day at 9am”"),
        ("daily at 9", "“9” alone is not clear", "“daily at 9am”, “daily at 9pm” or “daily at 09:00”"),
        ("at 18", "“18” alone is not clear", "“at 18:00”"),
        ("at 25:00", "“25:00” is not a time of day", "23:59"),
        ("at 9:60", "“9:60” is not a time of day", "23:59"),
        ("at 13pm", "“13pm” is not a time", "“13:00”"),
        ("at 0900", "“0900” is not a time of day", "18:30"),
        ("tomorrow", "names no time of day", "“tomorrow at 9am”"),
        ("every monday", "names no time of day", "“every monday at 9am”"),
        ("every day", "names no time of day", "“every day at 9am” or “every 24h”"),
        ("every month", "names no time of day", "“every month on the 1st at 9am”"),
        ("today at 9am", "in the past", "“tomorrow at 09:00”"),
        ("2026-11-18 09:00", "2026-11-18 09:00:00+01:00 Europe/Berlin is in the past", "in 20m"),
        ("2026-11-18T10:00:00+01:00", "in the past", "in 20m"),
        ("0001-01-01 00:00", "in the past", "tomorrow"),
        ("2127-01-01 00:00", "more than 100 years away", "earlier"),
        ("9999-12-31T23:59:59-15:00", "more than 100 years away", "earlier"),
        ("2026-02-30 09:00", "“2026-02-30” is not a date", "February has 28 days in 2026"),
        ("2026-13-01 09:00", "“2026-13-01” is not a date", "2026-12-01"),
        ("every year on feb 30 at 9am", "“february 30” is not a date", "29 days"),
        ("mon 2026-12-01 at 9am", "is a Tuesday, not a Monday", "2026-12-01"),
        ("12/01/2026 09:00", "order of day and month", "2026-12-01"),
        ("2027-03-28 02:30", "02:30 does not exist on Sun 2027-03-28", "2027-03-28 03:00"),
        ("in 0s", "not in the future", "in 1s"),
        ("in 1.5h", "whole numbers", "“in 1h30m”"),
        ("in 30m1h", "from large to small", "1h30m"),
        ("in 5", "not a duration", "“in 5m”"),
        ("every 5", "of what", "“every 5m”"),
        ("5 minutes ago", "in the past", "“in 5m”"),
        ("3 times a day", "does not say when", "3 times a day between"),
        ("now", "not understood", "did you mean “in 1s”?"),
        ("tomorrow morning at 9am", "“morning” is not", "did you mean “tomorrow at 9am”?"),
        ("every night at 9pm", "“night” is not", "did you mean “every day at 9pm”?"),
        ("every minute on weekdays", "around the clock", "cron"),
        ("on monday and thursday at 9am", "more than one day", "“every monday and thursday at 9am”"),
        ("monthly at 9am", "on which day", "“monthly on the 1st at 9am”"),
        ("every year on", "on which date", "“every year on december 24 at 9am”"),
        ("every 2 hours between 9am and 5pm", "not a limit", "cron"),
        ("every day between 9am", "not a window", "between 09:00 and 17:00"),
        ("between 09:00:30 and 10:00", "no seconds", "between"),
        ("every hour at 15", "at which minute", "every hour at :15"),
        ("every hour at :61", "not a minute", ":59"),
        ("every 5 months", "not possible", "every year on"),
        ("every 2 weeks on friday at 10am, counted from 0001-01-01", "not counted from", "first occurrence"),
        ("in 2 months", "not a fixed length", "at 2027-01-18 09:00"),
        ("in 99999999 years", "beyond 100 years", "date"),
        ("in 99999999999d", "beyond 100 years", "in 20m"),
        (f"in {'9' * 200}d", "too large", "in 20m"),
        ("in 2 days at 9am", "no time of day", "“at 2026-11-20 09:00”"),
        ("every 0m", "shortest interval is one second", "every 1s"),
        ("every 2 days at 9am", "elapsed hours", "“every 2d” (elapsed)"),
        ("every other day at 9am", "every other day", "“every 2 days”"),
        ("every 2 weeks at 9am", "on which day of the week", "“every 2 weeks on friday at 9am”"),
        ("every 0 weeks on friday at 9am", "from 1 to 104", "every 2 weeks"),
        ("every 105 weeks on friday at 9am", "from 1 to 104", "every 2 weeks"),
        ("every third friday at 9am", "of what", "on the third friday at 9am” or “every 3 weeks on"),
        ("every 3 months on the 1st at 8am", "in which months", "july and october on the 1st at 8am”"),
        ("on the 1st at 9am", "once or every month", "“every month on the 1st at 9am”"),
        ("on the 1st and 15th", "once or every month", "“every month on the 1st and 15th at 9am”"),
        ("every month on the 32nd at 9am", "no month has", "the last day"),
        ("every month on the last weekday at 9am", "not supported", "last friday"),
        ("every month on the 1st and the last friday at 9am", "mixes", "two prompts"),
        ("every day at 9am and 5:30pm", "09:00, 17:30", "one prompt for each"),
        ("every day at 09:00:30", "no seconds", "09:00"),
        ("tomorrow at 9am and 5pm", "more than one time", "one prompt for each"),
        ("every 15 minutes between 9am and 5pm", "not a limit", "*/15 9-16 * * *"),
        ("every 2h on weekdays", "around the clock", "cron"),
        ("tomorrow between 9am and 11am", "a window recurs", "“every day between 9am and 11am”"),
        ("on friday between 9am and 11am", "a window recurs", "“every friday between 9am and 11am”"),
        ("every 2 weeks on friday between 9am and 11am", "weekdays of each week only", "every friday"),
        ("between 9am and 9am", "empty", "between 00:00 and 24:00"),
        ("0 times between 9am and 5pm", "from 1 to 100", "3 times"),
        ("101 times between 9am and 5pm", "from 1 to 100", "3 times"),
        ("3 times a week between 9am and 5pm", "by the day", "3 times a day"),
        ("100 times between 09:00 and 09:01", "one occurrence a second", "3 times"),
        ("0 0 9 * * 1-5", "five fields", "“0 9 * * 1-5”"),
        ("0 9 * * 1-5 2027", "five fields", "“0 9 * * 1-5”"),
        ("* * * *", "five fields", "0 9 * * 1-5"),
        ("0 25 * * *", "hour", ""),
        ("0 9 30 2 *", "never matches", ""),
        ("@reboot", "@reboot", "@hourly"),
        ("@every 2h", "@every 2h", "“every 2h”"),
        ("2026-12-01 09:00 America/New_York", "read in Europe/Berlin", "--tz"),
        ("tomorrow at 9am EST", "read in Europe/Berlin", "--tz"),
        ("tomorrow at 9am +01:00", "read in Europe/Berlin", "--tz"),
        ("1795234567", "bare number", "2026-12-01T09:00:00Z"),
        ("every wekday at 9am", "“wekday” is not understood", "did you mean “every weekday at 9am”?"),
        ("remind me tomorrow at 9am", "not understood", "did you mean “tomorrow at 9am”?"),
        ("everyday at 9am", "not understood", "did you mean “every day at 9am”?"),
        ("tonight at 8pm", "not understood", "did you mean “today at 8pm”?"),
        ("every month on th last day at 17:00", "“th”", "nearest forms are “every month on the last day at 17:00”"),
        ("every thursady at 17:00", "not understood", "did you mean “every thursday at 17:00”?"),
        ("every month on the 1st and 3rd monday at 9am", "mixes", "the first and third monday"),
        ("hello world", "“hello” is not understood", "in 20m"),
        ("every day at 9am please", "“please” is not understood", "did you mean “every day at 9am”?"),
        ("every day\x1b at \ud8009am", "nobody can see", "every day at 9am"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused_with_what_would_be(text: str, message: str, hint: str) -> None:
    error = refused(text)
    assert message in error.message
    assert hint in (error.hint or "")


def test_text_beyond_the_bound_is_refused_before_it_is_read() -> None:
    assert "too long" in refused("x" * (MAX_WHEN_LENGTH + 1)).message


def test_a_message_quotes_a_bounded_part_of_the_text() -> None:
    error = refused("every " + "x" * 240)
    assert len(error.message) < 200
    assert error.message.isprintable()


def test_a_hint_of_several_forms_shows_the_beginning_of_each() -> None:
    error = refused("1 " + "1d" * 75)
    assert len(str(error)) < 500
    assert error.hint
    assert error.hint.startswith("“1am 1 d 1 d")
    assert "“1pm 1 d 1 d" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "9" * 256,
        "1h" * 128,
        "9am," * 64,
        "a" * 256,
        "a " * 128,
        "wekday " * 36,
        "every " * 42,
        "monday and " * 23,
        "1st and " * 32,
        "sun" * 85,
        "* " * 128,
        "0-59/1," * 36,
        "-" * 256,
        "2026-12-01t" * 23,
        "every day at " + "9:00, " * 40,
        "(" * 256,
        "a-" * 128,
    ],
    ids=lambda text: f"{text[:12]!r}…",
)
def test_no_text_takes_longer_than_a_tenth_of_a_second(text: str) -> None:
    refused("every wekday at 9am")  # what is loaded once is not counted
    took = []
    for _ in range(3):  # the best of three: the machine may be busy
        start = time.perf_counter()
        with contextlib.suppress(InvalidSchedule):
            when(text[:MAX_WHEN_LENGTH])
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1


VOCABULARY = [
    "in",
    "at",
    "on",
    "every",
    "each",
    "other",
    "day",
    "days",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "hourly",
    "today",
    "tomorrow",
    "next",
    "noon",
    "midnight",
    "weekday",
    "weekdays",
    "weekend",
    "fortnight",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "last",
    "first",
    "second",
    "third",
    "fifth",
    "the",
    "of",
    "and",
    "between",
    "times",
    "time",
    "once",
    "twice",
    "randomly",
    "random",
    "a",
    "an",
    "am",
    "pm",
    "monday",
    "fridays",
    "fri",
    "december",
    "feb",
    "1",
    "2",
    "3",
    "9",
    "29",
    "30",
    "31",
    "60",
    "104",
    "2026",
    "2028",
    "99999999999",
    "9am",
    "12pm",
    "0am",
    "09:00",
    "24:00",
    "25:61",
    ":15",
    ":99",
    "20m",
    "1h30m",
    "1.5h",
    "0s",
    "1st",
    "3rd",
    "15th",
    "99th",
    "hour",
    "minute",
    "2026-12-01",
    "0000-00-00",
    "9999-12-31",
    "2027-03-28",
    "+01:00",
    "-15:59",
    "z",
    "utc",
    ",",
    "to",
    "counted",
    "from",
    "@daily",
    "*",
    "*/5",
    "0",
    "1-5",
    "L",
    "5#2",
    "Europe/Berlin",
    "now",
    "ago",
    "for",
    "mon-fri",
    "2026-12-01T09:00:00+01:00",
    "&",
    "/",
    "–",
    "²",
    "٣",
]
texts = st.one_of(
    st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join),
    st.lists(st.sampled_from(VOCABULARY), max_size=8).map("".join),
    st.text(max_size=MAX_WHEN_LENGTH + 4),
    st.text(alphabet="0123456789 :-/*,@#Lapmh+.tz", max_size=40),
    st.builds(
        lambda form, at, new: form[:at] + new + form[at + 1 :],
        st.sampled_from(FORMS),
        st.integers(0, 40),
        st.text(max_size=3),
    ),
)


@settings(max_examples=500, deadline=None)
@given(
    texts,
    st.integers(0, 4_102_444_800_000),
    st.sampled_from(ZONES),
)
@example("every day at 9am", NOW, ZONE)
@example("2026-12-01 99:99", NOW, ZONE)
def test_any_text_is_a_schedule_to_come_or_an_error_with_a_hint(text: str, now: int, timezone: str) -> None:
    error: InvalidSchedule | None = None
    try:
        schedule = parse_when(text, now=now, timezone=timezone)
    except InvalidSchedule as refusal:
        error = refusal
    if error is not None:
        assert error.hint
        assert (error.message + error.hint).isprintable()
        return
    following = next_after(schedule, now, timezone=timezone, seed="seed")
    assert following is not None
    assert following > now
