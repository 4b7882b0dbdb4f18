"""The nearest valid forms to what was not understood: what an error shows so that the next try is right."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable

from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.schedule.language.clock_times import CALENDAR_UNITS, UNITS
from scheduled_prompts.schedule.language.lexer import (
    MAX_WHEN_LENGTH,
    MONTH_NAMES,
    NUMBER_NAMES,
    WEEKDAY_NAMES,
    WEEKDAY_PLURALS,
    or_list,
    spoken,
    words_of,
)

FORMS = (
    "in 20m",
    "in 2 hours",
    "at 9am",
    "at 2026-12-01 09:00",
    "2026-12-01T09:00:00+01:00",
    "today at 18:30",
    "tomorrow at 9am",
    "on friday at 9am",
    "on december 24 at 9am",
    "every 2h",
    "every 15 minutes",
    "every hour at :15",
    "every day at 9am",
    "every day at 9am and 5pm",
    "every weekday at 9:00",
    "every weekend at 10am",
    "every monday and thursday at 18:30",
    "every 2 weeks on friday at 10am",
    "every month on the 1st at 8am",
    "every month on the last day at 17:00",
    "every month on the first monday at 9am",
    "every year on december 24 at 9am",
    "0 9 * * 1-5",
    "@daily",
    "@hourly",
    "every weekday between 9am and 11am",
    "3 times between 09:00 and 17:00",
)
_YEAR_IN_FORMS = "2026"
_ALWAYS_GOOD = "in 20m", "tomorrow at 9am", "every weekday at 9:00"

_VOCABULARY = tuple(
    dict.fromkeys(
        (
            *[
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
                "annually",
                "hourly",
                "today",
                "tomorrow",
                "next",
            ],
            *[
                "noon",
                "midday",
                "midnight",
                "weekday",
                "weekdays",
                "weekend",
                "weekends",
                "fortnight",
                "month",
                "year",
                "last",
                "first",
                "second",
                "third",
            ],
            *[
                "fourth",
                "fifth",
                "the",
                "of",
                "and",
                "between",
                "times",
                "time",
                "once",
                "twice",
                "random",
                "randomly",
            ],
            *(
                name
                for name in (*UNITS, *WEEKDAY_NAMES, *WEEKDAY_PLURALS, *MONTH_NAMES, *NUMBER_NAMES)
                if len(name) > 2
            ),
        )
    )
)
_KNOWN = frozenset((*_VOCABULARY, *UNITS, *CALENDAR_UNITS, "am", "pm", "a", "an", "to", ",", "z"))
# What people and programs say instead. Refused, because each of these is vague or has a plain form here.
_MEANT = {
    "everyday": "every day",
    "tonight": "today",
    "all": "every",
    "any": "every",
    "after": "in",
    "nightly": "daily",
    "@": "at",
    "thru": "through",
    "from": "between",
    "till": "and",
    "until": "and",
    "biweekly": "every 2 weeks",
    "fortnightly": "every 2 weeks",
    "quarterly": "every january, april, july and october",
    "morning": "day",
    "evening": "day",
    "night": "day",
    "afternoon": "day",
    "now": "in 1s",
    "asap": "in 1s",
    "immediately": "in 1s",
    "starting": "",
    "please": "",
    "me": "",
    "remind": "",
}
# Enough for a sentence; more would only cost time (see the bound on time that the tests set).
_MAX_WORDS = 12
_MAX_COMPARED = 60


def nearest_forms(text: str, parse: Callable[[str], object], *, year: int) -> str:
    """Return a hint: the text with its slips put right if `parse` takes that, else the most similar forms.

    Dates in the forms shown lie in `year`, so that they are to come.
    """
    for corrected in _corrections(text):
        with contextlib.suppress(ScheduledPromptsError):
            parse(corrected)
            return f"did you mean “{corrected}”?"
    typed = " ".join(text.lower().split())[:_MAX_COMPARED]
    forms = [form.replace(_YEAR_IN_FORMS, str(year)) for form in FORMS]
    near = difflib.get_close_matches(typed, forms, n=3, cutoff=0.5)
    if len(near) == 1:
        return f"the nearest form is “{near[0]}”"
    return "the nearest forms are " + or_list(near or list(_ALWAYS_GOOD))


def _corrections(text: str) -> list[str]:
    """Return the text with unknown words replaced by what they resemble or stand for, and with them left out."""
    words = words_of(text[:MAX_WHEN_LENGTH])
    if len(words) > _MAX_WORDS:
        return []
    replaced = [_known(word) for word in words]
    left_out = [word for word in words if word not in _MEANT]
    return [spoken(" ".join(each).split()) for each in (replaced, left_out) if each not in (words, [])]


def _known(word: str) -> str:
    if word in _KNOWN or not word.isascii() or len(word) > 12:
        return word
    if word in _MEANT:
        return _MEANT[word]
    if not word.isalpha() or len(word) < 3:
        return word
    near = difflib.get_close_matches(word, _VOCABULARY, n=1, cutoff=0.72)
    return near[0] if near else word
