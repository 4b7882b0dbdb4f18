"""Lines with styles, as text: coloured where somebody sees them on a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from scheduled_prompts.cli.output import is_colourful


def painted(lines: Iterable[Text]) -> str:
    colours = is_colourful(sys.stdout)
    page = io.StringIO()
    console = Console(file=page, color_system="auto" if colours else None, force_terminal=colours, width=10_000)
    for line in lines:
        line.rstrip()
        console.print(line, soft_wrap=True)
    return page.getvalue()
