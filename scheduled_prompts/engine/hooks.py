"""Telling the program that embeds a daemon of what it may want to act on: a fire that failed, a prompt that was paused.

A hook is told after the fact, one call at a time, beside the daemon's own work: a slow or failing one delays other
hooks and nothing else; one that is not async runs in a thread of its own. What happens in another daemon's hands is
told there; a pause is told by each that lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.runners.python import called
from scheduled_prompts.scheduler import Scheduler

FireHook = Callable[[Fire], Awaitable[object] | object]
PromptHook = Callable[[ScheduledPrompt], Awaitable[object] | object]

log = structlog.get_logger()


class Hooks:
    def __init__(
        self, scheduler: Scheduler, on_fire_failed: FireHook | None, on_prompt_paused: PromptHook | None
    ) -> None:
        self._scheduler = scheduler
        self._on_fire_failed = on_fire_failed
        self._on_prompt_paused = on_prompt_paused
        self._to_tell: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    def fire_failed(self, fire_id: str) -> None:
        """A fire ended `failed`, `timed_out` or `interrupted`."""
        hook = self._on_fire_failed
        if hook is not None:
            self._to_tell.put_nowait(lambda: self._tell_of_a_fire(hook, fire_id))

    def prompt_paused(self, prompt_id: str) -> None:
        hook = self._on_prompt_paused
        if hook is not None:
            self._to_tell.put_nowait(lambda: self._tell_of_a_prompt(hook, prompt_id))

    async def run(self) -> None:
        """Tell of all that there is to tell, until cancelled."""
        task = asyncio.current_task()
        assert task is not None
        while not task.cancelling():  # a hook may have kept a cancellation to itself
            tell = await self._to_tell.get()
            try:
                await tell()
            except ScheduledPromptsError as error:
                log.warning("hook_not_told", error=error.message)
            except Exception:  # somebody else's code: it must not take the daemon with it
                log.exception("hook_failed")
            finally:
                self._to_tell.task_done()

    async def all_told(self) -> None:
        """Until nothing is left to tell."""
        await self._to_tell.join()

    async def _tell_of_a_fire(self, hook: FireHook, fire_id: str) -> None:
        await called(hook, await self._scheduler.fire(fire_id, with_prompt=True))

    async def _tell_of_a_prompt(self, hook: PromptHook, prompt_id: str) -> None:
        await called(hook, await self._scheduler.get(prompt_id))
