"""What a person is shown of one prompt, one fire, one schedule: a few lines each."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from scheduled_prompts.cli.moments import absolute, both, coming, how_far, length, why
from scheduled_prompts.cli.output import visible
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Once, RandomWindow
from scheduled_prompts.schedule.language.words import describe
from scheduled_prompts.scheduler import Preview, Scheduled
from scheduled_prompts.store.records import Cancelled, Span
from scheduled_prompts.upcoming import Occurrence

LONGEST_TITLE = 60
NARROWEST = 20
Fields = Sequence[tuple[str, str]]


def scheduled(answer: Scheduled, now: int) -> str:
    """The answer to `add`."""
    prompt = answer.prompt
    head = (
        f"scheduled {_title(prompt)}" if answer.created else f"{short(prompt.id)} has this key already: nothing added"
    )
    when = "" if answer.created and isinstance(prompt.schedule, Once) else _when(prompt)
    fields = [("when", when), *_coming(answer.upcoming, prompt.timezone, now), ("runner", _whither(prompt))]
    if answer.differs:
        fields.append(("differs", f"not as asked for now: {', '.join(answer.differs)}"))
    return "\n".join([head, *_fields(fields)])


def whole_prompt(
    prompt: ScheduledPrompt,
    upcoming: Sequence[Occurrence],
    missed: Sequence[Span],
    last: Fire | None,
    now: int,
) -> str:
    """The answer to `show`."""
    zone_name = prompt.timezone
    fields = [
        ("status", _standing(prompt, now)),
        ("text", visible(prompt.text)),
        ("when", _when(prompt)),
        *_coming(upcoming, zone_name, now),
        ("jitter", f"up to {length(prompt.jitter_ms)}" if prompt.jitter else ""),
        ("last", f"{_end(last)}, {both(last.ended_at or last.due, zone_name, now)}" if last else ""),
        *(("missed", _span(span, zone_name)) for span in missed),
        ("runner", _whither(prompt)),
        *((name, getattr(prompt, name) or "") for name in ("owner", "agent", "conversation", "key")),
        ("labels", ", ".join(f"{name}={visible(value, lines=False)}" for name, value in prompt.labels.items())),
        ("priority", str(prompt.priority)),
        ("timeout", length(round(prompt.timeout * 1000))),
        ("retries", _retries(prompt)),
        ("on crash", prompt.on_crash),
        ("created", both(prompt.created_at, zone_name, now)),
        ("version", str(prompt.version)),
        ("id", prompt.id),
    ]
    return "\n".join([_title(prompt), *_fields(fields)])


def outcome(fire: Fire) -> str:
    """How a fire ended, and all that it said."""
    parts = [_end(fire)]
    if fire.lateness_ms is not None:
        parts.append(f"{length(fire.lateness_ms)} late")
    if fire.started_at is not None and fire.ended_at is not None:
        parts.append(f"took {length(fire.ended_at - fire.started_at)}")
    if fire.attempt > 1:
        parts.append(f"attempt {fire.attempt}")
    said = fire.error if fire.status is not FireStatus.SUCCEEDED and fire.error else fire.result and fire.result.text
    return "\n".join([", ".join(parts), *([visible(said)] if said else [])])


def queued(prompt: ScheduledPrompt, fire: Fire) -> str:
    """The answer to `run`."""
    return f"{fire.status} {_title(prompt)}\n  history {short(prompt.id)} will tell what came of it"


def cancelled(prompt: ScheduledPrompt, counts: Cancelled) -> str:
    lines = [f"cancelled {_title(prompt)}"]
    if counts.ended:
        lines.append(f"  {_count(counts.ended, 'waiting fire')} ended")
    if counts.asked_to_stop:
        lines.append(f"  {_count(counts.asked_to_stop, 'running fire')} asked to stop")
    return "\n".join(lines)


def not_fired_yet(prompt: ScheduledPrompt, now: int) -> str:
    head = f"{_title(prompt)} has not fired"
    if prompt.status.has_ended:
        return f"{head}: it is {prompt.status}"
    return f"{head} yet: {coming(prompt.next_at, now)}, {absolute(prompt.next_at, prompt.timezone, weekday=True)}"


def previewed(answer: Preview, now: int) -> str:
    lines = [describe(answer.schedule, timezone=answer.timezone)]
    lines += _fields(_coming(answer.upcoming, answer.timezone, now)) or ["  names no instant after that"]
    if isinstance(answer.schedule, RandomWindow):
        lines.append("  (drawn at random: a prompt with this schedule has times of its own)")
    return "\n".join(lines)


def _title(prompt: ScheduledPrompt) -> str:
    text = visible(prompt.name or prompt.text, lines=False)
    return f"{short(prompt.id)}: {text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + '…'}"


def _when(prompt: ScheduledPrompt) -> str:
    return describe(prompt.schedule, timezone=prompt.timezone)


def _whither(prompt: ScheduledPrompt) -> str:
    return prompt.runner if prompt.platform == "default" else f"{prompt.runner}, on platform {prompt.platform}"


def _standing(prompt: ScheduledPrompt, now: int) -> str:
    ended = f" {how_far(prompt.ended_at, now)}" if prompt.ended_at is not None else ""
    failures = f", {_count(prompt.failures, 'failure')} in a row" if prompt.failures else ""
    return f"{prompt.status}{ended}{failures}"


def _end(fire: Fire) -> str:
    status = fire.status.replace("_", " ")
    return f"{status} ({why(fire)})" if why(fire) else status


def _span(span: Span, zone_name: str) -> str:
    why = (span.reason or span.kind).replace("_", " ")
    return f"{absolute(span.start, zone_name)} until {absolute(span.end, zone_name)} ({why})"


def _retries(prompt: ScheduledPrompt) -> str:
    if not prompt.retries:
        return "none"
    delays = [length(round(delay * 1000)) for delay in prompt.retry_delays[: prompt.retries]]
    return f"{prompt.retries}, after {', '.join(delays)}" + (" each" if len(delays) < prompt.retries else "")


def _coming(upcoming: Iterable[Occurrence], zone_name: str, now: int) -> Fields:
    """When it is due next, one line each, below each other."""
    rows = [(coming(due, now), absolute(due, zone_name, weekday=True)) for _, due in upcoming]
    width = max((len(distance) for distance, _ in rows), default=0)
    return [
        ("" if position else "next", f"{distance:<{width}}  {moment}")
        for position, (distance, moment) in enumerate(rows)
    ]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _fields(fields: Fields) -> list[str]:
    """Names in a column, their values beside them, wrapped on a terminal; what is empty is left out."""
    margin = max((len(name) for name, value in fields if value), default=0) + 4
    lines = []
    for name, value in fields:
        if value:
            first, *rest = _wrapped(value, margin)
            lines += [f"{'  ' + name:<{margin}}{first}", *(f"{'':<{margin}}{line}".rstrip() for line in rest)]
    return lines


def _wrapped(value: str, margin: int) -> list[str]:
    if not sys.stdout.isatty():
        return value.split("\n")
    room = max(shutil.get_terminal_size().columns - margin, NARROWEST)
    return [
        part
        for line in value.split("\n")
        for part in textwrap.wrap(line, room, replace_whitespace=False, drop_whitespace=False) or [""]
    ]
