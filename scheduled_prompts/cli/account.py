"""What became of a prompt lately: its fires, and beside them what no fire tells, latest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scheduled_prompts.cli.layout import in_columns, listed, room_beside
from scheduled_prompts.cli.moments import absolute, length, why
from scheduled_prompts.cli.naming import cut, first_line, said
from scheduled_prompts.cli.output import visible
from scheduled_prompts.fire import Fire
from scheduled_prompts.ids import short
from scheduled_prompts.scheduler.conduct import made_in_words, refusal_in_words
from scheduled_prompts.store.records import Span

SHOWN = 8
REQUESTED = "requested"
"""The reason of a pause that somebody asked for, which is no news."""
BY_FAILURES = "failures"
"""The reason of a pause that a prompt made itself."""
LONGEST_WORDS = 100
WORDS = {"skip": "to skip", "unskip": "not to skip", "trimmed": "…", "pending": "to be approved"}
MARGIN = 12
"""Where the account begins, in columns: behind the longest name of a field."""


class Account(NamedTuple):
    """The last fires and spans. `has_more`: there are earlier fires."""

    prompt_id: str
    fires: Sequence[Fire]
    spans: Sequence[Span]
    has_more: bool


def account_lines(account: Account, zone_name: str) -> list[str]:
    rows = [(fire.nominal, _fire_row(fire, zone_name)) for fire in account.fires]
    rows += [(span.at, _span_row(span, zone_name)) for span in account.spans]
    rows.sort(key=lambda row: -row[0])
    room = room_beside(MARGIN)
    lines = [cut(line, room) if room is not None else line for line in in_columns([row for _, row in rows[:SHOWN]])]
    if account.has_more or len(rows) > SHOWN:
        lines.append(f"… history {short(account.prompt_id)} tells the rest")
    return lines


def _fire_row(fire: Fire, zone_name: str) -> tuple[str, str, str]:
    words = cut(first_line(said(fire) or ""), LONGEST_WORDS)
    remarks = ", ".join(remark for remark in ("manual" if fire.trigger == "manual" else "", why(fire)) if remark)
    return (
        absolute(fire.nominal, zone_name, exact=True),
        fire.status.replace("_", " "),
        ": ".join(part for part in (remarks, words) if part),
    )


def _span_row(span: Span, zone_name: str) -> tuple[str, str, str]:
    return absolute(span.at, zone_name, exact=True), WORDS.get(span.kind, span.kind), _tale(span, zone_name)


def _tale(span: Span, zone_name: str) -> str:
    reason = "" if span.reason == REQUESTED else (span.reason or "").replace("_", " ")
    match span.kind:
        case "missed":
            why = f", {reason}" if reason else ""
            return f"{absolute(span.start, zone_name)} until {absolute(span.end, zone_name)}{why}"
        case "paused":
            return ": ".join(part for part in (reason, visible(span.note or "", lines=False)) if part)
        case "resumed":
            return f"after {length(span.at - span.since)}" if span.since is not None else ""
        case "edited":
            return listed([name.replace("_", " ") for name in span.changed])
        case "skip" | "unskip":
            return absolute(span.start, zone_name, weekday=True)
        case "retimed":
            return f"{absolute(span.end, zone_name)} instead of {absolute(span.start, zone_name)}"
        case "trimmed":
            return f"{span.trimmed:,} before that are not kept"
        case "quarantined":
            return visible(span.reason or "", lines=False)
        case "made":
            return visible(made_in_words(span), lines=False)
        case "refused":
            return visible(refusal_in_words(span), lines=False)
        case "pending":
            return visible(span.reason or "", lines=False)
        case "approved" | "rejected":
            return visible(span.note or "", lines=False)
        case "created" | "cancelled" | "imported" | "expired":
            return ""
