"""What became of every occurrence: the account of a prompt, complete by construction. Pure.

A prompt's life is a row of *eras*, one for each schedule it had. An era is cut into *stretches* of nominal time, each
with the one cause that kept its occurrences from firing; what lies in none was deleted by retention, or is not
accounted for, which must never be. An occurrence that has a fire is told by it, and by nothing else: so each is told
once.

Instants are ms UTC. Where not said otherwise they are nominal times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from pydantic import ValidationError

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt, read_timing
from scheduled_prompts.schedule import latest_between, next_after
from scheduled_prompts.schedule.kinds import FIRST_INSTANT, LAST_INSTANT
from scheduled_prompts.store.halting import Halt
from scheduled_prompts.store.records import Span
from scheduled_prompts.upcoming import (
    coming,
    due_at,
    first_due_with,
    is_skipped_as_quiet,
    last_due_with,
    latest_named,
)

MOST_COUNTED = 10_000
"""How many occurrences without a fire are counted one by one; of more it is said that they are more."""
MOST_AHEAD = 1_000
"""How many occurrences to come are looked through for the last of `max_fires`."""
SINGLY = 5
"""How many of those to come have a row of their own."""
FOR_EVER = LAST_INSTANT + 1
ENDS = ("cancelled", "rejected", "expired")
"""The changes by which a prompt is cancelled."""


class Cause(NamedTuple):
    """Why occurrences have no fire (yet). `since` and `until` are times of the cause itself: when a pause began and
    ended, when somebody edited or cancelled."""

    outcome: str
    """`missed`, `paused`, `pending_approval`, `edited`, `cancelled`, `quarantined`, `ended`, `before_creation`,
    `imported`, `outside`, `forgotten`, `skipped`, `overdue`, `upcoming`; `unknown` where the schedule of that time is;
    `unaccounted`."""
    reason: str | None = None
    note: str | None = None
    since: int | None = None
    until: int | None = None
    actor: str | None = None


class Row(NamedTuple):
    """One fire (`outcome` is its status), or occurrences from `first` to `last` with one cause.

    `number`: how many they are; if not `exact`, more than that. `due`: when a single one to come is due.
    """

    outcome: str
    first: int
    last: int
    number: int = 1
    exact: bool = True
    fire: Fire | None = None
    cause: Cause | None = None
    due: int | None = None

    @property
    def reason(self) -> str | None:
        if self.fire is not None:
            return self.fire.reason
        return self.cause.reason if self.cause is not None else None


Beginnings = Mapping[int, Span]
"""What a later change ended, by when it began (ms UTC): that the prompt was paused."""


class Stretch(NamedTuple):
    """What happened to the occurrences in [start, end)."""

    start: int
    end: int
    cause: Cause


class Era(NamedTuple):
    """A schedule, and the nominal times [first, end) that were its own. It counted up to the time `until`.

    `definition` is None where it is not known any more. Of stretches that overlap the first counts.
    """

    definition: Definition | None
    first: int
    end: int
    stretches: Sequence[Stretch]
    until: int
    edited: Span | None = None
    """What ended it."""


UNACCOUNTED = Cause("unaccounted")
UNKNOWN = Cause("unknown")
UPCOMING = Cause("upcoming")
OVERDUE = Cause("overdue")
QUIET = Cause("skipped", "quiet")


def account(
    prompt: ScheduledPrompt,
    fires: Iterable[Fire],
    spans: Sequence[Span],
    *,
    since: int,
    until: int,
    now: int,
    halts: Sequence[Halt] = (),
    overdue: Cause = OVERDUE,
) -> list[Row]:
    """Every occurrence with a nominal time in [since, until), in order, and every manual run of that time.

    `fires` are all those with a nominal time in the range; `overdue` says why what is due has not been fired yet.
    """
    shown = [fire for fire in fires if since <= fire.nominal < until]
    rows = [Row(fire.status, fire.nominal, fire.nominal, fire=fire) for fire in shown]
    fired = sorted({fire.nominal for fire in shown if fire.trigger == "schedule"})
    counter = _Counter(prompt.id, fired)
    for era in eras_of(prompt, spans, halts, now=now, overdue=overdue):
        first, end = max(since, era.first), min(until, era.end)
        if first >= end:
            continue
        if era.definition is None:
            rows.append(Row("unknown", first, end - 1, 0, cause=UNKNOWN))
            continue
        for stretch in _cut(era, first, end):
            rows += counter.rows(era.definition, stretch)
    rows.sort(key=lambda row: row.first)
    return [_with_due(row, prompt) for row in _joined(rows)]


def _with_due(row: Row, prompt: ScheduledPrompt) -> Row:
    is_to_come = row.number == 1 and row.outcome in ("upcoming", "overdue")
    return row if not is_to_come else row._replace(due=_due(prompt, row.first, prompt.next_nominal or 0))


def eras_of(
    prompt: ScheduledPrompt,
    spans: Sequence[Span],
    halts: Sequence[Halt] = (),
    *,
    now: int,
    overdue: Cause = OVERDUE,
) -> list[Era]:
    """The eras of a prompt's life, up to the present one, which does not end."""
    eras: list[Era] = []
    first, mine = FIRST_INSTANT, [_before_creation(prompt)]
    beginnings = {span.at: span for span in spans if span.kind in ("paused", "pending")}
    for position, span in enumerate(spans):
        if span.kind == "edited" and span.end is not None:
            end = min(span.at + 1, span.end)
            if span.start is not None:
                mine.append(Stretch(span.start, FOR_EVER, _cut_off(span, spans[position + 1 :], prompt, beginnings)))
            former = _former(span)
            stretches = [*_window(former), *mine, *_at_last(prompt)]
            eras.append(Era(former, first, max(first, end), stretches, span.at, span))
            first = min(span.end, span.at + 1)
            # Before what it begins with, something was in hand that the former schedule named. If this one does, too,
            # it has fired; who has forgotten fires cannot tell.
            known = max(first, (prompt.forgotten or FIRST_INSTANT) + 1)
            mine = [Stretch(known, span.end, Cause("edited", since=span.at, actor=span.by))]
        else:
            mine += _stretches_of(span, halts, beginnings)
    mine += _present(prompt, spans, now, overdue, beginnings)
    return [*eras, Era(prompt, first, FOR_EVER, [*_window(prompt), *mine, *_at_last(prompt)], FOR_EVER)]


def _window(definition: Definition | None) -> list[Stretch]:
    """What the schedule names outside of the window in which it counts."""
    found = []
    if definition is not None and definition.start_at is not None:
        found.append(
            Stretch(FIRST_INSTANT, definition.start_at, Cause("outside", "start_at", until=definition.start_at))
        )
    if definition is not None and definition.end_at is not None:
        found.append(Stretch(definition.end_at, FOR_EVER, Cause("outside", "end_at", since=definition.end_at)))
    return found


def _before_creation(prompt: ScheduledPrompt) -> Stretch:
    return Stretch(FIRST_INSTANT, prompt.created_at + 1, Cause("before_creation", until=prompt.created_at))


def _at_last(prompt: ScheduledPrompt) -> list[Stretch]:
    """Of what lies in no other stretch."""
    if prompt.forgotten is None:
        return []
    return [Stretch(FIRST_INSTANT, prompt.forgotten + 1, Cause("forgotten", "retention"))]


def _former(span: Span) -> Definition | None:
    try:
        return None if span.was is None else read_timing(span.was)
    except (ValueError, KeyError, TypeError, ValidationError, InvalidInput):
        return None


def _stretches_of(span: Span, halts: Sequence[Halt], beginnings: Beginnings) -> list[Stretch]:
    match span.kind:
        case "missed" if span.start is not None and span.end is not None and span.reason == "late":
            late = Stretch(span.start, span.end, Cause("missed", "late", until=span.at))
            return [*_halted(span.start, span.end, halts), late]
        case "missed" if span.start is not None and span.end is not None:
            return [Stretch(span.start, span.end, Cause("missed", span.reason, span.note, until=span.at))]
        case "resumed" if span.start is not None and span.end is not None:
            return [Stretch(span.start, span.end, _paused(span, span.at, beginnings))]
        case "pending" if span.start is not None and span.stood == "paused":
            return [Stretch(span.start, span.at + 1, _paused(span, span.at, beginnings))]
        case "approved" if span.start is not None and span.end is not None:
            return [Stretch(span.start, span.end, _awaited(span, span.at, beginnings))]
        case "trimmed":
            return [Stretch(FIRST_INSTANT, span.at + 1, Cause("forgotten", "trimmed"))]
        case "imported" if span.end is not None:
            passed = span.end if span.start is None else min(span.start, span.end)
            return [
                Stretch(FIRST_INSTANT, passed, Cause("imported", since=span.at)),
                Stretch(passed, span.end, Cause("missed", "imported", until=span.at)),
            ]
    return []


def _halted(start: int, end: int, halts: Sequence[Halt]) -> list[Stretch]:
    """Of occurrences that were missed, those that came while all was stopped."""
    found = []
    for halt in halts:
        until = FOR_EVER if halt.until is None else halt.until
        if start < until and halt.at < end:
            cause = Cause("missed", "halted", halt.note or None, halt.at, halt.until, halt.by or None)
            found.append(Stretch(max(start, halt.at), min(end, until), cause))
    return found


def _paused(span: Span, until: int | None, beginnings: Beginnings) -> Cause:
    pause = beginnings.get(span.since or 0, Span("paused", 0))
    if span.kind == "pending":  # its own reason is why approval is needed
        return Cause("paused", pause.reason, pause.note, span.since, until, pause.by)
    return Cause("paused", span.reason, span.note, span.since, until, pause.by)


def _awaited(span: Span, until: int | None, beginnings: Beginnings) -> Cause:
    """Approval was waited for; it still is where there is no `until`."""
    asked = beginnings.get(span.since or 0, Span("pending", 0))
    return Cause("pending_approval", asked.reason, None, span.since, until, asked.by)


def _cut_off(span: Span, later: Sequence[Span], prompt: ScheduledPrompt, beginnings: Beginnings) -> Cause:
    """What an edit, or a cancellation, found to come, and ended."""
    match span.stood:
        case "paused":
            return _paused(span, _end_of_pause(span, later, prompt), beginnings)
        case "pending_approval":
            return _awaited(span, _end_of_wait(span, later, prompt), beginnings)
        case "quarantined":
            return Cause("quarantined", until=span.at)
        case "executed":
            return Cause("ended", since=span.since)
    return Cause(span.kind, since=span.at, actor=span.by)


def _end_of_wait(span: Span, later: Sequence[Span], prompt: ScheduledPrompt) -> int | None:
    if span.kind in ENDS:
        return span.at
    for following in later:
        if following.kind in ("approved", *ENDS) and following.since == span.since:
            return following.at
    return None if prompt.pending_since == span.since else span.at


def _end_of_pause(span: Span, later: Sequence[Span], prompt: ScheduledPrompt) -> int | None:
    if span.kind == "cancelled":
        return span.at
    for following in later:
        if following.kind in ("resumed", "cancelled") and following.since == span.since:
            return following.at
    return None if prompt.status is PromptStatus.PAUSED and prompt.paused_at == span.since else span.at


def end_of(prompt: ScheduledPrompt, spans: Sequence[Span]) -> Cause | None:
    """Why nothing is to come of a prompt any more; None while it is not over."""
    match prompt.status:
        case PromptStatus.CANCELLED:
            end = _last_end(spans)
            ended = Cause("cancelled", since=prompt.ended_at)
            if end is None:
                return ended
            reason = None if end.kind == "cancelled" else end.kind
            return ended._replace(reason=reason, note=end.note if reason else None, actor=end.by)
        case PromptStatus.EXECUTED:
            return Cause("ended", since=prompt.ended_at)
    return None


def _last_end(spans: Sequence[Span]) -> Span | None:
    return next((span for span in reversed(spans) if span.kind in ENDS), None)


def _present(
    prompt: ScheduledPrompt, spans: Sequence[Span], now: int, overdue: Cause, beginnings: Beginnings
) -> list[Stretch]:
    """What holds from what is next on."""
    first = prompt.next_nominal
    behind = prompt.created_at if prompt.last_nominal is None else prompt.last_nominal
    if (ended := end_of(prompt, spans)) is not None:
        cut = _last_end(spans) if prompt.status is PromptStatus.CANCELLED else None
        if cut is None or cut.start is None:
            return [Stretch(behind + 1, FOR_EVER, ended)]
        cut_off = Stretch(cut.start, cut.at + 1, _cut_off(cut, (), prompt, beginnings))
        return [cut_off, Stretch(cut.start, FOR_EVER, ended)]
    match prompt.status:
        case PromptStatus.PAUSED:
            by = beginnings.get(prompt.paused_at or 0, Span("paused", 0)).by
            paused = Cause("paused", prompt.pause_reason, prompt.pause_note, prompt.paused_at, actor=by)
            return [Stretch(behind + 1 if first is None else first, FOR_EVER, paused)]
        case PromptStatus.PENDING_APPROVAL:
            waits = Cause("pending_approval", prompt.pending_why, None, prompt.pending_since, None, prompt.pending_by)
            return [Stretch(behind + 1 if first is None else first, FOR_EVER, waits)]
        case PromptStatus.QUARANTINED:
            aside = next((span for span in reversed(spans) if span.kind == "quarantined"), None)
            broken = Cause("quarantined") if aside is None else Cause("quarantined", note=aside.reason, since=aside.at)
            return [Stretch(behind + 1 if first is None else first, FOR_EVER, broken)]
    if first is None:
        return []
    skips = [Stretch(nominal, nominal + 1, Cause("skipped", "requested")) for nominal in prompt.skips]
    begun = _begun(prompt, first, now)
    spent = Stretch(_spent(prompt), FOR_EVER, Cause("ended", "max_fires"))
    return [*skips, spent, Stretch(first, begun, overdue), Stretch(begun, FOR_EVER, UPCOMING)]


def _spent(prompt: ScheduledPrompt) -> int:
    """Behind which occurrence the last of `max_fires` is over, as far as that can be told."""
    left = MOST_AHEAD if prompt.max_fires is None else prompt.max_fires - prompt.fired
    following = coming(prompt, left) if 0 < left < MOST_AHEAD else []
    return following[-1].nominal + 1 if following and len(following) == left else FOR_EVER


def _begun(prompt: ScheduledPrompt, first: int, now: int) -> int:
    """Up to where, from `first` on, occurrences are due: the latest, and those that are due with it, may wait for their
    jitter, or for the end of quiet hours."""
    latest = latest_named(prompt, first - 1, now, prompt.id)
    if latest is None:
        return first
    return max(first, first_due_with(prompt, latest, prompt.id)) if _due(prompt, latest, first) > now else latest + 1


def _due(prompt: ScheduledPrompt, nominal: int, first: int) -> int:
    return prompt.next_at if nominal == first and prompt.next_at is not None else due_at(prompt, nominal)


def _cut(era: Era, first: int, end: int) -> Iterator[Stretch]:
    """[first, end) in pieces that do not overlap, each with its one cause."""
    edges = {first, end}
    for stretch in era.stretches:
        edges |= {edge for edge in (stretch.start, stretch.end) if first < edge < end}
    ordered = sorted(edges)
    for start, stop in pairwise(ordered):
        cause = next((one.cause for one in era.stretches if one.start <= start < one.end), UNACCOUNTED)
        yield Stretch(start, stop, cause)


class _Counter:
    """Counts the occurrences of a schedule, but for those that have a fire."""

    def __init__(self, seed: str, fired: Sequence[int]) -> None:
        self._seed = seed
        self._fired = fired
        self._left = MOST_COUNTED

    def rows(self, definition: Definition, stretch: Stretch) -> Iterator[Row]:
        """A row for each run of occurrences between two fires."""
        row: Row | None = None
        singly = SINGLY if stretch.cause is UPCOMING else 0
        after = stretch.start - 1
        while (nominal := self._next(definition, after)) is not None and nominal < stretch.end:
            after = nominal
            place = bisect_right(self._fired, nominal)
            if place and self._fired[place - 1] == nominal:
                if row is not None:
                    yield row
                row = None
                continue
            self._left -= 1
            cause = self._cause(definition, stretch.cause, nominal)
            if row is not None and row.cause != cause:
                yield row
                row = None
            if row is None:
                row = Row(cause.outcome, nominal, nominal, cause=cause)
            else:
                row = row._replace(last=nominal, number=row.number + 1)
            if self._left < 0:
                stop = self._fired[place] if place < len(self._fired) else FOR_EVER
                after = self._latest(definition, nominal, min(stop, stretch.end) - 1) or nominal
                row = row._replace(last=after, exact=row.exact and after == nominal)
            if singly and cause is UPCOMING:
                singly -= 1
                yield row
                row = None
        if row is not None:
            yield row

    def _cause(self, definition: Definition, cause: Cause, nominal: int) -> Cause:
        """Of what is still to be claimed, what quiet hours will leave out."""
        if definition.quiet_hours is None or cause.outcome not in ("upcoming", "overdue"):
            return cause
        if is_skipped_as_quiet(definition, nominal) or last_due_with(definition, nominal, self._seed) != nominal:
            return QUIET
        return cause

    def _next(self, definition: Definition, after: int) -> int | None:
        return next_after(definition.schedule, after, timezone=definition.timezone, seed=self._seed)

    def _latest(self, definition: Definition, after: int, until: int) -> int | None:
        return latest_between(definition.schedule, after, until, timezone=definition.timezone, seed=self._seed)


def _joined(rows: Sequence[Row]) -> list[Row]:
    """Neighbours with one cause as one row."""
    joined: list[Row] = []
    for row in rows:
        if joined and row.fire is None and row.cause is not UPCOMING and row.cause == joined[-1].cause:
            before = joined[-1]
            exact = before.exact and row.exact
            joined[-1] = before._replace(last=row.last, number=before.number + row.number, exact=exact)
        else:
            joined.append(row)
    return joined
