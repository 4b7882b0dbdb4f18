"""One attempt at a fire: wait until it is due, run it, and say what is to be written of it."""

from __future__ import annotations

import asyncio
from enum import Enum, auto

from scheduled_prompts.clock import Clock
from scheduled_prompts.engine.retries import retry_delay
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.fire import MAX_ERROR_CHARACTERS, Fire, FireStatus, Result, fitting
from scheduled_prompts.prompt import Definition
from scheduled_prompts.runners.contract import Permanent, Retry, Runner
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Lease, SettleItem


class Stop(Enum):
    """Why an attempt was cancelled from outside."""

    CANCELLED = auto()
    """Somebody cancelled the prompt or the fire."""
    LOST = auto()
    """The lease is somebody else's."""
    GIVEN_BACK = auto()
    """The daemon stops, and it had not started."""
    DRAINED = auto()
    """The daemon stops, and it did not end in time."""


class Attempt:
    """A lease in hand."""

    def __init__(self, lease: Lease, clock: Clock, store: Store, lease_ms: int) -> None:
        self.fire: Fire = lease.fire
        self.token = lease.token
        self.started_at: int | None = None
        self.marked_at: int | None = None
        """The start that the store knows of."""
        self.stop: Stop | None = None
        self.begun = False
        """Whether its task has run at all: one that has not cannot be cancelled, for it could not tidy up."""
        self._clock = clock
        self._store = store
        self._lease_ms = lease_ms

    def unmarked_since(self, now: int, age: int) -> bool:
        """Whether it started `age` ms ago or earlier and the store does not know."""
        return self.marked_at is None and self.started_at is not None and now - self.started_at >= age

    @property
    def _definition(self) -> Definition:
        assert self.fire.prompt is not None
        return self.fire.prompt

    async def carry_out(self, runner: Runner) -> SettleItem | None:
        """Run it when it is due. None where the lease is lost, and with it the right to say what became of it."""
        self.begun = True
        if self.stop is not None:
            return self._stopped()
        try:
            await self._wait_until_due()
            if self._definition.on_crash == "interrupt" and not await self._mark_started():
                return None
            return await self._run(runner)
        except asyncio.CancelledError:
            _swallow_cancellation()
            return self._stopped()

    async def _wait_until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while (early := self.fire.due - self._clock.now()) > 0:
            moment: asyncio.Future[None] = loop.create_future()
            # Never trusted for longer than 30 s: the clock may be moved meanwhile.
            wake = self.fire.due if early < 30_000 else self._clock.now() + 30_000
            handle = self._clock.call_at(wake, lambda moment=moment: moment.done() or moment.set_result(None))  # type: ignore[misc]
            try:
                await moment
            finally:
                handle.cancel()

    async def _mark_started(self) -> bool:
        """At most once: that it starts is written before it starts, so that nobody who finds it lost starts it
        again."""
        started = self._clock.now()
        while True:
            try:
                [state] = await self._store.extend([(self.fire.id, self.token, started)], lease_ms=self._lease_ms)
            except (StoreUnreachable, StoreUnusable):
                await self._clock.sleep(1.0)
                continue
            if state == "cancel":
                self.stop = Stop.CANCELLED
                raise asyncio.CancelledError
            self.marked_at = started
            return state == "ok"

    async def _run(self, runner: Runner) -> SettleItem:
        self.started_at = self._clock.now()
        fire = self.fire.model_copy(update={"started_at": self.started_at})
        try:
            async with asyncio.timeout(self._definition.timeout) as limit:
                answer = await runner.run(fire)
        except TimeoutError as error:
            if limit.expired():
                return self._failed(f"did not end within {self._definition.timeout:g} s", timed_out=True)
            return self._failed(_words(error))
        except Retry as error:
            return self._failed(str(error), asked=error.after)
        except Permanent as error:
            return self._item(FireStatus.FAILED, reason="permanent", error=str(error))
        except Exception as error:
            return self._failed(_words(error))
        return self._succeeded(answer)

    def _succeeded(self, answer: Result | str | None) -> SettleItem:
        if isinstance(answer, str):
            answer = Result(text=answer)
        if answer is None:
            return self._item(FireStatus.SUCCEEDED)
        if not isinstance(answer, Result):
            return self._item(
                FireStatus.FAILED,
                reason="permanent",
                error=f"the runner answered with a {type(answer).__name__}; a Result, a text or None is expected",
            )
        result = fitting(answer).model_dump_json(exclude_defaults=True)
        return self._item(FireStatus.SUCCEEDED, result="" if result == "{}" else result)

    def _failed(self, error: str, *, asked: float | None = None, timed_out: bool = False) -> SettleItem:
        delay = retry_delay(self._definition, self.fire, asked)
        # At most once: an attempt that timed out may have done its work.
        if delay is None or (timed_out and self._definition.on_crash == "interrupt"):
            return self._item(FireStatus.TIMED_OUT if timed_out else FireStatus.FAILED, error=error)
        reason = FireStatus.TIMED_OUT if timed_out else FireStatus.FAILED
        return self._item(
            FireStatus.RETRYING, reason=reason, error=error, retry_at=self._clock.now() + round(delay * 1000)
        )

    def _stopped(self) -> SettleItem | None:
        if self.stop is Stop.LOST:
            return None
        if self.stop is Stop.CANCELLED:
            return self._item(FireStatus.CANCELLED, reason="prompt_cancelled")
        if self.started_at is None and self.marked_at is None:
            return self._item(FireStatus.QUEUED, reason="given_back")
        if self._definition.on_crash == "interrupt":
            return self._item(FireStatus.INTERRUPTED, reason="stopped", error="the daemon was stopped")
        return self._item(FireStatus.QUEUED, reason="stopped")

    def _item(
        self,
        outcome: FireStatus,
        *,
        reason: str = "",
        result: str = "",
        error: str = "",
        retry_at: int | None = None,
    ) -> SettleItem:
        return {
            "fire": self.fire.id,
            "token": self.token,
            "outcome": outcome,
            "reason": reason,
            "started_at": "" if self.started_at is None else str(self.started_at),
            "ended_at": str(self._clock.now()),
            "result": result,
            "error": error[:MAX_ERROR_CHARACTERS],
            "retry_at": "" if retry_at is None else str(retry_at),
        }


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _swallow_cancellation() -> None:
    """The cancellation was ours, and has been dealt with: the task ends in the ordinary way."""
    task = asyncio.current_task()
    if task is not None:
        while task.cancelling():
            task.uncancel()
