"""What a person is shown of `doctor`: a line a check, and below it what there is to know and to do."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from rich.text import Text

from scheduled_prompts.cli.output import visible
from scheduled_prompts.cli.painting import painted
from scheduled_prompts.scheduler.diagnosis import Finding, Level

MARKS = {
    Level.OK: ("ok", "green"),
    Level.NOTE: ("note", "cyan"),
    Level.WARNING: ("warning", "yellow"),
    Level.PROBLEM: ("PROBLEM", "bold red"),
}
MARGIN = 9
CHECK = 13
NARROWEST = 40
IN_A_PIPE = 200


def findings_screen(found: Sequence[Finding]) -> str:
    lines: list[Text] = []
    for finding in found:
        mark, style = MARKS[finding.level]
        first, *rest = _wrapped(finding.message)
        lines.append(
            Text().append(f"{mark:<{MARGIN}}", style).append(f"{finding.check:<{CHECK}}", "bold").append(first)
        )
        lines += [_beside(line) for line in rest]
        lines += [_beside(line, "dim") for detail in finding.details for line in _wrapped(detail, hanging="  ")]
        if finding.hint and finding.level is not Level.OK:
            lines += [_beside(line, "cyan") for line in _wrapped(f"→ {finding.hint}", hanging="  ")]
    return painted([*lines, Text(), _summary(found)])


def _summary(found: Sequence[Finding]) -> Text:
    problems = sum(finding.level is Level.PROBLEM for finding in found)
    warnings = sum(finding.level is Level.WARNING for finding in found)
    if problems:
        return Text(f"{problems} {'problem' if problems == 1 else 'problems'}", "bold red")
    if warnings:
        return Text(f"no problem, {warnings} {'warning' if warnings == 1 else 'warnings'}", "yellow")
    return Text("all is well", "green")


def _beside(line: str, style: str = "") -> Text:
    return Text(" " * (MARGIN + CHECK)).append(line, style)


def _wrapped(text: str, *, hanging: str = "") -> list[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else IN_A_PIPE
    room = max(width - MARGIN - CHECK, NARROWEST)
    return textwrap.wrap(visible(text, lines=False), room, subsequent_indent=hanging) or [""]
