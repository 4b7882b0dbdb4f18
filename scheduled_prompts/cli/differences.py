"""What an edit changed, from what to what, in words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from scheduled_prompts.cli.layout import Fields, field_lines
from scheduled_prompts.cli.moments import absolute, length
from scheduled_prompts.cli.naming import cut, title
from scheduled_prompts.cli.output import visible
from scheduled_prompts.cli.screens import (
    next_times,
    overlap_in_words,
    pause_after_in_words,
    priority_in_words,
    retries_in_words,
    standing,
)
from scheduled_prompts.money import plain
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.schedule.language.words import describe
from scheduled_prompts.scheduler import Edited

SHORT_VALUES = 64
"""Two values that are no longer than this together stand on one line."""
LONGEST_TEXT = 600
NONE = "none"

TOGETHER = {
    "schedule": "when",
    "timezone": "when",
    "retry_delays": "retries",
    "retry_factor": "retries",
    "retry_jitter": "retries",
    "retry_on": "retries",
    "pause_after": "pause after",
    "on_crash": "on crash",
    "queue_limit": "overlap",
}
"""What fields are called here, some of them told together; the others go by their names."""


def edited(before: ScheduledPrompt | None, answer: Edited, now: int) -> str:
    """The answer to `edit`. `before`: None where it could not be read."""
    prompt = answer.prompt
    if before is not None and not answer.changed:
        return f"{title(prompt)}\n  nothing changes: it is so already (version {prompt.version})"
    word = "edited" if before is not None else "repaired"
    following = next_times(answer.upcoming, prompt.timezone, now) or [("status", standing(prompt, None, now))]
    changes = _differences(before, prompt, answer.changed)
    dropped = [absolute(nominal, prompt.timezone, weekday=True) for nominal in answer.skips_dropped]
    fallen = [("skip dropped", f"{each}: it is not among the new times") for each in dropped]
    return "\n".join(
        [f"{word} {title(prompt)}", *field_lines([*changes, *fallen, *following, ("version", str(prompt.version))])]
    )


def _differences(before: ScheduledPrompt | None, after: ScheduledPrompt, changed: Sequence[str]) -> Fields:
    names = dict.fromkeys(TOGETHER.get(field, field) for field in changed)
    return [
        (
            name.replace("_", " "),
            _in_words(name, after) if before is None else _from_to(_in_words(name, before), _in_words(name, after)),
        )
        for name in names
    ]


def _from_to(before: str, after: str) -> str:
    if "\n" in before + after or len(before) + len(after) > SHORT_VALUES:
        return f"{before}\n→ {after}"
    return f"{before} → {after}"


def _in_words(name: str, definition: Definition) -> str:
    match name:
        case "when":
            return describe(definition.schedule, timezone=definition.timezone)
        case "retries":
            return retries_in_words(definition)
        case "priority":
            return priority_in_words(definition)
        case "overlap":
            return overlap_in_words(definition)
        case "pause after":
            return pause_after_in_words(definition)
        case "on crash":
            return definition.on_crash
        case "timeout":
            return length(round(definition.timeout * 1000))
        case "jitter":
            return f"up to {length(definition.jitter_ms)}" if definition.jitter else NONE
        case "grace":
            return "default" if definition.grace is None else length(round(definition.grace * 1000))
        case "start_at" | "end_at":
            at: int | None = getattr(definition, name)
            return NONE if at is None else absolute(at, definition.timezone, weekday=True)
        case "max_cost" | "budget_day" | "budget_total":
            amount: Decimal | None = getattr(definition, name)
            return NONE if amount is None else plain(amount)
        case "quiet":
            return "default" if definition.quiet is None else definition.quiet
        case "labels":
            return ", ".join(f"{key}={visible(value, lines=False)}" for key, value in definition.labels.items()) or NONE
        case _:
            value = getattr(definition, name)
            text = NONE if value is None else visible(str(value))
            return cut(text, LONGEST_TEXT)
