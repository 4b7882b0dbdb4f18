"""What must hold of a house in which something is broken: nobody falls over it, and what is well goes on."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.fire import Fire
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.diagnosis import Level
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.testing import VirtualClock
from tests.fuzz.house import RULES, House, work

LIVES = 18.0
"""Seconds that a daemon lives in a broken house; three fires of what is well."""
SOON = 400
"""ms: what is well starts within them."""
EVERY = 5_000
LOOKS = {"watch_period": 1.0, "sweep_period": 10.0}


class Aftermath:
    """What came of one damage. `problems`: what may not be."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.told: list[str] = []
        """What the doctor said before it mended anything."""
        self.left: list[str] = []
        """And afterwards."""
        self.started: list[tuple[int, int]] = []
        """Of what is well: when it was due, and when it started."""

    def missed(self, since: int, until: int) -> list[int]:
        """Of what was due in that time (ms UTC), what did not start soon."""
        soon = {due for due, started in self.started if 0 <= started - due <= SOON}
        return [due for due in range(-(-since // EVERY) * EVERY, until - SOON, EVERY) if due not in soon]


async def lived_in(house: House, url: str, namespace: str) -> Aftermath:
    """A daemon lives in it; whoever looks, looks; the doctor looks, and repairs; and a daemon lives in it again."""
    after = Aftermath()
    clock = VirtualClock(house.left_at, seed=3)

    async def recorded(fire: Fire) -> Any:
        if fire.prompt_id == house.healthy:
            after.started.append((fire.due, clock.now()))
        return await work(fire)

    try:
        store = await Store(connect(url), namespace=namespace, clock=clock).open()
    except ScheduledPromptsError as error:
        after.problems.append(f"open: {error.message}")
        return after
    try:
        scheduler = Scheduler(store, timezone="UTC", **RULES)
        await _live(store, recorded, after, "before")
        await _look_around(scheduler, house, after)
        await _doctor(scheduler, after)
        await _live(store, recorded, after, "after")
    finally:
        await store.close()
    return after


async def _live(store: Store, runner: Callable[[Fire], Awaitable[Any]], after: Aftermath, when: str) -> None:
    clock = store.clock
    daemon = Daemon(store, runners={"well": runner, "log": work}, settings=EngineSettings(**LOOKS), **RULES)
    task = asyncio.ensure_future(daemon.run())
    began = clock.now()
    try:
        # The first second is for what passed meanwhile; the first one after a repair may find its predecessor, which
        # waited all the while, still at work.
        settled = began + 1000 + (EVERY if when == "after" else 0)
        done, _ = await asyncio.wait({task}, timeout=LIVES)
        if done:
            after.problems.append(f"{when}: the daemon ended: {_words(task.exception())}")
            return
        if missed := after.missed(settled, clock.now()):
            after.problems.append(f"{when}: what is well did not fire at {missed} (began {began})")
    finally:
        daemon.stop()
        daemon.stop()
        ended, _ = await asyncio.wait({task}, timeout=60)
        if not ended:
            after.problems.append(f"{when}: the daemon does not stop")
            task.cancel()
        elif task.exception() is not None:
            after.problems.append(f"{when}: the daemon stopped with {_words(task.exception())}")


async def _look_around(scheduler: Scheduler, house: House, after: Aftermath) -> None:
    async def look(name: str, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            async with asyncio.timeout(30):
                await call()
        except ScheduledPromptsError:
            pass
        except Exception as error:
            after.problems.append(f"{name}: {_words(error)}")

    async def export() -> list[Any]:
        return [one async for one in scheduler.export(ended=True)]

    await look("list", lambda: scheduler.list(limit=1000))
    await look("list of an owner", lambda: scheduler.list(owner="bob"))
    await look("stats", scheduler.stats)
    await look("spending", scheduler.spending)
    await look("quarantined", scheduler.quarantined)
    await look("daemons", scheduler.daemons)
    await look("events", scheduler.past_events)
    await look("allowances", scheduler.allowances)
    await look("export", export)
    await look("halts", scheduler.store.halts)
    await look("halted", scheduler.halted)
    for prompt in house.prompts.values():
        await look("get", lambda prompt=prompt: scheduler.get(prompt))  # type: ignore[misc]
        await look("history", lambda prompt=prompt: scheduler.history(prompt))  # type: ignore[misc]
        await look("spans", lambda prompt=prompt: scheduler.spans(prompt))  # type: ignore[misc]
        await look("explain", lambda prompt=prompt: scheduler.explain(prompt))  # type: ignore[misc]
        await look("fire", lambda prompt=prompt: scheduler.fire(prompt, with_prompt=True))  # type: ignore[misc]


async def _doctor(scheduler: Scheduler, after: Aftermath) -> None:
    after.told = await _diagnosis(scheduler, after, repair=False)
    await _diagnosis(scheduler, after, repair=True)
    after.left = await _diagnosis(scheduler, after, repair=False)


async def _diagnosis(scheduler: Scheduler, after: Aftermath, *, repair: bool) -> list[str]:
    try:
        async with asyncio.timeout(60):
            found = await scheduler.doctor(repair=repair)
    except ScheduledPromptsError as error:
        after.problems.append(f"doctor refuses: {error.message}")
    except Exception as error:
        after.problems.append(f"doctor: {_words(error)}")
    else:
        return [f"{one.check}: {one.message} {one.details}" for one in found if one.level is Level.PROBLEM]
    return []


def _words(error: BaseException | None) -> str:
    if error is None:
        return "nothing"
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    where = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in where if "scheduled_prompts" in frame.filename]
    place = f" at {ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}: {str(error)[:150]}{place}"
