"""Is all well? Checks of the store, of who serves it, and of what lies in it, each with what would mend it.

A `problem` means that prompts are, or may be, lost or late; a `warning` that they could be; a `note` is good to know.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from scheduled_prompts import ids
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler import serving
from scheduled_prompts.store import Store
from scheduled_prompts.store.condition import ServerCondition
from scheduled_prompts.store.records import DaemonInfo
from scheduled_prompts.version import VERSION

OVERDUE_AFTER_MS = 5_000
LEASE_FORGOTTEN_AFTER_MS = 120_000
CLOCK_TOLERANCE_MS = 1_000
NEARLY_FULL = 0.9
SHOWN = 10
PAGE = 500

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
    """All checks; `quick`: those that cost nothing. `here`: a daemon of this machine must live.

    Raises StoreUnreachable, StoreUnusable.
    """
    began = store.clock.exactly_now()
    condition = await store.condition()
    took = store.clock.exactly_now() - began
    where = store.description if condition.name in store.description else f"{condition.name} at {store.description}"
    found = [Finding("store", Level.OK, f"{where} answers within {took:.1f} ms")]
    found += [persistence(condition, remembers=store.remembers), memory(condition)]
    found.append(await _clock(store))
    alive = await serving.daemons(store)
    armed = sum([await store.count("status", status) for status in PromptStatus if status.is_armed])
    found.append(daemons(alive, armed, here=here, needed=quick))
    found.append(await _overdue(store))
    found.append(await _leases(store))
    found.append(await _quarantine(store))
    if not quick:
        if alive:
            found.append(await _unserved(store, alive, armed, progress))
        found += await _indexes(store, repair=repair, progress=progress)
    return found


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
    if condition.eviction not in (None, "noeviction"):
        return Finding(
            name,
            Level.PROBLEM,
            f"at {_size(limit)} this server throws keys away ({condition.eviction}), prompts among them",
            "CONFIG SET maxmemory-policy noeviction, then CONFIG REWRITE",
        )
    if used is not None and used > NEARLY_FULL * limit:
        return Finding(name, Level.WARNING, f"{_size(used)} of {_size(limit)} used: soon nothing more can be added")
    return Finding(name, Level.OK, f"{_size(used or 0)} of {_size(limit)} used, and nothing is thrown away")


def daemons(alive: Sequence[DaemonInfo], armed: int, *, here: bool, needed: bool) -> Finding:
    """Does anybody fire what is due, and is it the same release everywhere?"""
    name, hint = "daemons", "scheduled-prompts serve"
    host = socket.gethostname()
    if here and not any(daemon.host == host for daemon in alive):
        return Finding(name, Level.PROBLEM, f"no daemon runs on {host}", hint)
    if not alive:
        level = Level.PROBLEM if armed or needed else Level.WARNING
        return Finding(name, level, f"no daemon runs: nothing fires ({_many(armed, 'prompt')} to come)", hint)
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
        f"{_many(counted.due, 'prompt')} overdue, the oldest, {ids.short(prompt)}, by {(now - due) / 1000:,.0f} s",
        "does a daemon run that serves them, and has it free slots? `stats` shows it",
    )


async def _leases(store: Store) -> Finding:
    look = await store.look(overdue=0, serves=serving.EVERYTHING, page=0)
    now = store.clock.now()
    waiting = f"{_many(look.ready, 'fire')} ready"
    if look.first_lease is not None and look.first_lease < now - LEASE_FORGOTTEN_AFTER_MS:
        lost = (now - look.first_lease) / 1000
        return Finding(
            "fires",
            Level.PROBLEM,
            f"a fire whose daemon was lost {lost:,.0f} s ago was not taken over; {waiting}",
            "a daemon takes it over once it has run for one lease: does one?",
        )
    return Finding("fires", Level.OK, f"{waiting}, none lost")


async def _quarantine(store: Store) -> Finding:
    found = await store.quarantined()
    if not found:
        return Finding("quarantine", Level.OK, "no record was set aside")
    details = tuple(f"{ids.short(one.id)}: {one.error}" for one in found[:SHOWN])
    more = (f"… and {len(found) - SHOWN} more",) if len(found) > SHOWN else ()
    return Finding(
        "quarantine",
        Level.PROBLEM,
        f"{_many(len(found), 'record')} cannot be read or computed, and will not fire",
        "`edit` repairs one (--text, --when, --force), `cancel` removes it",
        details + more,
    )


async def _unserved(store: Store, alive: Sequence[DaemonInfo], armed: int, progress: Progress | None) -> Finding:
    unserved: Counter[tuple[str, str]] = Counter()
    seen = 0
    for status in PromptStatus:
        offset = 0
        while status.is_armed and (rows := await store.oldest_ids(status, offset, PAGE)):
            for prompt in await store.read_prompts([prompt_id for prompt_id, _ in rows]):
                if isinstance(prompt, ScheduledPrompt):
                    pair = (prompt.platform, prompt.runner)
                    if not any(daemon.serves.includes(*pair) for daemon in alive):
                        unserved[pair] += 1
            offset += len(rows)
            seen += len(rows)
            if progress is not None:
                progress(min(seen, armed), armed)
    if not unserved:
        return Finding("served", Level.OK, "every prompt has a daemon that serves it")
    return Finding(
        "served",
        Level.PROBLEM,
        f"no live daemon serves {_many(sum(unserved.values()), 'prompt')}",
        "put [runners.<name>] into a daemon's configuration, or start one for the platform",
        tuple(f"{count:,} × runner {runner} on platform {platform}" for (platform, runner), count in unserved.items()),
    )


async def _indexes(store: Store, *, repair: bool, progress: Progress | None) -> list[Finding]:
    found = await store.inspect(progress)
    if not found:
        return [Finding("indexes", Level.OK, "every index agrees with the records")]
    mended = [await store.repair(one) for one in found] if repair else []
    shown = tuple(one.message for one in found[:SHOWN])
    more = (f"… and {len(found) - SHOWN} more",) if len(found) > SHOWN else ()
    if repair and all(mended):
        return [Finding("indexes", Level.NOTE, f"{_many(len(found), 'disagreement')} repaired", None, shown + more)]
    left = len(found) - sum(mended)
    return [
        Finding(
            "indexes",
            Level.PROBLEM,
            f"{_many(left, 'disagreement')} between indexes and records",
            "doctor --repair mends what follows from the records",
            shown + more,
        )
    ]


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
