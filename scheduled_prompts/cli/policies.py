"""The options for a prompt's policies: one table, from which `add` and `edit` have theirs.

A row is the option's name, the fields it sets, how its value is read, and what `--help` says of it. An option whose
reader answers with a mapping sets several fields.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import typer

from scheduled_prompts.cli.options import money
from scheduled_prompts.durations import seconds
from scheduled_prompts.errors import quoted

HOW_IT_RUNS = "How it runs"
"""A panel of `--help`."""


class PolicyOption(NamedTuple):
    name: str
    """As it is typed, without the dashes; it may be cleared by this name."""
    kind: Any
    """A type that Typer knows, or a function that reads a text (and raises ValueError)."""
    help: str
    fields: tuple[str, ...] = ()
    """The fields that it sets; () stands for the one that is called like it."""
    metavar: str | None = None
    panel: str = HOW_IT_RUNS

    @property
    def names(self) -> tuple[str, ...]:
        return self.fields or (self.name.replace("-", "_"),)


def retries(text: str) -> dict[str, Any]:
    """A count (`3`), or the delays before each retry (`10s,1m,5m`). Raises ValueError."""
    compact = text.strip()
    if compact.isascii() and compact.isdecimal() and len(compact) < 10:
        return {"retries": int(compact)}
    try:
        delays = tuple(seconds(part) for part in compact.split(","))
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is neither a count such as 3 nor delays such as 10s,1m,5m") from error
    return {"retries": len(delays), "retry_delays": delays}


def words(text: str) -> tuple[str, ...]:
    """`error,timeout`. Raises ValueError."""
    found = tuple(word for part in text.split(",") if (word := part.strip()))
    if not found:
        raise ValueError(f"{quoted(text)} is not a list of words such as error,timeout")
    return found


OPTIONS = (
    PolicyOption(
        "overlap",
        Literal["skip", "queue", "replace", "allow"],
        "What becomes of an occurrence while the one before has not ended (skip).",
    ),
    PolicyOption("queue-limit", int, "How many may wait where --overlap is queue (1).", metavar="1-1000"),
    PolicyOption("priority", int, "High goes first where not all can run (50; by --origin).", metavar="0-100"),
    PolicyOption(
        "origin",
        Literal["schedule", "routine", "assignment", "goal"],
        "What it came from: priority 50, 60, 70, 75 (schedule).",
    ),
    PolicyOption("concurrency-key", str, "Of all fires with this word only --concurrency run at once.", metavar="WORD"),
    PolicyOption("concurrency", int, "How many fires with its --concurrency-key run at once (1).", metavar="N"),
    PolicyOption("timeout", seconds, "How long an attempt may take (1h).", metavar="DURATION"),
    PolicyOption(
        "retries",
        retries,
        "How often a failure is tried again (4), or after how long each time: 10s,1m,5m.",
        fields=("retries", "retry_delays"),
        metavar="N|DELAYS",
    ),
    PolicyOption("retry-factor", float, "Each further delay is so many times the one before (1).", metavar="FACTOR"),
    PolicyOption("retry-jitter", float, "How much longer or shorter a delay may be (0.25).", metavar="0-1"),
    PolicyOption(
        "retry-on",
        words,
        "What is tried again: error, timeout, or names of exceptions: timeout,ConnectionError (error,timeout).",
        metavar="WORDS",
    ),
    PolicyOption(
        "pause-after", int, "Pause itself after so many failed fires in a row; 0: never (5).", metavar="0-1000"
    ),
    PolicyOption("on-crash", Literal["rerun", "interrupt"], "What becomes of a fire whose daemon died (rerun)."),
    PolicyOption("jitter", seconds, "Be due up to this much later (0).", metavar="DURATION"),
    PolicyOption(
        "misfire", Literal["once", "skip", "all"], "Of those that passed unfired: the latest, none, all (once)."
    ),
    PolicyOption("grace", seconds, "Later than this is missed (1h; a one-shot never is).", metavar="DURATION"),
    PolicyOption("catch-up-limit", int, "How many to catch up with, --misfire all (10).", metavar="N"),
    PolicyOption("start", str, "Count only occurrences from then on: a date, or date and time.", ("start_at",), "WHEN"),
    PolicyOption("end", str, "Count only occurrences before then.", ("end_at",), "WHEN"),
    PolicyOption("max-fires", int, "Fire so many times, then be executed.", metavar="N"),
    PolicyOption("quiet", str, "Nothing is due then: 22:00-07:00, several with commas; or none.", metavar="HOURS"),
    PolicyOption("quiet-policy", Literal["skip", "defer"], "What falls in them is skipped, or due at their end."),
    PolicyOption("max-cost", money, "What one fire may cost at most; reserved before it runs.", metavar="AMOUNT"),
    PolicyOption("budget-day", money, "What all its fires may cost in a day.", metavar="AMOUNT"),
    PolicyOption("budget-total", money, "What all its fires may cost.", metavar="AMOUNT"),
)


def takes_policies(command: Callable[..., None]) -> Callable[..., None]:
    """A command with all these options, which it gets as `policies`: the fields that were said, and their values."""

    @functools.wraps(command)
    def with_options(**arguments: Any) -> None:
        fields: dict[str, Any] = {}
        for option in OPTIONS:
            value = arguments.pop(_parameter(option))
            if isinstance(value, Mapping):
                fields |= value
            elif value is not None:
                fields[option.names[0]] = value
        command(**arguments, policies=fields)

    own = inspect.signature(command, eval_str=True).parameters
    places = [place for place in own.values() if place.name != "policies"]
    last = next(number for number, place in enumerate(places) if place.name in ("wait", "as_json"))
    mine = [
        inspect.Parameter(_parameter(option), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_typed(option))
        for option in OPTIONS
    ]
    every = [place.replace(kind=inspect.Parameter.KEYWORD_ONLY) for place in (*places[:last], *mine, *places[last:])]
    with_options.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]  # what Typer reads
    with_options.__annotations__ = {place.name: place.annotation for place in every}
    return with_options


def _parameter(option: PolicyOption) -> str:
    return option.name.replace("-", "_")


def _typed(option: PolicyOption) -> Any:
    reads = inspect.isfunction(option.kind)
    return Annotated[
        (Any if reads else option.kind | None if isinstance(option.kind, type) else option.kind),
        typer.Option(
            f"--{option.name}",
            parser=option.kind if reads else None,
            metavar=option.metavar,
            help=option.help,
            rich_help_panel=option.panel,
        ),
    ]
