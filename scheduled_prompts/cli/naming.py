"""What people are shown as the name of a prompt or of a fire. Both can be typed again."""

from __future__ import annotations

from scheduled_prompts.cli.output import visible
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.ids import ID_LENGTH, SHORT_LENGTH, short
from scheduled_prompts.prompt import Definition, ScheduledPrompt

LONGEST_TITLE = 60


def title(prompt: ScheduledPrompt) -> str:
    """`3F7K2M9A: its name, or the beginning of its text`."""
    return f"{short(prompt.id)}: {caption(prompt)}"


def caption(definition: Definition) -> str:
    return cut(visible(definition.name or definition.text, lines=False), LONGEST_TITLE)


def cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def reference(fire_id: str) -> str:
    """`3F7K2M9A@1764576000000`, or `3F7K2M9A+` and the end of a manual run's id: what `fire show` takes."""
    prompt, rest = short(fire_id[:ID_LENGTH]), fire_id[ID_LENGTH:]
    return f"{prompt}{rest[:1]}{rest[1:] if rest[:1] == '@' else rest[-SHORT_LENGTH:]}"


def first_line(text: str) -> str:
    """The first line that says anything, as it can be shown."""
    lines = [line for line in text.splitlines() if line.strip()]
    line = visible(lines[0], lines=False) if lines else ""
    return f"{line} …" if len(lines) > 1 else line


def said(fire: Fire) -> str | None:
    """All that a fire said: its error, or its result."""
    if fire.error and fire.status is not FireStatus.SUCCEEDED:
        return fire.error
    return fire.result.text if fire.result is not None else None
