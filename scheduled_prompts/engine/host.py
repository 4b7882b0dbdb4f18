"""The engine inside a host's own loop: no task of it lives longer than there is work.

Timers ring in the host's loop; what they ring for is done by a pump, a task group that claims, takes, runs and settles
until nothing is left in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis

from scheduled_prompts.engine.claiming import Claimer
from scheduled_prompts.engine.membership import Membership
from scheduled_prompts.engine.rules import apply_new_rules
from scheduled_prompts.engine.sweep import sweep
from scheduled_prompts.engine.timers import Timers
from scheduled_prompts.engine.watch import Contact, Watch
from scheduled_prompts.engine.worker import Worker
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.runners.python import as_runner
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store.records import ALL, EVERYTHING, DaemonInfo, Serves
from scheduled_prompts.version import VERSION

log = structlog.get_logger()

TICK_PATIENCE = 30.0
LATE_SPREAD = 10.0
"""Of what is very late, in seconds: well within the patience of one tick, for there may be no loop after it."""
IDLE_CHECK = 0.05
STORE_PAUSE = 1.0


class HostEngine:
    """One client's engine. `runner` does the work of every prompt; while it is not `wanted`, timers ring in vain, and
    what is due stays due. `scheduler`: on an open store over that client, with the limits and budgets of the fleet."""

    def __init__(
        self,
        client: Redis,
        runner: Any,
        *,
        wanted: Callable[[], bool],
        scheduler: Scheduler,
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        store = scheduler.store
        self._store = store
        settings = EngineSettings()
        own = DaemonInfo(
            id=f"host-{socket.gethostname()}-{os.getpid()}-{store.clock.random.getrandbits(32):08x}",
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            platforms=EVERYTHING.platforms,
            runners=EVERYTHING.runners,
            slots=settings.slots,
            started_at=store.clock.now(),
        )
        self._horizon_ms = round(2 * settings.sweep_period * 1000)
        membership = Membership(own)
        self._membership = membership
        self._timers = Timers(store.clock, self._ring)
        self._worker = Worker(scheduler, {ALL: as_runner(runner)}, settings, own.id, EVERYTHING)
        self._worker.wanted = wanted
        self._claimer = Claimer(
            store,
            self._timers,
            membership,
            EVERYTHING,
            room=self._worker.room,
            claimed=self._worker.ready_changed,
            horizon_ms=self._horizon_ms,
            late_spread=LATE_SPREAD,
        )
        self._worker.room_was_made = self._claimer.room_was_made
        self._worker.fire_ended = self._fire_ended
        self._has_ended = False
        """Whether a fire has, since it was asked what that woke."""
        self._watch = Watch(
            store, self._claimer, self._worker, membership, EVERYTHING, settings, Contact(store, by_uptime=True)
        )
        self._pump: asyncio.Task[None] | None = None

    def belongs_to(self, client: Redis, loop: asyncio.AbstractEventLoop) -> bool:
        return self._client is client and self._loop is loop

    @property
    def is_over(self) -> bool:
        """Whether its loop is closed."""
        return self._loop.is_closed()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in hand, nor about to be."""
        return self._pump is None or self._pump.done()

    def wanted_changed(self) -> None:
        """To be called, from whichever thread, when there is somebody who does the work, or nobody any more."""
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._heed_wanted)

    def _heed_wanted(self) -> None:
        if not self._wanted():
            self._worker.give_back()
            return
        self._worker.wake()
        self._claimer.room_was_made()
        if self._is_busy:
            self._start_pump()

    async def tick(self) -> None:
        """Sweep, and wait until what is due has ended, 30 s at most: what runs longer goes on in the host's loop."""
        await apply_new_rules(self._store)
        await self._store.measure_clock()
        self._timers.look_again()
        await self._sweep(EVERYTHING, None)
        await self._watch.look()
        pump = self._start_pump()
        await asyncio.wait({pump}, timeout=TICK_PATIENCE)
        if pump.done():
            pump.result()

    async def hydrate(self, platforms: tuple[str, ...], limit: int) -> int:
        """Arm what is due soon on these platforms. Returns how many prompts."""
        await self._store.measure_clock()
        return await self._sweep(Serves(platforms, (ALL,)), limit)

    async def _sweep(self, serves: Serves, limit: int | None) -> int:
        return await sweep(
            self._store,
            self._timers,
            self._claimer,
            self._membership,
            serves,
            horizon_ms=self._horizon_ms,
            limit=limit,
        )

    def _ring(self, prompt_id: str, due: int) -> None:
        if self._wanted():
            self._claimer.want(prompt_id, due)
            self._start_pump()

    def _fire_ended(self, prompt_id: str) -> None:
        self._has_ended = True
        self._claimer.fire_ended(prompt_id)

    @property
    def _is_busy(self) -> bool:
        return self._claimer.busy or self._worker.busy

    def _start_pump(self) -> asyncio.Task[None]:
        if self._pump is None or self.is_idle:
            self._pump = self._loop.create_task(self._run_until_idle())
        return self._pump

    async def _run_until_idle(self) -> None:
        while True:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(self._claim()), group.create_task(self._worker.run())]
                while self._is_busy:
                    await self._store.clock.sleep(IDLE_CHECK)
                    if self._has_ended:
                        await self._count_what_woke()
                for part in parts:
                    part.cancel()
            await self._count_what_woke()
            if not self._is_busy:  # else a timer rang while the parts were ending
                return

    async def _count_what_woke(self) -> None:
        """What waited for another one's end may be ready now; here nobody hears it said."""
        self._has_ended = False
        try:
            seen = await self._store.look(overdue=0, serves=EVERYTHING)
        except (StoreUnreachable, StoreUnusable):
            self._has_ended = True
            return
        if seen.halt is None:
            self._worker.ready_counted(seen.ready)

    async def _claim(self) -> None:
        """Claim what is wanted. A store that is away is no reason to cancel what runs."""
        while True:
            try:
                await self._claimer.run()
            except (StoreUnreachable, StoreUnusable) as error:
                log.warning("store_away", part="claim", error=error.message)
                await self._store.clock.sleep(STORE_PAUSE)
