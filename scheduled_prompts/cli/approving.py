"""`approve` and `reject`: a person decides on what an agent asked for."""

from __future__ import annotations

from scheduled_prompts.cli.going_on import goes_on
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines
from scheduled_prompts.cli.session import chosen_settings, open_scheduler
from scheduled_prompts.views import prompt_view


async def approve(choices: Choices, prompt_id: str, note: str | None, version: int | None) -> None:
    settings = chosen_settings(choices)
    async with open_scheduler(settings) as scheduler:
        answer = await scheduler.approve(prompt_id, note, version=version)
        told = await goes_on(scheduler, answer, settings, choices)
        now = scheduler.clock.now()

    def screen() -> str:
        from scheduled_prompts.cli.screens import approved

        return approved(answer, now)

    told.tell(choices, screen)


async def reject(choices: Choices, prompt_id: str, note: str | None, version: int | None) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        answer = await scheduler.reject(prompt_id, note, version=version)
    if choices.as_json:
        counts = {"ended": answer.ended, "asked_to_stop": answer.asked_to_stop}
        write_document({"prompt": prompt_view(answer.prompt), **counts})
    else:
        from scheduled_prompts.cli.screens import rejected

        write_lines(rejected(answer))
