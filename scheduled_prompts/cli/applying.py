"""`apply`: from a file to the prompts it holds, and what became of them, one line each."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from scheduled_prompts.cli.apply_screen import applied, applied_document
from scheduled_prompts.cli.files import read_tables, read_text, refusal
from scheduled_prompts.cli.options import Choices, money
from scheduled_prompts.cli.output import CommandFailed, write_document, write_lines, write_warning
from scheduled_prompts.cli.policies import retries
from scheduled_prompts.cli.session import chosen_settings, closed_scheduler, why_unserved
from scheduled_prompts.durations import seconds
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.prompt import FIELDS, MAX_TEXT_BYTES, Definition
from scheduled_prompts.scheduler.applying import Wanted, defined
from scheduled_prompts.scheduler.problems import Problem, Refusals
from scheduled_prompts.settings import Settings

Value = TypeVar("Value")

_TOP = ("set", "owner", "defaults", "prompts")
_FIELDS = (*(name for name in FIELDS if name not in ("schedule", "key", "owner")), "when", "text_file")
_DEFAULTS = tuple(name for name in _FIELDS if name not in ("text", "text_file", "when", "name"))
_NUMBERS = {"retry_factor", "retry_jitter"}
_DURATIONS = {
    name
    for name, field in Definition.model_fields.items()
    if field.annotation in (float, float | None) and name not in _NUMBERS
}
_AMOUNTS = ("max_cost", "budget_day", "budget_total")
_OTHER_WORDS = {"schedule": "when", "cron": "when", "tz": "timezone", "prompt": "text", "file": "text_file"}
_HINTS = {
    "key": "the key is the table's name",
    "owner": "`owner` stands at the top of the file and is that of all",
}
_ANY = {"when": "@daily", "text": "?"}
"""Stands for what is wrong and was said to be, so that it is not said twice."""


class PromptFile(NamedTuple):
    """What a file says. `problems`: what it says wrong."""

    set_name: str
    owner: str | None
    wanted: list[Wanted]
    problems: list[Problem]


async def apply(choices: Choices, file: str, *, prune: bool, dry_run: bool) -> None:
    settings = chosen_settings(choices)
    found = read_prompt_file(Path(file), settings)
    scheduler = closed_scheduler(settings)
    defaults, now = scheduler.defaults_of(found.owner), scheduler.clock.now()
    _, more = defined(found.wanted, found.owner, found.set_name, scheduler.timezone, defaults, now)
    if found.problems or more:
        await scheduler.close()
        raise refusal(_in_order([*found.problems, *more], found), file, as_json=choices.as_json)
    async with scheduler:
        try:
            answer = await scheduler.apply(
                found.wanted, set_name=found.set_name, owner=found.owner, prune=prune, dry_run=dry_run
            )
        except Refusals as error:
            raise refusal(error.problems, file, as_json=choices.as_json) from error
        touched = [created.definition for created in answer.created] + [change.after for change in answer.changed]
        served = {(definition.runner, definition.platform): definition for definition in touched}
        unserved = [await why_unserved(scheduler, definition, settings, choices) for definition in served.values()]
        now = scheduler.clock.now()
    warnings = dict.fromkeys(warning for warning in unserved if warning is not None)
    document = applied_document(answer) | {"warnings": ["; ".join(warning) for warning in warnings]}
    if not choices.as_json:
        write_lines(applied(answer, now))
    for warning in warnings:
        write_warning(*warning)
    if answer.conflicts:
        shown = "; ".join(problem.text for problem in answer.conflicts)
        raise CommandFailed(shown, hint="apply again", code="conflict", exit_code=4, document=document)
    if choices.as_json:
        write_document(document)


def read_prompt_file(path: Path, settings: Settings) -> PromptFile:
    """What a file holds, with the settings' runner and platform where it names none.

    Raises InvalidInput for a file that cannot be read at all.
    """
    tables = read_tables(path)
    if not isinstance(tables, dict):
        raise InvalidInput(f"{path} holds no prompts", hint="they stand under [prompts.<key>], or `prompts:` in YAML")
    problems = list(_unknown("", tables, _TOP, "a file"))
    defaults = _table(tables, "defaults", problems)
    problems += _unknown("defaults", defaults, _DEFAULTS, "[defaults]")
    shared = _read_fields("defaults", {name: defaults[name] for name in _DEFAULTS if name in defaults}, problems)
    shared = {"runner": settings.runner, "platform": settings.platform} | shared
    if "prompts" not in tables:
        problems.append(Problem("prompts", "it is missing", "each prompt is a table [prompts.<key>]"))
    wanted = []
    for key, table in _table(tables, "prompts", problems).items():
        place = f"prompts.{key}"
        if not isinstance(key, str):
            problems.append(Problem(place, f"a key is text, not {key!r}", "put it into quotes"))
        elif not isinstance(table, dict):
            problems.append(Problem(place, f"a prompt is a table with text and when, not {_shown(table)}"))
        else:
            wanted.append(_wanted(path, key, table, shared, problems))
    owner, set_name = (tables.get(name) for name in ("owner", "set"))
    for name, value in (("owner", owner), ("set", set_name)):
        if name in tables and (not isinstance(value, str) or not value):
            problems.append(Problem(name, f"it is a name, not {_shown(value)}"))
    return PromptFile(
        set_name if isinstance(set_name, str) else path.stem,
        owner if isinstance(owner, str) and owner else None,
        wanted,
        problems,
    )


def _in_order(problems: list[Problem], found: PromptFile) -> list[Problem]:
    """As they come in the file."""
    places = [f"prompts.{one.key}" for one in found.wanted]

    def position(problem: Problem) -> int:
        inside = (i for i, place in enumerate(places, 1) if f"{problem.place}.".startswith(f"{place}."))
        return next(inside, 0)

    return sorted(problems, key=position)


def _wanted(
    path: Path, key: str, table: Mapping[Any, Any], shared: Mapping[str, Any], problems: list[Problem]
) -> Wanted:
    place = f"prompts.{key}"
    problems += _unknown(place, table, _FIELDS, "a prompt")
    fields = _read_fields(place, {name: table[name] for name in _FIELDS if name in table}, problems)
    if "text_file" in fields:
        beside = fields.pop("text_file")
        if "text" in fields:
            problems.append(Problem(f"{place}.text_file", "it has a text, too", "give one of them"))
        else:
            fields["text"] = _text_of(path, beside, f"{place}.text_file", problems)
    when = fields.pop("when", None)
    if when is not None and not isinstance(when, str | datetime):
        hint = "in YAML, put it into quotes" if path.suffix != ".toml" else None
        problems.append(Problem(f"{place}.when", f"it is a text such as “every day at 9am”, not {_shown(when)}", hint))
        when = _ANY["when"]
    if isinstance(fields.get("labels"), dict) and isinstance(shared.get("labels"), dict):
        fields["labels"] = shared["labels"] | fields["labels"]
    return Wanted(key, when, {**shared, **fields})


def _read_fields(place: str, table: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The fields with durations in seconds and retries apart from their delays; what cannot be read is left out."""
    fields: dict[str, Any] = {}
    for name, value in table.items():
        here = f"{place}.{name}"
        if name == "retries" and isinstance(value, str):
            if (said := _read(retries, value, here, problems)) is None:
                continue
            if "retry_delays" in said and "retry_delays" in table:
                problems.append(Problem(f"{place}.retry_delays", "`retries` gives the delays already"))
            fields |= said
        elif name == "retry_delays" and isinstance(value, list):
            delays = [_duration(delay, f"{here}[{number}]", problems) for number, delay in enumerate(value)]
            if None not in delays:
                fields[name] = tuple(delays)
        elif name in _AMOUNTS:
            if (amount := _amount(value, here, problems)) is not None:
                fields[name] = amount
        elif name in _DURATIONS:
            if (duration := _duration(value, here, problems)) is not None:
                fields[name] = duration
        else:
            fields[name] = tuple(value) if isinstance(value, list) else value
    return fields


def _amount(value: Any, place: str, problems: list[Problem]) -> Decimal | None:
    if isinstance(value, str):
        return _read(money, value, place, problems)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    problems.append(Problem(place, f"it is an amount such as 2.50, not {_shown(value)}"))
    return None


def _duration(value: Any, place: str, problems: list[Problem]) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        return _read(seconds, value, place, problems)
    problems.append(Problem(place, f"it is a duration such as “10m”, or seconds, not {_shown(value)}"))
    return None


def _read(reader: Callable[[str], Value], text: str, place: str, problems: list[Problem]) -> Value | None:
    try:
        return reader(text)
    except ValueError as error:
        problems.append(Problem(place, str(error)))
        return None


def _text_of(path: Path, beside: Any, place: str, problems: list[Problem]) -> str:
    """The text in a file that is named relative to `path`, without the line break that ends it."""
    if not isinstance(beside, str) or not beside:
        problems.append(Problem(place, f"it is a file's name, not {_shown(beside)}"))
        return _ANY["text"]
    named = path.parent / beside
    try:
        if named.stat().st_size > MAX_TEXT_BYTES + 2:
            raise InvalidInput(f"{named} has {named.stat().st_size:,} bytes; at most {MAX_TEXT_BYTES:,} are kept")
        return read_text(named).removesuffix("\n").removesuffix("\r")
    except FileNotFoundError:
        problems.append(Problem(place, f"there is no file {str(named)!r}"))
    except (OSError, ValueError) as error:
        problems.append(Problem(place, f"{named} cannot be read: {getattr(error, 'strerror', None) or error}"))
    except InvalidInput as error:
        problems.append(Problem(place, error.message, error.hint))
    return _ANY["text"]


def _table(tables: Mapping[str, Any], name: str, problems: list[Problem]) -> dict[Any, Any]:
    table = tables.get(name, {})
    if isinstance(table, dict):
        return table
    problems.append(Problem(name, f"it is a table, not {_shown(table)}"))
    return {}


def _unknown(place: str, table: Iterable[Any], known: tuple[str, ...], what: str) -> Iterable[Problem]:
    for name in table:
        if name not in known:
            yield Problem(f"{place}.{name}".lstrip("."), f"{what} has no such field", _meant(str(name), known))


def _meant(name: str, known: tuple[str, ...]) -> str | None:
    if name in _HINTS and name not in known:
        return _HINTS[name]
    other = _OTHER_WORDS.get(name)
    near = [other] if other in known else difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, date | time) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
