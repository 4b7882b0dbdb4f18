"""The scheduler for programs without an event loop: scripts, notebooks, web handlers that block.

Each call is carried out by a loop in a thread of its own, so it may be used from any thread, and where a loop runs
already (as in a notebook). The calls are those of `Scheduler`, with the same arguments, answers and errors.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from redis.asyncio import Redis

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler.answers import UPCOMING, Preview
from scheduled_prompts.scheduler.events import Event
from scheduled_prompts.scheduler.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Unreadable
from scheduled_prompts.upcoming import Occurrence

P = ParamSpec("P")
Answer = TypeVar("Answer")


class _Blocking(Generic[P, Answer]):
    """A call of `Scheduler` that waits for its answer."""

    def __init__(self, call: Callable[Concatenate[Scheduler, P], Coroutine[Any, Any, Answer]]) -> None:
        self._call = call
        self.__doc__ = call.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: SyncScheduler, owner: type) -> Callable[P, Answer]: ...
    def __get__(self, instance: SyncScheduler | None, owner: type) -> Self | Callable[P, Answer]:
        if instance is None:
            return self

        @functools.wraps(self._call)
        def blocking(*args: P.args, **kwargs: P.kwargs) -> Answer:
            return instance.carry_out(self._call(instance.scheduler, *args, **kwargs))

        return blocking


class SyncScheduler:
    """`Scheduler`, blocking. Made by `Scheduler.sync`, which says what its arguments are; open at once.

    Close it, or use it as a context manager. Raises what `Scheduler` raises.
    """

    def __init__(self, where: str | Redis | Store = "embedded:", **arguments: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scheduled-prompts", daemon=True)
        self._calls: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._closing = threading.Lock()
        """Held while a call is handed over, so that none comes behind the end of the loop."""
        self._thread.start()
        try:
            self.scheduler = self.carry_out(_opened(where, arguments))
        except BaseException:
            self._closed = True
            self._end_thread()
            raise

    def carry_out(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait for what a coroutine answers, in the scheduler's loop. An interrupt cancels it, and so does `close`."""
        if threading.current_thread() is self._thread:
            call.close()
            raise RuntimeError("this scheduler is called from within one of its own calls, which would wait for ever")
        with self._closing:
            if self._closed:
                call.close()
                raise RuntimeError("this scheduler is closed")
            answer = asyncio.run_coroutine_threadsafe(self._known(call), self._loop)
        try:
            return answer.result()
        except concurrent.futures.CancelledError:
            if self._closed:
                raise RuntimeError("this scheduler was closed meanwhile") from None
            raise
        except BaseException:
            answer.cancel()
            raise

    def close(self) -> None:
        """Close the connection, and end the thread; calls that other threads wait for raise RuntimeError. A second time
        does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            end = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        try:
            end.result()
        finally:
            self._end_thread()

    async def _known(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            return await call
        finally:
            self._calls.discard(task)

    async def _end(self) -> None:
        calls = list(self._calls)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self.scheduler.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    schedule = _Blocking(Scheduler.schedule)
    get = _Blocking(Scheduler.get)
    resolve = _Blocking(Scheduler.resolve)
    list = _Blocking(Scheduler.list)
    edit = _Blocking(Scheduler.edit)
    pause = _Blocking(Scheduler.pause)
    resume = _Blocking(Scheduler.resume)
    approve = _Blocking(Scheduler.approve)
    reject = _Blocking(Scheduler.reject)
    skip = _Blocking(Scheduler.skip)
    unskip = _Blocking(Scheduler.unskip)
    cancel = _Blocking(Scheduler.cancel)
    clean_up = _Blocking(Scheduler.clean_up)
    allowances = _Blocking(Scheduler.allowances)
    stop_all = _Blocking(Scheduler.stop_all)
    start_all = _Blocking(Scheduler.start_all)
    halted = _Blocking(Scheduler.halted)
    run_now = _Blocking(Scheduler.run_now)
    rerun = _Blocking(Scheduler.rerun)
    fire = _Blocking(Scheduler.fire)
    cancel_fire = _Blocking(Scheduler.cancel_fire)
    history = _Blocking(Scheduler.history)
    spans = _Blocking(Scheduler.spans)
    explain = _Blocking(Scheduler.explain)
    why = _Blocking(Scheduler.why)
    quarantined = _Blocking(Scheduler.quarantined)
    daemons = _Blocking(Scheduler.daemons)
    why_unserved = _Blocking(Scheduler.why_unserved)
    stats = _Blocking(Scheduler.stats)
    spending = _Blocking(Scheduler.spending)
    doctor = _Blocking(Scheduler.doctor)
    past_events = _Blocking(Scheduler.past_events)
    apply = _Blocking(Scheduler.apply)
    import_prompts = _Blocking(Scheduler.import_prompts)

    def events(self, **arguments: Any) -> Iterator[Event]:
        """As `Scheduler.events`: for ever, waiting for each."""
        return self._each(lambda: self.scheduler.events(**arguments))

    def export(self, **arguments: Any) -> Iterator[ScheduledPrompt | Unreadable]:
        """As `Scheduler.export`."""
        return self._each(lambda: self.scheduler.export(**arguments))

    def _each(self, begin: Callable[[], AsyncIterator[Answer]]) -> Iterator[Answer]:
        async def begun() -> AsyncIterator[Answer]:
            return begin()

        async def one(source: AsyncIterator[Answer]) -> Answer:
            return await anext(source)

        source = self.carry_out(begun())
        while True:
            try:
                answer = self.carry_out(one(source))
            except StopAsyncIteration:
                return
            yield answer

    def preview(self, *args: Any, **kwargs: Any) -> Preview:
        """As `Scheduler.preview`."""

        async def ask() -> Preview:  # in the loop, whose clock it reads
            return self.scheduler.preview(*args, **kwargs)

        return self.carry_out(ask())

    def defaults_of(self, owner: object) -> dict[str, Any]:
        """The policies of a prompt of this owner that says nothing else, as far as anybody chose them."""
        return self.scheduler.defaults_of(owner)

    def upcoming(self, prompt: ScheduledPrompt, count: int = UPCOMING) -> Sequence[Occurrence]:
        """What a prompt will do next."""
        return self.scheduler.upcoming(prompt, count)


async def _opened(where: str | Redis | Store, arguments: dict[str, Any]) -> Scheduler:
    return await Scheduler(where, **arguments).open()
