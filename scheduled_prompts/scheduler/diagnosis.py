"""Is all well? Checks of the store, of who serves it, and of what lies in it, each with what would mend it.

A `problem` means that prompts are, or may be, lost or late; a `warning` that they could be; a `note` is good to know.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from scheduled_prompts import ids
from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.scheduler import serving
from scheduled_prompts.store import Store
from scheduled_prompts.store.condition import ServerCondition
from scheduled_prompts.store.halting import Halt
from scheduled_prompts.store.inspection import Inconsistency
from scheduled_prompts.store.records import EVERYTHING, DaemonInfo, Unreadable
from scheduled_prompts.store.transport import WRONG_TYPE
from scheduled_prompts.version import VERSION

START_ONE = "scheduled-prompts serve"
OVERDUE_AFTER_MS = 5_000
LEASE_FORGOTTEN_AFTER_MS = 120_000
CLOCK_TOLERANCE_MS = 1_000
NEARLY_FULL = 0.9
SHOWN = 10
LENGTHS = (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))
ROUNDS = 3
"""How often is repaired at most: what a key of the wrong type hid shows when it is gone."""

Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """What one check found. `hint` is what would mend it."""

    check: str
    level: Level
    message: str
    hint: str | None = None
    details: tuple[str, ...] = ()


async def examine(store: Store, *, quick: bool, here: bool, repair: bool, progress: Progress | None) -> list[Finding]:
    """All checks; `quick`: those that cost nothing. `here`: a daemon of this machine must live. `repair`: what can be
    mended is mended first, and what is told is how things are then.

    Raises StoreUnreachable, StoreUnusable.
    """
    disagreements: list[Finding] = []
    if repair and not quick:
        disagreements = await _indexes(store, repair=True, progress=_part(progress, 0))
    began = store.clock.exactly_now()
    condition = await store.condition()
    took = store.clock.exactly_now() - began
    where = store.description if condition.name in store.description else f"{condition.name} at {store.description}"
    found = [Finding("store", Level.OK, f"{where} answers within {took:.1f} ms")]
    found += [persistence(condition, remembers=store.remembers), memory(condition)]
    found.append(await _clock(store))
    alive = await serving.daemons(store)
    found += await _readable("daemons", _daemons(store, alive, here=here))
    if halt := await store.halt():
        found.append(_stopped(halt, store.clock.now()))
    found += await _readable("due", _overdue(store))
    found += await _readable("fires", _leases(store))
    found += await _readable("approvals", _approvals(store))
    if quick:
        return [*found, *await _readable("quarantine", _quarantine(store))]
    found += await _readable(
        "records", _all_records(store, alive, repair=repair, progress=_part(progress, int(repair)))
    )
    if not repair:
        disagreements = await _indexes(store, repair=False, progress=_part(progress, 1))
    return [*found, *disagreements]


async def _readable(name: str, check: Awaitable[Finding | list[Finding]]) -> list[Finding]:
    """What a check finds: that it cannot look, where a key that it looks at is of the wrong type."""
    try:
        found = await check
    except StoreUnusable as error:
        if WRONG_TYPE not in error.message:
            raise
        said = "this cannot be told: a key is of the wrong type, see `indexes`"
        return [Finding(name, Level.PROBLEM, said, "doctor --repair mends what follows from the records")]
    return found if isinstance(found, list) else [found]


async def _daemons(store: Store, alive: Sequence[DaemonInfo], *, here: bool) -> Finding:
    armed = sum([await store.count("status", status) for status in PromptStatus if status.is_armed])
    return daemons(alive, armed, here=here)


async def _all_records(
    store: Store, alive: Sequence[DaemonInfo], *, repair: bool, progress: Progress | None
) -> list[Finding]:
    """What reads every prompt that is to fire."""
    read = await _read_all(store, progress)
    found = [await _records(store, read.unreadable, repair=repair), await _quarantine(store)]
    return [*found, unserved(read.waiting, alive)] if alive else found


def persistence(condition: ServerCondition, *, remembers: bool) -> Finding:
    """Would what is stored survive a restart of the server, and a crash?"""
    name = "persistence"
    if not remembers:
        return Finding(
            name, Level.PROBLEM, "memory: forgets everything when its process ends", "use embedded: or redis://"
        )
    if condition.failing:
        what = " and the ".join(condition.failing)
        return Finding(
            name, Level.PROBLEM, f"the last write of the {what} failed", "is the disk full? see the server's log"
        )
    if condition.appendonly is None and condition.save is None:
        return Finding(name, Level.NOTE, "this server does not tell whether it keeps anything on disk")
    if condition.appendonly:
        if condition.appendfsync == "always":
            return Finding(name, Level.OK, "every write is on disk before it is answered")
        lost = "up to a second" if condition.appendfsync == "everysec" else "what the system had not written yet"
        return Finding(name, Level.OK, f"writes go to an append-only file; a power cut may lose {lost}")
    if condition.save is None:
        said = "nothing goes to an append-only file, and this server does not tell whether it makes snapshots"
        return Finding(name, Level.WARNING, said, "have whoever runs it turn on its append-only file (AOF)")
    if condition.save:
        return Finding(
            name,
            Level.WARNING,
            f"only snapshots (save {condition.save}): a crash loses what came after the last one",
            "CONFIG SET appendonly yes, then CONFIG REWRITE",
        )
    return Finding(
        name,
        Level.PROBLEM,
        "this Redis forgets everything on restart",
        "CONFIG SET appendonly yes, then CONFIG REWRITE",
    )


def memory(condition: ServerCondition) -> Finding:
    """May the server throw prompts away, or refuse them, for want of memory?"""
    name, limit, used = "memory", condition.maxmemory, condition.used_memory
    if not limit:
        said = "" if used is None else f"{_size(used)} used, "
        return Finding(name, Level.OK, f"{said}without a limit")
    volatile = (condition.eviction or "").startswith("volatile-")
    if condition.eviction not in (None, "noeviction") and not volatile:
        return Finding(
            name,
            Level.PROBLEM,
            f"at {_size(limit)} this server throws keys away ({condition.eviction}), prompts among them",
            "CONFIG SET maxmemory-policy noeviction, then CONFIG REWRITE",
        )
    more = "CONFIG SET maxmemory to more, or `cleanup --days` with fewer"
    if used is not None and used >= limit:
        return Finding(name, Level.PROBLEM, f"all of {_size(limit)} used: nothing can be written", more)
    if volatile:
        return Finding(
            name,
            Level.WARNING,
            f"at {_size(limit)} this server throws away what is to expire ({condition.eviction}): no prompt, but what "
            "keeps a command that is sent again from being carried out twice",
            "CONFIG SET maxmemory-policy noeviction, then CONFIG REWRITE",
        )
    if used is not None and used > NEARLY_FULL * limit:
        said = f"{_size(used)} of {_size(limit)} used: soon nothing more can be added"
        return Finding(name, Level.WARNING, said, more)
    return Finding(name, Level.OK, f"{_size(used or 0)} of {_size(limit)} used, and nothing is thrown away")


def daemons(alive: Sequence[DaemonInfo], armed: int, *, here: bool) -> Finding:
    """Does anybody fire what is due, and is it the same release everywhere?"""
    name, hint = "daemons", START_ONE
    host = socket.gethostname()
    if here and not any(daemon.host == host for daemon in alive):
        return Finding(name, Level.PROBLEM, f"no daemon runs on {host}", hint)
    if not alive:
        return Finding(name, Level.PROBLEM, f"no daemon runs: nothing fires ({_many(armed, 'prompt')} to come)", hint)
    details = tuple(
        f"{daemon.id}, {daemon.version}, {daemon.running} of {daemon.slots} slots, runners {', '.join(daemon.runners)}"
        for daemon in alive
    )
    versions = sorted({daemon.version for daemon in alive})
    if len(versions) > 1 or versions != [VERSION]:
        said = f"{len(alive)} run {', '.join(versions)}, and this command is {VERSION}"
        return Finding(name, Level.WARNING, said, "let all be of one release", details)
    return Finding(name, Level.OK, f"{len(alive)} {'lives' if len(alive) == 1 else 'live'}, {VERSION}", None, details)


async def _clock(store: Store) -> Finding:
    if store.clock.virtual:
        return Finding("clock", Level.NOTE, "this store was made for virtual time")
    offset = await store.clock.measure(store.transport.server_time)
    if abs(offset) > CLOCK_TOLERANCE_MS:
        word = "behind" if offset > 0 else "ahead of"
        return Finding(
            "clock",
            Level.WARNING,
            f"this machine's clock is {abs(offset) / 1000:.1f} s {word} the server's, whose time counts",
            "is NTP running on both?",
        )
    return Finding("clock", Level.OK, f"within {abs(offset):.0f} ms of the server's")


async def _overdue(store: Store) -> Finding:
    now = store.clock.now()
    counted = await store.counts(due_by=now - OVERDUE_AFTER_MS, windows=[], with_lateness=0)
    if not counted.due or counted.first_due is None:
        return Finding("due", Level.OK, "nothing is overdue")
    prompt, due = counted.first_due
    return Finding(
        "due",
        Level.PROBLEM,
        f"{_many(counted.due, 'prompt')} overdue, {ids.short(prompt)} by {_length(now - due)}",
        "does a daemon run that serves them, and has it free slots? `stats` shows it. What catches up waits its turn",
    )


async def _leases(store: Store) -> Finding:
    look = await store.look(overdue=0, serves=EVERYTHING, page=0)
    now = store.clock.now()
    waiting = f"{_many(look.ready, 'fire')} ready"
    if look.first_lease is not None and look.first_lease < now - LEASE_FORGOTTEN_AFTER_MS:
        lost = _length(now - look.first_lease)
        return Finding(
            "fires",
            Level.PROBLEM,
            f"a fire whose daemon was lost {lost} ago was not taken over; {waiting}",
            "a daemon takes it over once it has run for one lease: does one?",
        )
    return Finding("fires", Level.OK, f"{waiting}, none lost")


def _stopped(halt: Halt, now: int) -> Finding:
    by = f" by {halt.by}" if halt.by else ""
    note = f": {halt.note}" if halt.note else ""
    return Finding(
        "stopped",
        Level.WARNING,
        f"all was stopped {_length(now - halt.at)} ago{by}{note}; nothing is started",
        "scheduled-prompts start-all lets all go on",
    )


async def _approvals(store: Store) -> Finding:
    """Does anything wait for a person, and is it seen to that it does not wait for ever?"""
    name, now = "approvals", store.clock.now()
    waiting, first = await store.approvals()
    if first is None:
        return Finding(name, Level.OK, "nothing waits for approval")
    prompt, until = first
    hint = f"list --status {PromptStatus.PENDING_APPROVAL.value} shows them; approve or reject decides"
    wait = "waits" if waiting == 1 else "wait"
    said = (
        f"{_many(waiting, 'prompt')} {wait} for approval, {ids.short(prompt)} for {_length(until - now)} more at most"
    )
    if until < now - OVERDUE_AFTER_MS:
        late = _length(now - until)
        said = f"{ids.short(prompt)} should have been cancelled {late} ago: nobody approved it ({waiting:,} {wait})"
        return Finding(name, Level.WARNING, said, f"a daemon's sweep does that: {START_ONE}")
    return Finding(name, Level.NOTE, said, hint)


async def _quarantine(store: Store) -> Finding:
    found = await store.quarantined()
    if not found:
        return Finding("quarantine", Level.OK, "no record was set aside")
    name = ids.short(found[0].id)
    return Finding(
        "quarantine",
        Level.PROBLEM,
        f"{_many(len(found), 'record')} cannot be read or computed, and will not fire",
        f"scheduled-prompts edit {name} --force --text … --when … repairs it, cancel {name} ends it",
        _some([f"{ids.short(one.id)}: {one.error}" for one in found]),
    )


class Waiting(NamedTuple):
    """Prompts of one platform and runner that wait for their time."""

    number: int
    first: str
    """The id of one of them."""


class _Read(NamedTuple):
    waiting: dict[tuple[str, str], Waiting]
    """By platform and runner."""
    unreadable: list[Unreadable]


async def _read_all(store: Store, progress: Progress | None) -> _Read:
    """What is to fire, or to be resumed."""
    read = _Read({}, [])
    rests = (PromptStatus.PAUSED, PromptStatus.PENDING_APPROVAL)
    wanted = [status for status in PromptStatus if status.is_armed or status in rests]
    total = sum([await store.count("status", status) for status in wanted])
    seen = 0
    for status in wanted:
        async for page in store.pages_of(status):
            for prompt in page:
                if isinstance(prompt, Unreadable):
                    read.unreadable.append(prompt)
                elif prompt is not None and prompt.status.is_armed:
                    pair = (prompt.platform, prompt.runner)
                    before = read.waiting.get(pair, Waiting(0, prompt.id))
                    read.waiting[pair] = before._replace(number=before.number + 1)
            seen += len(page)
            if progress is not None:
                progress(min(seen, total), total)
    return read


def unserved(waiting: Mapping[tuple[str, str], Waiting], alive: Sequence[DaemonInfo]) -> Finding:
    """Is there a daemon for everything that waits? By platform and runner."""
    left = [
        (pair, prompts)
        for pair, prompts in waiting.items()
        if not any(daemon.serves.includes(*pair) for daemon in alive)
    ]
    if not left:
        return Finding("served", Level.OK, "every prompt has a daemon that serves it")
    return Finding(
        "served",
        Level.PROBLEM,
        f"no live daemon serves {_many(sum(prompts.number for _, prompts in left), 'prompt')}",
        "put [runners.<name>] into a daemon's configuration, or start one for the platform",
        _some(
            [
                f"{prompts.number:,} × runner {runner} on platform {platform}, such as {ids.short(prompts.first)}"
                for (platform, runner), prompts in sorted(left, key=lambda one: (-one[1].number, one[0]))
            ]
        ),
    )


async def _records(store: Store, unreadable: Sequence[Unreadable], *, repair: bool) -> Finding:
    name = "records"
    broken = [record for record in unreadable if not record.newer]
    details = _some([f"{ids.short(record.id)}: {record.error}" for record in broken])
    if broken and not repair:
        said = f"{_many(len(broken), 'record')} cannot be read, and will be set aside when due"
        return Finding(name, Level.PROBLEM, said, "doctor --repair sets them aside now; then edit or cancel", details)
    for record in broken:
        await store.quarantine(record, record.error)
    if broken:
        return Finding(name, Level.NOTE, f"{_many(len(broken), 'record')} set aside", None, details)
    if unreadable:
        said = f"{_many(len(unreadable), 'prompt')} of a newer release, which a newer daemon fires"
        return Finding(name, Level.NOTE, said, None, _some([ids.short(record.id) for record in unreadable]))
    return Finding(name, Level.OK, "everything that is to fire can be read")


async def _indexes(store: Store, *, repair: bool, progress: Progress | None) -> list[Finding]:
    left, mended = await store.inspect(progress), list[Inconsistency]()
    for _ in range(ROUNDS if repair else 0):
        sound = [one for one in left if await store.repair(one)]
        if not sound:
            break
        mended += sound
        left = await store.inspect()
    unknown = [one for one in left if one.kind == "unknown_key"]
    wrong = [one for one in left if one.kind != "unknown_key"]
    found = [_disagreements(wrong, mended, repaired=repair)]
    if unknown:
        said = f"{_many(len(unknown), 'key')} that this release does not know, and leaves alone"
        found.append(Finding("keys", Level.NOTE, said, None, _some([one.what for one in unknown])))
    return found


def _disagreements(left: Sequence[Inconsistency], mended: Sequence[Inconsistency], *, repaired: bool) -> Finding:
    name = "indexes"
    if left:
        hint = "doctor --repair mends what follows from the records"
        if repaired:
            hint = "what is left does not follow from the records: docs/operating.md"
        said = f"{_many(len(left), 'disagreement')} between indexes and records"
        return Finding(name, Level.PROBLEM, said, hint, _some([one.message for one in left]))
    if mended:
        said = f"{_many(len(mended), 'disagreement')} repaired"
        return Finding(name, Level.NOTE, said, None, _some([one.message for one in mended]))
    return Finding(name, Level.OK, "every index agrees with the records")


def _some(lines: Sequence[str]) -> tuple[str, ...]:
    more = (f"… and {len(lines) - SHOWN:,} more",) if len(lines) > SHOWN else ()
    return (*lines[:SHOWN], *more)


def _part(progress: Progress | None, which: int) -> Progress | None:
    """Of what is done in two passes, the progress of one."""
    if progress is None:
        return None
    return lambda done, total: progress(which * total + done, 2 * total)


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _length(ms: int) -> str:
    """How long, roughly: 90 s, 5 min, 30 h, 4 days."""
    unit = next((unit for unit in LENGTHS if ms >= 2 * unit[1]), LENGTHS[-1])
    return f"{ms // unit[1]:,} {unit[0]}"


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
