"""What happened in a simulation, line by line: the same seed, the same bytes."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any, NamedTuple

LAST = 400


class Event(NamedTuple):
    """Something that the checker wants to know."""

    at: float
    """True time, ms UTC."""
    server: float
    """What the server's clock said, ms UTC."""
    who: str
    what: str
    facts: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(name) from None


class Trace:
    """`lines` are all of them where `whole`, else the last. What is noted is kept for the checker, too."""

    def __init__(self, *, whole: bool = False) -> None:
        self.lines: deque[str] = deque(maxlen=None if whole else LAST)
        self.events: list[Event] = []
        self.count = 0
        self._hash = hashlib.sha256()

    def line(self, at: float, who: str, what: str, facts: str = "") -> None:
        text = f"{at:.3f} {who} {what} {facts}"
        self.count += 1
        self._hash.update(text.encode())
        self._hash.update(b"\n")
        self.lines.append(text)

    def note(self, at: float, server: float, who: str, what: str, facts: dict[str, Any]) -> None:
        self.events.append(Event(at, server, who, what, facts))
        self.line(at, who, what, " ".join(f"{name}={value}" for name, value in facts.items()))

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
