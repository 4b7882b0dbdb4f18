"""`edit`: another definition for a prompt, on the version that somebody looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from scheduled_prompts.cli.adding import standard_input
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import CommandFailed, write_document, write_lines, write_warning
from scheduled_prompts.cli.policies import OPTIONS
from scheduled_prompts.cli.session import chosen_settings, command_line, open_scheduler, why_unserved
from scheduled_prompts.errors import Conflict, InvalidInput, VersionConflict
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler import Edited, Scheduler
from scheduled_prompts.settings import Settings
from scheduled_prompts.store.records import Unreadable
from scheduled_prompts.views import instant, prompt_view, upcoming_view

FIELDS = {"tz": ("timezone",), **{option.name: option.names for option in OPTIONS}}
"""The fields that an option stands for, where they are not called like it."""
TRIES = 5
LONGEST_HINT = 400


class Edit(NamedTuple):
    """What is asked for. `cleared`: options whose fields get their defaults again."""

    when: str | None
    changes: Mapping[str, object]
    cleared: frozenset[str]
    label: Mapping[str, str]
    unlabel: frozenset[str]

    @property
    def is_empty(self) -> bool:
        return self.when is None and not (self.changes or self.cleared or self.label or self.unlabel)


async def edit(
    choices: Choices, prompt_id: str, wanted: Edit, version: int | None, force: bool, typed: Sequence[str]
) -> None:
    """`typed`: the words behind the command, for saying them again."""
    settings = chosen_settings(choices)
    _refuse_contradictions(wanted)
    if wanted.changes.get("text") == "-" and (force or version is not None):
        wanted = wanted._replace(changes={**wanted.changes, "text": standard_input()})
    async with open_scheduler(settings) as scheduler:
        whole_id = await scheduler.resolve(prompt_id)
        if version is None and not force:
            found = await _read(scheduler, whole_id)
            if found.status != PromptStatus.CANCELLED:  # else no version would help
                raise _made_on_no_version(found, choices, typed)
        before, answer = await _edited(scheduler, settings, whole_id, wanted, None if force else version)
        document: dict[str, Any] = {
            "changed": answer.changed,
            "prompt": prompt_view(answer.prompt),
            "upcoming": upcoming_view(answer.upcoming, answer.prompt.timezone),
            "skips_dropped": [instant(nominal, answer.prompt.timezone) for nominal in answer.skips_dropped],
        }
        unserved = None
        if answer.changed and answer.prompt.status.is_armed:
            unserved = await why_unserved(scheduler, answer.prompt, settings, choices)
        if unserved is not None:
            document["warning"] = "; ".join(unserved)
        now = scheduler.clock.now()
    if choices.as_json:
        write_document(document)
    else:
        from scheduled_prompts.cli.differences import edited

        write_lines(edited(before if isinstance(before, ScheduledPrompt) else None, answer, now))
    if unserved is not None:
        write_warning(*unserved)


async def _edited(
    scheduler: Scheduler, settings: Settings, prompt_id: str, wanted: Edit, version: int | None
) -> tuple[ScheduledPrompt | Unreadable, Edited]:
    """The prompt before and after. Without a version it is made on whatever version there is, again where another edit
    came first: labels are added to those that are there."""
    for _ in range(TRIES):
        before = await _read(scheduler, prompt_id)
        whole = before if isinstance(before, ScheduledPrompt) else None
        on = version if version is not None or whole is None else whole.version
        changes = _changes(wanted, whole, settings, scheduler.timezone)
        try:
            return before, await scheduler.edit(prompt_id, version=on, force=on is None, when=wanted.when, **changes)
        except VersionConflict:
            if version is not None:
                raise
    raise Conflict(f"prompt {short(prompt_id)} changes too fast to be edited", hint="try again")


async def _read(scheduler: Scheduler, prompt_id: str) -> ScheduledPrompt | Unreadable:
    """The prompt, also one that only an edit can repair. Raises NotFound."""
    [found] = await scheduler.store.read_prompts([prompt_id])
    return await scheduler.get(prompt_id) if found is None else found


def _changes(wanted: Edit, before: ScheduledPrompt | None, settings: Settings, timezone: str) -> dict[str, Any]:
    """Fields and their new values, None for the default that a prompt has by itself."""
    configured = {"runner": settings.runner, "platform": settings.platform, "timezone": timezone}
    changes: dict[str, Any] = {
        field: configured.get(field) for option in wanted.cleared for field in FIELDS.get(option, (option,))
    }
    changes |= wanted.changes
    if wanted.label or wanted.unlabel:
        kept = {} if before is None or "labels" in wanted.cleared else before.labels
        labels = {**kept, **wanted.label}
        changes["labels"] = {name: value for name, value in labels.items() if name not in wanted.unlabel}
    return changes


def _refuse_contradictions(wanted: Edit) -> None:
    for option in wanted.cleared:
        if any(field in wanted.changes for field in FIELDS.get(option, (option,))):
            raise InvalidInput(f"--{option} and --clear {option}: one of them", hint="a value, or the default again")
    for name in wanted.label.keys() & wanted.unlabel:
        raise InvalidInput(f"label {name!r} is both put on and taken off", hint="--label or --unlabel")


def _made_on_no_version(found: ScheduledPrompt | Unreadable, choices: Choices, typed: Sequence[str]) -> CommandFailed:
    """The refusal that shows how it goes, with the version as it is now."""
    guard = ["--version", str(found.version)] if str(found.version) else ["--force"]
    words = list(_without_store(typed))
    words = [*guard, *words] if "--" in words else [*words, *guard]
    command = command_line(choices, "edit", *words)
    if len(command) > LONGEST_HINT:
        command = f"the same with {' '.join(guard)}"
    is_now = f" (it is {found.version} now)" if str(found.version) else ""
    return CommandFailed(
        f"an edit needs the version it was made on{is_now}, so that it undoes nobody else's; or --force",
        hint=command,
        code="usage",
        exit_code=2,
        document={"version": found.version} if isinstance(found, ScheduledPrompt) else None,
    )


def _without_store(typed: Sequence[str]) -> Iterator[str]:
    """The words without the options that `command_line` says again."""
    words = iter(typed)
    for word in words:
        if word in ("--store", "--config"):
            next(words, None)
        elif not word.startswith(("--store=", "--config=")):
            yield word
