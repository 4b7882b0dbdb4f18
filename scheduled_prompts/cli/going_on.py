"""A prompt that fires again, after a pause or once it is approved: what that is told as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines, write_warning
from scheduled_prompts.cli.session import why_unserved
from scheduled_prompts.scheduler import Approved, Resumed, Scheduler
from scheduled_prompts.settings import Settings
from scheduled_prompts.views import instant, prompt_view, upcoming_view


class GoesOn(NamedTuple):
    document: dict[str, Any]
    warning: tuple[str, str] | None
    """Why nobody would fire it, and what to do."""

    def tell(self, choices: Choices, screen: Callable[[], str]) -> None:
        if choices.as_json:
            write_document(self.document)
        else:
            write_lines(screen())
        if self.warning is not None:
            write_warning(*self.warning)


async def goes_on(scheduler: Scheduler, answer: Approved | Resumed, settings: Settings, choices: Choices) -> GoesOn:
    zone_name, passed = answer.prompt.timezone, answer.passed
    document: dict[str, Any] = {
        "prompt": prompt_view(answer.prompt),
        "passed": None
        if passed is None
        else {"from": instant(passed[0], zone_name), "until": instant(passed[1], zone_name)},
        "upcoming": upcoming_view(answer.upcoming, zone_name),
    }
    warning = await why_unserved(scheduler, answer.prompt, settings, choices)
    if warning is not None:
        document["warning"] = "; ".join(warning)
    return GoesOn(document, warning)
