"""For tests, this package's and yours: virtual time, and a runner that remembers.

`run_virtual(main)` runs a coroutine on an event loop whose time passes only when nothing else is to be done: `await
asyncio.sleep(86_400)` takes a day and no time. All of this package waits through the loop, so days of a daemon's
life pass in moments:

    from scheduled_prompts import Daemon, Scheduler, Store
    from scheduled_prompts.testing import RecordingRunner, VirtualClock, run_virtual

    async def main() -> None:
        clock = VirtualClock("2026-01-01T00:00:00Z")
        runner = RecordingRunner()
        async with Store("memory:", clock=clock) as store, Daemon(store, runners={"log": runner}, settings=LONG_SPANS):
            await Scheduler(store, timezone="Europe/Berlin").schedule("hello", "every day at 9am")
            await clock.sleep(3 * 86_400)
        assert len(runner.fires) == 3

    run_virtual(main())

What takes real time is the daemon's looking around: four times a second, by default. `LONG_SPANS` has it look once an
hour: what is scheduled starts on its millisecond all the same; a retry, or a lost daemon's fire, waits for a look.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from scheduled_prompts.clock import Clock, ServerTime
from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.settings import EngineSettings

Answer = TypeVar("Answer")

GRACE = 0.001
VIRTUAL_START = "2026-01-01T00:00:00Z"
LONG_SPANS = EngineSettings(watch_period=3600, heartbeat_period=3600, sweep_period=3600)
WORK_THREADS = "fire "
"""How the names of the threads begin in which runners' synchronous functions work."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while anything is under way, and jumps to the next timer when nothing is.

    Under way is also what the loop cannot see: a command to a real server (the clocks count those), a thread's work.
    """

    def __init__(self) -> None:
        self._virtual_time = 0.0
        self._threads = 0
        self.clocks: list[VirtualClock] = []
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._virtual_time

    def pass_time(self, seconds: float) -> None:
        self._virtual_time += seconds

    def is_busy(self) -> bool:
        return (
            self._threads > 0
            or any(clock.in_flight for clock in self.clocks)
            or any(thread.name.startswith(WORK_THREADS) for thread in threading.enumerate())
        )

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._threads -= 1


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def _has_connections(self) -> bool:
        return len(self.get_map()) > 1  # the loop's own pipe is always there

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._loop.is_busy():
            return super().select(0.01)
        # A real server writes to its subscribers an instant after it has answered who published: let that arrive.
        events = super().select(GRACE if self._has_connections() else 0)
        if not events:
            self._loop.pass_time(timeout)
        return events


class VirtualClock(Clock):
    """A clock on a `VirtualTimeLoop`, to be made while that runs. `seed` fixes ids: the same seed, the same run.

    Raises RuntimeError on any other loop.
    """

    virtual = True

    def __init__(self, start: str = VIRTUAL_START, *, seed: int = 0) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualTimeLoop):
            raise RuntimeError("a VirtualClock lives on a VirtualTimeLoop: run your coroutine with run_virtual(…)")
        loop.clocks.append(self)
        super().__init__(seed=seed)
        self._offset_ms = datetime.fromisoformat(start).timestamp() * 1000

    async def measure(self, server_time: ServerTime) -> float:  # noqa: ARG002
        """The server does not live in virtual time: there is nothing to follow."""
        return 0.0

    def stepped(self) -> bool:
        return False


class RecordingRunner:
    """Remembers every fire it was handed. `answer`: what it answers with, raises (an exception), or calls (a function
    of the fire, async or not)."""

    def __init__(self, answer: Result | str | Exception | Callable[[Fire], Any] | None = None) -> None:
        self.answer = answer
        self.fires: list[Fire] = []

    async def run(self, fire: Fire) -> Result | str | None:
        self.fires.append(fire)
        answer = self.answer
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(fire)
            if asyncio.iscoroutine(answer):
                answer = await answer
        return answer

    @property
    def texts(self) -> list[str]:
        return [fire.text for fire in self.fires]


def run_virtual(main: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine on a loop with virtual time, as `asyncio.run` does on a real one."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
