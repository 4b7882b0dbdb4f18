"""`export` and `import`: prompts as a document, out of one store and into another.

An entry holds a prompt's definition as it is stored, and where it stands. Fires, history and versions stay behind. What
is imported keeps its id, and thereby its jitter and its draws; it begins at version 1, and is never written over
another prompt.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeGuard

from pydantic import ValidationError

from scheduled_prompts import ids
from scheduled_prompts.errors import InvalidInput, LimitReached, StoreUnusable
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import SCHEMA as PROMPT_SCHEMA
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Once
from scheduled_prompts.schedule.kinds import LAST_INSTANT
from scheduled_prompts.scheduler.defining import check_interval, problem_text
from scheduled_prompts.scheduler.problems import Problem, Refusals
from scheduled_prompts.store import Store
from scheduled_prompts.store.pages import BATCH, pages
from scheduled_prompts.store.records import Unreadable
from scheduled_prompts.upcoming import due_at, is_named, next_named, next_occurrence
from scheduled_prompts.views import instant

SCHEMA = 1
AT_ONCE = 32
"""How many prompts are written at the same time."""

Entry = dict[str, Any]
Overdue = Literal["skip", "fire"]
Progress = Callable[[int], None]
"""Is told how many more entries are done."""

_INSTANTS = (
    *("created_at", "next_nominal", "last_nominal", "paused_at", "ended_at"),
    *("pending_since", "pending_until", "decided_at"),
)
_WORDS = ("pause_reason", "pause_note", "created_by", "created_in", "pending_why", "pending_by")
_DECISION = ("decision", "decided_by", "decision_note")
_FIELDS = {
    "id",
    "status",
    "version",
    "definition",
    *_INSTANTS,
    "skips",
    *_WORDS,
    *_DECISION,
    "lineage",
    "fired",
}
_RESTING = {PromptStatus.PAUSED, PromptStatus.PENDING_APPROVAL}
_IMPORTED = {PromptStatus.SCHEDULED, PromptStatus.ACTIVE, *_RESTING}


class Taken(NamedTuple):
    """A prompt whose key another living one has."""

    id: str
    key: str
    holder: str


class Limited(NamedTuple):
    """A prompt that a limit refused, and which."""

    id: str
    message: str


class Imported(NamedTuple):
    """What `import_prompts` did; with `dry_run`, what it would have done."""

    created: int
    existing: int
    """Their id is there already: left as they are."""
    ended: int
    quarantined: int
    passed: int
    """Of the created ones, those for which occurrences passed that will not be fired."""
    overdue: list[str]
    """One-shots whose time has passed: left out."""
    conflicts: list[Taken]
    limited: list[Limited]
    """Those that a limit of the settings leaves no room for: left out."""
    dry_run: bool


async def export(
    store: Store, filters: Mapping[str, str], *, ended: bool
) -> AsyncIterator[ScheduledPrompt | Unreadable]:
    """The prompts that all filters match, newest first; those that have ended, too, if `ended`. What cannot be read
    is among them, whatever the filters."""
    position: tuple[int, str] | None = None
    index = next(iter(filters.items()), None)
    while rows := await store.newest_ids(index, position, BATCH):
        position = (rows[-1][1], rows[-1][0])
        for prompt in await store.read_prompts([prompt_id for prompt_id, _ in rows]):
            if isinstance(prompt, Unreadable) or (
                prompt is not None
                and (ended or not prompt.status.has_ended)
                and all(getattr(prompt, field) == value for field, value in filters.items())
            ):
                yield prompt
        await _be_interruptible(store)


def entry_of(prompt: ScheduledPrompt) -> Entry:
    """A prompt as an entry of the document. Instants are RFC 3339 in its zone."""
    zone_name = prompt.timezone
    return {
        "id": prompt.id,
        "status": prompt.status.value,
        "version": prompt.version,
        "definition": json.loads(prompt.document()),
        "created_at": instant(prompt.created_at, zone_name),
        "next_nominal": instant(prompt.next_nominal, zone_name),
        "last_nominal": instant(prompt.last_nominal, zone_name),
        "skips": [instant(nominal, zone_name) for nominal in prompt.skips],
        "paused_at": instant(prompt.paused_at, zone_name),
        "pause_reason": prompt.pause_reason,
        "pause_note": prompt.pause_note,
        "created_by": prompt.created_by,
        "created_in": prompt.created_in,
        "lineage": list(prompt.lineage),
        **_approval_of(prompt),
        "fired": prompt.fired,
        "ended_at": instant(prompt.ended_at, zone_name),
    }


def _approval_of(prompt: ScheduledPrompt) -> Entry:
    """Of prompts of agents: that they wait for approval, or what was decided last. Others say nothing of it."""
    zone_name = prompt.timezone
    found = {
        "pending_since": instant(prompt.pending_since, zone_name),
        "pending_until": instant(prompt.pending_until, zone_name),
        "pending_why": prompt.pending_why,
        "pending_by": prompt.pending_by,
        "decision": prompt.decision,
        "decided_at": instant(prompt.decided_at, zone_name),
        "decided_by": prompt.decided_by,
        "decision_note": prompt.decision_note,
    }
    return {name: value for name, value in found.items() if value is not None}


def check(document: object, shard: int) -> list[Entry]:
    """The entries of a document, each of which can be imported. Raises Refusals with all that is wrong."""
    if not isinstance(document, dict) or not isinstance(document.get("prompts"), list):
        raise InvalidInput("this is no export: it has no list `prompts`", hint="`export` writes one")
    schema = document.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        problem = "it has no `schema`" if schema is None else f"its schema is {schema!r}; this release reads {SCHEMA}"
        raise InvalidInput(f"this export cannot be read: {problem}", hint="a newer release may read it")
    entries: list[Entry] = document["prompts"]
    problems: list[Problem] = []
    places: dict[tuple[str, ...], str] = {}
    for number, entry in enumerate(entries):
        place = f"prompts[{number}]"
        try:
            prompt = _prompt(entry, place, shard)
        except Refusals as refusals:
            problems += refusals.problems
            continue
        names: list[tuple[str, ...]] = [("id", prompt.id)]
        if prompt.key is not None and not prompt.status.has_ended:
            names.append(("key", prompt.owner or "", prompt.key))
        for name in names:
            first = places.setdefault(name, place)
            if first != place:
                problems.append(Problem(f"{place}.{name[0]}", f"{name[-1]!r} is that of {first}, too"))
    if problems:
        raise Refusals(problems)
    return entries


async def import_prompts(
    store: Store,
    limits: Limits,
    document: object,
    *,
    overdue: Overdue,
    dry_run: bool,
    progress: Progress | None,
    by: str,
) -> Imported:
    entries = check(document, store.keys.shard)
    done = Imported(0, 0, 0, 0, 0, [], [], [], dry_run)
    for page in pages(entries):
        await _be_interruptible(store)
        prompts = [_prompt(entry, "", store.keys.shard) for entry in page]
        for outcome, count in _counted([prompt for prompt in prompts if prompt.status not in _IMPORTED]).items():
            done = done._replace(**{outcome: getattr(done, outcome) + count})
        arriving = [prompt for prompt in prompts if prompt.status in _IMPORTED]
        await _be_interruptible(store)
        present = await store.read_prompts([prompt.id for prompt in arriving])
        done = done._replace(existing=done.existing + sum(found is not None for found in present))
        new = [prompt for prompt, found in zip(arriving, present, strict=True) if found is None]
        for first in range(0, len(new), AT_ONCE):
            done = await _write(store, limits, done, new[first : first + AT_ONCE], overdue, by)
        if progress is not None:
            progress(len(page))
    return done


async def _be_interruptible(store: Store) -> None:
    """Between much computing and the next command, which on Python 3.11 may lose a Ctrl-C that came meanwhile."""
    await store.clock.sleep(0)


def _counted(prompts: Sequence[ScheduledPrompt]) -> dict[str, int]:
    ended = sum(prompt.status.has_ended for prompt in prompts)
    return {"ended": ended, "quarantined": len(prompts) - ended}


async def _write(
    store: Store, limits: Limits, done: Imported, prompts: Sequence[ScheduledPrompt], overdue: Overdue, by: str
) -> Imported:
    now = store.clock.now()
    arriving = [(prompt, _arriving(prompt, now, overdue)) for prompt in prompts]
    done.overdue.extend(prompt.id for prompt, arrived in arriving if arrived is None)
    whole = [(prompt, arrived) for prompt, arrived in arriving if arrived is not None]
    create = _would_create if done.dry_run else _create
    answers = await asyncio.gather(
        *(create(store, limits, before, prompt, by) for before, prompt in whole), return_exceptions=True
    )
    created, existing, passed = done.created, done.existing, done.passed
    for (before, arrived), answer in zip(whole, answers, strict=True):
        if isinstance(answer, LimitReached):
            done.limited.append(Limited(arrived.id, answer.message))
            continue
        if isinstance(answer, BaseException):
            raise answer
        if answer is None:
            created += 1
            was, becomes = before.next_nominal, arrived.next_nominal
            passed += overdue == "skip" and was is not None and becomes is not None and was < min(now, becomes)
        elif answer == arrived.id:
            existing += 1
        else:
            done.conflicts.append(Taken(arrived.id, arrived.key or "", answer))
    return done._replace(created=created, existing=existing, passed=passed)


def _arriving(prompt: ScheduledPrompt, now: int, overdue: Overdue) -> ScheduledPrompt | None:
    """The prompt with what comes next for it here; None for a one-shot whose time has passed.

    What was next stays so if it is still to come, or is to `fire` all the same. A paused prompt stays as it is, and so
    does one that waits for approval: `resume` and `approve` will look what is next.
    """
    nominal = prompt.next_nominal
    if prompt.status not in _RESTING and nominal is not None:
        is_over = overdue == "skip" and due_at(prompt, nominal) <= now
        if is_over or not is_named(prompt, nominal, prompt.id):  # not named: the zone's rules are others here
            nominal = None
    if nominal is None:
        last = prompt.created_at if prompt.last_nominal is None else prompt.last_nominal
        following = next_occurrence(prompt, max(now, last) if overdue == "skip" else last)
        if following is None:
            return None
        nominal = following.nominal
    skips = tuple(skipped for skipped in prompt.skips if skipped >= nominal)
    moved = {"next_nominal": nominal, "next_at": due_at(prompt, nominal), "skips": skips, "updated_at": now}
    return prompt.model_copy(update=moved)


async def _create(
    store: Store, limits: Limits, before: ScheduledPrompt, prompt: ScheduledPrompt, by: str
) -> str | None:
    """The id of the prompt that is in the way: its own where it exists, that of the key's holder."""
    check_interval(limits, prompt)
    try:
        return await store.create(prompt, limits=limits, imported=str(before.next_nominal or ""), by=by)
    except StoreUnusable:
        if (await store.read_prompts([prompt.id]))[0] is not None:
            return prompt.id  # it came into being meanwhile
        raise


async def _would_create(
    store: Store, limits: Limits, _: ScheduledPrompt, prompt: ScheduledPrompt, __: str
) -> str | None:
    check_interval(limits, prompt)
    holder = None if prompt.key is None else await store.holder_of(prompt.owner, prompt.key)
    if holder is None:
        return None
    [found] = await store.read_prompts([holder])
    if isinstance(found, ScheduledPrompt):
        return None if found.status.has_ended else holder
    return None if found is None or found.status in ("executed", "cancelled") else holder


def _prompt(entry: object, place: str, shard: int) -> ScheduledPrompt:
    """The prompt that an entry describes. Raises Refusals."""
    if not isinstance(entry, dict):
        raise Refusals([Problem(place, f"an entry is an object, not {_shown(entry)}")])
    problems = [Problem(f"{place}.{name}", "an export has no such field") for name in sorted(entry.keys() - _FIELDS)]
    fields: dict[str, Any] = dict.fromkeys(("next_at", "last_fire"))
    prompt_id = entry.get("id")
    if not _is_prompt_id(prompt_id):
        problems.append(Problem(f"{place}.id", f"{_shown(prompt_id)} is not a prompt's id"))
    elif ids.shard_of(prompt_id) != shard:
        problems.append(Problem(f"{place}.id", f"{prompt_id} belongs to another shard"))
    definition = entry.get("definition")
    if not isinstance(definition, dict):
        problems.append(Problem(f"{place}.definition", f"it is an object, not {_shown(definition)}"))
    else:
        fields = {**definition, **fields}
        schema = fields.pop("schema", PROMPT_SCHEMA)
        if not isinstance(schema, int) or schema > PROMPT_SCHEMA:
            problem = f"it is {_shown(schema)}; this release reads up to {PROMPT_SCHEMA}"
            problems.append(Problem(f"{place}.definition.schema", problem))
    status = entry.get("status")
    if not isinstance(status, str) or status not in set(PromptStatus):
        problems.append(Problem(f"{place}.status", f"there is no status {_shown(status)}", ", ".join(PromptStatus)))
    for name in _INSTANTS:
        try:
            fields[name] = None if entry.get(name) is None else _ms(entry[name])
        except ValueError as error:
            problems.append(Problem(f"{place}.{name}", str(error)))
    if isinstance(status, str) and status in _RESTING and entry.get("next_nominal") is None:
        problems.append(Problem(f"{place}.next_nominal", f"it is missing, and the prompt is {status}"))
    if status == PromptStatus.PENDING_APPROVAL:
        for name in ("pending_since", "pending_until"):
            if entry.get(name) is None:
                problems.append(Problem(f"{place}.{name}", "it is missing, and the prompt waits for approval"))
    skips = entry.get("skips", [])
    try:
        fields["skips"] = tuple(sorted({_ms(skip) for skip in skips}))
    except (ValueError, TypeError):
        problems.append(Problem(f"{place}.skips", f"{_shown(skips)} is not a list of instants"))
    fields |= {"id": prompt_id, "status": status, **{name: entry.get(name) for name in (*_WORDS, *_DECISION)}}
    fields["lineage"] = lineage = entry.get("lineage", [])
    if not isinstance(lineage, list) or not all(_is_prompt_id(ancestor) for ancestor in lineage):
        problems.append(Problem(f"{place}.lineage", f"{_shown(lineage)} is not a list of prompts' ids"))
    fields |= {"failures": 0, "version": 1, "seq": 0}
    fields["fired"] = entry.get("fired", 0)
    if entry.get("created_at") is None:
        problems.append(Problem(f"{place}.created_at", "it is missing"))
    fields["updated_at"] = fields.get("created_at")
    if problems:
        raise Refusals(problems)
    try:
        prompt = ScheduledPrompt.model_validate(fields, extra="allow")
        if prompt.status.is_armed and (prompt.status is PromptStatus.SCHEDULED) != isinstance(prompt.schedule, Once):
            problem = f"it is {status!r}, and its schedule is {prompt.schedule.kind}"
            raise Refusals([Problem(f"{place}.status", problem)])
        return _computable(prompt)
    except ValidationError as error:
        raise Refusals([_placed(problem, place) for problem in error.errors(include_url=False)]) from error
    except Refusals:
        raise
    except InvalidInput as error:  # a schedule, or a zone
        raise Refusals([Problem(f"{place}.definition", error.message, error.hint)]) from error


def _computable(prompt: ScheduledPrompt) -> ScheduledPrompt:
    try:
        next_named(prompt, prompt.created_at, prompt.id)
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise InvalidInput(f"what comes next cannot be computed: {error}") from error
    return prompt


def _placed(problem: Any, place: str) -> Problem:
    where = ".".join(str(part) for part in problem["loc"])
    if not where:  # of several fields
        return Problem(f"{place}.definition", problem_text(problem))
    message = problem_text(problem).removeprefix(f"{where}: ")
    inside = "" if problem["loc"][0] in _FIELDS else "definition."
    return Problem(f"{place}.{inside}{where}", "it is missing" if problem["type"] == "missing" else message)


def _is_prompt_id(value: object) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and len(value) == ids.ID_LENGTH
        and ids.could_be_part_of_an_id(value)
        and value[0] <= "7"  # 130 bits of letters hold 128
    )


def _ms(text: object) -> int:
    """RFC 3339 as ms UTC. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        ms = None if moment is None or moment.tzinfo is None else round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        ms = None
    if ms is None or not 0 <= ms <= LAST_INSTANT:
        raise ValueError(f"{_shown(text)} is not an instant such as 2026-12-01T09:00:00.000+01:00")
    return ms


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
