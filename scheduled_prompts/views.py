"""The records as other programs see them: JSON objects, whoever asks (CLI, tools, a command's fire file).

Instants are RFC 3339 with milliseconds and a numeric offset, in the prompt's zone. Every field is always
there; what is unknown is null. Fields may be added, never renamed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from scheduled_prompts.fire import Fire
from scheduled_prompts.money import Usage, plain
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Interval, Once, Schedule, zone
from scheduled_prompts.upcoming import coming

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(ms: int | None, timezone: str) -> str | None:
    """An instant (ms UTC) as RFC 3339 in a zone: `2026-12-01T09:00:00.000+01:00`. None stays None.

    Where the zone's offset had seconds (local mean times, long ago), which RFC 3339 cannot say, it is given
    in UTC. Raises UnknownTimezone.
    """
    if ms is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=ms)
    local = moment.astimezone(zone(timezone))
    offset = local.utcoffset()
    if offset is None or offset % timedelta(minutes=1):
        local = moment
    return local.isoformat(timespec="milliseconds")


def definition_view(definition: Definition) -> dict[str, Any]:
    """What was decided: text, schedule, addressees and policies. Durations are in seconds."""
    return {
        "text": definition.text,
        "name": definition.name,
        "key": definition.key,
        "schedule": schedule_view(definition.schedule, definition.timezone),
        "timezone": definition.timezone,
        "runner": definition.runner,
        "platform": definition.platform,
        "owner": definition.owner,
        "agent": definition.agent,
        "conversation": definition.conversation,
        "labels": dict(definition.labels),
        "origin": definition.origin,
        "priority": definition.priority_of(),
        "overlap": definition.overlap,
        "queue_limit": definition.queue_limit,
        "concurrency_key": definition.concurrency_key,
        "concurrency": definition.concurrency,
        "timeout": definition.timeout,
        "retries": definition.retries,
        "retry_delays": list(definition.retry_delays),
        "retry_factor": definition.retry_factor,
        "retry_jitter": definition.retry_jitter,
        "retry_on": list(definition.retry_on),
        "pause_after": definition.pause_after,
        "on_crash": definition.on_crash,
        "jitter": definition.jitter,
        **{name: _amount(getattr(definition, name)) for name in ("max_cost", "budget_day", "budget_total")},
        "misfire": definition.misfire,
        "grace": definition.grace,
        "catch_up_limit": definition.catch_up_limit,
        "start_at": instant(definition.start_at, definition.timezone),
        "end_at": instant(definition.end_at, definition.timezone),
        "max_fires": definition.max_fires,
        "quiet": definition.quiet,
        "quiet_policy": definition.quiet_policy,
    }


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def schedule_view(schedule: Schedule, timezone: str) -> dict[str, Any]:
    """A schedule's kind and fields, and `text`: the same in plain words."""
    # Only here: describing cron expressions needs a library that is slow to import.
    from scheduled_prompts.schedule.language.words import describe

    fields: dict[str, Any] = {"kind": schedule.kind, "text": describe(schedule, timezone=timezone)}
    fields |= schedule.model_dump(mode="json", exclude={"kind"})
    if isinstance(schedule, Once):
        fields["at"] = instant(schedule.at, timezone)
    elif isinstance(schedule, Interval):
        fields["anchor"] = instant(schedule.anchor, timezone)
    return fields


def prompt_view(prompt: ScheduledPrompt) -> dict[str, Any]:
    """A prompt: its definition, and where it stands. `next_at` is when it fires next, null where it will not."""
    zone_name = prompt.timezone
    following = coming(prompt, 1)
    return {
        "id": prompt.id,
        **definition_view(prompt),
        "status": prompt.status.value,
        "version": prompt.version,
        "next_nominal": instant(following[0].nominal, zone_name) if following else None,
        "next_at": instant(following[0].due, zone_name) if following else None,
        "skips": [instant(nominal, zone_name) for nominal in prompt.skips],
        "paused_at": instant(prompt.paused_at, zone_name),
        "pause_reason": prompt.pause_reason,
        "pause_note": prompt.pause_note,
        "approval": approval_view(prompt),
        "last_nominal": instant(prompt.last_nominal, zone_name),
        "last_fire": prompt.last_fire,
        "failures": prompt.failures,
        "fired": prompt.fired,
        "created_at": instant(prompt.created_at, zone_name),
        "created_by": prompt.created_by,
        "created_in": prompt.created_in,
        "depth": prompt.depth,
        "parent": prompt.parent,
        "updated_at": instant(prompt.updated_at, zone_name),
        "ended_at": instant(prompt.ended_at, zone_name),
    }


def approval_view(prompt: ScheduledPrompt) -> dict[str, Any] | None:
    """How a prompt stands with those who approve what agents ask for: `pending`, or what came of it last; None where
    nobody was asked."""
    pending = prompt.status is PromptStatus.PENDING_APPROVAL
    if not pending and prompt.decision is None:
        return None
    zone_name = prompt.timezone
    return {
        "state": "pending" if pending else prompt.decision,
        "asked_by": prompt.pending_by,
        "since": instant(prompt.pending_since, zone_name),
        "until": instant(prompt.pending_until, zone_name),
        "why": prompt.pending_why,
        "decided_by": prompt.decided_by,
        "decided_at": instant(prompt.decided_at, zone_name),
        "note": prompt.decision_note,
    }


def fire_view(fire: Fire, timezone: str) -> dict[str, Any]:
    """A fire, without the prompt it runs. `lateness_ms` is in milliseconds."""
    return {
        "id": fire.id,
        "prompt_id": fire.prompt_id,
        "version": fire.version,
        "trigger": fire.trigger,
        "status": fire.status.value,
        "reason": fire.reason,
        "attempt": fire.attempt,
        "crashes": fire.crashes,
        "failures": fire.failures,
        "runner": fire.runner,
        "platform": fire.platform,
        "priority": fire.priority,
        "daemon": fire.daemon,
        "nominal": instant(fire.nominal, timezone),
        "due": instant(fire.due, timezone),
        "queued_at": instant(fire.queued_at, timezone),
        "started_at": instant(fire.started_at, timezone),
        "ended_at": instant(fire.ended_at, timezone),
        "retry_at": instant(fire.retry_at, timezone),
        "lateness_ms": fire.lateness_ms,
        "cancel_requested": fire.cancel_requested,
        "rerun_of": fire.rerun_of,
        "by": fire.by,
        "cancelled_by": fire.cancelled_by,
        "result": None if fire.result is None else fire.result.model_dump(mode="json", exclude={"usage"}),
        "error": fire.error,
        "usage": None if fire.usage is None else usage_view(fire.usage),
        "cost": None if fire.cost is None else plain(fire.cost),
    }


def usage_view(usage: Usage) -> dict[str, Any]:
    """What was used. Amounts are texts, so that they stay exact."""
    return {**usage.model_dump(), "cost": None if usage.cost is None else plain(usage.cost)}


def upcoming_view(occurrences: Iterable[tuple[int, int]], timezone: str) -> list[dict[str, Any]]:
    """Occurrences to come, from pairs of nominal and due (ms UTC)."""
    return [{"nominal": instant(nominal, timezone), "due": instant(due, timezone)} for nominal, due in occurrences]


def handed_view(fire: Fire) -> dict[str, Any]:
    """A fire as a runner hands it on to other programs: with the prompt, and its text in a fence where an agent wrote
    it. Raises LookupError where it was read without its prompt."""
    text = {"fenced_text": fire.fenced_text, "scheduled_by": fire.scheduled_by}
    assert fire.prompt is not None
    return {**fire_view(fire, fire.prompt.timezone), "prompt": {**definition_view(fire.prompt), **text}}


def whole_fire_view(fire: Fire, timezone: str) -> dict[str, Any]:
    """A fire with the definition that it ran: null where that cannot be read."""
    return {**fire_view(fire, timezone), "prompt": None if fire.prompt is None else definition_view(fire.prompt)}
