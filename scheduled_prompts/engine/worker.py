"""Takes ready fires, runs each in its own task, and settles what came of it.

What is taken is in hand: it is leased, it may be taken a moment before it is due, and it starts from memory when it
is. A fire's slot is free when its runner has ended; its lease is held until its end is written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import structlog

from scheduled_prompts.clock import Clock
from scheduled_prompts.engine.attempt import Attempt, Stop
from scheduled_prompts.engine.inside import Insides
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.fire import FireStatus
from scheduled_prompts.runners.contract import Runner
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store.halting import Halt
from scheduled_prompts.store.records import ALL, Serves, SettleItem, Unreadable

log = structlog.get_logger()

BATCH = 500
MARK_STARTED_AFTER_MS = 1_000
TICK = 1.0
SETTLE_PAUSE = 1.0
SETTLE_LATER = 0.1
SHALLOW = 1_000
"""The ready queue may always hold this many, however few slots are free."""
NEWER_SCHEMA_PAUSE_MS = 60_000
NOT_WELL = (FireStatus.FAILED, FireStatus.TIMED_OUT, FireStatus.INTERRUPTED)


class Worker:
    """The slots of one daemon. `scheduler`: on its store, with its limits and budgets. `runners` by name; `*` for all
    that have no other."""

    def __init__(
        self,
        scheduler: Scheduler,
        runners: Mapping[str, Runner],
        settings: EngineSettings,
        daemon_id: str,
        serves: Serves,
    ) -> None:
        store = scheduler.store
        self._store = store
        self._clock: Clock = store.clock
        self._insides = Insides(scheduler)
        self._runners = runners
        self._settings = settings
        self._daemon_id = daemon_id
        self._serves = serves
        self._limits = scheduler.limits
        self._budgets = scheduler.budgets
        self._held: dict[str, Attempt] = {}
        """By fire id: what is leased and not yet settled."""
        self._tasks: dict[Attempt, asyncio.Task[None]] = {}
        """Not by fire id: a fire that was lost may come back as the next attempt while the last one still runs."""
        self._ended: list[tuple[Attempt, SettleItem]] = []
        self._wake = asyncio.Event()
        self._settle_wake = asyncio.Event()
        self._holding = asyncio.Event()
        self._all_settled = asyncio.Event()
        self._all_settled.set()
        self._taking = asyncio.Lock()
        """Held while a take is on its way: what it brings home must not be left lying."""
        self._stops_ahead: set[str] = set()
        """Fires that were asked to stop since a take was sent, which may bring them."""
        self._stopping = False
        self._renewed_at = 0.0
        self._waiting = 0
        self.halt: Halt | None = None
        """All is stopped, as far as is known here."""
        self.halts_heard = 0
        self.wanted: Callable[[], bool] = _always
        """Whether there is somebody to do the work. Where nobody is, nothing is taken; what is in hand, `give_back`."""
        self.room_was_made: Callable[[], None] = _nothing
        """Called when the ready queue got shallower."""
        self.fire_failed: Callable[[str], None] = _nothing
        """Called with the id of a fire that has ended, and not well."""
        self.fire_ended: Callable[[str], None] = _nothing
        """Called with the id of a prompt of which a fire has ended."""

    @property
    def running(self) -> int:
        return len(self._tasks)

    @property
    def busy(self) -> bool:
        """Whether anything is in hand, or about to be."""
        return bool(self._held) or self._taking.locked() or (self._waiting > 0 and self.free_slots > 0)

    @property
    def _is_resting(self) -> bool:
        return self._stopping or self.halt is not None or not self.wanted()

    @property
    def free_slots(self) -> int:
        return 0 if self._is_resting else self._settings.slots - len(self._tasks)

    def room(self) -> int | None:
        """How many more fires the ready queue may get from here; None: nothing is to be claimed at all."""
        return None if self._is_resting else max(4 * self.free_slots, SHALLOW) - self._waiting

    def ready_changed(self, more: int) -> None:
        """`more` fires became ready, as far as is known here."""
        self._waiting += more
        self._wake.set()

    def ready_counted(self, ready: int) -> None:
        """There are `ready` fires to be taken."""
        self._waiting = ready
        if ready:
            self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def stop_fire(self, fire_id: str, *, take_back: bool = False) -> None:
        """Somebody asked for a fire to stop; `take_back`: unless it has started."""
        if self._taking.locked():
            self._stops_ahead.add(fire_id)
        attempt = self._held.get(fire_id)
        if attempt is not None and not (take_back and attempt.started_at is not None):
            self._cancel(attempt, Stop.CANCELLED)

    def hear_of_halt(self, halt: Halt | None, *, cancel_running: bool = False) -> None:
        """All is stopped: take nothing, give back what has not started. None: all goes on."""
        is_new = (halt is None) != (self.halt is None)
        self.halt = halt
        if halt is not None:
            self.give_back()
            if cancel_running:
                for attempt in list(self._held.values()):
                    if attempt.started_at is not None:
                        self._cancel(attempt, Stop.CANCELLED)
        if not is_new:
            return
        self.halts_heard += 1
        if halt is None:
            log.info("all_started")
            self._wake.set()
            self.room_was_made()
        else:
            log.warning("all_stopped", by=halt.by, note=halt.note, hint="nothing is started until `start-all`")

    async def run(self) -> None:
        """Take, run, renew and settle, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle_for_ever())
            group.create_task(self._renew_for_ever())
            await self._take_for_ever(group)

    # Taking

    async def _take_for_ever(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                async with self._taking:
                    while await self.take_some(group):
                        pass
            except (StoreUnreachable, StoreUnusable) as error:
                log.warning("take_failed", error=error.message)
                await self._clock.sleep(SETTLE_PAUSE)
                self._wake.set()

    async def take_some(self, group: asyncio.TaskGroup) -> int:
        """Lease what fits into the free slots, and start it. Returns how many more are worth taking now."""
        limit = min(self.free_slots, BATCH)
        if limit <= 0:
            return 0
        asked_at = self._clock.now()
        self._stops_ahead.clear()
        taken = await self._store.take(
            limit,
            lease_ms=self._settings.lease_ms,
            daemon=self._daemon_id,
            serves=self._serves,
            limits=self._limits,
            budgets=self._budgets,
        )
        for lease in taken.leases:
            lease_ms = self._settings.lease_ms
            attempt = Attempt(
                lease, self._clock, self._store, lease_ms, self._insides, asked_at=asked_at, wanted=self.wanted
            )
            attempt.is_in_doubt = attempt.fire.id in self._stops_ahead
            if self._is_resting:  # it was asked for before the stop, and came after it
                attempt.stop = Stop.GIVEN_BACK
            lost = self._held.get(attempt.fire.id)
            if lost is not None:
                self._cancel(lost, Stop.LOST)
            self._held[attempt.fire.id] = attempt
            self._holding.set()
            self._all_settled.clear()
            self._tasks[attempt] = group.create_task(self._carry_out(attempt))
        for unreadable in taken.unreadable:
            log.error("fire_unreadable", fire=unreadable.id, error=unreadable.error)
            item = _unreadable(unreadable, taken.token, self._clock.now())
            await self._store.settle([item], keep=self._settings.keep_fires)
        self._waiting = taken.waiting
        self.room_was_made()
        return taken.waiting  # each take takes something out of what is ready, if only to judge that it may not run

    async def _carry_out(self, attempt: Attempt) -> None:
        fire = attempt.fire
        try:
            runner = self._runners.get(fire.runner) or self._runners[ALL]
            item = await attempt.carry_out(runner)
        except Exception as error:  # what is wrong with one fire must not end them all
            log.exception("attempt_broken", fire=fire.id)
            item = attempt.broken(error)
        finally:
            del self._tasks[attempt]
            if self._waiting or self._stopping:
                self._wake.set()
        if item is None:  # the lease is lost: somebody else answers for this fire
            self._let_go(attempt)
            return
        if attempt.usage is not None:
            item["usage"] = self._budgets.counted(attempt.usage, attempt.started_at or self._clock.now())
            if item["usage"]["is_foreign"]:
                log.warning(
                    "cost_not_counted", fire=fire.id, currency=attempt.usage.currency, budgets=self._budgets.currency
                )
        self._ended.append((attempt, item))
        self._settle_wake.set()

    def _cancel(self, attempt: Attempt, why: Stop) -> None:
        if attempt.stop is not Stop.LOST:
            attempt.stop = why
        task = self._tasks.get(attempt)
        if task is not None and attempt.begun:
            task.cancel()

    def _let_go(self, attempt: Attempt) -> None:
        if self._held.get(attempt.fire.id) is attempt:
            del self._held[attempt.fire.id]
        if not self._held:
            self._holding.clear()
            self._all_settled.set()

    # Settling

    async def _settle_for_ever(self) -> None:
        while True:
            await self._settle_wake.wait()
            self._settle_wake.clear()
            while self._ended:
                if self._waiting and len(self._ended) < BATCH:
                    # Fires are waiting to be taken: starting them goes before writing what became of others.
                    await self._clock.sleep(SETTLE_LATER)
                batch = self._ended[:BATCH]
                try:
                    answers = await self._store.settle([item for _, item in batch], keep=self._settings.keep_fires)
                except (StoreUnreachable, StoreUnusable) as error:
                    log.warning("settle_failed", fires=len(self._ended), error=error.message)
                    await self._clock.sleep(SETTLE_PAUSE)
                    continue
                del self._ended[: len(batch)]
                for (attempt, item), answer in zip(batch, answers, strict=True):
                    self._let_go(attempt)
                    _log_end(attempt, item, answer)
                    if answer == "settled":
                        self.fire_ended(attempt.fire.prompt_id)
                        if item["outcome"] in NOT_WELL:
                            self.fire_failed(attempt.fire.id)

    # Renewing

    async def _renew_for_ever(self) -> None:
        tick = min(TICK, self._settings.renewal_period)
        while True:
            if not self._holding.is_set():
                await self._holding.wait()
                self._renewed_at = self._clock.now()
            await self._clock.sleep(tick)
            try:
                await self.renew()
            except (StoreUnreachable, StoreUnusable) as error:
                log.warning("renewal_failed", error=error.message)

    async def renew(self) -> None:
        """Renew all leases where it is time; mark as started what has run for a second."""
        now = self._clock.now()
        # A clock that was put back is no reason to wait.
        period = self._settings.renewal_period * 1000
        due = not 0 <= now - self._renewed_at < period
        attempts = [
            attempt for attempt in self._held.values() if due or attempt.unmarked_since(now, MARK_STARTED_AFTER_MS)
        ]
        if due:
            self._renewed_at = now - period * 3 / 4  # where it fails, again after a quarter
        if not attempts:
            return
        marks = [attempt.started_at for attempt in attempts]
        states = await self._store.extend(
            [(a.fire.id, a.token, started) for a, started in zip(attempts, marks, strict=True)],
            lease_ms=self._settings.lease_ms,
        )
        if due:
            self._renewed_at = now
        for attempt, started, state in zip(attempts, marks, states, strict=True):
            attempt.marked_at = started
            is_taken_back = state == "take_back" and attempt.started_at is None
            if (state == "cancel" or is_taken_back) and attempt.stop is None:
                self._cancel(attempt, Stop.CANCELLED)
            elif state == "lost" and attempt in self._tasks:
                log.warning("lease_lost", fire=attempt.fire.id)
                self._cancel(attempt, Stop.LOST)

    # Stopping

    async def stop(self, drain: float, *, hurry: asyncio.Event, grace: float) -> None:
        """Take nothing more; give back what has not started; let the rest end within `drain` seconds, or until `hurry`
        is set; then cancel it, and write what came of it within `grace` seconds."""
        self._stopping = True
        self.give_back()
        await self._wait_for_tasks(drain, hurry)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace), self._taking:
                pass
        for attempt in list(self._tasks):
            self._cancel(attempt, Stop.DRAINED)
        await self._wait_for_tasks(grace, hurry)
        for attempt in list(self._tasks):
            self._cancel(attempt, Stop.DRAINED)  # a second time: a runner that is tidying up must leave now
        try:
            async with asyncio.timeout(grace):
                await self._all_settled.wait()
        except TimeoutError:
            log.error("fires_left_behind", fires=sorted(self._held), hint="their leases expire, then they run again")

    def give_back(self) -> None:
        """What has not started."""
        for attempt in list(self._held.values()):
            if attempt.started_at is None and attempt.stop is None:
                self._cancel(attempt, Stop.GIVEN_BACK)

    async def _wait_for_tasks(self, seconds: float, hurry: asyncio.Event) -> None:
        """Until all tasks have ended, or somebody is in a hurry, or the time is over."""
        if not self._tasks or hurry.is_set():
            return
        hurried = asyncio.ensure_future(hurry.wait())
        ended = asyncio.ensure_future(asyncio.wait(self._tasks.values()))
        try:
            await asyncio.wait({hurried, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurried.cancel()
            ended.cancel()


def _nothing(*_: object) -> None: ...


def _always() -> bool:
    return True


def _unreadable(fire: Unreadable, token: str, now: int) -> SettleItem:
    """A fire that cannot be read fails; one that a newer release wrote waits for a newer daemon."""
    return {
        "fire": fire.id,
        "token": token,
        "outcome": FireStatus.RETRYING if fire.newer else FireStatus.FAILED,
        "reason": "newer_schema" if fire.newer else "unreadable",
        "started_at": "",
        "ended_at": str(now),
        "result": "",
        "error": fire.error,
        "retry_at": str(now + NEWER_SCHEMA_PAUSE_MS) if fire.newer else "",
    }


def _log_end(attempt: Attempt, item: SettleItem, answer: str) -> None:
    if answer != "settled":
        log.warning("lease_lost", fire=attempt.fire.id, outcome=item["outcome"])
        return
    say = log.info if item["outcome"] in (FireStatus.SUCCEEDED, FireStatus.QUEUED) else log.warning
    facts: dict[str, object] = {"fire": attempt.fire.id, "attempt": attempt.fire.attempt}
    if attempt.started_at is not None:
        facts["late_ms"] = attempt.started_at - attempt.fire.due
        facts["took_ms"] = int(item["ended_at"]) - attempt.started_at
    if item["reason"]:
        facts["reason"] = item["reason"]
    if item["error"]:
        facts["error"] = item["error"]
    if item["retry_at"]:
        facts["retry_in_s"] = round((int(item["retry_at"]) - int(item["ended_at"])) / 1000)
    say(f"fire_{item['outcome']}", **facts)
