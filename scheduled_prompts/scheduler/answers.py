"""What a scheduler's calls answer with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.schedule import Schedule
from scheduled_prompts.store.records import Unreadable
from scheduled_prompts.upcoming import Occurrence

UPCOMING = 5
"""How many of the occurrences to come an answer shows."""


class Scheduled(NamedTuple):
    """The answer to `schedule`. `created` is False where a living prompt has the same key; then `differs` names what is
    not as it was asked for now. `retimed`: in a fire, it is its own prompt, which was changed to what was asked for."""

    created: bool
    prompt: ScheduledPrompt
    upcoming: list[Occurrence]
    differs: list[str]
    retimed: bool = False


class Edited(NamedTuple):
    """The answer to `edit`: the prompt as it is now, which of its fields changed, and what it does next."""

    prompt: ScheduledPrompt
    changed: list[str]
    upcoming: list[Occurrence]
    skips_dropped: Sequence[int] = ()
    """Occurrences (nominal times, ms UTC) that were to be left out, and that the new schedule does not name."""


class Paused(NamedTuple):
    """The answer to `pause`. `taken_back`: how many fires that waited, or were claimed ahead, will not run."""

    prompt: ScheduledPrompt
    taken_back: int


class Resumed(NamedTuple):
    """The answer to `resume`. `passed`: from which nominal time on, and before which, the pause kept it from firing (ms
    UTC); None where nothing was to."""

    prompt: ScheduledPrompt
    passed: tuple[int, int] | None
    upcoming: list[Occurrence]


class Approved(NamedTuple):
    """The answer to `approve`. `passed`: from which nominal time on, and before which, the wait kept it from firing (ms
    UTC); None where nothing was to."""

    prompt: ScheduledPrompt
    passed: tuple[int, int] | None
    upcoming: list[Occurrence]


class NotApproved(NamedTuple):
    """The answer to `reject`: the prompt, cancelled; how many of its fires that waited ended, and how many that run
    were asked to stop."""

    prompt: ScheduledPrompt
    ended: int
    asked_to_stop: int


class Skipped(NamedTuple):
    """The answer to `skip` and `unskip`: which occurrence (its nominal time, ms UTC), and what comes next."""

    prompt: ScheduledPrompt
    nominal: int
    upcoming: list[Occurrence]


class Preview(NamedTuple):
    definition: Definition
    """What a prompt would be like; its text is none."""
    upcoming: list[Occurrence]

    @property
    def schedule(self) -> Schedule:
        return self.definition.schedule

    @property
    def timezone(self) -> str:
        return self.definition.timezone


class PromptPage(NamedTuple):
    items: list[ScheduledPrompt]
    cursor: str | None
    unreadable: list[Unreadable]
    """Records that cannot be read, where no filter leaves them out."""


class FirePage(NamedTuple):
    items: list[Fire]
    cursor: str | None
