"""What a person is shown of how things stand: the answer to `stats`, on one screen."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from scheduled_prompts.cli.charts import hours_chart
from scheduled_prompts.cli.halting import halt_in_words
from scheduled_prompts.cli.moments import absolute, coming, length
from scheduled_prompts.cli.naming import caption
from scheduled_prompts.cli.output import visible
from scheduled_prompts.cli.painting import painted
from scheduled_prompts.cli.spending import spent_in_words
from scheduled_prompts.cli.tables import STATUS_STYLES
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler.spending import Spending
from scheduled_prompts.scheduler.stats import Due, Ended, Stats
from scheduled_prompts.store.halting import Halt
from scheduled_prompts.store.records import ALL, DaemonInfo, ReadPrompt

MARGIN = 12
IN_A_PIPE = 100
NARROWEST = 40
GAP = "  "


def overview(stats: Stats, first: ReadPrompt, where: str, start_one: str) -> str:
    """`first`: the prompt that is due first; `start_one`: the command that starts a daemon."""
    width = max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else IN_A_PIPE
    room = width - MARGIN
    sections: list[tuple[str, list[Text]]] = [
        ("Store", [Text(where)]),
        ("Stopped", [] if stats.halt is None else [_stopped(stats.halt, stats)]),
        ("Prompts", _wrapped(_prompts(stats), room)),
        ("Due now", _due_now(stats, first)),
        ("Next", _next(stats, first, room)),
        ("Fires", _wrapped(_fires(stats), room)),
        ("Last hour", _wrapped(_last_hour(stats.last_hour), room)),
        ("Lateness", _wrapped(_late(stats), room)),
        ("Spent", _wrapped(_spent(stats.spending), room)),
        ("Daemons", _daemons(stats, start_one, room)),
    ]
    lines = []
    for name, values in sections:
        for position, value in enumerate(values):
            value.truncate(room, overflow=value.overflow or "ellipsis")
            lines.append(Text().append(f"{'' if position else name:<{MARGIN}}", "bold").append_text(value))
    chart = hours_chart(stats.hours, stats.timezone, width)
    if chart:
        lines += [Text(), Text().append("Fires by hour", "bold").append(f", {stats.timezone}"), *chart]
    return painted(lines)


def _stopped(halt: Halt, stats: Stats) -> Text:
    return Text(f"all, {halt_in_words(halt, stats.timezone, stats.at)}", style="bold red", overflow="fold")


def _prompts(stats: Stats) -> list[Text]:
    counts = [
        Text(f"{count:,} {status.replace('_', ' ')}", style=STATUS_STYLES.get(status, ""))
        for status, count in stats.by_status.items()
        if count and status != "quarantined"
    ]
    if stats.quarantined:
        counts.append(Text(f"{stats.quarantined:,} quarantined (`doctor` says why)", style="red"))
    return counts or [Text("none yet")]


def _due_now(stats: Stats, first: ReadPrompt) -> list[Text]:
    if stats.oldest_due is None:
        return []
    since = length(stats.at - stats.oldest_due.at)
    return [Text(f"{stats.due_now:,}, the oldest for {since}: {_name(stats.oldest_due, first)}", style="yellow")]


def _next(stats: Stats, first: ReadPrompt, room: int) -> list[Text]:
    if stats.next_due is None:
        return []
    at = stats.next_due.at
    moment = absolute(at, stats.timezone, weekday=True)
    return _wrapped([Text(coming(at, stats.at)), Text(moment, style="dim"), Text(_name(stats.next_due, first))], room)


def _fires(stats: Stats) -> list[Text]:
    counts = (("running", stats.running), ("waiting", stats.waiting), ("retrying", stats.retrying))
    return [Text(f"{count:,} {name}", style=STATUS_STYLES.get(name, "")) for name, count in counts if count]


def _last_hour(ended: Ended) -> list[Text]:
    if not ended.total:
        return []
    parts = [Text(f"{ended.succeeded:,} succeeded", style="green")] if ended.succeeded else []
    if ended.failed:
        parts.append(Text(f"{ended.failed:,} failed", style="red"))
    if ended.other:
        parts.append(Text(f"{ended.other:,} skipped or cancelled", style="dim"))
    return parts


def _late(stats: Stats) -> list[Text]:
    late = stats.lateness
    if late.p50 is None or late.p99 is None:
        return []
    return [Text(f"p50 {length(late.p50)}"), Text(f"p99 {length(late.p99)}"), Text("in the last hour", style="dim")]


def _spent(spending: Spending | None) -> list[Text]:
    if spending is None or not spending.is_used:
        return []
    today = Text(f"today {spent_in_words(spending.today, spending.currency)}")
    return [today, Text(f"in all {spent_in_words(spending.total, spending.currency)}", style="dim")]


def _daemons(stats: Stats, start_one: str, room: int) -> list[Text]:
    if not stats.daemons:
        return _wrapped(
            [Text("none, and nothing fires until one runs:", style="yellow"), Text(start_one, overflow="ignore")], room
        )
    lines: list[Text] = []
    for daemon in stats.daemons:
        lines += _wrapped(_daemon(daemon, stats.at), room)
    return lines


def _daemon(daemon: DaemonInfo, now: int) -> list[Text]:
    is_full = daemon.running >= daemon.slots
    parts = [
        Text(visible(daemon.id, lines=False)),
        Text(f"{daemon.running:,} of {daemon.slots:,} slots", style="yellow" if is_full else ""),
        Text(f"up {length(max(now - daemon.started_at, 0))}"),
        Text(f"runners {', '.join(daemon.runners)}", style="dim"),
    ]
    if ALL not in daemon.platforms:
        parts.append(Text(f"platforms {', '.join(daemon.platforms)}", style="dim"))
    return [*parts, Text(daemon.version, style="dim")]


def _name(due: Due, prompt: ReadPrompt) -> str:
    name = f" {caption(prompt)}" if isinstance(prompt, ScheduledPrompt) else ""
    return f"{short(due.prompt_id)}{name}"


def _wrapped(parts: Sequence[Text], room: int) -> list[Text]:
    """The parts beside each other, in as many lines as it takes; a later line is set in."""
    lines: list[Text] = []
    for part in parts:
        if lines and cell_len(lines[-1].plain) + len(GAP) + cell_len(part.plain) <= room:
            lines[-1].append(GAP).append_text(part)
        else:
            lines.append(Text("  " if lines else "", overflow=part.overflow).append_text(part))
    return lines
