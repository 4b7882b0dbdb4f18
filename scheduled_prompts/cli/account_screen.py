"""What a person is shown of an account: a line a row, in plain words."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.text import Text

from scheduled_prompts.cli.layout import listed, room_beside
from scheduled_prompts.cli.naming import cut, title
from scheduled_prompts.cli.output import visible
from scheduled_prompts.cli.painting import painted
from scheduled_prompts.cli.screens import approval_fields
from scheduled_prompts.cli.tables import STATUS_STYLES
from scheduled_prompts.ids import short
from scheduled_prompts.policies_words import in_words
from scheduled_prompts.scheduler.account import Row
from scheduled_prompts.scheduler.explaining import Explained, Why
from scheduled_prompts.scheduler.sentences import ending, phrase

GAP = "  "
LONGEST_IN_PIPE = 300
STYLES = {
    **STATUS_STYLES,
    "edited": "yellow",
    "ended": "dim",
    "before_creation": "dim",
    "forgotten": "dim",
    "imported": "dim",
    "overdue": "red",
    "unaccounted": "red",
    "upcoming": "green",
}


def explained(answer: Explained, totals: Mapping[str, int], currency: str) -> str:
    """The answer to `explain`."""
    prompt, rows = answer.prompt, _folded(answer.rows)
    words = ", ".join(in_words(prompt, currency))
    head = [Text(title(prompt)), *(Text(GAP + line, style="dim") for line in _wrapped(words))]
    did = [Text(GAP + line) for sentence in answer.conduct for line in _wrapped(visible(sentence, lines=False))]
    asked = approval_fields(prompt, answer.now)
    head += [Text(GAP + line) for name, value in asked for line in _wrapped(f"{name}: {value}")]
    if answer.ended is not None:
        over = visible(ending(answer.ended, prompt.timezone), lines=False)
        did += [Text(GAP + line) for line in _wrapped(over)]
    if not rows:
        return painted([*head, Text("  the schedule names nothing in this time"), *did])
    times = [prompt.local(ms) for row in rows for ms in (row.first, row.last)]
    clock = _Times(times)
    lines = [_line(row, answer, clock, _widest(rows)) for row in rows]
    counts = [f"{_more(rows, outcome)}{number:,} {outcome.replace('_', ' ')}" for outcome, number in totals.items()]
    foot = [Text(GAP + line, style="dim") for line in _wrapped(listed(counts))]
    return painted([*head, *(line for one in lines for line in one), *did, *foot])


def _folded(rows: Sequence[Row]) -> list[Row]:
    """Occurrences on end that did not run for one reason, as one row: as people read it, that happened once."""
    folded: list[Row] = []
    for row in rows:
        before = folded[-1] if folded else None
        if before is not None and _is_left_out(before) and _is_left_out(row) and _kind(before) == _kind(row):
            folded[-1] = before._replace(last=row.last, number=before.number + row.number)
        else:
            folded.append(row)
    return folded


def _is_left_out(row: Row) -> bool:
    fire = row.fire
    return fire is not None and fire.trigger == "schedule" and fire.status.has_ended and not fire.attempt


def _kind(row: Row) -> tuple[str, str | None]:
    return row.outcome, row.reason


def _wrapped(text: str) -> list[str]:
    room = room_beside(len(GAP))
    return [text] if room is None else textwrap.wrap(text, room)


def answered(answer: Why) -> str:
    """The answer to `explain --at`."""
    lines = [visible(answer.sentence, lines=False)]
    if answer.row is not None and answer.row.fire is not None:
        lines.append(f"  fire show {short(answer.prompt.id)}{answer.row.fire.id[26:]} tells all about it")
    return "\n".join(lines)


class _Times:
    """How the times of one account are written: with seconds, and with the offset, where some need it."""

    def __init__(self, times: Sequence[datetime]) -> None:
        self._seconds = "%H:%M:%S" if any(time.second for time in times) else "%H:%M"
        self._offset = len({time.utcoffset() for time in times}) > 1

    def said(self, time: datetime) -> str:
        text = f"{time:%a} {time.date().isoformat()} {time:{self._seconds}}"
        return f"{text} {time.isoformat()[-6:]}" if self._offset else text


def _line(row: Row, answer: Explained, clock: _Times, width: int) -> list[Text]:
    prompt = answer.prompt
    when = clock.said(prompt.local(row.first))
    words = visible(phrase(row, prompt.timezone), lines=False)
    remarks = []
    if row.number > 1:
        number = f"{row.number:,}" if row.exact else f"more than {row.number:,}"
        remarks.append(f"{number} up to {clock.said(prompt.local(row.last))}")
    if row.fire is not None and row.fire.trigger == "manual":
        remarks.append("manual")
    told = ": ".join(part for part in (", ".join(remarks), words) if part)
    margin = len(GAP) + len(when) + len(GAP) + width + len(GAP)
    room = room_beside(margin)
    first, *rest = textwrap.wrap(told, room) or [""] if room is not None else [cut(told, LONGEST_IN_PIPE)]
    outcome = row.outcome.replace("_", " ")
    line = (
        Text(f"{GAP}{when}{GAP}").append(f"{outcome:<{width}}", style=STYLES.get(row.outcome, "")).append(GAP + first)
    )
    return [line, *(Text(" " * margin + more) for more in rest)]


def _widest(rows: Sequence[Row]) -> int:
    return max(len(row.outcome) for row in rows)


def _more(rows: Sequence[Row], outcome: str) -> str:
    return "" if all(row.exact for row in rows if row.outcome == outcome) else "more than "
