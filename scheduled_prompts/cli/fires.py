"""`fire show`, `fire cancel`, `fire rerun`: one fire."""

from __future__ import annotations

from scheduled_prompts.cli.acting import followed
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines
from scheduled_prompts.cli.session import chosen_settings, open_scheduler
from scheduled_prompts.errors import NotFound, StoreUnusable
from scheduled_prompts.fire import Fire
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.views import fire_view, whole_fire_view

UNKNOWN_ZONE = "UTC"


async def show_fire(choices: Choices, reference: str) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        fire = await _with_prompt(scheduler, await scheduler.fire(reference))
        now = scheduler.clock.now()
    if choices.as_json:
        write_document(whole_fire_view(fire, _zone(fire)))
    else:
        from scheduled_prompts.cli.fire_screen import whole_fire

        write_lines(whole_fire(fire, _zone(fire), now))


async def cancel_fire(choices: Choices, reference: str) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        # By its full id from here on: a prompt's "last fire" may be another one by then.
        found = await scheduler.fire(reference)
        fire = await _with_prompt(scheduler, await scheduler.cancel_fire(found.id))
    if choices.as_json:
        write_document(fire_view(fire, _zone(fire)))
    else:
        from scheduled_prompts.cli.fire_screen import stopped

        write_lines(stopped(fire))


async def rerun_fire(choices: Choices, reference: str, *, wait: bool, wait_timeout: float | None) -> None:
    settings = chosen_settings(choices)
    async with open_scheduler(settings) as scheduler:
        fire = await scheduler.rerun(reference)
        prompt = await scheduler.get(fire.prompt_id)
        await followed(scheduler, settings, choices, prompt, fire, wait=wait, wait_timeout=wait_timeout)


async def _with_prompt(scheduler: Scheduler, fire: Fire) -> Fire:
    """With the definition that it ran; without, where that cannot be read."""
    try:
        return await scheduler.fire(fire.id, with_prompt=True)
    except (StoreUnusable, NotFound):
        return fire


def _zone(fire: Fire) -> str:
    return UNKNOWN_ZONE if fire.prompt is None else fire.prompt.timezone
