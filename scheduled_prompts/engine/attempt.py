"""One attempt at a fire: wait until it is due, run it, and say what is to be written of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from scheduled_prompts.clock import Clock
from scheduled_prompts.engine.inside import Insides
from scheduled_prompts.engine.retries import is_worth_another_try, retry_delay
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.fire import MAX_ERROR_CHARACTERS, Fire, FireStatus, Result, fitting
from scheduled_prompts.money import Usage
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

    def __init__(
        self,
        lease: Lease,
        clock: Clock,
        store: Store,
        lease_ms: int,
        insides: Insides,
        *,
        asked_at: int,
        wanted: Callable[[], bool],
    ) -> None:
        """`asked_at` (ms UTC): the lease is this daemon's for `lease_ms` from then on, whatever happens. `wanted`:
        whether there is somebody to do the work."""
        self.fire: Fire = lease.fire
        self.token = lease.token
        self.started_at: int | None = None
        self.marked_at: int | None = None
        """The start that the store knows of."""
        self.stop: Stop | None = None
        self.is_in_doubt = False
        """Whether it may have been asked to stop before it was known here: then it asks before it starts."""
        self.usage: Usage | None = None
        """What the runner said that it used."""
        self.begun = False
        """Whether its task has run at all: one that has not cannot be cancelled, for it could not tidy up."""
        self._clock = clock
        self._store = store
        self._lease_ms = lease_ms
        self._insides = insides
        self._wanted = wanted
        self._sure_until = asked_at + lease_ms

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
            asks_first = self.is_in_doubt or self._definition.on_crash == "interrupt" or self._may_be_lost()
            if asks_first and not await self._mark_started():
                return None
            if not self._wanted():
                return self._item(FireStatus.QUEUED, reason="given_back")
            return await self._run(runner)
        except asyncio.CancelledError:
            _swallow_cancellation()
            return self._stopped()

    def _may_be_lost(self) -> bool:
        """Whether this process slept or stood still for so long that the fire may be another daemon's by now."""
        return self._clock.stepped() or self._clock.now() > self._sure_until

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
            if state in ("cancel", "take_back"):
                self.stop = Stop.CANCELLED
                raise asyncio.CancelledError
            self.marked_at = started
            return state == "ok"

    async def _run(self, runner: Runner) -> SettleItem | None:
        self.started_at = self._clock.now()
        inside = self._insides.of(self.fire, self.started_at + round(self._definition.timeout * 1000))
        fire = self.fire.begun(self.started_at, inside)
        limit = asyncio.timeout(self._definition.timeout)
        try:
            async with limit:
                answer = await runner.run(fire)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a runner raises ends its own attempt, and nothing else
            if isinstance(error, asyncio.CancelledError) and self._asked_to_end():
                raise
            return self._raised(error, timed_out=limit.expired())
        finally:
            inside.is_over = True
        return self._succeeded(answer)

    def _asked_to_end(self) -> bool:
        """Whether a cancellation comes from outside, and not from something the runner awaited."""
        task = asyncio.current_task()
        return self.stop is not None or (task is not None and task.cancelling() > 0)

    def _raised(self, error: BaseException, *, timed_out: bool) -> SettleItem | None:
        if self.stop is not None:  # an error is how this runner answers to being cancelled
            return self._stopped()
        if timed_out:
            return self._failed(f"did not end within {self._definition.timeout:g} s", None)
        said = getattr(error, "usage", None)  # whatever is raised may have it
        self.usage = said if isinstance(said, Usage) else None
        if isinstance(error, Retry):
            return self._failed(_message(error) or _words(error), error, asked=_asked(error))
        if isinstance(error, Permanent):
            return self._item(FireStatus.FAILED, reason="permanent", error=_message(error) or _words(error))
        return self._failed(_words(error), error)

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
        self.usage = answer.usage
        result = fitting(answer).model_dump_json(exclude_defaults=True)
        return self._item(FireStatus.SUCCEEDED, result="" if result == "{}" else result)

    def _failed(self, words: str, error: BaseException | None, *, asked: float | None = None) -> SettleItem:
        """It is tried again, or it has failed. `error`: None where it did not end in time."""
        policies = self._definition
        outcome = FireStatus.TIMED_OUT if error is None else FireStatus.FAILED
        delay = retry_delay(policies, self.fire, asked)
        # At most once: an attempt that timed out may have done its work.
        if delay is None or (error is None and policies.on_crash == "interrupt"):
            return self._item(outcome, error=words)
        if asked is None and not is_worth_another_try(policies, error):
            return self._item(outcome, reason="not_retried", error=words)
        return self._item(
            FireStatus.RETRYING, reason=outcome, error=words, retry_at=self._clock.now() + round(delay * 1000)
        )

    def broken(self, error: Exception) -> SettleItem:
        """It can be neither run nor judged, because of what is wrong with the fire, or with what its runner raised."""
        return self._item(FireStatus.FAILED, reason="unreadable", error=_words(error))

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


def _asked(error: Retry) -> float | None:
    """After how many seconds a runner asked to be tried again. A class of its own may say anything."""
    after = getattr(error, "after", None)
    return after if isinstance(after, int | float) and after >= 0 else None


def _words(error: BaseException) -> str:
    message = _message(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception that cannot say what it is
        return ""


def _swallow_cancellation() -> None:
    """The cancellation was ours, and has been dealt with: the task ends in the ordinary way."""
    task = asyncio.current_task()
    if task is not None:
        while task.cancelling():
            task.uncancel()
