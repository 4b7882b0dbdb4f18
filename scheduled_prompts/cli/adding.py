"""`add`: schedule a prompt, say when it will fire, and warn where nobody would fire it."""

from __future__ import annotations

import sys
from typing import Any

import typer

from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import CommandFailed, write_document, write_lines, write_warning
from scheduled_prompts.cli.session import chosen_settings, open_scheduler, why_unserved
from scheduled_prompts.cli.waiting import first_fire, waiting
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.policies_words import in_words
from scheduled_prompts.prompt import MAX_TEXT_BYTES, PromptStatus
from scheduled_prompts.scheduler import Scheduled, Scheduler
from scheduled_prompts.views import fire_view, prompt_view, upcoming_view


async def add(
    choices: Choices,
    text: str,
    when: str,
    timezone: str | None,
    definition: dict[str, Any],
    *,
    wait: bool,
    wait_timeout: float | None,
) -> None:
    settings = chosen_settings(choices)
    if text == "-":
        text = standard_input()
    async with open_scheduler(settings) as scheduler:
        if scheduler.caller is None:  # else they are the caller's
            definition = {"runner": settings.runner, "platform": settings.platform} | definition
        answer = await scheduler.schedule(text, when, timezone=timezone, **definition)
        currency = settings.budgets.currency
        document = _document(answer, currency)
        unserved = await why_unserved(scheduler, answer.prompt, settings, choices)
        if unserved is not None:
            document["warning"] = "; ".join(unserved)
        if not choices.as_json:
            _tell(answer, scheduler.clock.now(), currency)
        if unserved is not None:
            write_warning(*unserved)
        fire = None
        if wait:
            fire = await _wait(scheduler, answer, document, wait_timeout)
            document["fire"] = fire_view(fire, answer.prompt.timezone)
        if choices.as_json:
            write_document(document)
        elif fire is not None:
            from scheduled_prompts.cli.screens import outcome

            write_lines(outcome(fire))
    if fire is not None and fire.status is not FireStatus.SUCCEEDED:
        raise typer.Exit(1)


async def _wait(scheduler: Scheduler, answer: Scheduled, document: dict[str, Any], limit: float | None) -> Fire:
    if answer.prompt.status is PromptStatus.PENDING_APPROVAL:
        raise CommandFailed("there is nothing to wait for: this prompt waits for approval", document=document)
    if not answer.upcoming:
        raise CommandFailed("there is nothing to wait for: this prompt will not fire again", document=document)
    try:
        async with waiting(answer.prompt, limit):
            return await first_fire(scheduler, answer.prompt, answer.upcoming[0])
    except CommandFailed as error:
        error.document = document
        raise


def _document(answer: Scheduled, currency: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "created": answer.created,
        "prompt": prompt_view(answer.prompt),
        "words": in_words(answer.prompt, currency),
        "upcoming": upcoming_view(answer.upcoming, answer.prompt.timezone),
    }
    if not answer.created:
        document["differs"] = answer.differs
    return document


def _tell(answer: Scheduled, now: int, currency: str) -> None:
    from scheduled_prompts.cli.screens import scheduled

    write_lines(scheduled(answer, now, currency))


def standard_input() -> str:
    """Standard input up to its end, without the line break that ends it. Raises InvalidInput."""
    raw = sys.stdin.buffer.read(MAX_TEXT_BYTES + 2)  # more is refused anyway
    try:
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        if len(raw) > MAX_TEXT_BYTES:
            raise InvalidInput(f"the text has more than {MAX_TEXT_BYTES:,} bytes") from error
        raise InvalidInput("standard input is not UTF-8 text") from error
