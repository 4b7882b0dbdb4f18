"""`apply`: an owner's prompts become what a file says.

Prompts are found by their key, so applying a file twice changes nothing. For that, each `when` must mean tomorrow what
it means today: what counts from the moment it is typed (`in 20m`, `tomorrow at 9am`) is refused. Everything is checked
before anything is written; what somebody else changes in between is a conflict of that one prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from scheduled_prompts import ids
from scheduled_prompts.errors import Conflict, InvalidInput, InvalidSchedule, LimitReached, NotFound, UnknownTimezone
from scheduled_prompts.limits import Limits
from scheduled_prompts.policies import INSTANTS
from scheduled_prompts.prompt import RESCHEDULING, Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Cron, Once, Schedule, next_after, zone
from scheduled_prompts.schedule.kinds import FIRST_INSTANT
from scheduled_prompts.scheduler.changing import first_of
from scheduled_prompts.scheduler.defining import (
    changed_fields,
    check_interval,
    kept_where_same,
    nothing_to_come,
    problem_text,
    to_schedule,
    with_instants,
)
from scheduled_prompts.scheduler.problems import Problem, Refusals
from scheduled_prompts.store import Store
from scheduled_prompts.store.pages import BATCH
from scheduled_prompts.store.records import ReadPrompt, Unreadable
from scheduled_prompts.upcoming import occurrences

if TYPE_CHECKING:
    from scheduled_prompts.scheduler.scheduler import Scheduler

LABEL = "applied-from"
"""Names the set that a prompt was applied from: what `prune` goes by."""
_LONG_AGO = 9 * 366 * 86_400_000
"""Nine years: every day that is named without its year (29 February, too) comes up in between."""
_ANY_SCHEDULE = Cron(expression="0 0 * * *")


class Wanted(NamedTuple):
    """A prompt as it is to be. `fields`: those of `Definition` but key, owner and schedule."""

    key: str
    when: str | datetime | None
    fields: Mapping[str, Any]


class Created(NamedTuple):
    """`prompt` is None where nothing was written."""

    definition: Definition
    prompt: ScheduledPrompt | None


class Changed(NamedTuple):
    """A prompt as it was, what it is to be, and the names of the fields that differ."""

    before: ScheduledPrompt
    after: Definition
    fields: list[str]


class Applied(NamedTuple):
    """What `apply` did; with `dry_run`, what it would have done."""

    created: list[Created]
    changed: list[Changed]
    unchanged: list[ScheduledPrompt]
    cancelled: list[ScheduledPrompt]
    conflicts: list[Problem]
    """Prompts that somebody else changed meanwhile, or that a limit leaves no room for: these were left as they are."""
    dry_run: bool


async def apply(
    scheduler: Scheduler, wanted: Sequence[Wanted], owner: str | None, set_name: str, *, prune: bool, dry_run: bool
) -> Applied:
    definitions, problems = defined(
        wanted, owner, set_name, scheduler.timezone, scheduler.defaults_of(owner), scheduler.clock.now()
    )
    if problems:
        raise Refusals(problems)
    plan = await _plan(scheduler.store, definitions, owner, scheduler.limits)
    if plan.conflicts:
        raise Refusals(plan.conflicts)
    if prune:
        plan = plan._replace(cancelled=await _no_longer_wanted(scheduler.store, definitions, owner, set_name))
    return plan if dry_run else await _carry_out(scheduler, plan)


def defined(
    wanted: Sequence[Wanted], owner: str | None, set_name: str, timezone: str, defaults: Mapping[str, Any], now: int
) -> tuple[dict[str, Definition], list[Problem]]:
    """The definitions by key, and all that is wrong with them. `timezone` and `defaults`: of prompts that name
    none."""
    definitions: dict[str, Definition] = {}
    problems: list[Problem] = []
    for one in wanted:
        place = f"prompts.{one.key}"
        found = _definition(one, place, owner, set_name, timezone, defaults, now)
        if isinstance(found, Definition):
            definitions[one.key] = found
        else:
            problems += found
    return definitions, list(dict.fromkeys(problems))  # what is wrong for all (the owner's name) is said once


def lasting_schedule(when: str | datetime, now: int, timezone: str) -> Schedule:
    """The schedule that `when` means, today as well as tomorrow. A one-shot may lie in the past.

    Raises InvalidSchedule for what is not understood, and for what counts from the moment when it is said.
    """
    if isinstance(when, datetime):
        return to_schedule(when, now, timezone)
    try:
        today = to_schedule(when, now, timezone)
    except InvalidSchedule:
        once, twice = _read_long_ago(when, now, timezone)
        if isinstance(once, Once):
            if once != twice:
                raise _counts_from_now(when) from None
            if next_after(once, now, timezone=timezone, seed="") is None:
                return once
        raise
    if isinstance(today, Once) and {today} != {*_read_long_ago(when, now, timezone)}:
        raise _counts_from_now(when)
    return today


def _read_long_ago(when: str, now: int, timezone: str) -> Iterator[Schedule | None]:
    """What it meant at two earlier dates, as the day began."""
    for earlier in (now - _LONG_AGO, now - 2 * _LONG_AGO):
        day = datetime.fromtimestamp(earlier / 1000, zone(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            yield to_schedule(when, round(day.timestamp() * 1000), timezone)
        except InvalidSchedule:
            yield None


def _counts_from_now(when: str) -> InvalidSchedule:
    return InvalidSchedule(
        f"“{when}” means another time each time it is read, and a file is read again and again",
        hint="give the date (“2026-12-01 09:00”), or what recurs (“every day at 9am”)",
    )


def _definition(
    wanted: Wanted, place: str, owner: str | None, set_name: str, timezone: str, defaults: Mapping[str, Any], now: int
) -> Definition | list[Problem]:
    problems: list[Problem] = []
    fields = {**defaults, **wanted.fields}
    named = fields.get("timezone")
    try:
        timezone = zone(timezone if named is None else named).key
    except UnknownTimezone as error:
        problems.append(Problem(f"{place}.timezone", error.message, error.hint))
    schedule: Schedule = _ANY_SCHEDULE
    if wanted.when is None:
        problems.append(Problem(f"{place}.when", "it is missing", "such as “every weekday at 9:00”"))
    elif not problems:
        try:
            schedule = lasting_schedule(wanted.when, now, timezone)
        except InvalidInput as error:
            problems.append(Problem(f"{place}.when", error.message, error.hint))
    fields |= {"key": wanted.key, "owner": owner, "timezone": timezone, "schedule": schedule}
    try:
        fields = with_instants(fields, timezone)
    except InvalidInput as error:
        field, _, message = error.message.partition(": ")
        problems.append(Problem(f"{place}.{field}", message, error.hint))
        fields = {name: value for name, value in fields.items() if name not in INSTANTS}
    labels = fields.get("labels") or {}
    if isinstance(labels, Mapping):
        if LABEL in labels:
            problems.append(Problem(f"{place}.labels.{LABEL}", "this label is put on by apply", "`set` names it"))
        fields["labels"] = {**labels, LABEL: set_name}
    if isinstance(fields.get("retry_delays"), list):
        fields["retry_delays"] = tuple(fields["retry_delays"])
    try:
        definition = Definition.model_validate(fields, strict=True)
    except ValidationError as error:
        return problems + [_placed(problem, place) for problem in error.errors(include_url=False)]
    return problems or definition


def _placed(problem: Any, place: str) -> Problem:
    where = [str(part) for part in problem["loc"]]
    if not where:  # of several fields
        return Problem(place, problem_text(problem))
    name, colon, message = problem_text(problem).partition(": ")
    if not colon:
        message = name
    if problem["type"] == "missing":
        message = "it is missing"
    if where[0] == "owner":
        return Problem("owner", message)
    if where == ["labels", LABEL]:
        return Problem("set", message)
    if where[0] == "key":
        return Problem(place, f"a key like this cannot be: {message}")
    return Problem(".".join([place, *where]), message)


async def _plan(store: Store, wanted: Mapping[str, Definition], owner: str | None, limits: Limits) -> Applied:
    """What is to be done. What stands in the way of it is in `conflicts`."""
    plan = Applied([], [], [], [], [], dry_run=True)
    now = store.clock.now()
    for key, holder in (await _holders(store, list(wanted), owner)).items():
        definition, place = wanted[key], f"prompts.{key}"
        if isinstance(holder, Unreadable):
            hint = None if holder.newer else "`edit` with a text and a time repairs it, `cancel` removes it"
            problem = f"prompt {ids.short(holder.id)}, which has this key, cannot be read: {holder.error}"
            plan.conflicts.append(Problem(place, problem, hint))
        elif holder is not None and holder.status is PromptStatus.QUARANTINED:
            problem = f"prompt {ids.short(holder.id)}, which has this key, is quarantined"
            plan.conflicts.append(Problem(place, problem, "`doctor` says why, `edit` repairs it"))
        elif holder is not None and not holder.status.has_ended:
            schedule = kept_where_same(definition.schedule, holder.schedule)
            definition = definition.model_copy(update={"schedule": schedule})
            fields = changed_fields(holder, definition)
            if not fields:
                plan.unchanged.append(holder)
            elif RESCHEDULING & set(fields) and (nothing := _why_nothing_comes(place, definition, holder, now)):
                plan.conflicts.append(nothing)
            else:
                plan.changed.append(Changed(holder, definition, fields))
        elif holder is not None and holder.status is PromptStatus.EXECUTED and _is_over(holder, definition):
            plan.unchanged.append(holder)
        elif occurrences(definition, now, 1, ""):
            plan.created.append(Created(definition, None))
        else:
            plan.conflicts.append(_has_passed(place, definition, now))
    to_judge: list[tuple[Definition, ScheduledPrompt | None]] = [(made.definition, None) for made in plan.created]
    for definition, before in to_judge + [(change.after, change.before) for change in plan.changed]:
        try:
            check_interval(limits, definition, before)
        except LimitReached as error:
            plan.conflicts.append(Problem(f"prompts.{definition.key}.when", error.message, error.hint))
    return plan


async def _holders(store: Store, keys: Sequence[str], owner: str | None) -> dict[str, ReadPrompt]:
    """By key, the prompt that last had it."""
    holders = {key: await store.holder_of(owner, key) for key in keys}
    known = {prompt_id for prompt_id in holders.values() if prompt_id is not None}
    prompts = dict(zip(known, await store.read_prompts(list(known)), strict=True))
    return {key: None if holder is None else prompts[holder] for key, holder in holders.items()}


async def _no_longer_wanted(
    store: Store, wanted: Mapping[str, Definition], owner: str | None, set_name: str
) -> list[ScheduledPrompt]:
    """The owner's living prompts that this set brought and no longer has."""
    found: list[ScheduledPrompt] = []
    position: tuple[int, str] | None = None
    index = None if owner is None else ("owner", owner)
    while rows := await store.newest_ids(index, position, BATCH):
        position = (rows[-1][1], rows[-1][0])
        for prompt in await store.read_prompts([prompt_id for prompt_id, _ in rows]):
            if (
                isinstance(prompt, ScheduledPrompt)
                and not prompt.status.has_ended
                and (prompt.owner, prompt.labels.get(LABEL)) == (owner, set_name)
                and prompt.key not in wanted
            ):
                found.append(prompt)
    return found


async def _carry_out(scheduler: Scheduler, plan: Applied) -> Applied:
    done = Applied([], [], plan.unchanged, [], [], dry_run=False)
    for prompt in plan.cancelled:  # first: it makes room for others
        try:
            await scheduler.cancel(prompt.id)
            done.cancelled.append(prompt)
        except (Conflict, NotFound):
            continue  # it has ended by itself
    for definition, _ in plan.created:
        fields = {name: getattr(definition, name) for name in Definition.model_fields}
        text, schedule = fields.pop("text"), fields.pop("schedule")
        place = f"prompts.{definition.key}"
        try:
            answer = await scheduler.schedule(text, schedule, **fields)
        except LimitReached as error:
            done.conflicts.append(Problem(place, error.message, error.hint))
            continue
        if answer.created:
            done.created.append(Created(definition, answer.prompt))
        else:
            problem = f"prompt {ids.short(answer.prompt.id)} took this key meanwhile"
            done.conflicts.append(Problem(place, problem, "apply again"))
    for change in plan.changed:
        changes = {name: getattr(change.after, name) for name in change.fields}
        when = changes.pop("schedule", None)
        try:
            await scheduler.edit(change.before.id, version=change.before.version, when=when, **changes)
            done.changed.append(change)
        except (Conflict, NotFound, LimitReached) as error:
            done.conflicts.append(Problem(f"prompts.{change.after.key}", error.message, "apply again"))
    return done


def _why_nothing_comes(place: str, wanted: Definition, holder: ScheduledPrompt, now: int) -> Problem | None:
    try:
        first_of(wanted, holder, now)
    except InvalidInput as error:
        if error.message.startswith("max_fires"):
            return Problem(place, error.message, error.hint)
        return _has_passed(place, wanted, now)
    return None


def _is_over(executed: ScheduledPrompt, wanted: Definition) -> bool:
    """Whether it did what is wanted: all its fires, until the end, or its one moment."""
    if wanted.max_fires is not None and executed.fired >= wanted.max_fires:
        return True
    if wanted.end_at is not None and executed.end_at == wanted.end_at:
        return True
    return _same_instant(executed, wanted)


def _same_instant(one: Definition, other: Definition) -> bool:
    """Whether both are one-shots of the same moment."""
    if not isinstance(one.schedule, Once) or not isinstance(other.schedule, Once):
        return False
    first, second = (next_after(d.schedule, FIRST_INSTANT, timezone=d.timezone, seed="") for d in (one, other))
    return first == second


def _has_passed(place: str, definition: Definition, now: int) -> Problem:
    if definition.start_at is not None or definition.end_at is not None or definition.quiet_hours is not None:
        problem = nothing_to_come(definition, now)
        return Problem(place, problem.message, problem.hint)
    last = next_after(definition.schedule, FIRST_INSTANT, timezone=definition.timezone, seed="")
    said = "" if last is None else f" ({definition.local(last).isoformat(sep=' ', timespec='minutes')})"
    return Problem(
        f"{place}.when", f"its time has passed{said}, and it did not fire by this key", "give another, or take it out"
    )
