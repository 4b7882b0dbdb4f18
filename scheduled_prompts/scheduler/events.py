"""What happened, in order: `Event`, the last of them, and those that are to come.

Events are a convenience, not the account: the oldest are trimmed (some 10,000 are kept). Where somebody asks for what
came behind an event that is gone, or falls that far behind, an event of type `gap` stands for what may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Self

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.fire import FireStatus
from scheduled_prompts.scheduler.finding import Only, full_id
from scheduled_prompts.store import Store
from scheduled_prompts.store.events import KEPT, START, Entry, EventsRead
from scheduled_prompts.stored import instant, legible

Since = str | datetime | int
"""Where to begin: behind an event (its id), or at a time (a datetime with a zone, or ms UTC)."""

GAP = "gap"
ENDS = frozenset(status.value for status in FireStatus if status.has_ended)
TYPES = (
    *("created", "edited", "paused", "resumed", "skip", "unskip", "cancelled", "quarantined"),
    *("pending", "approved", "rejected", "expired"),
    *("missed", "retrying", "reaped"),
    *("over_budget", "cost_not_counted"),
    *("stopped_all", "started_all"),
    *sorted(ENDS - {"cancelled", "missed"}),
    GAP,
)
"""`cancelled` is a prompt's, or, with a fire, that fire's end; `missed` a range of occurrences, or a fire's end."""
PAGE = 500
MOST_LISTED = 1000
BEHIND_A_MS = 999_999_999
"""Behind all events of a millisecond."""
_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,9}")
_OF_THEIR_OWN = frozenset(("type", "at", "prompt", "fire"))


class Event(NamedTuple):
    """`at` is ms UTC; `fields` is what there is to say beside: `reason`, `note`, `error`, `changed`, … as text."""

    id: str
    """To resume behind. It sorts as events do."""
    type: str
    at: int
    prompt: str | None
    fire: str | None
    fields: Mapping[str, str]

    @property
    def is_end(self) -> bool:
        """Whether a fire ended."""
        return self.fire is not None and self.type in ENDS


class EventPage(NamedTuple):
    items: list[Event]
    cursor: str
    """To resume behind: of all that was looked at, wanted or not, the last."""
    more: bool
    """Whether there was more behind it already."""


class Events:
    """What happens, as it happens: an async iterator that never ends.

    Iterating raises StoreUnreachable where the store does not answer; iterating on goes on from where it was. It is for
    one reader.
    """

    def __init__(
        self,
        store: Store,
        since: Since | None,
        prompt: str | None,
        types: Collection[str],
        *,
        only: Only | None = None,
    ) -> None:
        self._store = store
        self._prompt = prompt
        self._only = only
        self._wanted = _Wanted(prompt, types)
        self._known = _is_id(since)
        self._ready: list[Event] = []
        self.position: str | None = None if since is None else _position(store, since)
        """Where it is: behind all that was read, wanted or not. None: at the end, wherever that is."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._ready:
            self._ready = (await self.batch())[::-1]
        return self._ready.pop()

    async def batch(self) -> list[Event]:
        """What has come, up to some hundreds; waits for a second, and is empty where nothing came that is wanted."""
        if self._only is not None and self._prompt is not None:
            await full_id(self._store, self._prompt, self._only)  # for somebody who may see it
        if self.position is None:
            newest = await self._store.events_before(None, 1)
            self.position, self._known = (newest[0][0], True) if newest else (START, False)
        read = await self._store.events_behind(self.position, PAGE)
        if not read.entries:
            await self._store.wait_for_events(self.position)
            read = await self._store.events_behind(self.position, PAGE)
        found = _gap(read, self.position, self._known)
        if read.entries:
            self.position, self._known = read.entries[-1][0], True
        elif found:
            self.position, self._known = START, False  # the stream is another one, and said so once
        gap = found if self._only is None else []  # it tells how much happens
        return gap + self._wanted.among(read.entries)


async def last_events(
    store: Store, limit: int, prompt: str | None, types: Collection[str], *, hidden: bool = False
) -> EventPage:
    """The last that are wanted, oldest first. `hidden`: what else happened must not be seen, not even by the cursor."""
    _check(limit)
    wanted = _Wanted(prompt, types)
    found: list[Event] = []
    position: str | None = None
    cursor = START
    while True:
        entries = await store.events_before(position, PAGE)
        if position is None and entries:
            cursor = entries[0][0]
        found += wanted.among(entries)
        if len(found) >= limit or len(entries) < PAGE:
            kept = found[:limit][::-1]
            return EventPage(kept, _seen(kept, START) if hidden else cursor, more=False)
        position = entries[-1][0]


async def events_since(
    store: Store, since: Since, limit: int, prompt: str | None, types: Collection[str], *, hidden: bool = False
) -> EventPage:
    """The first that are wanted behind a place, oldest first. `hidden` as in `last_events`; nor is a gap told then,
    which tells how much happens."""
    _check(limit)
    wanted = _Wanted(prompt, types)
    position, known = _position(store, since), _is_id(since)
    begin = position
    gap: list[Event] = []
    found: list[Event] = []
    while True:
        read = await store.events_behind(position, PAGE)
        gap += [] if hidden else _gap(read, position, known)
        found += wanted.among(read.entries)
        if len(found) > limit:
            kept = found[:limit]
            return EventPage(gap + kept, kept[-1].id if kept else position, more=True)
        if read.entries:
            position, known = read.entries[-1][0], True
        if len(read.entries) < PAGE:
            return EventPage(gap + found, _seen(found, begin) if hidden else position, more=False)


def _seen(found: Sequence[Event], begin: str) -> str:
    return found[-1].id if found else begin


class _Wanted:
    def __init__(self, prompt: str | None, types: Collection[str]) -> None:
        unknown = sorted(set(types) - set(TYPES))
        if unknown:
            raise InvalidInput(f"there are no events of type {unknown[0]!r}", hint=f"there are: {', '.join(TYPES)}")
        self._prompt = prompt
        self._types = frozenset(types)

    def among(self, entries: Sequence[Entry]) -> list[Event]:
        return [
            _event(entry, fields)
            for entry, fields in entries
            if (self._prompt is None or fields.get("prompt") == self._prompt)
            and (not self._types or fields.get("type") in self._types)
        ]


def _event(entry: str, fields: Mapping[str, str]) -> Event:
    at = fields.get("at", "")
    return Event(
        entry,
        fields.get("type", ""),
        next(iter(legible(instant, [at])), _number(entry)[0]),
        fields.get("prompt") or None,
        fields.get("fire"),
        {name: value for name, value in fields.items() if name not in _OF_THEIR_OWN and value},
    )


def _gap(read: EventsRead, position: str, known: bool) -> list[Event]:
    """What stands for events that may be missing behind a position. `known`: an event had this id once."""
    if read.oldest is None:
        if not known or position == START:
            return []
    elif _number(read.oldest) <= _number(position) or not (known or read.length >= KEPT):
        return []
    fields = {"since": position} if read.oldest is None else {"since": position, "oldest": read.oldest}
    return [Event(position, GAP, _number(read.oldest or position)[0], None, None, fields)]


def _check(limit: int) -> None:
    if not 0 <= limit <= MOST_LISTED:
        raise InvalidInput(f"limit={limit} is out of range", hint=f"0 to {MOST_LISTED:,}")


def _is_id(since: Since | None) -> bool:
    return isinstance(since, str) and since != START


def _position(store: Store, since: Since) -> str:
    """The id behind which to begin. Raises InvalidInput."""
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise InvalidInput(f"{since.isoformat()} has no zone", hint="give it one, or ms UTC")
        since = round(since.timestamp() * 1000)
    if isinstance(since, int):
        if since > store.clock.now():
            raise InvalidInput("events since a time that is yet to come", hint="give an earlier one")
        return f"{max(since - 1, 0)}-{BEHIND_A_MS}"
    if not _ID.fullmatch(since):
        raise InvalidInput(f"{since!r} is not an event's id", hint="one looks like 1767229200000-0")
    return since


def _number(entry: str) -> tuple[int, int]:
    ms, _, number = entry.partition("-")
    return int(ms), int(number)
