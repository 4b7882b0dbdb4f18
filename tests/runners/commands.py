"""A fire for a command, and commands to run."""

from __future__ import annotations

import asyncio
from typing import Any

from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.prompt import Definition
from scheduled_prompts.runners.command import CommandRunner
from scheduled_prompts.schedule import Interval

NOMINAL = 1_796_112_000_000
PROMPT_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def a_fire(text: str = "What is new?") -> Fire:
    prompt = Definition(
        text=text, schedule=Interval(every_ms=60_000, anchor=0), timezone="Europe/Berlin", runner="echo"
    )
    return Fire(
        id=f"{PROMPT_ID}@{NOMINAL}",
        prompt_id=PROMPT_ID,
        prompt=prompt,
        version=3,
        status=FireStatus.RUNNING,
        attempt=2,
        nominal=NOMINAL,
        due=NOMINAL + 1_500,
        started_at=NOMINAL + 1_507,
        runner="echo",
        platform="default",
    )


def run(runner: CommandRunner, fire: Fire | None = None) -> str:
    result = asyncio.run(runner.run(fire or a_fire()))
    assert result.text is not None
    return result.text


def shell(script: str, **options: Any) -> CommandRunner:
    return CommandRunner(["sh", "-c", script], **options)
