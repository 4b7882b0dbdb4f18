"""Names in a column, their values beside them: how a screen for a person is laid out."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

NARROWEST = 20
Fields = Sequence[tuple[str, str]]


def field_lines(fields: Fields) -> list[str]:
    """One line a field, wrapped on a terminal; what is empty is left out."""
    margin = max((len(name) for name, value in fields if value), default=0) + 4
    lines = []
    for name, value in fields:
        if value:
            first, *rest = _wrapped(value, margin)
            lines += [f"{'  ' + name:<{margin}}{first}".rstrip(), *(f"{'':<{margin}}{line}".rstrip() for line in rest)]
    return lines


def below_each_other(name: str, values: Sequence[str]) -> Fields:
    """Several values under one name."""
    return [("" if position else name, value) for position, value in enumerate(values)]


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells, one string each, the cells of all rows below each other."""
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def room_beside(margin: int) -> int | None:
    """How many columns the terminal has left; None where there is none."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns - margin, NARROWEST)


def _wrapped(value: str, margin: int) -> list[str]:
    room = room_beside(margin)
    if room is None:
        return value.split("\n")
    return [part for line in value.split("\n") for part in textwrap.wrap(line, room, replace_whitespace=False) or [""]]
