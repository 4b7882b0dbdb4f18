"""The options that commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, NamedTuple

import typer

from scheduled_prompts.durations import seconds
from scheduled_prompts.errors import InvalidInput, quoted

PROMPTS = "Prompts"
FIRES = "Fires"
LOOKING = "Looking"
RUNNING_IT = "Running it"
"""The panels of `--help`, by what a command is about."""

GLOBAL = "For every command"
ADDRESS = "Whose it is and where it goes"
WAITING = "Waiting for it"
GUARD = "What it was made on"
PAGE = 50
"""How many `list` and `history` show at most, unless told."""


class Choices(NamedTuple):
    """What was said before or behind the command: the nearer one counts."""

    as_json: bool = False
    store: str | None = None
    config: str | None = None


def label(text: str) -> tuple[str, str]:
    """`k=v`. Raises ValueError."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ValueError(f"{quoted(text)} is not a label such as team=ops")
    return name.strip(), value


def labels(pairs: Sequence[tuple[str, str]] | None) -> dict[str, str]:
    """What several `--label` come to. Raises InvalidInput where one name is given twice."""
    found: dict[str, str] = {}
    for name, value in pairs or ():
        if name in found:
            both = f"{quoted(found[name])} and {quoted(value)}"
            raise InvalidInput(f"label {quoted(name)} is given twice: {both}", hint="a label has one value")
        found[name] = value
    return found


AsJson = Annotated[
    bool,
    typer.Option("--json", metavar="", help="Answer with one JSON document; errors too.", rich_help_panel=GLOBAL),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Where the prompts are: embedded:, embedded:<dir>, redis://…, rediss://…, unix://…, memory:",
        rich_help_panel=GLOBAL,
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; else scheduled-prompts.toml in this directory, if there.",
        rich_help_panel=GLOBAL,
    ),
]
PromptId = Annotated[str, typer.Argument(metavar="ID", help="A prompt's id, or any beginning or end of it.")]
Timezone = Annotated[
    str | None,
    typer.Option("--tz", metavar="ZONE", help="An IANA zone such as Europe/Berlin; else the configured one."),
]
RunnerName = Annotated[
    str | None, typer.Option("--runner", metavar="NAME", help="Who does it; else the configured one (log).")
]
Title = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What people call it.")]
Platform = Annotated[
    str | None,
    typer.Option("--platform", metavar="NAME", help="Where the answer goes.", rich_help_panel=ADDRESS),
]
Agent = Annotated[str | None, typer.Option("--agent", metavar="NAME", rich_help_panel=ADDRESS)]
Conversation = Annotated[str | None, typer.Option("--conversation", metavar="NAME", rich_help_panel=ADDRESS)]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", parser=label, metavar="K=V", help="Repeat for more.", rich_help_panel=ADDRESS),
]
FireRef = Annotated[
    str,
    typer.Argument(metavar="REF", help="A fire as `history` shows it: ID@TIME or ID+END; or ID for that one's last."),
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", help="How many at most.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier answer ended.")]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait", metavar="", help="Wait until it has fired, and say what came of it.", rich_help_panel=WAITING
    ),
]
WaitTimeout = Annotated[
    float | None,
    typer.Option(
        "--wait-timeout",
        parser=seconds,
        metavar="DURATION",
        help="Stop waiting after this time; the prompt stays.",
        rich_help_panel=WAITING,
    ),
]


def money(text: str) -> Decimal:
    """An amount such as `2.50`. Raises ValueError."""
    said = text.strip()
    whole, dot, places = said.partition(".")
    fits = len(whole) <= 15 and len(places) <= 6
    if not (fits and said.isascii() and whole.isdecimal() and (places.isdecimal() or not dot)):
        raise ValueError(f"{quoted(text)} is no amount such as 2.50 (no currency, at most six places)")
    return Decimal(said)
