"""`cancel` and `run`: what ends a prompt, and what fires it beside its schedule."""

from __future__ import annotations

import typer

from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import CommandFailed, write_document, write_lines, write_warning
from scheduled_prompts.cli.session import chosen_settings, open_scheduler, why_unserved
from scheduled_prompts.cli.waiting import ended, waiting
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.settings import Settings
from scheduled_prompts.views import fire_view, prompt_view


async def cancel(choices: Choices, prompt_id: str, *, tree: bool) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        # By its full id from here on: a second look must not find another one.
        whole_id = await scheduler.resolve(prompt_id)
        done = await scheduler.cancel(whole_id, tree=tree)
        [found] = await scheduler.store.read_prompts([whole_id])
    prompt = found if isinstance(found, ScheduledPrompt) else None  # one that cannot be read can be cancelled, too
    if choices.as_json:
        view = None if prompt is None else prompt_view(prompt)
        counts = {"ended": done.ended, "asked_to_stop": done.asked_to_stop}
        write_document({"prompt": view, **counts, "cancelled_with_it": done.with_it, "still_living": done.living})
    else:
        from scheduled_prompts.cli.screens import cancelled

        write_lines(cancelled(whole_id, prompt, done))


async def run(choices: Choices, prompt_id: str, *, wait: bool, wait_timeout: float | None) -> None:
    settings = chosen_settings(choices)
    async with open_scheduler(settings) as scheduler:
        prompt = await scheduler.get(prompt_id)
        fire = await scheduler.run_now(prompt.id)
        await followed(scheduler, settings, choices, prompt, fire, wait=wait, wait_timeout=wait_timeout)


async def followed(
    scheduler: Scheduler,
    settings: Settings,
    choices: Choices,
    prompt: ScheduledPrompt,
    fire: Fire,
    *,
    wait: bool,
    wait_timeout: float | None,
) -> None:
    """Tell of a fire that was asked for just now, at once or when it has ended."""
    document = fire_view(fire, prompt.timezone)
    unserved = await why_unserved(scheduler, prompt, settings, choices)
    if unserved is not None:
        document["warning"] = "; ".join(unserved)
        write_warning(*unserved)
    if wait:
        try:
            async with waiting(prompt, wait_timeout):
                fire = await ended(scheduler, fire.id)
        except CommandFailed as error:
            error.document = {"fire": document}  # beside the error: a fire has an `error` of its own
            raise
        document |= fire_view(fire, prompt.timezone)
    if choices.as_json:
        write_document(document)
    else:
        from scheduled_prompts.cli.screens import outcome, queued

        write_lines(outcome(fire) if wait else queued(prompt, fire))
    if wait and fire.status is not FireStatus.SUCCEEDED:
        raise typer.Exit(1)
