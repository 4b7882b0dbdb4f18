"""The daemon: all that fires prompts, in one task group.

It follows the order of a fire's life: timers, watch and sweep find what is due; the claimer makes fires of it; the
worker takes and runs them. Where the store is away, each part waits and goes on when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, Unpack

import structlog
from redis.asyncio import Redis

from scheduled_prompts.clock import Clock
from scheduled_prompts.engine.claiming import Claimer
from scheduled_prompts.engine.hooks import FireHook, Hooks, PromptHook
from scheduled_prompts.engine.membership import Membership
from scheduled_prompts.engine.retention import cleanup
from scheduled_prompts.engine.rules import apply_new_rules
from scheduled_prompts.engine.sweep import sweep
from scheduled_prompts.engine.timers import Timers
from scheduled_prompts.engine.watch import Watch
from scheduled_prompts.engine.worker import Worker
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.runners.python import as_runner
from scheduled_prompts.schedule.spacing import DAY_MS
from scheduled_prompts.scheduler import HouseRules, Scheduler, read_daemons
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.store.halting import read_halt
from scheduled_prompts.store.records import ALL, DaemonInfo, Serves
from scheduled_prompts.version import VERSION

log = structlog.get_logger()

STORE_PAUSE = 1.0
CLAIMING_AT_ONCE = 2
LAST_WORDS = 6.0
"""How long a stopping daemon waits, in seconds, for cancelled runners to tidy up, and then for the store to take the
ends."""


class Daemon:
    """One daemon on one store.

    `where`: a store's URL, a redis-py asyncio client, or an open `Store` (which stays the caller's). `runners`: by
    name, an object with `async run(fire)`, or a function (async or not) that takes the fire; `*` serves every name
    that has no other. `rules` are those of the fleet, the same for all its daemons, as `Scheduler` has them: `limits`
    and `budgets`; and, for what is scheduled inside its fires, `policies`, `owners` and `timezone`. Run it with
    `await daemon.run()`, or as an async context manager beside your own tasks.

    `on_fire_failed` is called with each `Fire` that ended failed, timed out or interrupted in this daemon's hands;
    `on_prompt_paused` with each `ScheduledPrompt` that was paused while it lives. Functions, async or not; see
    `engine.hooks`.
    """

    def __init__(
        self,
        where: str | Redis | Store = "embedded:",
        *,
        runners: Mapping[str, Any],
        settings: EngineSettings | None = None,
        namespace: str = "sp",
        clock: Clock | None = None,
        on_fire_failed: FireHook | None = None,
        on_prompt_paused: PromptHook | None = None,
        **rules: Unpack[HouseRules],
    ) -> None:
        self.settings = settings or EngineSettings()
        self.store = where if isinstance(where, Store) else Store(where, namespace=namespace, clock=clock)
        self._owns_store = not isinstance(where, Store)
        self._clock = self.store.clock
        self.id = f"{socket.gethostname()}-{os.getpid()}-{self._clock.random.getrandbits(32):08x}"
        self._runners = {name: as_runner(runner) for name, runner in runners.items()}
        self.serves = Serves(self.settings.platforms or (ALL,), tuple(sorted(self._runners)))
        self._horizon_ms = round(2 * self.settings.sweep_period * 1000)
        self._started_at = 0
        self._membership = Membership(self._info())
        self.timers = Timers(self._clock, self._ring)
        scheduler = Scheduler(self.store, **rules)
        self.worker = Worker(scheduler, self._runners, self.settings, self.id, self.serves)
        self.claimer = Claimer(
            self.store,
            self.timers,
            self._membership,
            self.serves,
            room=self.worker.room,
            claimed=self.worker.ready_changed,
            horizon_ms=self._horizon_ms,
            late_spread=self.settings.late_spread,
        )
        self.worker.room_was_made = self.claimer.room_was_made
        self.worker.fire_ended = self.claimer.fire_ended
        self._watch = Watch(self.store, self.claimer, self.worker, self._membership, self.serves, self.settings)
        self._hooks = Hooks(scheduler, on_fire_failed, on_prompt_paused)
        self.worker.fire_failed = self._watch.fire_failed = self._hooks.fire_failed
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sweep_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()
        """Set when the daemon is fully up: subscribed, hydrated, looking."""
        self.on_sweep: Callable[[], None] = _nothing
        """Called after each sweep that succeeded; by the first one the daemon is ready."""

    def _info(self, running: int = 0) -> DaemonInfo:
        return DaemonInfo(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            platforms=self.serves.platforms,
            runners=self.serves.runners,
            slots=self.settings.slots,
            running=running,
            started_at=self._started_at,
        )

    # Life

    def stop(self) -> None:
        """Ask for a graceful stop; a second time: now."""
        if self._stop_asked.is_set():
            self._hurry.set()
        self._stop_asked.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run())
        ready = asyncio.ensure_future(self.ready.wait())
        try:
            await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # who waits no longer wants no daemon
            self._task.cancel()
            await asyncio.wait({self._task})
            raise
        finally:
            ready.cancel()
        if self._task.done():
            await self._task
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self.stop()
        await self._task

    async def run(self) -> None:
        """Serve until `stop` is called. Raises StoreUnreachable or StoreUnusable where the store cannot be opened."""
        if self._owns_store:
            await self.store.open()
        self._started_at = self._clock.now()
        try:
            await self._beat()
            await self._watch.begin_contact()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part) for part in self._parts()]
                await self._stop_asked.wait()
                self.timers.clear()
                await self.worker.stop(self.settings.drain, hurry=self._hurry, grace=LAST_WORDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WORDS):
                        await self._hooks.all_told()
                for task in tasks:
                    task.cancel()
            log.info("daemon_stopped", daemon=self.id, claimed=self.claimer.won, claims_lost=self.claimer.lost)
        finally:
            self.timers.clear()
            with contextlib.suppress(StoreUnreachable, StoreUnusable, TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self.store.heartbeat(self.id, "")
            if self._owns_store:
                await self.store.close()

    def _parts(self) -> list[Any]:
        settings = self.settings
        return [
            self.worker.run(),
            self._hooks.run(),
            *(self._patiently(self.claimer.run) for _ in range(CLAIMING_AT_ONCE)),
            self._patiently(self._listen),
            self._every(settings.watch_period, self._look),
            self._every(settings.heartbeat_period, self._beat),
            self._sweep_for_ever(),
            self._every(settings.cleanup_period, self._clean_up, first=settings.cleanup_period),
        ]

    async def _every(self, period: float, action: Callable[[], Awaitable[object]], first: float = 0.0) -> None:
        """Act every `period` seconds; after a failure of the store, somewhat later."""
        await self._clock.sleep(first or period)
        while True:
            await self._once(action)
            await self._clock.sleep(period)

    async def _patiently(self, action: Callable[[], Awaitable[object]]) -> None:
        """Act for ever: begin again when the store is back."""
        while True:
            await self._once(action)

    async def _once(self, action: Callable[[], Awaitable[object]]) -> None:
        try:
            await action()
        except (StoreUnreachable, StoreUnusable) as error:
            log.warning("store_away", part=action.__name__.lstrip("_"), error=error.message)
            await self._clock.sleep(STORE_PAUSE)
        except Exception:  # a fault in one part must not take the running fires with it
            log.exception("part_failed", part=action.__name__.lstrip("_"))
            await self._clock.sleep(STORE_PAUSE)

    # Parts

    def _ring(self, prompt_id: str, due: int) -> None:
        self.claimer.want(prompt_id, due)

    async def _look(self) -> None:
        if self._clock.stepped():
            await self.store.measure_clock()
            self.timers.look_again()
            self._sweep_now.set()
        await self._watch.look()

    async def _beat(self) -> None:
        info = self._info(self.worker.running).model_dump_json()
        alive = read_daemons(await self.store.heartbeat(self.id, info))
        if self._membership.hear(alive):
            log.info("daemons_changed", alive=len(alive))
            self._sweep_now.set()

    async def _sweep_for_ever(self) -> None:
        await self._once(lambda: apply_new_rules(self.store, f"daemon:{self.id}"))
        while True:
            self._sweep_now.clear()
            await self._once(self._sweep)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.sweep_period):
                    await self._sweep_now.wait()

    async def _sweep(self) -> None:
        await self.store.ensure_server()
        await self.store.measure_clock()
        self.timers.look_again()
        await sweep(self.store, self.timers, self.claimer, self._membership, self.serves, horizon_ms=self._horizon_ms)
        self.ready.set()
        self.on_sweep()

    async def _clean_up(self) -> None:
        orphans = await self.store.time_for_orphans(DAY_MS)  # one daemon, once a day
        purged = await cleanup(self.store, self.settings.retention_days, keep=self.settings.keep_fires, orphans=orphans)
        if purged.prompts or purged.fires:
            log.info("cleaned_up", prompts=purged.prompts, fires=purged.fires)

    async def _listen(self) -> None:
        """Hear of changes as they happen. What is missed meanwhile, the sweep finds."""
        async for change in self.store.changes():
            try:
                self._hear(change)
            except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
                log.warning("message_not_understood", error=f"{type(error).__name__}: {error}")

    def _hear(self, change: dict[str, Any]) -> None:
        kind = change.get("type")
        if not change:
            self._sweep_now.set()
        elif kind == "armed":
            self._armed(change["prompt"], change["platform"], int(change["due"]))
        elif kind in ("disarmed", "paused"):
            self.timers.disarm(change["prompt"])
            self.claimer.forget(change["prompt"])
            if kind == "paused":
                self._hooks.prompt_paused(change["prompt"])
        elif kind == "ready":
            self.worker.wake()
        elif kind == "stopped_all":
            self.worker.hear_of_halt(read_halt(change["halt"]), cancel_running=bool(change.get("cancel")))
        elif kind == "started_all":
            self.worker.hear_of_halt(None)
            self._sweep_now.set()
        elif kind == "stop":
            self.worker.stop_fire(change["fire"], take_back=bool(change.get("take_back")))

    def _armed(self, prompt_id: str, platform: str, due: int) -> None:
        self.claimer.reconsider(prompt_id)
        near = due <= self._clock.now() + self._horizon_ms
        if near and self.serves.has_platform(platform) and self._membership.rank(prompt_id, platform) == 0:
            self.timers.arm(prompt_id, due)
        else:
            self.timers.disarm(prompt_id)


def _nothing() -> None: ...
