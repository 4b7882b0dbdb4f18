"""The tables of `list` and `history`.

In a pipe a row is one line, and so it is on a terminal that is wide enough. On a narrower one, columns that belong
together share one and a row takes two lines; remarks and output have a line of their own, where there are any. What is
too long for its column is cut.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from scheduled_prompts.cli.account import BY_FAILURES
from scheduled_prompts.cli.layout import count
from scheduled_prompts.cli.moments import UNKNOWN, absolute, how_far, is_overdue, length, why
from scheduled_prompts.cli.moments import coming as how_far_off
from scheduled_prompts.cli.naming import first_line as first_line
from scheduled_prompts.cli.naming import reference, said
from scheduled_prompts.cli.output import is_colourful, visible
from scheduled_prompts.cli.screens import pause_in_words
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Once
from scheduled_prompts.schedule.language.words import describe
from scheduled_prompts.store.records import Unreadable
from scheduled_prompts.upcoming import coming

ONE_LINE_FROM = 140
GAP = 2
NARROWEST = 16
LONGEST_IN_PIPE = 200

STATUS_STYLES = {
    "active": "green",
    "scheduled": "green",
    "paused": "yellow",
    "pending_approval": "yellow",
    "quarantined": "red",
    "executed": "dim",
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "interrupted": "red",
    "cancelled": "dim",
    "missed": "yellow",
    "skipped": "yellow",
    "retrying": "yellow",
    "running": "cyan",
    "queued": "cyan",
}


class Column(NamedTuple):
    """`above` and `below`: the two titles, and which cells share the column where the terminal is narrow. A `flexible`
    column takes the room that the others leave; a `spanning` one has a line of its own there."""

    above: str
    below: str | None = None
    flexible: bool = False
    spanning: bool = False


Cells = Sequence[tuple[Text, ...]]
Line = Sequence[Text]

PROMPT_COLUMNS = (
    Column("ID"),
    Column("PROMPT", "WHEN", flexible=True),
    Column("NEXT", "AT"),
    Column("STATUS", "LAST"),
    Column("REMARK", flexible=True, spanning=True),
)
FIRE_COLUMNS = (
    Column("TIME"),
    Column("STATUS"),
    Column("LATE"),
    Column("TOOK"),
    Column("ATTEMPT"),
    Column("REASON"),
    Column("FIRE", spanning=True),
    Column("OUTPUT OR ERROR", flexible=True, spanning=True),
)


def prompts_table(
    prompts: Sequence[ScheduledPrompt],
    unreadable: Sequence[Unreadable],
    last: Mapping[str, Fire],
    errors: Mapping[str, str],
    now: int,
    home: str,
) -> str:
    """`last` and `errors`: the last fire of a prompt, and why it was set aside, by its id. `home`: the zone that
    need not be named."""
    rows = [
        (prompt.id, _prompt_cells(prompt, last.get(prompt.id), errors.get(prompt.id), now, home)) for prompt in prompts
    ]
    rows += [(record.id, _unreadable_cells(record)) for record in unreadable]
    rows.sort(key=lambda row: row[0][:10], reverse=True)  # an id begins with the time of its making
    return table(PROMPT_COLUMNS, [cells for _, cells in rows])


def history_table(fires: Sequence[Fire], timezone: str) -> str:
    return table(FIRE_COLUMNS, [_fire_cells(fire, timezone) for fire in fires])


def status_text(status: str) -> Text:
    return Text(status.replace("_", " "), style=STATUS_STYLES.get(status, ""))


def _prompt_cells(prompt: ScheduledPrompt, last: Fire | None, error: str | None, now: int, home: str) -> Cells:
    following = coming(prompt, 1)
    next_at = following[0].due if following else None
    status, outcome = status_text(prompt.status), Text()
    if last is not None and prompt.status is PromptStatus.EXECUTED and not last.status.has_ended:
        status = status_text(last.status)  # nothing more is to come, but it is not over
    elif last is not None:
        outcome = status_text(last.status)
        if prompt.failures > 1:
            outcome.append(f" ×{prompt.failures}" if last.status.has_ended else f", failed ×{prompt.failures}")
        if last.ended_at is not None:
            outcome.append(f" {how_far(last.ended_at, now)}", style="dim")
    return [
        (Text(short(prompt.id), style="bold"),),
        (Text(visible(prompt.name, lines=False) if prompt.name else first_line(prompt.text)), _when(prompt, home)),
        (_next(next_at, now), Text(absolute(next_at, prompt.timezone) if next_at else "", style="dim")),
        (status, outcome),
        (_remark(prompt, error, now),),
    ]


def _unreadable_cells(record: Unreadable) -> Cells:
    why = "written by a newer release" if record.newer else "cannot be read"
    return [
        (Text(short(record.id), style="bold"),),
        (Text(f"({why})", style="dim"), Text()),
        (Text(), Text()),
        (status_text(visible(record.status, lines=False) or "quarantined"), Text()),
        (Text(first_line(record.error), style="dim" if record.newer else "red"),),
    ]


def _remark(prompt: ScheduledPrompt, error: str | None, now: int) -> Text:
    """Why it does not fire as its schedule says."""
    if prompt.status is PromptStatus.QUARANTINED:
        return Text(first_line(error or ""), style="red")
    if prompt.status is PromptStatus.PAUSED:
        when = how_far(prompt.paused_at, now) if prompt.paused_at is not None else ""
        if prompt.pause_reason == BY_FAILURES:
            given_up = f"paused itself {when} after {count(prompt.failures, 'failure')} in a row"
            return Text(
                ": ".join(part for part in (given_up, first_line(prompt.pause_note or "")) if part), style="red"
            )
        since = f"paused {when}" if when else ""
        reason = " ".join(pause_in_words(prompt).split())
        return Text(": ".join(part for part in (since, reason) if part), style="dim")
    if prompt.status is PromptStatus.PENDING_APPROVAL:
        asked = f"asked for by {prompt.pending_by} " if prompt.pending_by else ""
        until = f"; cancelled {how_far(prompt.pending_until, now)}" if prompt.pending_until is not None else ""
        return Text(f"{asked}{how_far(prompt.pending_since, now)}: {prompt.pending_why or ''}{until}", style="yellow")
    if prompt.skips and prompt.status.is_armed:
        first, *more = prompt.skips
        return Text(f"skips {absolute(first, prompt.timezone)}" + (f" and {len(more)} more" if more else ""), "dim")
    return Text()


def _next(next_at: int | None, now: int) -> Text:
    return Text(how_far_off(next_at, now), style="yellow" if is_overdue(next_at, now) else "")


def _when(prompt: ScheduledPrompt, home: str) -> Text:
    if isinstance(prompt.schedule, Once):
        return Text("once", style="dim")  # the next column says when
    return Text(describe(prompt.schedule, timezone=prompt.timezone if prompt.timezone != home else None), style="dim")


def _fire_cells(fire: Fire, timezone: str) -> Cells:
    took = None if fire.started_at is None or fire.ended_at is None else fire.ended_at - fire.started_at
    reasons = ["manual" if fire.trigger == "manual" else "", why(fire)]
    return [
        (Text(absolute(fire.due, timezone, exact=True)),),
        (status_text(fire.status),),
        (Text(length(fire.lateness_ms)),),
        (Text(length(took)),),
        (Text(str(fire.attempt)),),
        (Text(", ".join(reason for reason in reasons if reason), style="dim"),),
        (Text(reference(fire.id), style="dim"),),
        (_said(fire),),
    ]


def _said(fire: Fire) -> Text:
    words = first_line(said(fire) or "")
    failed = fire.error is not None and fire.status is not FireStatus.SUCCEEDED
    return Text(words, style="red" if failed else "") if words else Text(UNKNOWN, style="dim")


def table(columns: Sequence[Column], rows: Sequence[Cells]) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    titles: Cells = [tuple(Text(t, style="dim") for t in (c.above, c.below) if t is not None) for c in columns]
    if width is None or width >= ONE_LINE_FROM:
        flexible = [column.flexible for column, title in zip(columns, titles, strict=True) for _ in title]
        return _rendered([_flat(row) for row in (titles, *rows)], flexible, width)
    beside = [i for i, column in enumerate(columns) if not column.spanning]
    lines: list[Line] = [[titles[i][0] for i in beside]]
    for row in rows:
        lines.append([row[i][0] for i in beside])
        below = [row[i][1] if len(row[i]) > 1 else Text() for i in beside]
        if any(cell.plain for cell in below):
            lines.append(below)
        remarks = [cells[0] for i, cells in enumerate(row) if i not in beside and cells[0].plain not in ("", UNKNOWN)]
        if remarks:
            lines.append([Text("  ").append_text(Text(" " * GAP).join(remarks))])
    return _rendered(lines, [columns[i].flexible for i in beside], width)


def _flat(row: Cells) -> Line:
    return [cell for cells in row for cell in cells]


def _rendered(lines: Sequence[Line], flexible: Sequence[bool], width: int | None) -> str:
    """The lines as text. The first has the titles; a line of one cell spans all columns; columns in which nothing is
    said are left out."""
    full = [line for line in lines if len(line) == len(flexible)]
    kept = [i for i in range(len(flexible)) if any(line[i].plain for line in full[1:])]
    widths = {i: max(cell_len(line[i].plain) for line in full) for i in kept}
    if width is None:
        widths = {i: min(w, LONGEST_IN_PIPE) for i, w in widths.items()}
    else:
        room = width - sum(w for i, w in widths.items() if not flexible[i]) - GAP * (len(kept) - 1)
        narrow_first = sorted((i for i in kept if flexible[i]), key=lambda i: widths[i])
        for left, i in zip(range(len(narrow_first), 0, -1), narrow_first, strict=True):
            widths[i] = min(widths[i], max(room // left, NARROWEST))
            room -= widths[i]
    colours = is_colourful(sys.stdout)
    page = io.StringIO()
    console = Console(file=page, color_system="auto" if colours else None, force_terminal=colours, width=10_000)
    for line in lines:
        row = Text(no_wrap=True)
        if len(line) == 1 < len(flexible):
            row.append_text(_fitted(line[0], width))
        else:
            for i in kept:
                row.append_text(_fitted(line[i], widths[i]))
                row.append(" " * GAP)
        row.rstrip()
        console.print(row, soft_wrap=True)
    return page.getvalue()


def _fitted(cell: Text, width: int | None) -> Text:
    """The cell in exactly `width` columns of a terminal; None: as it is."""
    fitted = cell.copy()
    if width is not None:
        fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted
