"""`export` and `import`: prompts as one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from scheduled_prompts.cli.files import STANDARD, read_json, refusal, whole_or_nothing
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import CommandFailed, write_document, write_lines, write_warning
from scheduled_prompts.cli.progress import progress
from scheduled_prompts.cli.session import chosen_settings, open_scheduler
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.exporting import SCHEMA, Imported, Overdue, entry_of
from scheduled_prompts.scheduler.problems import SHOWN, Refusals
from scheduled_prompts.views import instant

STEP = 100
"""Prompts between two looks at the bar."""


async def export(choices: Choices, output: str | None, filters: Mapping[str, str], *, ended: bool) -> None:
    target = output or STANDARD
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        with whole_or_nothing(target) as file:
            exported, unreadable = await _write(scheduler, file, filters, ended, ascii_only=_needs_ascii(target))
    for prompt_id in unreadable[:SHOWN]:
        write_warning(f"prompt {short(prompt_id)} cannot be read, and is left out", "`doctor` says why")
    if target == STANDARD:
        return
    if choices.as_json:
        write_document({"exported": exported, "output": target, "unreadable": unreadable})
    else:
        write_lines(f"exported {_count(exported, 'prompt')} to {target}")


async def _write(
    scheduler: Scheduler, file: TextIO, filters: Mapping[str, str], ended: bool, *, ascii_only: bool
) -> tuple[int, list[str]]:
    """One entry a line, as they come: all at once would not fit into memory."""
    exported, unreadable = 0, []
    head = {"schema": SCHEMA, "exported_at": instant(scheduler.clock.now(), "UTC")}
    file.write(json.dumps(head)[:-1] + ', "prompts": [')
    with progress("exporting", await _size(scheduler, filters, ended)) as advance:
        async for prompt in scheduler.export(**filters, ended=ended):
            if isinstance(prompt, ScheduledPrompt):
                entry = json.dumps(entry_of(prompt), ensure_ascii=ascii_only, separators=(",", ":"))
                file.write((",\n" if exported else "\n") + entry)
                exported += 1
                if exported % STEP == 0:
                    advance(STEP)
            else:
                unreadable.append(prompt.id)
    file.write(f'\n], "unreadable": {json.dumps(unreadable)}}}\n')
    return exported, unreadable


async def _size(scheduler: Scheduler, filters: Mapping[str, str], ended: bool) -> int:
    """About how many there are, for the bar."""
    if filters:
        return min([await scheduler.store.count(field, value) for field, value in filters.items()])
    return sum(
        [await scheduler.store.count("status", status) for status in PromptStatus if ended or not status.has_ended]
    )


async def import_prompts(choices: Choices, file: str, *, overdue: Overdue, dry_run: bool) -> None:
    settings = chosen_settings(choices)
    source = "standard input" if file == STANDARD else file
    document = read_json(Path(file))
    size = len(document["prompts"]) if isinstance(document, dict) and isinstance(document.get("prompts"), list) else 0
    async with open_scheduler(settings) as scheduler:
        try:
            with progress("importing", size) as advance:
                answer = await scheduler.import_prompts(document, overdue=overdue, dry_run=dry_run, progress=advance)
        except Refusals as error:
            raise refusal(error.problems, source, as_json=choices.as_json) from error
        remembers = scheduler.store.remembers
    if not remembers:
        write_warning(
            "memory: is forgotten when this command ends", "name a store that lasts, such as --store embedded:"
        )
    if not choices.as_json:
        write_lines(_told(answer, overdue))
    if answer.conflicts:
        raise _conflict(answer)
    if answer.limited:
        raise _limited(answer)
    if choices.as_json:
        write_document(_document(answer))


def _document(answer: Imported) -> dict[str, Any]:
    return answer._asdict() | {
        "conflicts": [taken._asdict() for taken in answer.conflicts],
        "limited": [limited._asdict() for limited in answer.limited],
    }


def _told(answer: Imported, overdue: Overdue) -> str:
    imported = f"imported {_count(answer.created, 'prompt')}"
    lines = [f"it would have {imported} (--dry-run: nothing was written)" if answer.dry_run else imported]
    if answer.passed:
        lines.append(f"  for {answer.passed:,} of them, times passed that do not fire; the next one does")
    if answer.existing:
        lines.append(f"  {answer.existing:,} existed already: left as they are")
    if answer.ended:
        lines.append(f"  {answer.ended:,} had ended: left out")
    if answer.quarantined:
        lines.append(f"  {answer.quarantined:,} quarantined: left out")
    if answer.overdue:
        hint = "; --overdue fire imports them, to fire late" if overdue == "skip" else ""
        lines.append(f"  {_count(len(answer.overdue), 'one-shot')} whose time has passed: left out{hint}")
    return "\n".join(lines)


def _conflict(answer: Imported) -> CommandFailed:
    said = "; ".join(f"{short(t.id)}: {short(t.holder)} has the key {t.key!r}" for t in answer.conflicts[:SHOWN])
    more = f"; and {len(answer.conflicts) - SHOWN:,} more" if len(answer.conflicts) > SHOWN else ""
    message = (
        f"{_count(len(answer.conflicts), 'prompt')} not imported, for another living one has the key: {said}{more}"
    )
    hint = "cancel one of the two, and import again"
    return CommandFailed(message, hint=hint, code="conflict", exit_code=4, document=_document(answer))


def _limited(answer: Imported) -> CommandFailed:
    why = "; ".join(dict.fromkeys(limited.message for limited in answer.limited[:SHOWN]))
    return CommandFailed(
        f"{_count(len(answer.limited), 'prompt')} not imported: {why}",
        hint="raise the limit in the settings, or cancel others, and import again",
        code="limit_reached",
        exit_code=6,
        document=_document(answer),
    )


def _needs_ascii(target: str) -> bool:
    return target == STANDARD and (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
