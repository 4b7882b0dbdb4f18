"""What a prompt does next: nominal times, and when they are due."""

from __future__ import annotations

from typing import NamedTuple

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Schedule, due_of, next_after, upcoming


class Occurrence(NamedTuple):
    """Instants in ms UTC: what the schedule names, and when it is due."""

    nominal: int
    due: int


def occurrences(
    schedule: Schedule, after: int, count: int, timezone: str, jitter_ms: int, seed: str
) -> list[Occurrence]:
    """The next `count` occurrences of a schedule after an instant (ms UTC)."""
    if count <= 0:
        return []
    nominals = upcoming(schedule, after, count + 1 if jitter_ms else count, timezone=timezone, seed=seed)
    following: list[int | None] = [*nominals, None]
    return [
        Occurrence(nominal, due_of(nominal, jitter_ms=jitter_ms, next_nominal=then, seed=seed))
        for nominal, then in zip(nominals, following[1:], strict=True)
    ][:count]


def next_occurrence(prompt: ScheduledPrompt, after: int) -> Occurrence | None:
    """The first occurrence strictly after a nominal time (ms UTC)."""
    nominal = next_after(prompt.schedule, after, timezone=prompt.timezone, seed=prompt.id)
    return None if nominal is None else Occurrence(nominal, due_at(prompt, nominal))


def coming(prompt: ScheduledPrompt, count: int) -> list[Occurrence]:
    """The next `count` occurrences that will fire: without those to be skipped; none where it does not fire."""
    if not prompt.status.is_armed or prompt.next_nominal is None or prompt.next_at is None:
        return []
    found: list[Occurrence] = []
    after: Occurrence | None = Occurrence(prompt.next_nominal, prompt.next_at)
    while after is not None and len(found) < count:
        if after.nominal not in prompt.skips:
            found.append(after)
        after = next_occurrence(prompt, after.nominal)
    return found


def due_at(prompt: ScheduledPrompt, nominal: int) -> int:
    """When an occurrence is due: its jitter never reaches the next one."""
    if not prompt.jitter_ms:
        return nominal
    then = next_after(prompt.schedule, nominal, timezone=prompt.timezone, seed=prompt.id)
    return due_of(nominal, jitter_ms=prompt.jitter_ms, next_nominal=then, seed=prompt.id)
