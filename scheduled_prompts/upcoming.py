"""What a prompt does next: which occurrences its schedule names in its window, and when they are due.

Schedules know nothing of policies, and everybody else nothing of how the two go together: it is told here. Instants are
ms UTC; `seed` is the prompt's id.
"""

from __future__ import annotations

from typing import NamedTuple

from scheduled_prompts import schedule
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.schedule import due_of


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
    """The next `count` occurrences after an instant; no more than are to fire in all."""
    if definition.max_fires is not None:
        count = min(count, definition.max_fires)
    found: list[Occurrence] = []
    while len(found) < count and (nominal := next_named(definition, after, seed)) is not None:
        found.append(Occurrence(nominal, _due_at(definition, nominal, seed)))
        after = nominal
    return found


def next_occurrence(prompt: ScheduledPrompt, after: int) -> Occurrence | None:
    """The first occurrence strictly after a nominal time."""
    nominal = next_named(prompt, after, prompt.id)
    return None if nominal is None else Occurrence(nominal, due_at(prompt, nominal))


def coming(prompt: ScheduledPrompt, count: int) -> list[Occurrence]:
    """The next `count` occurrences that will fire: without those to be skipped; none where it does not fire."""
    if not prompt.status.is_armed or prompt.next_nominal is None or prompt.next_at is None:
        return []
    if prompt.max_fires is not None:
        count = min(count, prompt.max_fires - prompt.fired)
    found: list[Occurrence] = []
    after: Occurrence | None = Occurrence(prompt.next_nominal, prompt.next_at)
    while after is not None and len(found) < count:
        if after.nominal not in prompt.skips:
            found.append(after)
        after = next_occurrence(prompt, after.nominal)
    return found


def due_at(prompt: ScheduledPrompt, nominal: int) -> int:
    """When an occurrence is due: its jitter never reaches the next one."""
    return _due_at(prompt, nominal, prompt.id)


def _due_at(definition: Definition, nominal: int, seed: str) -> int:
    if not definition.jitter_ms:
        return nominal
    # Whether or not the window has closed by then: its end moves no occurrence before it.
    then = schedule.next_after(definition.schedule, nominal, timezone=definition.timezone, seed=seed)
    return due_of(nominal, jitter_ms=definition.jitter_ms, next_nominal=then, seed=seed)
