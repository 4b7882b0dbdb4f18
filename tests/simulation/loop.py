"""An event loop on which several processes live in virtual time: each can die, be stopped or be suspended between any
two steps.

A process is what its tasks and callbacks inherit by a context variable. The loop keeps the callbacks of each apart:
those of one run in their order, as asyncio promises; whose turn it is, where several could go on, is drawn. A dead
process never runs again: no cancellation, no `finally`, nothing, as after `kill -9`.

Time passes when nobody has anything to do, and a little with each step, so that whoever waits for an instant by asking
the clock again and again gets there. `time.time()` and `time.monotonic()` tell, while a simulation runs, the clocks of
the process that asks.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any
from unittest.mock import patch

EPOCH = 1_767_225_600.0
"""When simulations begin: 2026-01-01, in seconds UTC."""
STEP = 0.000_01
"""What one step takes, in seconds."""
LIVELOCK = 300_000
"""So many steps without a moment's rest are no progress."""


class Livelock(Exception):
    """Processes are busy for ever."""


class Process:
    """One process on one machine: its callbacks, its timers, its clocks."""

    def __init__(self, name: str, *, wall_ahead: float = 0.0) -> None:
        self.name = name
        self.dead = False
        self.stopped = False
        self.ready: deque[asyncio.Handle] = deque()
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        """By this process' own monotonic time."""
        self.behind = 0.0
        """How long, in seconds, its monotonic clock has stood still."""
        self.wall_ahead = wall_ahead
        """By how much its wall clock is wrong, in seconds."""
        self.told_to_leave = False
        self.dies_in: int | None = None
        """After so many further steps it is killed."""
        self.tasks: dict[asyncio.Task[Any], None] = {}
        """In their order; held, so that what a dead process did is not even tidied away by the garbage collector."""
        self.ended = asyncio.Event()
        """For whoever waits outside."""
        self.on_death: Callable[[], None] = lambda: None
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return self.name


PROCESS: ContextVar[Process] = ContextVar("process")


class SimLoop(asyncio.BaseEventLoop):
    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.now = 0.0
        """True seconds since the simulation began; no process can read them."""
        self.ends_by = float("inf")
        self.outside = Process("world")
        """Whoever arranges the simulation; never hurt."""
        self.current = self.outside
        self._chance = chance
        self._order = itertools.count()
        self._living = [self.outside]
        self._steps_without_rest = 0
        self._dead: list[Process] = []
        self._no_timer_before = 0.0
        """No process that runs has a timer that expires earlier, in true seconds."""
        self.set_task_factory(self._make_task)

    # Processes

    def add(self, process: Process) -> None:
        self._living.append(process)

    def begin(self, process: Process, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        self.add(process)
        return self.create_task(main, context=process.context)

    def kill(self, process: Process) -> None:
        """As `kill -9` does, between two steps."""
        if process.dead:
            return
        process.dead = True
        process.ready.clear()
        process.timers.clear()
        self._living.remove(process)
        self._dead.append(process)
        process.on_death()

    def stop_process(self, process: Process) -> None:
        """As SIGSTOP does: it does nothing until `go_on`; its timers expire meanwhile."""
        process.stopped = True

    def go_on(self, process: Process, *, suspended_for: float = 0.0) -> None:
        """`suspended_for`: so long its monotonic clock stood still, as it does on Linux while a machine is
        suspended."""
        process.stopped = False
        process.behind += suspended_for
        self._no_timer_before = 0.0

    def bury(self, process: Process) -> None:
        """It has ended by itself."""
        if not process.dead:
            process.dead = True
            process.ready.clear()
            process.timers.clear()
            self._living.remove(process)
            self._dead.append(process)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self.now - self.current.behind

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        process: Process = handle._context.get(PROCESS, self.outside)  # type: ignore[attr-defined]
        if not process.dead:
            process.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        process: Process = timer._context.get(PROCESS, self.outside)  # type: ignore[attr-defined]
        if not process.dead:
            heapq.heappush(process.timers, (when, next(self._order), timer))
            self._no_timer_before = min(self._no_timer_before, when + process.behind - STEP)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    def _write_to_self(self) -> None: ...

    def _process_events(self, event_list: Any) -> None: ...

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, context: Context | None = None) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context)
        process = context.get(PROCESS, self.outside) if context is not None else self.current
        process.tasks[task] = None
        task.add_done_callback(lambda task: process.tasks.pop(task, None))
        return task

    def _run_once(self) -> None:
        able = [process for process in self._living if process.ready and not process.stopped]
        if not able:
            self._let_time_pass()
        else:
            self._steps_without_rest += 1
            if self._steps_without_rest > LIVELOCK:
                raise Livelock(f"{', '.join(map(repr, able))} never come to rest")
            process = able[0] if len(able) == 1 else self._chance.choice(able)
            self._step(process)
        self._collect_timers()

    def _step(self, process: Process) -> None:
        handle = process.ready.popleft()
        if process.dies_in is not None:
            process.dies_in -= 1
            if process.dies_in < 0:
                self.kill(process)
                return
        if handle.cancelled():
            return
        self.now += STEP
        self.current = process
        try:
            handle._run()
        finally:
            self.current = self.outside

    def _let_time_pass(self) -> None:
        """To the next timer of anybody."""
        self._steps_without_rest = 0
        if self.now > self.ends_by:
            raise Livelock("the simulation does not end")
        upcoming = [p.timers[0][0] + p.behind for p in self._living if p.timers and not p.stopped]
        if not upcoming:
            raise Livelock("nobody waits for anything")
        self.now = max(self.now, min(upcoming)) + STEP

    def _collect_timers(self) -> None:
        if self.now < self._no_timer_before:
            return
        soonest = float("inf")
        for process in self._living:
            if process.stopped:
                continue
            timers, now = process.timers, self.now - process.behind
            while timers and timers[0][0] <= now:
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled():
                    process.ready.append(timer)
            if timers:
                soonest = min(soonest, timers[0][0] + process.behind)
        self._no_timer_before = soonest - STEP

    def tidy_up(self) -> None:
        """End what processes left, without a word; then close."""
        asyncio._set_running_loop(self)  # for `finally` clauses that ask for it
        try:
            with patch.object(sys, "unraisablehook", lambda _: None):
                for process in [*self._dead, *self._living]:
                    process.dead = True
                    for task in list(process.tasks):
                        task._log_destroy_pending = False  # type: ignore[attr-defined]
                        _close(task.get_coro())
                    process.tasks.clear()
                    process.ready.clear()
                    process.timers.clear()
        finally:
            asyncio._set_running_loop(None)
        self.close()


def _close(coroutine: Any) -> None:
    for _ in range(100):  # a `finally` that awaits refuses to end, several times perhaps
        try:
            coroutine.close()
            return
        except BaseException:
            continue


@contextmanager
def clocks_of(loop: SimLoop) -> Iterator[None]:
    """`time.time()` and `time.monotonic()` are those of whichever process of this loop asks."""

    def wall() -> float:
        return EPOCH + loop.now + loop.current.wall_ahead

    with patch.object(time, "time", wall), patch.object(time, "monotonic", loop.time):
        yield
