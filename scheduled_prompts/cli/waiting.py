"""Waiting for a fire to end, by looking: often around the moment when something is to happen, seldom else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scheduled_prompts.cli.moments import how_far
from scheduled_prompts.cli.output import CommandFailed, write_note
from scheduled_prompts.errors import NotFound
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.ids import scheduled_fire_id, short
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.upcoming import Occurrence

SHORTEST_LOOK = 0.02
LONGEST_LOOK = 1.0


@asynccontextmanager
async def waiting(prompt: ScheduledPrompt, limit: float | None) -> AsyncIterator[None]:
    """Bounds a wait by `limit` seconds, and says what stays behind when it ends early."""
    name = short(prompt.id)
    hint = f"the prompt stays: `history {name}` will tell"
    write_note(f"waiting for {name} (Ctrl-C stops the waiting, not the prompt)")
    try:
        async with asyncio.timeout(limit):
            yield
    except TimeoutError as error:
        message = f"{name} has not fired to the end within {limit:g} s"
        raise CommandFailed(message, hint=hint, code="wait_timeout") from error
    except asyncio.CancelledError as error:
        raise CommandFailed("stopped waiting", hint=hint, code="interrupted", exit_code=130) from error


async def first_fire(scheduler: Scheduler, prompt: ScheduledPrompt, first: Occurrence) -> Fire:
    """The fire of the first occurrence, or of the later one that stands for it, once it has ended."""
    while True:
        try:
            now_stored = await scheduler.get(prompt.id)
        except NotFound as error:
            raise CommandFailed(f"{short(prompt.id)} was deleted before it fired") from error
        if now_stored.last_nominal is not None and now_stored.last_nominal >= first.nominal:
            return await ended(scheduler, scheduled_fire_id(prompt.id, now_stored.last_nominal))
        if now_stored.status.has_ended:
            raise CommandFailed(f"{short(prompt.id)} was {now_stored.status} before it fired")
        await _pause(scheduler, now_stored.next_at)


async def ended(scheduler: Scheduler, fire_id: str) -> Fire:
    """A fire once it has ended."""
    told: tuple[int, str | None] = (0, None)
    while True:
        fire = await scheduler.fire(fire_id)
        if fire.status.has_ended:
            return fire
        if fire.status is FireStatus.RETRYING and fire.retry_at is not None and (fire.attempt, fire.reason) != told:
            told = (fire.attempt, fire.reason)
            when = how_far(fire.retry_at, scheduler.clock.now())
            if fire.reason == "rate_limit":
                write_note(f"as many began in 24 h as the settings allow: its turn is {when}")
            else:
                write_note(f"attempt {fire.attempt} {fire.reason or 'failed'}: {fire.error}; the next one {when}")
        await _pause(scheduler, fire.retry_at or fire.started_at or fire.due)


async def _pause(scheduler: Scheduler, moment: int | None) -> None:
    """The further away the moment, before or behind, the longer."""
    distance = LONGEST_LOOK if moment is None else abs(moment - scheduler.clock.now()) / 1000 / 4
    await scheduler.clock.sleep(min(max(distance, SHORTEST_LOOK), LONGEST_LOOK))
