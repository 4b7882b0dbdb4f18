"""What `apply` did, one line a prompt, and the same as a document."""

from __future__ import annotations

from typing import Any

from scheduled_prompts.cli.moments import absolute, length
from scheduled_prompts.cli.output import visible
from scheduled_prompts.ids import short
from scheduled_prompts.policies import INSTANTS
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule.language.words import describe
from scheduled_prompts.scheduler.applying import Applied, Changed
from scheduled_prompts.views import definition_view, instant

LONGEST_VALUE = 48
CONTEXT = 12
"""How much of what two long values share is shown before they differ."""


def applied(answer: Applied, now: int) -> str:
    rows = [("+", d.key, _created(d, prompt)) for d, prompt in answer.created]
    rows += [("~", change.after.key, _changes(change)) for change in answer.changed]
    rows += [("=", prompt.key, _standing(prompt, now)) for prompt in answer.unchanged]
    rows += [("-", prompt.key or short(prompt.id), "cancelled") for prompt in answer.cancelled]
    width = max((len(key or "") for _, key, _ in rows), default=0)
    lines = [f"{mark} {key or '':<{width}}  {said}".rstrip() for mark, key, said in rows]
    counts = ", ".join(
        f"{len(prompts)} {word}"
        for prompts, word in (
            (answer.created, "created"),
            (answer.changed, "changed"),
            (answer.unchanged, "unchanged"),
            (answer.cancelled, "cancelled"),
        )
        if prompts or word != "cancelled"
    )
    return "\n".join([*lines, f"it would be {counts} (--dry-run: nothing was written)" if answer.dry_run else counts])


def applied_document(answer: Applied) -> dict[str, Any]:
    return {
        "created": [
            {
                "key": definition.key,
                "id": prompt.id if prompt else None,
                "next_at": instant(prompt.next_at, prompt.timezone) if prompt else None,
            }
            for definition, prompt in answer.created
        ],
        "changed": [
            {"key": change.after.key, "id": change.before.id, "fields": _from_to(change)} for change in answer.changed
        ],
        "unchanged": [_named(prompt) for prompt in answer.unchanged],
        "cancelled": [_named(prompt) for prompt in answer.cancelled],
        "conflicts": [problem._asdict() for problem in answer.conflicts],
        "dry_run": answer.dry_run,
    }


def _named(prompt: ScheduledPrompt) -> dict[str, Any]:
    return {"key": prompt.key, "id": prompt.id}


def _from_to(change: Changed) -> dict[str, Any]:
    before, after = definition_view(change.before), definition_view(change.after)
    return {name: {"from": before[name], "to": after[name]} for name in change.fields}


def _created(definition: Definition, prompt: ScheduledPrompt | None) -> str:
    when = describe(definition.schedule, timezone=definition.timezone)
    if prompt is None:
        return when
    return f"{when}; next {absolute(prompt.next_at, prompt.timezone, weekday=True)}"


def _standing(prompt: ScheduledPrompt, now: int) -> str:
    """What is worth a word though nothing changes."""
    if prompt.status.is_armed:
        return "due" if prompt.next_at is not None and prompt.next_at < now else ""
    return prompt.status.value


def _changes(change: Changed) -> str:
    said = "; ".join(_change(name, change) for name in change.fields)
    rests = ""
    if change.before.status is PromptStatus.PENDING_APPROVAL:
        rests = " (it still waits for approval)"
    elif change.before.paused_at is not None:
        rests = " (it stays paused)"
    return said + rests


def _change(name: str, change: Changed) -> str:
    before, after = change.before, change.after
    if name == "schedule":
        words = [describe(d.schedule, timezone=d.timezone) for d in (before, after)]
        return f"when: {words[0]} → {words[1]}"
    if name == "labels":
        names = sorted({n for n in before.labels.keys() | after.labels if before.labels.get(n) != after.labels.get(n)})
        return "; ".join(f"labels.{n}: {_pair(before.labels.get(n), after.labels.get(n))}" for n in names)
    if name in ("timeout", "jitter", "grace"):
        return f"{name}: {_length(getattr(before, name))} → {_length(getattr(after, name))}"
    if name in INSTANTS:
        said = (
            "none" if ms is None else absolute(ms, after.timezone) for ms in (getattr(d, name) for d in (before, after))
        )
        return f"{name}: {' → '.join(said)}"
    return f"{name}: {_pair(getattr(before, name), getattr(after, name))}"


def _pair(before: object, after: object) -> str:
    """`from → to`; of long ones, the part from where they begin to differ."""
    one, other = (_words(value) for value in (before, after))
    shared = 0
    if max(len(one), len(other)) > LONGEST_VALUE:
        while shared < min(len(one), len(other)) and one[shared] == other[shared]:
            shared += 1
    start = shared - CONTEXT if shared > 2 * CONTEXT else 0
    return f"{_cut(one, start)} → {_cut(other, start)}"


def _length(seconds: float | None) -> str:
    return "default" if seconds is None else length(round(seconds * 1000))


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return f"“{visible(value, lines=False)}”"
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _cut(text: str, start: int) -> str:
    shown = ("…" + text[start:]) if start else text
    return shown if len(shown) <= LONGEST_VALUE else shown[: LONGEST_VALUE - 1] + "…"
