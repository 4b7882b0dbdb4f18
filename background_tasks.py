"""The periodic jobs of a host with a loop of its own, by name and period.

Hand each to the host's scheduler, or let `run_background_tasks(redis)` do it:

    redis = Redis.from_url("redis://localhost")
    set_bot_runner(my_bot)
    await hydrate_scheduled_prompts(redis, ["telegram"])
    await run_background_tasks(redis)

A host that runs the daemon (`main.py`) needs none of this: the daemon sweeps and cleans up by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from redis.asyncio import Redis

from scheduled_prompts import cleanup_expired_prompts, tick_scheduled_prompts

log = structlog.get_logger()

DAYS_TO_KEEP = 7


async def scheduled_prompt_tick(redis: Redis) -> None:
    """Each minute: fire what is due."""
    await tick_scheduled_prompts(redis)


async def scheduled_prompt_cleanup(redis: Redis) -> str:
    """Each hour: delete what ended more than seven days ago. Returns the JSON of `cleanup_expired_prompts`."""
    answer = await cleanup_expired_prompts(redis, days_to_keep=DAYS_TO_KEEP)
    log.info("scheduled_prompt_cleanup", answer=answer)
    return answer


class BackgroundTask(NamedTuple):
    job: Callable[[Redis], Awaitable[object]]
    period: float
    """Seconds."""


BACKGROUND_TASKS = {
    "scheduled_prompt_tick": BackgroundTask(scheduled_prompt_tick, 60.0),
    "scheduled_prompt_cleanup": BackgroundTask(scheduled_prompt_cleanup, 3600.0),
}


async def run_background_tasks(redis: Redis) -> None:
    """Run them all, each at its period, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for task in BACKGROUND_TASKS.values():
            group.create_task(_repeat(task, redis))


async def _repeat(task: BackgroundTask, redis: Redis) -> None:
    while True:
        await task.job(redis)
        await asyncio.sleep(task.period)
