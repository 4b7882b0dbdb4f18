"""The account in words: a phrase for a row of a table, a sentence for whoever asks about one occurrence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.money import plain
from scheduled_prompts.prompt import Definition
from scheduled_prompts.schedule.language.words import describe, humanize_duration
from scheduled_prompts.scheduler.account import Cause, Era, Row
from scheduled_prompts.views import instant

LONGEST_ERROR = 200

BECAUSE = {
    "budget": "its budget was used up",
    "busy": "the one before had not ended",
    "cap": "as many as allowed were there already",
    "concurrency": "as many as allowed ran already",
    "crashed": "the daemon that ran it was lost",
    "edited": "the prompt got another schedule",
    "fire_cancelled": "somebody cancelled this one",
    "halted": "all was stopped",
    "imported": "it passed before the prompt was imported",
    "interval": "it came too soon after the one before",
    "late": "nobody could fire it in time",
    "failures": "it failed too often in a row",
    "no_handler": "nobody could run it",
    "not_retried": "this kind of error is not tried again",
    "paused": "the prompt was paused",
    "pending_approval": "the prompt was waiting for approval",
    "permanent": "trying again would not have helped",
    "prompt_cancelled": "the prompt was cancelled",
    "quiet": "it falls in quiet hours",
    "rate_limit": "as many attempts as its limits allow within 24 h had begun",
    "replaced": "the next one took its place",
    "requested": "somebody asked to leave it out",
    "stopped": "the daemon that had it was stopped",
    "superseded": "a later one took its place",
}
"""What the reasons of skipped and missed occurrences mean."""

VERBS = {
    FireStatus.SUCCEEDED: "succeeded",
    FireStatus.FAILED: "failed",
    FireStatus.TIMED_OUT: "took too long",
    FireStatus.CANCELLED: "was cancelled",
    FireStatus.INTERRUPTED: "was interrupted",
}


def moment(ms: int | None, timezone: str, *, exact: bool = False) -> str:
    """`Tue 2026-12-01 09:00 +01:00`; with seconds and their fraction where there are any, or it is to be `exact`."""
    text = instant(ms, timezone)
    if text is None:
        return "an unknown time"
    day, clock, offset = text[:10], text[11:23], text[23:]
    if not exact:
        clock = clock.removesuffix(".000")
        clock = clock.removesuffix(":00") if clock.count(":") == 2 else clock
    return f"{date.fromisoformat(day):%a} {day} {clock} {offset}"


def phrase(row: Row, timezone: str) -> str:
    """A row's outcome in a few words, without the outcome itself."""
    if row.fire is not None:
        return _of_fire(row.fire, timezone)
    assert row.cause is not None
    return _of_cause(row, row.cause, timezone)


def sentence(row: Row, timezone: str, now: int) -> str:
    """What became of a single occurrence, as an answer to "why did it not run then?"."""
    if row.fire is not None:
        return f"It {_tale(row.fire, timezone)}."
    assert row.cause is not None
    return f"It {_fate(row, row.cause, timezone, now)}."


def nothing_named(era: Era, at: int, nearest: Sequence[int], timezone: str, *, names_it_now: bool) -> str:
    """Why nothing is to be told: the schedule of that time does not name it, whether or not the present one does."""
    then = moment(at, timezone)
    near = " and ".join(moment(nominal, timezone) for nominal in nearest)
    others = f"; the nearest {'is' if len(nearest) == 1 else 'are'} {near}" if nearest else ""
    if era.definition is None:
        return f"Another schedule counted at {then}, which is not known any more{others}."
    if era.edited is not None and names_it_now:
        when = _when(era.definition)
        edited = moment(era.edited.at, timezone)
        before = f"before that it was {when}, which does not name {then}"
        return f"The schedule was edited at {edited}{_by(era.edited.by)}: {before}{others}."
    whose = "The schedule" if era.edited is None else f"The schedule of that time, {_when(era.definition)},"
    return f"{whose} names nothing at {then}{others}."


def _because(reason: str | None) -> str:
    return "" if reason is None else BECAUSE.get(reason, reason.replace("_", " "))


def _by(actor: str | None) -> str:
    return f" by {actor}" if actor else ""


def _noted(note: str | None) -> str:
    return f" ({' '.join(note.split())})" if note else ""


def _of_fire(fire: Fire, timezone: str) -> str:
    if fire.status in (FireStatus.SKIPPED, FireStatus.MISSED):
        return _left_out(fire)
    parts = []
    if fire.trigger == "manual" and fire.by:
        parts.append(f"asked for by {fire.by}")
    if fire.started_at is None and not fire.status.has_ended:
        parts.append("about to run" if fire.status is FireStatus.RUNNING else "waits to be run")
    if fire.status is FireStatus.RETRYING and fire.retry_at is not None:
        parts.append(f"next attempt {moment(fire.retry_at, timezone)}")
    late = None if fire.lateness_ms is None else f"{_length(fire.lateness_ms)} late"
    if fire.attempt > 1:
        parts.append(f"{fire.attempt} attempts" + (f", the last one {late}" if late else ""))
    elif late:
        parts.append(late)
    if fire.cost is not None:
        parts.append(f"cost {plain(fire.cost)}")
    if reason := _told_reason(fire):
        parts.append(reason + _by(fire.cancelled_by))
    told = ", ".join(parts)
    error = _error(fire)
    return f"{told}: {error}" if told and error else told or error


def _left_out(fire: Fire) -> str:
    """Why an occurrence did not run, of a fire that says so."""
    late = ""
    if fire.status is FireStatus.MISSED and fire.reason == "late" and fire.ended_at is not None:
        late = f" ({_length(max(0, fire.ended_at - fire.due))} late)"
    return _because(fire.reason) + late + _error_behind(fire)


def _told_reason(fire: Fire) -> str:
    return BECAUSE.get(fire.reason or "", "") if fire.reason != fire.status else ""


def _tale(fire: Fire, timezone: str) -> str:
    match fire.status:
        case FireStatus.SKIPPED | FireStatus.MISSED:
            return f"was {fire.status}: {_left_out(fire)}"
        case FireStatus.QUEUED:
            why = f" ({_because(fire.reason)})" if fire.reason else ""
            return f"was due at {moment(fire.due, timezone)} and waits to be run{why}"
        case FireStatus.RETRYING:
            again = moment(fire.retry_at, timezone)
            if fire.started_at is None:
                return f"waits until {again}: {_because(fire.reason)}"
            return f"{_started(fire, timezone)} and failed{_error_behind(fire)}; it runs again at {again}"
        case FireStatus.RUNNING:
            return f"{_started(fire, timezone)} and still runs" if fire.started_at else "is about to run"
    after = f" after {fire.attempt} attempts" if fire.attempt > 1 else ""
    reason = _told_reason(fire)
    ended = (
        f"{VERBS[fire.status]}{_by(fire.cancelled_by)}{after}{f', as {reason}' if reason else ''}{_error_behind(fire)}"
    )
    return ended if fire.started_at is None else f"{_started(fire, timezone)} and {ended}"


def _started(fire: Fire, timezone: str) -> str:
    last = "last " if fire.attempt > 1 else ""
    return f"{last}ran at {moment(fire.started_at, timezone, exact=True)} ({_length(fire.lateness_ms or 0)} late)"


def _error(fire: Fire) -> str:
    if not fire.error or fire.status is FireStatus.SUCCEEDED:
        return ""
    line = next((line for line in fire.error.splitlines() if line.strip()), "").strip()
    if line == _because(fire.reason):
        return ""
    return line if len(line) <= LONGEST_ERROR else f"{line[: LONGEST_ERROR - 1]}…"


def _error_behind(fire: Fire) -> str:
    error = _error(fire)
    return f": {error}" if error else ""


def _of_cause(row: Row, cause: Cause, timezone: str) -> str:
    since, until = (moment(ms, timezone) for ms in (cause.since, cause.until))
    by, note = _by(cause.actor), _noted(cause.note)
    match cause.outcome:
        case "missed":
            late = ""
            if cause.reason == "late" and cause.until is not None and row.number == 1:
                late = f", noticed {_length(max(0, cause.until - row.first))} later"
            return _because(cause.reason) + by + note + late
        case "paused":
            ended = f" until {until}" if cause.until is not None else ""
            return (_reason(cause) + by + note + (f", from {since}" if cause.since is not None else "") + ended).lstrip(
                ", "
            )
        case "pending_approval":
            return _waiting(cause, timezone)
        case "edited":
            return f"due, and not fired yet, when the schedule was edited, {since}{by}"
        case "cancelled":
            if cause.reason not in UNAPPROVED and cause.since is not None and row.last <= cause.since:
                return f"due, and not fired yet, when the prompt was cancelled, {since}{by}"
            return ending(cause, timezone)
        case "quarantined":
            return "the prompt's record was set aside" + (f" {since}" if cause.since is not None else "") + note
        case "outside":
            return f"it counts from {until} on" if cause.reason == "start_at" else f"it counts until {since}"
        case "ended" if cause.reason == "max_fires":
            return "as many fires as it may have are over by then"
        case "ended":
            return ending(cause, timezone)
        case "before_creation":
            return f"the prompt was made {until}"
        case "imported":
            return f"the prompt was imported {since}; what became of it is told where it came from"
        case "forgotten":
            return "what became of it was deleted by retention"
        case "skipped":
            return _because(cause.reason)
        case "overdue":
            return OVERDUE.get(cause.reason or "", cause.reason or "no daemon has fired it yet") + by + note
        case "upcoming":
            return f"due {moment(row.due, timezone)}" if row.due is not None and row.due != row.first else ""
        case "unknown":
            return "another schedule counted then, which is not known any more"
    return "nothing is known of it: this should not be"


def ending(cause: Cause, timezone: str) -> str:
    """That a prompt is over, since when, and by whom."""
    since, by = moment(cause.since, timezone), _by(cause.actor)
    if cause.outcome == "ended":
        return f"nothing more was to come after {since}" if cause.since is not None else "nothing more was to come"
    if cause.reason in UNAPPROVED:
        return f"{UNAPPROVED[cause.reason]} {since}{by if cause.reason == 'rejected' else ''}{_noted(cause.note)}"
    return f"the prompt was cancelled {since}{by}"


UNAPPROVED = {"rejected": "the prompt was rejected", "expired": "nobody approved the prompt in time: it was cancelled"}
"""By which decision a prompt was cancelled that waited for approval."""
OVERDUE = {"halted": "all is stopped", "in_turn": "it runs when the one before has ended"}


def _reason(cause: Cause) -> str:
    if cause.reason == "failures":
        return "too many failures in a row"
    return "" if cause.reason in (None, "requested") else _because(cause.reason)


def _waiting(cause: Cause, timezone: str) -> str:
    is_over = cause.until is not None
    asked = f", asked for by {cause.actor}" if cause.actor else ""
    began = f"{',' if asked else ''} {'from' if is_over else 'since'} {moment(cause.since, timezone)}"
    began = began if cause.since is not None else ""
    ended = f" until {moment(cause.until, timezone)}" if is_over else ""
    return f"the prompt {'was' if is_over else 'is'} waiting for approval{asked}{began}{ended}{_noted(cause.reason)}"


def _fate(row: Row, cause: Cause, timezone: str, now: int) -> str:
    since, until = (moment(ms, timezone) for ms in (cause.since, cause.until))
    by, note = _by(cause.actor), _noted(cause.note)
    does = "did" if row.first <= now else "does"
    match cause.outcome:
        case "missed":
            if cause.reason == "halted":
                return f"was missed: all was stopped{by} from {since} to {until}{note}"
            return f"was missed: {_of_cause(row, cause, timezone)}"
        case "paused":
            if cause.since is not None and row.first <= cause.since:
                return f"was due, and not fired yet, when the prompt was paused{by} at {since}{note}"
            why = _noted(_reason(cause)) + note
            if cause.until is not None:
                began = f" from {since}" if cause.since is not None else ""
                return f"{does} not run: the prompt was paused{by}{began} to {until}{why}"
            return f"{does} not run: the prompt is paused{by} since {since}{why}"
        case "pending_approval":
            if cause.since is not None and row.first <= cause.since:
                return f"was due, and not fired yet, when approval was asked for{by} at {since}"
            return f"{does} not run: {_waiting(cause, timezone)}"
        case "edited":
            return f"was due, and not fired yet, when the schedule was edited at {since}{by}"
        case "cancelled" if cause.reason in UNAPPROVED:
            return f"{does} not run: {_of_cause(row, cause, timezone)}"
        case "cancelled":
            if cause.since is not None and row.first <= cause.since:
                return f"was due, and not fired yet, when the prompt was cancelled at {since}{by}"
            return f"{does} not run: the prompt was cancelled at {since}{by}"
        case "quarantined":
            return f"{does} not run: {_of_cause(row, cause, timezone)}"
        case "ended" | "outside":
            return f"{does} not run: {_of_cause(row, cause, timezone)}"
        case "before_creation":
            return f"did not run: the prompt did not exist before {until}"
        case "imported":
            return f"is not known here: {_of_cause(row, cause, timezone)}"
        case "forgotten":
            return "is not known any more: what became of it was deleted by retention"
        case "skipped":
            return f"is to be skipped: {_because(cause.reason)}"
        case "overdue":
            return f"is overdue: {_of_cause(row, cause, timezone)}"
        case "upcoming":
            return f"is still to come, due {moment(row.due or row.first, timezone)}"
    return f"cannot be told: {_of_cause(row, cause, timezone)}"


def _when(definition: Definition) -> str:
    return describe(definition.schedule, timezone=definition.timezone)


def _length(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if 1000 <= ms < 60_000 else humanize_duration(ms)
