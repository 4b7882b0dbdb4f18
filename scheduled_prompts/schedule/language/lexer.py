"""The words of a typed `--when`, one after the other, and the names that people use in it.

Splitting first keeps the grammar free of regular expressions over whole sentences: the patterns here look
at one blank-free chunk each and cannot backtrack far, so no input takes long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from scheduled_prompts.errors import InvalidSchedule

MAX_WHEN_LENGTH = 256
_MAX_SHOWN = 80

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip

# 0 = Monday, as in `RandomWindow.weekdays`.
WEEKDAY_NAMES: dict[str, int] = {name: i for i, name in enumerate(WEEKDAYS)}
WEEKDAY_NAMES |= {name[:3]: i for i, name in enumerate(WEEKDAYS)}
WEEKDAY_NAMES |= {"tues": 1, "weds": 2, "thur": 3, "thurs": 3}
# "mondays" says "every monday" by itself.
WEEKDAY_PLURALS: dict[str, int] = {name + "s": i for i, name in enumerate(WEEKDAYS)}
MONTH_NAMES: dict[str, int] = {name: i for i, name in enumerate(MONTHS, start=1)}
MONTH_NAMES |= {name[:3]: i for i, name in enumerate(MONTHS, start=1)}
MONTH_NAMES |= {"sept": 9}
NUMBER_NAMES: dict[str, int] = {
    name: i
    for i, name in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        start=1,
    )
}

_DATE_AND_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})t(.+)", re.ASCII)
_TIME_AND_OFFSET = re.compile(r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(z|[+-]\d{2}:?\d{2})", re.ASCII)
_TIME_AND_HALF = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?)([ap]m)", re.ASCII)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)", re.ASCII)
# Digits and letters by turns ("9am", "1h30m"). Where one part ends and the next begins is never in doubt.
_NUMBERS_AND_WORDS = re.compile(r"(?:\d+(?:\.\d+)?[a-z]+)+", re.ASCII)
_NUMBER_OR_WORD = re.compile(r"\d+(?:\.\d+)?|[a-z]+", re.ASCII)
_NAME_TO_NAME = re.compile(r"([a-z]+)[-–]([a-z]+)", re.ASCII)

_BLANK_TOO_MANY = re.compile(r" (?=,)|(?<=\d) (?=[ap]m\b)")

T = TypeVar("T")


def quoted(text: str) -> str:
    """Return the text as it can be shown in a message: bounded, on one line, without control characters."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: _MAX_SHOWN + 1])
    if len(shown) > _MAX_SHOWN:
        shown = shown[: _MAX_SHOWN - 1] + "…"
    return f"“{shown}”"


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words; commas are words, and glued ones (`9am`) are taken apart."""
    text = text.lower().replace("a.m.", "am").replace("p.m.", "pm")
    return [word for chunk in text.replace(",", " , ").split() for word in _taken_apart(chunk)]


def _taken_apart(chunk: str) -> list[str]:
    if match := _DATE_AND_TIME.fullmatch(chunk):
        return [match[1], *_taken_apart(match[2])]
    for pattern in (_TIME_AND_OFFSET, _TIME_AND_HALF):
        if match := pattern.fullmatch(chunk):
            return [match[1], match[2]]
    if _ORDINAL.fullmatch(chunk):
        return [chunk]
    if _NUMBERS_AND_WORDS.fullmatch(chunk):
        return _NUMBER_OR_WORD.findall(chunk)
    if match := _NAME_TO_NAME.fullmatch(chunk):
        return [match[1], "to", match[2]]
    return [chunk]


def spoken(words: list[str]) -> str:
    """Put words together again as a person would write them."""
    return _BLANK_TOO_MANY.sub("", " ".join(words))


def refusal(message: str, hint: str | None = None) -> InvalidSchedule:
    """Return the error that refuses what was typed."""
    return InvalidSchedule(message, hint=hint)


def or_list(forms: list[str]) -> str:
    """Return “a”, “b” or “c”, each bounded."""
    shown = [quoted(form) for form in forms]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]


class Words:
    """The words still to be read. Every `take…` moves on only when it finds what it is asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words = words_of(text)
        self.position = 0

    @property
    def done(self) -> bool:
        """Whether everything has been read."""
        return self.position >= len(self._words)

    @property
    def all(self) -> tuple[str, ...]:
        """All words, read or not."""
        return tuple(self._words)

    def peek(self, ahead: int = 0) -> str:
        """Return a coming word without reading it; empty when there is none."""
        index = self.position + ahead
        return self._words[index] if index < len(self._words) else ""

    def read(self) -> str:
        """Read the next word, whatever it is; empty when there is none."""
        word = self.peek()
        self.position += 1 if word else 0
        return word

    def take(self, *options: str) -> str:
        """Read the next word if it is one of these; else return the empty string."""
        return self.read() if self.peek() and self.peek() in options else ""

    def put_back(self, word: str) -> bool:
        """Go back before the last word read if it was this one; return whether it was."""
        was_read = self.position > 0 and self._words[self.position - 1] == word
        self.position -= was_read
        return was_read

    def take_phrase(self, phrase: str) -> bool:
        """Read these words if they come next, all of them."""
        wanted = phrase.split()
        if self._words[self.position : self.position + len(wanted)] != wanted:
            return False
        self.position += len(wanted)
        return True

    def take_list(self, take_item: Callable[[], T | None]) -> list[T]:
        """Read items parted by commas, “and” or both; empty when there is not even one."""
        items: list[T] = []
        while True:
            before = self.position
            if items:
                comma, conjunction = self.take(","), self.take("and", "&")
                if not (comma or conjunction):
                    break
            item = take_item()
            if item is None:
                self.position = before
                break
            items.append(item)
        return items

    def with_next(self, *replacement: str, count: int = 1) -> str:
        """Return the whole text with the next `count` words replaced: for hints."""
        words = [*self._words[: self.position], *replacement, *self._words[self.position + count :]]
        return spoken(words)

    def rest(self) -> str:
        """Return what is still to be read."""
        return spoken(self._words[self.position :])

    def refusal_of_next(self) -> InvalidSchedule:
        """Return the error that refuses the next word as one that has no meaning here."""
        if self.done:
            return refusal(f"{quoted(self.text)} stops too early: something is missing at its end")
        return refusal(f"{quoted(self.peek())} is not understood in {quoted(self.text)}")
