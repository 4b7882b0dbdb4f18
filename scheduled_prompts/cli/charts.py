"""A small bar chart: what ended in each hour, and what of it failed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.text import Text

from scheduled_prompts.scheduler.stats import Hour
from scheduled_prompts.views import instant

HEIGHT = 5
FEWEST_HOURS = 8
EIGHTHS = " ▁▂▃▄▅▆▇█"
PLAIN_EIGHTHS = "    #####"
HOUR_WIDTH = 3
FAILED = "failed"


def hours_chart(hours: Sequence[Hour], timezone: str, width: int) -> list[Text]:
    """Bars of what succeeded or failed, an hour each, and under them how many failed. Empty where nothing did either.
    Hours before the first that has something are left out, and so are those for which there is no room."""
    ran = [hour.ended.succeeded + hour.ended.failed for hour in hours]
    if not any(ran):
        return []
    margin = max(len(FAILED), len(f"{max(ran):,}")) + 2
    begin = max(min(next(i for i, count in enumerate(ran) if count), len(hours) - FEWEST_HOURS), 0)
    begin = max(begin, len(hours) - max((width - margin) // HOUR_WIDTH, 1))
    shown, top = hours[begin:], max(ran[begin:]) or 1
    draws_blocks = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    blocks, wall, corner, floor = (EIGHTHS, "│", "└", "─") if draws_blocks else (PLAIN_EIGHTHS, "|", "+", "-")
    lines = []
    for row in range(HEIGHT - 1, -1, -1):
        line = Text().append(f"{f'{top:,}' if row == HEIGHT - 1 else '':>{margin - 2}} {wall}", "dim")
        for hour in shown:
            line.append(" ")
            line.append_text(_cell(hour, row, top, blocks))
        lines.append(line)
    lines.append(Text(f"{'0':>{margin - 2}} {corner}{floor * HOUR_WIDTH * len(shown)}", style="dim"))
    labels = [(instant(hour.start, timezone) or "")[11:13] for hour in shown]
    lines.append(Text(" " * margin + "".join(f" {label}" for label in labels), style="dim"))
    if any(hour.ended.failed for hour in shown):
        failures = "".join(f"{_few(hour.ended.failed):>{HOUR_WIDTH}}" for hour in shown)
        lines.append(Text(f"{FAILED:<{margin}}{failures}", style="red"))
    return lines


def _cell(hour: Hour, row: int, top: int, blocks: str) -> Text:
    """One of the cells of a bar. What failed lies at the bottom."""
    count = hour.ended.succeeded + hour.ended.failed
    if not count:
        return Text("  ")
    scale = HEIGHT * 8 / top
    height = max(round(count * scale), 1)
    filled = min(max(height - row * 8, 0), 8)
    is_failure = hour.ended.failed and round(hour.ended.failed * scale) - row * 8 >= filled / 2
    if blocks is PLAIN_EIGHTHS and row == 0:
        filled = 8
    return Text(blocks[filled] * 2, style="red" if is_failure else "green")


def _few(count: int) -> str:
    if not count:
        return ""
    return str(count) if count < 100 else "99+"
