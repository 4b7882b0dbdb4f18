"""`pause`, `resume`, `skip`, `unskip`: a prompt that rests for a while, or for one occurrence."""

from __future__ import annotations

from typing import Any, Literal

from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines, write_warning
from scheduled_prompts.cli.session import chosen_settings, open_scheduler, why_unserved
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
        from scheduled_prompts.cli.screens import resumed

        write_lines(resumed(answer, now))
    if unserved is not None:
        write_warning(*unserved)


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
