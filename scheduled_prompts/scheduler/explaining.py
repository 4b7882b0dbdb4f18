"""Reading what an account is made of, and the two questions to it: what became of all, and why not then?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from scheduled_prompts.errors import InvalidInput, StoreUnusable
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import latest_between, next_after
from scheduled_prompts.scheduler import serving
from scheduled_prompts.scheduler.account import Cause, Era, Row, account, end_of, eras_of
from scheduled_prompts.scheduler.answers import UPCOMING
from scheduled_prompts.scheduler.changing import read_whole
from scheduled_prompts.scheduler.conduct import conduct
from scheduled_prompts.scheduler.moments import span_named
from scheduled_prompts.scheduler.sentences import nothing_named, sentence
from scheduled_prompts.store import Store
from scheduled_prompts.store.halting import Halt
from scheduled_prompts.store.records import Span
from scheduled_prompts.upcoming import due_at, occurrences

WEEK_MS = 7 * 86_400_000
TRIES = 5
Moment = str | datetime | int
"""Text in any zone's notation (in the prompt's zone where it names none), a datetime, or ms UTC."""


class Explained(NamedTuple):
    """The answer to `explain`: the account of the occurrences with a nominal time in [since, until), ms UTC."""

    prompt: ScheduledPrompt
    since: int
    until: int
    now: int
    rows: list[Row]
    conduct: list[str]
    """What agents did in its fires beside their work: what they made, and what they were refused. Sentences."""
    ended: Cause | None = None
    """Why nothing is to come of it any more; None while it is not over."""


class Why(NamedTuple):
    """The answer to `why`: in one sentence, what became of the occurrence `at` (ms UTC). `row` is None where the
    schedule names none then; `nearest` are the occurrences beside it."""

    prompt: ScheduledPrompt
    at: int
    now: int
    sentence: str
    row: Row | None
    nearest: list[int]


class _Life(NamedTuple):
    """All that an account is made of, but for the fires."""

    prompt: ScheduledPrompt
    spans: Sequence[Span]
    halts: Sequence[Halt]
    overdue: Cause
    now: int


async def explain(store: Store, prompt_id: str, since: Moment | None, until: Moment | None) -> Explained:
    for _ in range(TRIES):
        life = await _read(store, prompt_id)
        first, end = _range(life.prompt, life.now, since, until)
        fires = await _fires(store, prompt_id, first, end)
        if await _is_still(store, life.prompt):
            told = conduct(life.prompt, life.spans, first, end)
            rows, ended = _account(life, fires, first, end), end_of(life.prompt, life.spans)
            return Explained(life.prompt, first, end, life.now, rows, told, ended)
    raise StoreUnusable(f"prompt {prompt_id} changes too fast to be explained", hint="try again")


async def why(store: Store, prompt_id: str, at: Moment) -> Why:
    for _ in range(TRIES):
        life = await _read(store, prompt_id)
        first, width = span_named(life.prompt, at)
        # An occurrence may be meant by the time when it was due, or ran.
        nominal = await _nominal_of(store, life, first, first + width)
        fires = await _fires(store, prompt_id, nominal or first, (nominal or first) + width)
        if await _is_still(store, life.prompt):
            return _why(life, fires, first, width, nominal)
    raise StoreUnusable(f"prompt {prompt_id} changes too fast to be explained", hint="try again")


async def _read(store: Store, prompt_id: str) -> _Life:
    prompt = await read_whole(store, prompt_id)
    spans = await store.spans(prompt_id)
    halts = await store.halts()
    now = store.clock.now()
    overdue = Cause("overdue")
    if prompt.status.is_armed and prompt.next_at is not None and prompt.next_at <= now:
        overdue = await _why_overdue(store, prompt, halts)
    return _Life(prompt, spans, halts, overdue, now)


async def _is_still(store: Store, prompt: ScheduledPrompt) -> bool:
    """Whether the prompt is as it was read, before its fires and spans were."""
    again = await read_whole(store, prompt.id)
    return (again.version, again.seq) == (prompt.version, prompt.seq)


async def _why_overdue(store: Store, prompt: ScheduledPrompt, halts: Sequence[Halt]) -> Cause:
    if halts and halts[-1].until is None:
        return Cause("overdue", "halted", halts[-1].note or None, halts[-1].at, actor=halts[-1].by or None)
    unserved = await serving.why_unserved(store, prompt)
    if unserved is None and prompt.misfire == "all" and prompt.last_fire is not None:
        [last] = await store.read_fires([prompt.last_fire])
        if isinstance(last, Fire) and not last.status.has_ended:
            return Cause("overdue", "in_turn")
    return Cause("overdue", unserved)


async def _fires(store: Store, prompt_id: str, first: int, end: int) -> list[Fire]:
    found = await store.read_fires(await store.fires_between(prompt_id, first, end))
    return [fire for fire in found if isinstance(fire, Fire)]


def _range(prompt: ScheduledPrompt, now: int, since: Moment | None, until: Moment | None) -> tuple[int, int]:
    first = max(prompt.created_at, now - WEEK_MS) if since is None else span_named(prompt, since)[0]
    if until is not None:
        end, width = span_named(prompt, until)
        end += 1 if width == 1 else 0
    else:
        end = max(now, first, _last_to_come(prompt, now)) + 1
    if end <= first:
        times = [prompt.local(ms).isoformat(sep=" ") for ms in (first, end)]
        raise InvalidInput(f"nothing lies between since {times[0]} and until {times[1]}")
    return first, end


def _last_to_come(prompt: ScheduledPrompt, now: int) -> int:
    """The last of the next occurrences that are told; of what waits for approval, those that it would have."""
    waits = prompt.status is PromptStatus.PENDING_APPROVAL
    if not (prompt.status.is_armed or waits) or prompt.next_nominal is None:
        return now
    following = occurrences(prompt, max(now, prompt.next_nominal - 1), UPCOMING, prompt.id)
    return following[-1].nominal if following else now


def _account(life: _Life, fires: Sequence[Fire], first: int, end: int) -> list[Row]:
    return account(
        life.prompt, fires, life.spans, since=first, until=end, now=life.now, halts=life.halts, overdue=life.overdue
    )


async def _nominal_of(store: Store, life: _Life, first: int, end: int) -> int | None:
    """The occurrence that somebody means by a time: its nominal one, or else when it was due or started."""
    prompt = life.prompt
    era = _era_at(life, first)
    if era.definition is not None and _next(era.definition, prompt.id, first - 1, end) is not None:
        return first
    around = await _fires(store, prompt.id, first - WEEK_MS // 7, end)
    if any(first <= fire.nominal < end for fire in around):
        return first
    for fire in around:
        if first <= fire.due < end or (fire.started_at is not None and first <= fire.started_at < end):
            return fire.nominal
    if prompt.next_nominal is not None and prompt.jitter_ms and prompt.status.is_armed:
        nominal = _next(prompt, prompt.id, first - prompt.jitter_ms - 1, end)
        while nominal is not None:
            if first <= due_at(prompt, nominal) < end:
                return nominal
            nominal = _next(prompt, prompt.id, nominal, end)
    return None


def _why(life: _Life, fires: Sequence[Fire], first: int, width: int, nominal: int | None) -> Why:
    prompt = life.prompt
    start = first if nominal is None else nominal
    rows = _account(life, fires, start, start + width)
    row = next((row for row in rows if row.first == start), rows[0] if rows else None)
    nearest = _nearest(life, first, first + width)
    if row is None or row.outcome == "unknown":
        names_it_now = _next(prompt, prompt.id, first - 1, first + width) is not None
        said = nothing_named(_era_at(life, first), first, nearest, prompt.timezone, names_it_now=names_it_now)
    else:
        named = sum(row.number for row in rows if row.fire is None or row.fire.trigger == "schedule")
        [row] = _account(life, [fire for fire in fires if fire is row.fire], row.first, row.first + 1)[:1]
        said = sentence(row, prompt.timezone, life.now)
        if named > 1:  # seconds would tell them apart
            said = f"{said.removesuffix('.')}; it is the first of {named:,} named then."
    return Why(prompt, first, life.now, said, row, nearest)


def _eras(life: _Life) -> list[Era]:
    return eras_of(life.prompt, life.spans, life.halts, now=life.now, overdue=life.overdue)


def _era_at(life: _Life, at: int) -> Era:
    """The era whose schedule counted at a time."""
    return next(era for era in _eras(life) if at <= era.until)


def _nearest(life: _Life, first: int, end: int) -> list[int]:
    """The occurrence before, and the one behind, of the schedules that counted then."""
    before: int | None = None
    behind: int | None = None
    for era in _eras(life):
        if era.definition is None:
            continue
        schedule, zone = era.definition.schedule, era.definition.timezone
        start = max(era.first, life.prompt.created_at) - 1
        latest = latest_between(schedule, start, min(first, era.end) - 1, timezone=zone, seed=life.prompt.id)
        before = before if latest is None else latest
        if behind is None:
            behind = _next(era.definition, life.prompt.id, max(end - 1, start), era.end)
    return [nominal for nominal in (before, behind) if nominal is not None]


def _next(definition: Definition, seed: str, after: int, end: int) -> int | None:
    nominal = next_after(definition.schedule, after, timezone=definition.timezone, seed=seed)
    return nominal if nominal is not None and nominal < end else None
