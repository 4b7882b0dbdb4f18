"""What a prompt will do, in plain English: when, how often, and what happens when not all goes as planned.

`every weekday at 09:00 Europe/Berlin, at most 1 at a time, skipped if more than 1 h late, at most 2.00 USD a day`. Told
is what decides whether and when it runs; what is default only where it matters to everybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from scheduled_prompts.money import plain
from scheduled_prompts.policies import Policies
from scheduled_prompts.prompt import Definition
from scheduled_prompts.schedule import Once
from scheduled_prompts.schedule.language.words import describe, humanize_duration


def in_words(definition: Definition, currency: str) -> list[str]:
    """The schedule, and what its policies do: phrases, to be read one after the other. `currency`: of the budgets."""
    return [describe(definition.schedule, timezone=definition.timezone), *policies_in_words(definition, currency)]


def policies_in_words(definition: Definition, currency: str) -> list[str]:
    return [
        *_window(definition),
        *_quiet_hours(definition),
        *_at_once(definition),
        *_late(definition),
        *_failures(definition),
        *_money(definition, currency),
    ]


def _window(definition: Definition) -> Iterator[str]:
    start, end = definition.start_at, definition.end_at
    if start is not None or end is not None:
        since = "" if start is None else f"from {_moment(definition, start)} {'on' if end is None else ''}".strip()
        until = "" if end is None else f"until {_moment(definition, end)}"
        yield f"{since} {until}".strip()
    if definition.max_fires is not None:
        yield "once" if definition.max_fires == 1 else f"at most {definition.max_fires} times"


def _quiet_hours(definition: Definition) -> Iterator[str]:
    if definition.quiet_hours is not None:
        for period in definition.quiet_hours.split(","):
            start, end = period.split("-")
            between = f"between {start} and {end}"
            yield f"not {between}" if definition.quiet_policy == "skip" else f"what falls {between} waits until {end}"
    if definition.jitter_ms:
        yield f"up to {humanize_duration(definition.jitter_ms)} later at random"


def _at_once(definition: Definition) -> Iterator[str]:
    if not isinstance(definition.schedule, Once):
        match definition.overlap:
            case "skip":
                yield "at most 1 at a time"
            case "queue":
                yield f"at most 1 at a time and {definition.queue_limit} waiting"
            case "replace":
                yield "at most 1 at a time, the next one in its place"
            case "allow":
                yield "several at a time if they take that long"
    if definition.concurrency_key is not None:
        yield f"at most {definition.concurrency} at a time of all with {definition.concurrency_key}"


def _late(definition: Definition) -> Iterator[str]:
    if definition.misfire == "all" and not isinstance(definition.schedule, Once):
        yield f"up to {definition.catch_up_limit} missed ones made up for in order"
    grace = definition.grace_ms
    yield "however late" if grace is None else f"skipped if more than {humanize_duration(grace)} late"


def _failures(definition: Definition) -> Iterator[str]:
    if definition.timeout != _default("timeout"):
        yield f"stopped after {humanize_duration(round(definition.timeout * 1000))}"
    which = "" if definition.retry_on == _default("retry_on") else f" after {' or '.join(definition.retry_on)}"
    match definition.retries:
        case 0:
            yield "not tried again"
        case 1:
            yield f"tried again once{which}"
        case times:
            yield f"tried again up to {times} times{which}"
    if definition.on_crash == "interrupt":
        yield "not run again after a crash"
    if definition.pause_after and not isinstance(definition.schedule, Once):
        times = definition.pause_after
        yield "paused when it fails" if times == 1 else f"paused when it fails {times} times in a row"


def _money(definition: Definition, currency: str) -> Iterator[str]:
    for amount, per in (
        (definition.max_cost, "each time"),
        (definition.budget_day, "a day"),
        (definition.budget_total, "in all"),
    ):
        if amount is not None:
            yield f"at most {_amount(amount, currency)} {per}"


def _amount(amount: Decimal, currency: str) -> str:
    return f"{plain(amount)} {currency}"


def _moment(definition: Definition, instant: int) -> str:
    text = definition.local(instant).isoformat(sep=" ", timespec="seconds")
    return f"{text[:16]}{'' if text[16:19] == ':00' else text[16:19]} {text[19:]}"


def _default(name: str) -> object:
    return Policies.model_fields[name].default
