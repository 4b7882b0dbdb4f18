"""What a person is shown of one fire."""

from __future__ import annotations

from scheduled_prompts.cli.layout import Fields, count, field_lines
from scheduled_prompts.cli.moments import absolute, how_far, length
from scheduled_prompts.cli.naming import caption, reference, said
from scheduled_prompts.cli.output import visible
from scheduled_prompts.cli.screens import end_in_words
from scheduled_prompts.cli.spending import usage_in_words
from scheduled_prompts.fire import Fire


def whole_fire(fire: Fire, zone_name: str, now: int) -> str:
    """The answer to `fire show`."""
    fields: Fields = [
        ("status", end_in_words(fire) + (", asked to stop" if _is_stopping(fire) else "")),
        ("stopped", f"by {visible(fire.cancelled_by, lines=False)}" if fire.cancelled_by else ""),
        ("trigger", _trigger(fire)),
        ("nominal", _moment(fire.nominal, zone_name, now)),
        ("due", _moment(fire.due, zone_name, now) if fire.due != fire.nominal else ""),
        ("started", _start(fire, zone_name)),
        ("ended", _end(fire, zone_name)),
        ("its turn" if fire.reason == "rate_limit" else "retry", _next_attempt(fire, zone_name, now)),
        ("attempts", _attempts(fire)),
        ("used", usage_in_words(fire)),
        ("daemon", fire.daemon or ""),
        ("runner", fire.runner if fire.platform == "default" else f"{fire.runner}, on platform {fire.platform}"),
        ("id", fire.id),
        ("version", str(fire.version)),
        ("text", visible(fire.prompt.text) if fire.prompt is not None else "(cannot be read)"),
        ("error", visible(fire.error or "")),
        ("result", visible(fire.result.text or "") if fire.result is not None else ""),
    ]
    return "\n".join([_title(fire), *field_lines(fields)])


def stopped(fire: Fire) -> str:
    """The answer to `fire cancel`."""
    if _is_stopping(fire):
        return f"{_title(fire)}\n  it runs, and is asked to stop"
    return f"cancelled {_title(fire)}" + (f"\n  {said(fire)}" if said(fire) else "")


def _title(fire: Fire) -> str:
    return reference(fire.id) + (f": {caption(fire.prompt)}" if fire.prompt is not None else "")


def _is_stopping(fire: Fire) -> bool:
    return fire.cancel_requested and not fire.status.has_ended


def _trigger(fire: Fire) -> str:
    asked_by = f", by {visible(fire.by, lines=False)}" if fire.by else ""
    if fire.rerun_of:
        return f"{fire.trigger}, to repeat {reference(fire.rerun_of)}{asked_by}"
    return f"{fire.trigger}{asked_by}"


def _moment(ms: int | None, zone_name: str, now: int) -> str:
    return f"{absolute(ms, zone_name, weekday=True, exact=True)}, {how_far(ms, now)}" if ms is not None else ""


def _next_attempt(fire: Fire, zone_name: str, now: int) -> str:
    return _moment(fire.retry_at, zone_name, now) if fire.status == "retrying" else ""


def _start(fire: Fire, zone_name: str) -> str:
    if fire.started_at is None:
        return ""
    return f"{absolute(fire.started_at, zone_name, weekday=True, exact=True)}, {length(fire.lateness_ms)} late"


def _end(fire: Fire, zone_name: str) -> str:
    if fire.ended_at is None:
        return ""
    took = f", after {length(fire.ended_at - fire.started_at)}" if fire.started_at is not None else ""
    return f"{absolute(fire.ended_at, zone_name, weekday=True, exact=True)}{took}"


def _attempts(fire: Fire) -> str:
    if fire.attempt <= 1:
        return str(fire.attempt)
    losses = [
        count(number, thing) for number, thing in ((fire.failures, "failure"), (fire.crashes, "lost daemon")) if number
    ]
    return str(fire.attempt) + (f" ({', '.join(losses)})" if losses else "")
