"""One command to the store, and what happens when the answer does not come.

A command is sent again until it is answered or `patience` runs out. That is safe because every mutating script carries
an op id or a token, and answers a repetition with its first answer.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import redis.exceptions as redis_errors
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from scheduled_prompts.clock import Clock
from scheduled_prompts.errors import ScheduledPromptsError, StoreUnreachable, StoreUnusable
from scheduled_prompts.store.connection import Connection
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.script import Script

WRONG_TYPE = "WRONGTYPE"
"""What the server says of a key that is of another type than it should be."""
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5

_REFUSALS = {
    "OOM": "the server is out of memory (maxmemory)",
    "MISCONF": "the server cannot write to its disk",
    "NOPERM": "the user may not do this (ACL)",
    "NOAUTH": "the server wants a password",
    "WRONGPASS": "the server refused the user name or password",
    "NOREPLICAS": "too few replicas answer",
    "CLOCKAHEAD": "this machine's clock disagrees with the server's",
}
_ACL_IN_A_SCRIPT = ("ACL failure in script", "The user executing the script can't")  # the latter: Redis 6.2
_PASSING = ("READONLY", "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN")
_PASSING_ERRORS = (  # the client takes the word off the text where it knows it
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.MasterDownError,
    redis_errors.TryAgainError,
    redis_errors.ClusterDownError,
    OSError,
)


class _WritesRefused(StoreUnusable):
    """The server answers, and takes no writes for now."""


_OF_WRITES = ("OOM", "MISCONF", "NOREPLICAS")
_TAKES_NO_WRITES: tuple[type[Exception], ...] = (_WritesRefused,)

_PIPELINE = re.compile(r"^Command # \d+ .* of pipeline caused error: \(['\"](.*)['\"],?\)$", re.DOTALL)
"""How the client wraps what the server said to one command of a pipeline."""


class Transport:
    """Sends scripts and reads, again where need be, and turns the client's errors into ours."""

    def __init__(self, connection: Connection, keys: Keys, clock: Clock, *, patience: float) -> None:
        self.connection = connection
        self.keys = keys
        self.clock = clock
        self.patience = patience
        self._decoded = bool(connection.client.get_encoder().decode_responses)  # type: ignore[no-untyped-call]
        self.failures = 0
        """How often an answer failed to come, or the server took no writes (no lease could be renewed): who counts on
        unbroken contact compares."""

    @property
    def client(self) -> Redis:
        return self.connection.client

    async def run(self, script: Script, *, op: str = "", **values: str | int) -> Any:
        """The answer of a script. Raises StoreUnreachable or StoreUnusable."""

        async def send() -> Any:
            # `now` is read afresh at each try: the op id, not the time, makes a repetition the same.
            argv = script.argv({"op": op, "now": self.clock.now(), **values})
            try:
                return await self.client.evalsha(script.sha, 1, self.keys.meta, *argv)
            except redis_errors.NoScriptError:
                return await self.client.eval(script.source, 1, self.keys.meta, *argv)

        try:
            answer = await self.ask(send)
        except StoreUnusable as error:
            if "CLOCKAHEAD" in error.message:
                # Not sent again: what is in it was decided by a wrong clock. The next one is by a right one.
                await self.clock.measure(self.server_time)
            raise
        return answer if self._decoded else as_text(answer)

    async def ask(self, send: Callable[[], Awaitable[Any]]) -> Any:
        """Send until answered, twice at least: one answer that never comes may use up all patience."""
        deadline = asyncio.get_running_loop().time() + self.patience
        pause, tries = FIRST_PAUSE, 0
        while True:
            tries += 1
            try:
                self.clock.in_flight += 1
                try:
                    return await heedful(send())
                finally:
                    self.clock.in_flight -= 1
            except (redis_errors.RedisError, OSError) as error:
                problem = translate(error, self.connection.description)
                if isinstance(problem, StoreUnusable):
                    self.failures += isinstance(problem, _TAKES_NO_WRITES)
                    raise problem from error
                self.failures += 1
                if tries > 1 and asyncio.get_running_loop().time() + pause > deadline:
                    raise problem from error
            await self.clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            await self._bring_up()

    async def _bring_up(self) -> None:
        self.clock.in_flight += 1
        try:
            await self.connection.ensure()
        finally:
            self.clock.in_flight -= 1

    async def subscribe(self, pubsub: PubSub, channel: str) -> None:
        """Raises the client's errors: whoever listens begins anew by itself. A refusal is a failure all the same."""
        try:
            await heedful(pubsub.subscribe(channel))
        except (redis_errors.RedisError, OSError):
            self.failures += 1
            raise

    async def server_time(self) -> float:
        """The server's clock, ms UTC. Not repeated: a late answer would be worthless."""
        self.clock.in_flight += 1
        try:
            return await self._time()
        except (redis_errors.RedisError, OSError) as error:
            raise translate(error, self.connection.description) from error
        finally:
            self.clock.in_flight -= 1

    async def measure_clock(self) -> None:
        """Have the clock follow the server. Where an answer fails to come it begins anew, as `ask` does."""
        await self.ask(lambda: self.clock.measure(self._time))

    async def _time(self) -> float:
        seconds, microseconds = await heedful(self.client.time())
        return float(int(seconds) * 1000 + int(microseconds) / 1000)


async def heedful(answer: Awaitable[Any]) -> Any:
    """The answer, unless this task was cancelled meanwhile.

    redis-py sends through `asyncio.wait_for`, which on Python 3.11 loses a cancellation that comes just as the command
    is out, or the line breaks; a loop of commands could then be cancelled in vain.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    if getattr(task, "_must_cancel", False):  # asked for while the task was computing, and not delivered yet
        before -= 1
    try:
        return await answer
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def translate(error: Exception, where: str) -> ScheduledPromptsError:
    """A client's error as one of ours."""
    if isinstance(error.__cause__, redis_errors.ResponseError | redis_errors.AuthenticationError):
        error = error.__cause__  # what the server said at the handshake, which the client calls a broken connection
    text = _PIPELINE.sub(r"\1", str(error))
    word = text.split(" ", 1)[0].lstrip("-")
    for refusal, meaning in _REFUSALS.items():
        if word == refusal or f" {refusal} " in f" {text[:200]} " or f"-{refusal} " in text[:200]:
            kind = _WritesRefused if refusal in _OF_WRITES else StoreUnusable
            return kind(f"{where}: {meaning}: {text}")
    if isinstance(error, redis_errors.AuthenticationError):
        return StoreUnusable(f"{where}: the server refused the user name or password: {text}")
    if isinstance(error, redis_errors.OutOfMemoryError):
        return _WritesRefused(f"{where}: {_REFUSALS['OOM']}: {text}")
    if isinstance(error, redis_errors.NoPermissionError) or any(sign in text for sign in _ACL_IN_A_SCRIPT):
        return StoreUnusable(f"{where}: the user may not do this (ACL): {text}")
    if isinstance(error, _PASSING_ERRORS) or any(sign in text[:200] for sign in _PASSING):
        return StoreUnreachable(
            f"{where} does not answer: {text or type(error).__name__}",
            hint="is the server running, and is the address right?",
        )
    return StoreUnusable(f"{where}: {text}")


def as_text(answer: Any) -> Any:
    """Strings, whatever the client decodes."""
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    if isinstance(answer, list):
        return [as_text(part) for part in answer]
    if isinstance(answer, dict):
        return {as_text(name): as_text(value) for name, value in answer.items()}
    return answer


def to_json(value: object) -> str:
    """Compact JSON. What is no valid Unicode (a file's name in an error) becomes `?`: it could not be sent."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace").decode()
