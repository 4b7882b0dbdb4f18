"""`pause`, `resume`, `skip`, `unskip`: a prompt that rests for a while, or for one occurrence."""

from __future__ import annotations

from typing import Literal

from scheduled_prompts.cli.going_on import goes_on
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines
from scheduled_prompts.cli.session import chosen_settings, open_scheduler
from scheduled_prompts.views import instant, prompt_view, upcoming_view


async def pause(choices: Choices, prompt_id: str, note: str | None, version: int | None) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        answer = await scheduler.pause(prompt_id, note, version=version)
    if choices.as_json:
        write_document({"prompt": prompt_view(answer.prompt), "taken_back": answer.taken_back})
    else:
        from scheduled_prompts.cli.screens import paused

        write_lines(paused(answer))


async def resume(choices: Choices, prompt_id: str) -> None:
    settings = chosen_settings(choices)
    async with open_scheduler(settings) as scheduler:
        answer = await scheduler.resume(prompt_id)
        told = await goes_on(scheduler, answer, settings, choices)
        now = scheduler.clock.now()

    def screen() -> str:
        from scheduled_prompts.cli.screens import resumed

        return resumed(answer, now)

    told.tell(choices, screen)


async def skip(choices: Choices, mode: Literal["skip", "unskip"], prompt_id: str, when: str) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        change = scheduler.skip if mode == "skip" else scheduler.unskip
        answer = await change(prompt_id, when)
        now = scheduler.clock.now()
    if choices.as_json:
        zone_name = answer.prompt.timezone
        write_document(
            {
                "prompt": prompt_view(answer.prompt),
                "nominal": instant(answer.nominal, zone_name),
                "upcoming": upcoming_view(answer.upcoming, zone_name),
            }
        )
    else:
        from scheduled_prompts.cli.screens import skipped

        write_lines(skipped(answer, mode, now))
