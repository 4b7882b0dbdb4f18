"""How things stand, in numbers: `Stats`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.schedule import zone
from scheduled_prompts.scheduler import serving
from scheduled_prompts.scheduler.spending import Spending, of_everything
from scheduled_prompts.store import Store
from scheduled_prompts.store.counts import WINDOW_MS, Window
from scheduled_prompts.store.halting import Halt
from scheduled_prompts.store.records import DaemonInfo

HOUR_MS = 3_600_000
HOURS = 24
LAST_HOUR = HOUR_MS // WINDOW_MS
"""Windows: the one that is under way and eleven before it, so 55 to 60 minutes."""
FAILURES = ("failed", "timed_out", "interrupted")
BUCKETS_TO_A_DOUBLING = 8

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Due(NamedTuple):
    """A prompt, and when it is due (ms UTC)."""

    prompt_id: str
    at: int


class Ended(NamedTuple):
    """How many fires ended, by how. `failed`: failed, timed out or interrupted; `other`: cancelled, skipped, missed."""

    succeeded: int = 0
    failed: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return self.succeeded + self.failed + self.other


class Hour(NamedTuple):
    """What ended in an hour of the scheduler's zone. `start` is ms UTC; the last hour is under way."""

    start: int
    ended: Ended


class Lateness(NamedTuple):
    """How late fires first started, of those of which an attempt ended in the last hour; ms, None where none did.

    Half of them, and 99 of 100, started no later than this. Exact up to 14 ms; above, what is said is at most 9.1 %
    more than the exact figure (nearest rank), never less.
    """

    started: int
    p50: int | None
    p99: int | None


class Stats(NamedTuple):
    at: int
    timezone: str
    by_status: Mapping[str, int]
    """Prompts, by status; all statuses are named."""
    due_now: int
    """Prompts whose time has come and that nobody has claimed yet."""
    oldest_due: Due | None
    """Of these the one that waits the longest."""
    next_due: Due | None
    """What comes next, where nothing is due now."""
    waiting: int
    running: int
    retrying: int
    last_hour: Ended
    lateness: Lateness
    hours: Sequence[Hour]
    """The last 24, oldest first."""
    daemons: Sequence[DaemonInfo]
    halt: Halt | None = None
    """All is stopped."""
    spending: Spending | None = None
    """What was spent, by everything."""

    @property
    def quarantined(self) -> int:
        return self.by_status[PromptStatus.QUARANTINED]


async def read_stats(store: Store, timezone: str, budgets: Budgets) -> Stats:
    now = store.clock.now()
    starts = hours_until(now, timezone)
    first = starts[0] // WINDOW_MS * WINDOW_MS
    counted = await store.counts(due_by=now, windows=range(first, now + 1, WINDOW_MS), with_lateness=LAST_HOUR)
    recent = counted.windows[-LAST_HOUR:]
    first_due = None if counted.first_due is None else Due(*counted.first_due)
    is_due = first_due is not None and first_due.at <= now
    return Stats(
        at=now,
        timezone=timezone,
        by_status=counted.by_status,
        due_now=counted.due,
        oldest_due=first_due if is_due else None,
        next_due=None if is_due else first_due,
        waiting=counted.ready,
        running=counted.running,
        retrying=counted.retrying,
        last_hour=_ended(recent),
        lateness=_lateness(recent),
        hours=[
            Hour(start, _ended(window for window in counted.windows if start <= window.start < end))
            for start, end in zip(starts, [*starts[1:], now + 1], strict=True)
        ],
        daemons=await serving.daemons(store),
        halt=await store.halt(),
        spending=await of_everything(store, budgets),
    )


def hours_until(now: int, timezone: str) -> list[int]:
    """When the last 24 hours of a zone's clock began (ms UTC), the present one last."""
    starts: list[int] = []
    moment = now
    while len(starts) < HOURS:
        offset = (_EPOCH + timedelta(milliseconds=moment)).astimezone(zone(timezone)).utcoffset() or timedelta()
        offset_ms = offset // timedelta(milliseconds=1)
        start = (moment + offset_ms) // HOUR_MS * HOUR_MS - offset_ms
        starts.append(start)
        moment = start - 1
    return starts[::-1]


def percentile(buckets: Mapping[int, int], share: float) -> int | None:
    """The lateness (ms) that this share of all does not exceed, rounded up to the end of its bucket."""
    left = math.ceil(share * sum(buckets.values()))
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        if left <= 0:
            return _last_of(bucket)
    return None


def _last_of(bucket: int) -> int:
    """The greatest number of ms that falls into a bucket: floor(8 · log2(ms + 1))."""
    end: float = 2 ** ((bucket + 1) / BUCKETS_TO_A_DOUBLING)
    return math.ceil(end - 1e-6) - 2


def _lateness(windows: Iterable[Window]) -> Lateness:
    buckets: dict[int, int] = {}
    for window in windows:
        for bucket, count in window.late.items():
            buckets[bucket] = buckets.get(bucket, 0) + count
    return Lateness(sum(buckets.values()), percentile(buckets, 0.5), percentile(buckets, 0.99))


def _ended(windows: Iterable[Window]) -> Ended:
    by_status: dict[str, int] = {}
    for window in windows:
        for status, count in window.ended.items():
            by_status[status] = by_status.get(status, 0) + count
    succeeded = by_status.pop("succeeded", 0)
    failed = sum(by_status.pop(status, 0) for status in FAILURES)
    return Ended(succeeded, failed, sum(by_status.values()))
