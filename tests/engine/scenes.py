"""What most tests of the engine begin with: a store, a scheduler, a runner that remembers, a daemon at work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab

CALM: dict[str, Any] = {"watch_period": 1.0}
"""Fewer looks than in life: virtual time is paid for by the look."""


@dataclass
class Scene:
    lab: Lab
    store: Store
    scheduler: Scheduler
    runner: Any
    daemon: Daemon

    @property
    def now(self) -> int:
        return self.store.clock.now()

    async def sleep(self, seconds: float) -> None:
        # Virtual time does not wait for messages. A server that has answered a later command has sent what it published
        # before.
        self.lab.inspector.ping()
        await self.store.clock.sleep(seconds)

    async def add(self, when: str = "in 5s", text: str = "hello", **fields: Any) -> str:
        """The id of a new prompt."""
        return (await self.scheduler.schedule(text, when, **fields)).prompt.id

    async def fires(self, prompt_id: str) -> list[Fire]:
        """Latest first."""
        return (await self.scheduler.history(prompt_id)).items

    async def fire(self, prompt_id: str) -> Fire:
        [fire] = await self.fires(prompt_id)
        return fire


async def scene(lab: Lab, runner: Any = None, *, store: Store | None = None, seed: int = 0, **settings: Any) -> Scene:
    store = store or await lab.store(seed=seed)
    runner = runner if runner is not None else RecordingRunner()
    daemon = await lab.daemon(store, runner, **{**CALM, **settings})
    return Scene(lab, store, await lab.scheduler(store), runner, daemon)


class Worker:
    """A runner that works for `seconds`, and remembers what became of it.

    `swallow`: how many cancellations it ignores.
    """

    def __init__(self, seconds: float = 3600.0, *, swallow: int = 0) -> None:
        self.seconds = seconds
        self.swallow = swallow
        self.begun: list[Fire] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.running = 0
        self.most_running = 0

    async def run(self, fire: Fire) -> str:
        self.begun.append(fire)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self._work(fire)
        finally:
            self.running -= 1
        self.ended.append(fire.id)
        return "done"

    async def _work(self, fire: Fire) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        while (left := until - loop.time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                self.cancelled.append(fire.id)
                if not self.swallow:
                    raise
                self.swallow -= 1

    @property
    def attempts(self) -> list[int]:
        return [fire.attempt for fire in self.begun]
