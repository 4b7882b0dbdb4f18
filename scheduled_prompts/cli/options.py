"""The options that commands share, and how their values are read."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

import typer

GLOBAL = "For every command"
ADDRESS = "Whose it is and where it goes"
POLICY = "How it runs"
WAITING = "Waiting for it"

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


class Choices(NamedTuple):
    """What was said before or behind the command: the nearer one counts."""

    as_json: bool = False
    store: str | None = None
    config: str | None = None


class Retries(NamedTuple):
    """How often a failed fire is tried again, and after how long (s); None: the usual delays."""

    times: int
    delays: tuple[float, ...] | None


def seconds(text: str) -> float:
    """A duration in seconds: `90`, `90s`, `1.5h`, `1h30m`. Raises ValueError."""
    compact = text.strip().lower()
    if _NUMBER.fullmatch(compact):
        return float(compact)
    parts = list(_PART.finditer(compact))
    if not parts or _PART.sub("", compact).strip():
        raise ValueError(f"{text!r} is not a duration such as 90s, 10m or 1h30m")
    return sum(float(part[1]) * _UNIT_SECONDS[part[2]] for part in parts)


def retries(text: str) -> Retries:
    """A count (`3`), or the delays before each retry (`10s,1m,5m`). Raises ValueError."""
    compact = text.strip()
    if compact.isascii() and compact.isdecimal():
        return Retries(int(compact), None)
    try:
        delays = tuple(seconds(part) for part in compact.split(","))
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a count such as 3 nor delays such as 10s,1m,5m") from error
    return Retries(len(delays), delays)


def label(text: str) -> tuple[str, str]:
    """`k=v`. Raises ValueError."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ValueError(f"{text!r} is not a label such as team=ops")
    return name.strip(), value


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
