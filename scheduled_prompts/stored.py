"""What the store holds, where it may be anything. In a record, a number that is none, or beyond what anybody can reckon
with, makes it unreadable, and that is said when it is read, not somewhere behind, where a calendar ends. In a list, an
entry that cannot be read harms itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from scheduled_prompts.schedule.kinds import FIRST_INSTANT, LAST_INSTANT

Stored = TypeVar("Stored")
Read = TypeVar("Read")

MOST = 2**53
"""Scripts reckon in floating point: beyond this they would lose a one."""
_BEYOND = 400 * 86_400_000
"""ms: what follows from an instant (a retry, the end of a wait) may lie so much behind the last one."""
_LONGEST = 20


def count(text: str) -> int:
    """A counter. Raises ValueError."""
    number = _number(text)
    if not 0 <= number <= MOST:
        raise ValueError(f"{text!r} is out of range")
    return number


def instant(text: str) -> int:
    """ms UTC. Raises ValueError."""
    number = _number(text)
    if not FIRST_INSTANT <= number <= LAST_INSTANT + _BEYOND:
        raise ValueError(f"{text!r} is no time that a calendar has")
    return number


def score(stored: float | str) -> int:
    """Where an entry of an index stands, as whole ms; one that stands at the end of time is brought back to where
    numbers are exact."""
    return int(max(-MOST, min(MOST, float(stored))))


def counter(stored: str | None) -> int:
    """What was counted; 0 where that is no number any more."""
    try:
        return score(stored or "0")
    except ValueError:
        return 0


def legible(read: Callable[[Stored], Read], stored: Iterable[Stored]) -> list[Read]:
    """Those of a list that can be read: an entry that cannot harms itself alone."""
    found = []
    for one in stored:
        try:
            found.append(read(one))
        except Exception:
            continue
    return found


def _number(text: str) -> int:
    # As it was written, and not `07` or `1_000`: scripts compare it as a text, and would never find it unchanged.
    number = int(text) if len(text) <= _LONGEST else None
    if number is None or str(number) != text:
        raise ValueError(f"{text[:_LONGEST]!r} is no whole number")
    return number
