"""A host: a program that calls the package's functions in a loop of its own, or once in each run that cron starts.

Each has a copy of its own of `hosting.py`, as each process has that imports it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
from datetime import datetime
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from scheduled_prompts import hosting
from tests.simulation.plan import PLATFORMS, TICK

if TYPE_CHECKING:
    from scheduled_prompts.store import Store
    from tests.simulation.loop import Process
    from tests.simulation.runner import SimRunner
    from tests.simulation.world import Member, World

HYDRATED = (3, 500)
"""How many a host has armed at most when it starts."""
DAYS_TO_KEEP = 7
GLANCE = 0.05
"""So often it looks, in seconds, whether something is in hand."""


class SimBot:
    """What a host gives to do its work: it knows of a fire what it is handed."""

    def __init__(self, runner: SimRunner) -> None:
        self._runner = runner

    async def handle_webhook(self, payload: dict[str, Any]) -> Any:
        prompt = payload["prompt"]
        fire = SimpleNamespace(
            id=payload["id"],
            attempt=payload["attempt"],
            due=_ms(payload["due"]),
            nominal=_ms(payload["nominal"]),
            trigger=payload["trigger"],
            text=prompt["text"],
            prompt=SimpleNamespace(on_crash=prompt["on_crash"], timeout=prompt["timeout"]),
        )
        return await self._runner.run(fire)  # type: ignore[arg-type]


def _ms(instant: str | None) -> int | None:
    return None if instant is None else round(datetime.fromisoformat(instant).timestamp() * 1000)


class SimHost:
    """`is_job`: it ends when its tick has returned."""

    def __init__(self, world: World, member: Member, process: Process, *, is_job: bool) -> None:
        self._world = world
        self._member = member
        self._process = process
        self._is_job = is_job
        self._chance = random.Random(f"host {world.plan.seed} {process.name}")
        self._functions = _own_copy()
        self._functions.Store = self._open  # type: ignore[attr-defined]
        self._bot = SimBot(world.runner_of(process))
        self._told = asyncio.Event()
        self._calls = 0
        self.has_runner = False
        self.is_ready = is_job
        """Whether it has hydrated."""

    def _open(self, _line: object) -> Store:
        return self._world.store_of(self._member)

    def _note(self, what: str, **facts: Any) -> None:
        if not self._process.dead:
            self._world.note(self._process.name, what, **facts)

    @property
    def running(self) -> int:
        engines = self._functions._engines.values()
        return sum(engine._worker.running for engine in engines)

    @property
    def _holds_ahead(self) -> bool:
        engines = self._functions._engines.values()
        return any(attempt.started_at is None for engine in engines for attempt in engine._worker._held.values())

    def stop(self) -> None:
        self._told.set()

    async def live(self) -> None:
        """As `asyncio.run` does: when the program is over, whatever else goes on in its loop is cancelled."""
        self._set_runner(True)
        work = asyncio.create_task(self._one_tick() if self._is_job else self._go_on())
        told = asyncio.create_task(self._told.wait())
        await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        others = [task for task in self._process.tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        for answer in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, asyncio.CancelledError):
                self._world.find(f"{self._process.name} left {answer!r} behind in its loop")

    # What it calls

    async def _one_tick(self) -> None:
        await self._tick()
        if self._chance.random() < 0.1:
            await self._clean_up()

    async def _go_on(self) -> None:
        await self._hydrate()
        self.is_ready = True
        await asyncio.sleep(self._chance.uniform(0, TICK))
        async with asyncio.TaskGroup() as calls:
            while True:
                for _ in range(self._chance.choice([1, 1, 1, 2])):
                    calls.create_task(self._tick())
                if self._chance.random() < 0.15:
                    calls.create_task(self._clean_up())
                if self._chance.random() < 0.15:
                    calls.create_task(self._be_without_runner())
                await asyncio.sleep(TICK)

    async def _hydrate(self) -> None:
        platforms = self._chance.choice([PLATFORMS, PLATFORMS[:1], PLATFORMS[1:]])
        limit = self._chance.choice(HYDRATED)
        self._note("hydrates", platforms=platforms, limit=limit)
        armed = await self._functions.hydrate_scheduled_prompts(self._member.line, platforms, limit)
        self._note("hydrated", armed=armed)

    async def _tick(self) -> None:
        self._calls += 1
        call = self._calls
        self._note("ticks", call=call)
        await self._functions.tick_scheduled_prompts(self._member.line)
        self._note("ticked", call=call)

    async def _clean_up(self) -> None:
        days = DAYS_TO_KEEP if self._world.plan.keeps_all else 0
        answer = json.loads(await self._functions.cleanup_expired_prompts(self._member.line, days_to_keep=days))
        self._note("cleaned_up", answer=answer)
        if "error" in answer and not self._world.is_felt():
            self._world.find(f"{self._process.name} was told {answer}")

    async def _be_without_runner(self) -> None:
        """At a bad time, half of the time: when something was taken that has not begun."""
        if self._chance.random() < 0.5:
            for _ in range(round(TICK / GLANCE)):
                if self._holds_ahead:
                    break
                await asyncio.sleep(GLANCE)
        if self.has_runner and not self._world.faults.is_ending:
            self._set_runner(False)
            await asyncio.sleep(self._chance.uniform(10, 90))
            self._set_runner(True)

    def _set_runner(self, is_there: bool) -> None:
        plan = self._world.plan
        self.has_runner = is_there
        rules = {"limits": plan.limits, "budgets": plan.budgets}
        self._functions.set_bot_runner(self._bot if is_there else None, **rules)
        self._note("has_runner" if is_there else "has_no_runner")


def _own_copy() -> ModuleType:
    assert hosting.__file__ is not None
    spec = importlib.util.spec_from_file_location(f"{__name__}.hosting", hosting.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
