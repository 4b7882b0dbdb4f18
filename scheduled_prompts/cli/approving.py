"""`approve` and `reject`: a person decides on what an agent asked for."""

from __future__ import annotations

from typing import Any

from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines, write_warning
from scheduled_prompts.cli.session import chosen_settings, open_scheduler, why_unserved
from scheduled_prompts.views import instant, prompt_view, upcoming_view


async def approve(choices: Choices, prompt_id: str, note: str | None, version: int | None) -> None:
    settings = chosen_settings(choices)
    async with open_scheduler(settings) as scheduler:
        answer = await scheduler.approve(prompt_id, note, version=version)
        zone_name = answer.prompt.timezone
        document: dict[str, Any] = {
            "prompt": prompt_view(answer.prompt),
            "passed": None
            if answer.passed is None
            else {"from": instant(answer.passed[0], zone_name), "until": instant(answer.passed[1], zone_name)},
            "upcoming": upcoming_view(answer.upcoming, zone_name),
        }
        unserved = await why_unserved(scheduler, answer.prompt, settings, choices)
        if unserved is not None:
            document["warning"] = "; ".join(unserved)
        now = scheduler.clock.now()
    if choices.as_json:
        write_document(document)
    else:
        from scheduled_prompts.cli.screens import approved

        write_lines(approved(answer, now))
    if unserved is not None:
        write_warning(*unserved)


async def reject(choices: Choices, prompt_id: str, note: str | None, version: int | None) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        answer = await scheduler.reject(prompt_id, note, version=version)
    if choices.as_json:
        counts = {"ended": answer.ended, "asked_to_stop": answer.asked_to_stop}
        write_document({"prompt": prompt_view(answer.prompt), **counts})
    else:
        from scheduled_prompts.cli.screens import rejected

        write_lines(rejected(answer))
