"""The tables of `list` and `history`.

On a terminal of 110 columns or more, and in a pipe, a row is one line. On a narrower one, columns that belong together
share one and a row takes two lines. What is too long for its column is cut, on a terminal only.
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

from scheduled_prompts.cli.moments import UNKNOWN, absolute, how_far, length
from scheduled_prompts.cli.output import is_colourful, visible
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule.words import describe

ONE_LINE_FROM = 110
GAP = 2
NARROWEST = 16
LONGEST_IN_PIPE = 200

STATUS_STYLES = {
    "active": "green",
    "scheduled": "green",
    "paused": "yellow",
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
    """`above` and `below`: the two titles, and which cells share the column where it is narrow. One column of a table is
    flexible: it takes the room that the others leave."""

    above: str
    below: str | None = None
    flexible: bool = False


Cells = Sequence[tuple[Text, ...]]


def prompts_table(prompts: Sequence[ScheduledPrompt], last: Mapping[str, Fire], now: int) -> str:
    columns = [Column("ID"), Column("PROMPT", "WHEN", flexible=True), Column("NEXT", "AT"), Column("STATUS", "LAST")]
    return _table(columns, [_prompt_cells(prompt, last.get(prompt.id), now) for prompt in prompts])


def history_table(fires: Sequence[Fire], timezone: str) -> str:
    columns = [
        Column("TIME", "ATTEMPT"),
        Column("STATUS", "REASON"),
        Column("LATE", "TOOK"),
        Column("OUTPUT OR ERROR", flexible=True),
    ]
    return _table(columns, [_fire_cells(fire, timezone) for fire in fires])


def status_text(status: str) -> Text:
    return Text(status.replace("_", " "), style=STATUS_STYLES.get(status, ""))


def first_line(text: str) -> str:
    """The first line that says anything, as it can be shown."""
    lines = [line for line in text.splitlines() if line.strip()]
    line = visible(lines[0], lines=False) if lines else ""
    return f"{line} …" if len(lines) > 1 else line


def _prompt_cells(prompt: ScheduledPrompt, last: Fire | None, now: int) -> Cells:
    waits = not prompt.status.has_ended and prompt.status is not PromptStatus.PAUSED
    next_at = prompt.next_at if waits else None
    outcome = Text()
    if last is not None:
        outcome = status_text(last.status)
        if last.ended_at is not None:
            outcome.append(f" {how_far(last.ended_at, now)}", style="dim")
    return [
        (Text(short(prompt.id), style="bold"),),
        (Text(visible(prompt.name, lines=False) if prompt.name else first_line(prompt.text)), _when(prompt)),
        (Text(how_far(next_at, now)), Text(absolute(next_at, prompt.timezone) if next_at else "", style="dim")),
        (status_text(prompt.status), outcome),
    ]


def _when(prompt: ScheduledPrompt) -> Text:
    return Text(describe(prompt.schedule, timezone=prompt.timezone), style="dim")


def _fire_cells(fire: Fire, timezone: str) -> Cells:
    took = None if fire.started_at is None or fire.ended_at is None else fire.ended_at - fire.started_at
    again = "" if fire.attempt <= 1 else f"attempt {fire.attempt}"
    remarks = [word for word in ("manual" if fire.trigger == "manual" else "", again) if word]
    reason = "" if fire.reason is None or fire.reason == fire.status else fire.reason.replace("_", " ")
    return [
        (Text(absolute(fire.due, timezone, exact=True)), Text(", ".join(remarks), style="dim")),
        (status_text(fire.status), Text(reason, style="dim")),
        (Text(length(fire.lateness_ms)), Text(length(took))),
        (_said(fire),),
    ]


def _said(fire: Fire) -> Text:
    if fire.error and fire.status is not FireStatus.SUCCEEDED:
        return Text(first_line(fire.error), style="red")
    if fire.result is not None and fire.result.text:
        return Text(first_line(fire.result.text))
    return Text(UNKNOWN, style="dim")


def _table(columns: Sequence[Column], rows: Sequence[Cells]) -> str:
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    titles = [(Text(c.above, style="dim"),) + ((Text(c.below, style="dim"),) if c.below else ()) for c in columns]
    if width is None or width >= ONE_LINE_FROM:
        flexible = [column.flexible for column, title in zip(columns, titles, strict=True) for _ in title]
        lines = [[cell for cells in row for cell in cells] for row in (titles, *rows)]
    else:
        flexible = [column.flexible for column in columns]
        lines = [[cells[0] for cells in titles]]
        for row in rows:
            lines.append([cells[0] for cells in row])
            below = [cells[1] if len(cells) > 1 else Text() for cells in row]
            if any(cell.plain for cell in below):
                lines.append(below)
    return _rendered(lines, flexible, width)


def _rendered(lines: Sequence[Sequence[Text]], flexible: Sequence[bool], width: int | None) -> str:
    widths = [max(cell_len(line[i].plain) for line in lines) for i in range(len(flexible))]
    if width is not None:
        room = width - sum(w for w, f in zip(widths, flexible, strict=True) if not f) - GAP * (len(widths) - 1)
        share = max(room // sum(flexible), NARROWEST)
        widths = [min(w, share) if f else w for w, f in zip(widths, flexible, strict=True)]
    else:
        widths = [min(w, LONGEST_IN_PIPE) for w in widths]
    colours = "auto" if is_colourful(sys.stdout) else None
    console = Console(
        file=io.StringIO(), color_system=colours, force_terminal=colours is not None, highlight=False, width=10_000
    )
    for line in lines:
        row = Text(no_wrap=True)
        for cell, cell_width in zip(line, widths, strict=True):
            fitted = cell.copy()
            fitted.truncate(cell_width, overflow="ellipsis", pad=True)
            row.append_text(fitted)
            row.append(" " * GAP)
        row.rstrip()
        console.print(row, soft_wrap=True)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]  # it is the StringIO from above
