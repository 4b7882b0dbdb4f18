"""What a prompt does next: which occurrences its schedule names in its window, and when they are due.

Quiet hours are judged by nominal times. One that is deferred is due at their end, and so is every other that falls in
them and the one that is named for their end itself: of those that are due together the latest fires. Jitter is drawn
from the room up to the next occurrence or the next quiet hours, so it carries nothing into them.

Schedules know nothing of policies, and everybody else nothing of how the two go together: it is told here. Instants are
ms UTC; `seed` is the prompt's id.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from scheduled_prompts import schedule
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.schedule import due_of, zone
from scheduled_prompts.schedule.quiet import next_quiet, quiet_since, quiet_until

MOST_QUIET_STRETCHES = 400
LONGEST_QUIET_MS = 30 * 366 * 86_400_000
"""Where so many quiet hours on end, or those of so many years, swallow all that a schedule names, nothing is to come.
What is named each night may miss them once a year, when the clock is put forward; what is named each year, in some."""


class Occurrence(NamedTuple):
    """Instants in ms UTC: what the schedule names, and when it is due."""

    nominal: int
    due: int


def next_named(definition: Definition, after: int, seed: str) -> int | None:
    """The first nominal time strictly after an instant and within the window; None where there is none."""
    if definition.start_at is not None:
        after = max(after, definition.start_at - 1)
    nominal = schedule.next_after(definition.schedule, after, timezone=definition.timezone, seed=seed)
    if nominal is not None and definition.end_at is not None and nominal >= definition.end_at:
        return None
    return nominal


def latest_named(definition: Definition, after: int, until: int, seed: str) -> int | None:
    """The last nominal time in (after, until] and within the window, or None."""
    if definition.start_at is not None:
        after = max(after, definition.start_at - 1)
    if definition.end_at is not None:
        until = min(until, definition.end_at - 1)
    return schedule.latest_between(definition.schedule, after, until, timezone=definition.timezone, seed=seed)


def is_named(definition: Definition, nominal: int, seed: str) -> bool:
    return next_named(definition, nominal - 1, seed) == nominal


def occurrences(definition: Definition, after: int, count: int, seed: str) -> list[Occurrence]:
    """The next `count` occurrences after an instant that will fire; no more than are to fire in all."""
    if definition.max_fires is not None:
        count = min(count, definition.max_fires)
    return list(islice(_to_fire(definition, next_named(definition, after, seed), seed), count))


def first_occurrence(definition: Definition, after: int, seed: str) -> Occurrence | None:
    """The first occurrence after an instant, though it may be one that is skipped in quiet hours."""
    nominal = next_named(definition, after, seed)
    return None if nominal is None else Occurrence(nominal, _due_at(definition, nominal, seed))


def next_occurrence(prompt: ScheduledPrompt, after: int) -> Occurrence | None:
    """The first occurrence strictly after a nominal time, though it may be one that is skipped."""
    return first_occurrence(prompt, after, prompt.id)


def coming(prompt: ScheduledPrompt, count: int) -> list[Occurrence]:
    """The next `count` occurrences that will fire: without those to be skipped; none where it does not fire."""
    if not prompt.status.is_armed or prompt.next_nominal is None or prompt.next_at is None:
        return []
    if prompt.max_fires is not None:
        count = min(count, prompt.max_fires - prompt.fired)
    found = (each for each in _to_fire(prompt, prompt.next_nominal, prompt.id) if each.nominal not in prompt.skips)
    # What is next may have been moved.
    moved = (each._replace(due=prompt.next_at) if each.nominal == prompt.next_nominal else each for each in found)
    return list(islice(moved, max(0, count)))


def due_at(prompt: ScheduledPrompt, nominal: int) -> int:
    """When an occurrence is due: its jitter never reaches the next one, nor quiet hours."""
    return _due_at(prompt, nominal, prompt.id)


def is_skipped_as_quiet(definition: Definition, nominal: int) -> bool:
    return definition.quiet_policy == "skip" and _quiet_until(definition, nominal) is not None


def last_due_with(definition: Definition, nominal: int, seed: str) -> int:
    """The latest occurrence that is due when this one is: itself, unless quiet hours defer it."""
    end = _deferred_to(definition, nominal)
    latest = None if end is None else latest_named(definition, nominal, end, seed)
    return nominal if latest is None else latest


def first_due_with(definition: Definition, nominal: int, seed: str) -> int:
    """The first occurrence that is due when this one is."""
    if definition.quiet_hours is None or definition.quiet_policy != "defer":
        return nominal
    for instant in (nominal, nominal - 1):  # in quiet hours, or where they end
        if _quiet_until(definition, instant) is not None:
            since = quiet_since(definition.quiet_hours, zone(definition.timezone), instant)
            first = next_named(definition, since - 1, seed)
            return nominal if first is None else first
    return nominal


def _to_fire(definition: Definition, nominal: int | None, seed: str) -> Iterator[Occurrence]:
    """From a nominal time on, what quiet hours leave."""
    swallowed: list[int] = []
    while nominal is not None:
        end = _quiet_until(definition, nominal)
        if end is not None and definition.quiet_policy == "skip":
            swallowed.append(nominal)
            if len(swallowed) == MOST_QUIET_STRETCHES or nominal - swallowed[0] > LONGEST_QUIET_MS:
                return
            nominal = next_named(definition, end - 1, seed)
            continue
        swallowed.clear()
        latest = last_due_with(definition, nominal, seed)
        yield Occurrence(latest, _due_at(definition, latest, seed))
        nominal = next_named(definition, latest, seed)


def _due_at(definition: Definition, nominal: int, seed: str) -> int:
    end = _deferred_to(definition, nominal)
    start = nominal if end is None else end
    if not definition.jitter_ms or is_skipped_as_quiet(definition, nominal):
        return start
    # Whether or not the window has closed by then: its end moves no occurrence before it.
    then = schedule.next_after(definition.schedule, start, timezone=definition.timezone, seed=seed)
    if definition.quiet_hours is not None:
        quiet = next_quiet(definition.quiet_hours, zone(definition.timezone), start)
        then = quiet if then is None else min(then, quiet)
    return due_of(start, jitter_ms=definition.jitter_ms, next_nominal=then, seed=seed)


def _deferred_to(definition: Definition, nominal: int) -> int | None:
    return _quiet_until(definition, nominal) if definition.quiet_policy == "defer" else None


def _quiet_until(definition: Definition, instant: int) -> int | None:
    """When the quiet hours end that an instant lies in; None where it lies in none."""
    if definition.quiet_hours is None:
        return None
    return quiet_until(definition.quiet_hours, zone(definition.timezone), instant)
