"""Which occurrences there were, counted again by other means, and whether the account tells each of them once.

Crons of the few forms that simulations use are walked day by day, intervals are counted; only the draws of a
random window are the package's own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scheduled_prompts.schedule import RandomWindow, next_after
from tests.simulation.books import Books, Definition

if TYPE_CHECKING:
    from tests.simulation.world import World

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
GREY_MS = 4_000
"""About when a schedule changed: whose an occurrence is that is so near, is a matter of moments."""


def named(schedule: dict[str, Any], prompt: str, after: int, until: int) -> Iterator[int]:
    """The nominal times in (after, until], UTC."""
    kind = schedule["kind"]
    if kind == "once":
        if after < schedule["at"] <= until:
            yield schedule["at"]
    elif kind == "interval":
        every, anchor = schedule["every_ms"], schedule["anchor"]
        number = max(1, (after - anchor) // every + 1)
        while (at := anchor + number * every) <= until:
            yield at
            number += 1
    elif kind == "cron":
        minute, hour, *days = schedule["expression"].split()
        assert days == ["*", "*", "*"]
        of_a_day = [
            (60 * h + m) * MINUTE_MS for h in range(24) for m in range(60) if _matches(hour, h) and _matches(minute, m)
        ]
        for day in range(after // DAY_MS * DAY_MS, until + 1, DAY_MS):
            yield from (day + at for at in of_a_day if after < day + at <= until)
    else:
        window = RandomWindow.model_validate(schedule)
        at = next_after(window, after, timezone="UTC", seed=prompt)
        while at is not None and at <= until:
            yield at
            at = next_after(window, at, timezone="UTC", seed=prompt)


def _matches(field: str, value: int) -> bool:
    if field.startswith("*/"):
        return value % int(field[2:]) == 0
    return field == "*" or value in map(int, field.split(","))


def check_account(world: World, books: Books, prompt: str, explained: Any) -> Iterator[str]:
    """What is wrong with what `explain` says of a prompt."""
    rows = [row for row in explained.rows if row.fire is None or row.fire.trigger == "schedule"]
    rows = [row for row in rows if row.outcome != "before_creation"]
    sure, grey = _named_in_all(books.definitions[prompt], prompt, explained.until)
    surely, perhaps = sorted(sure), sorted(grey)
    told: dict[int, list[Any]] = {at: [] for at in surely}
    for row in rows:
        for at in _within(surely, row):
            told[at].append(row)
    for at, covering in told.items():
        if len(covering) != 1:
            yield f"account of {prompt}: {at} is told {len(covering)} times: {[_short(row) for row in covering]}"
    for row in rows:
        inside = len(_within(surely, row))
        at_most = inside + len(_within(perhaps, row))
        if not inside <= row.number <= at_most and row.exact:
            yield f"account of {prompt}: {_short(row)} tells {row.number}, and {inside} to {at_most} were named"
        yield from _implausible(world, books, prompt, row, explained.now)


def _within(instants: list[int], row: Any) -> list[int]:
    """Of instants in order: those that a row of an account covers."""
    return instants[bisect_left(instants, row.first) : bisect_right(instants, row.last)]


def _named_in_all(definitions: list[Definition], prompt: str, until: int) -> tuple[set[int], set[int]]:
    """Those that surely counted, and those that may have."""
    eras = [one for one in definitions if one.was_rescheduled]
    sure: set[int] = set()
    grey: set[int] = set()
    for number, era in enumerate(eras):
        following = eras[number + 1] if number + 1 < len(eras) else None
        # What an edit computed by its clock took effect when it arrived.
        end = until - 1 if following is None else round(max(following.at, following.called)) + GREY_MS
        sure_end = until - 1 if following is None else round(min(following.at, following.called)) - GREY_MS
        start = round(era.called if number == 0 else min(era.called, era.at))
        sure_start = start if number == 0 else round(max(era.called, era.at)) + GREY_MS
        for at in named(era.doc["schedule"], prompt, start, end):
            (sure if sure_start < at <= sure_end else grey).add(at)
    return sure, grey - sure


def _short(row: Any) -> str:
    return f"{row.outcome}/{row.reason} {row.first}..{row.last}"


def _implausible(world: World, books: Books, prompt: str, row: Any, asked_at: int) -> Iterator[str]:
    said = f"account of {prompt}: {_short(row)}"
    outcome = row.outcome
    if outcome in ("unaccounted", "unknown", "quarantined", "imported"):
        yield said
    if outcome == "forgotten" and world.plan.keeps_all:
        yield said
    ran = row.fire is not None and bool(books.runs.get(row.fire.id))
    if row.fire is None:
        fires = range_of(books, prompt, row.first, row.last)
        begun = [
            fire for fire in fires if any(run.began.server < asked_at - GREY_MS for run in books.runs.get(fire, []))
        ]
        if begun and outcome != "forgotten":
            yield f"{said}: and {begun[0]} ran"
    elif outcome in ("succeeded", "timed_out") and not ran:
        yield f"{said}: it never began"
    if outcome == "overdue" and world.now_ms - row.last > 60_000 + 200_000:
        yield f"{said}: it is overdue for {world.now_ms - row.last:.0f} ms"
    if outcome == "paused" and row.reason != "failures" and not books.pauses.get(prompt):
        yield f"{said}: nobody paused it"
    if outcome == "cancelled" and row.fire is None and prompt not in books.cancelled:
        yield f"{said}: nobody cancelled it"
    if outcome == "edited" and len(books.definitions[prompt]) < 2:
        yield f"{said}: nobody edited it"


def range_of(books: Books, prompt: str, first: int, last: int) -> list[str]:
    """Scheduled fires of a prompt with a nominal time in a range."""
    return [fire for fire in books.claims_of(prompt) if "@" in fire and first <= int(fire.partition("@")[2]) <= last]
