"""A process' line to the server, in the place of a client of redis-py: each command and each answer takes its time, and
may get lost, before it took effect or after.

A command that is on its way arrives whatever becomes of who sent it: also when that gave up waiting, or died.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import redis.exceptions as redis_errors

from tests.simulation.loop import EPOCH, Process
from tests.simulation.server import NAMES, READS, SimServer

TIMEOUT = 5.0
"""After so many seconds without an answer a client gives up, as the package's own settings have it."""

SLOW_MS = 100
"""An answer that takes longer is slow."""


@dataclass
class Weather:
    """How a line is. Chances are per command, or per message."""

    refused: bool = False
    lost_before: float = 0.0
    lost_after: float = 0.0
    slow: float = 0.0
    slow_by: float = 0.0
    """Up to so many seconds, each way."""
    unheard: float = 0.0
    doubled: float = 0.0
    late: float = 0.0


class Line:
    """`asyncio.Redis` for one process, as far as the package asks for it."""

    def __init__(self, server: SimServer, process: Process, chance: random.Random) -> None:
        self.server = server
        self.process = process
        self.weather = Weather()
        self.dies_in: int | None = None
        """So many steps after it has sent its first change its process is killed."""
        self.broke_at: list[float] = []
        """When (true ms) an answer did not come, or a write was refused."""
        self.hampered: list[tuple[float, float]] = []
        """Commands that failed, or were slow: from when to when (true ms)."""
        self.told_time: list[tuple[float, float]] = []
        """When (true ms) it was told the time, and how long after it had asked, in ms."""
        self._chance = chance
        self._loop = server.loop
        self._subscribed: list[SimPubSub] = []

    def get_encoder(self) -> Any:
        return SimpleNamespace(decode_responses=True)

    async def aclose(self) -> None: ...

    def pubsub(self) -> SimPubSub:
        return SimPubSub(self)

    def pipeline(self, *, transaction: bool = True) -> SimPipeline:
        return SimPipeline(self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **options: self.send(name, *args, **options)

    async def send(self, name: str, *args: Any, **options: Any) -> Any:
        loop, weather, chance = self._loop, self.weather, self._chance
        shown = NAMES.get(args[0], name) if name == "evalsha" else name
        sent = self._now_ms
        if weather.refused or not self.server.up:
            await asyncio.sleep(self._way())
            self._failed(shown, "refused", sent)
            raise redis_errors.ConnectionError("connection refused")
        answer: asyncio.Future[Any] = loop.create_future()
        there, back = self._way(), self._way()
        if weather.lost_before and chance.random() < weather.lost_before:
            self._at(there, self._deliver, answer, None, redis_errors.ConnectionError("connection reset"))
            self._trace(shown, "lost")
        else:
            is_lost = bool(weather.lost_after) and chance.random() < weather.lost_after
            self._at(there, self._arrive, answer, back, is_lost, shown, name, args, options)
        if self.dies_in is not None and name == "evalsha" and shown not in READS:
            self.process.dies_in, self.dies_in = self.dies_in, None
        gives_up = loop.call_later(TIMEOUT, self._give_up, answer)
        try:
            result = await answer
        except (redis_errors.ConnectionError, redis_errors.TimeoutError) as error:
            self._failed(shown, type(error).__name__, sent)
            raise
        except redis_errors.ResponseError as error:
            if str(error).startswith("MISCONF"):
                self._broke(sent)
            raise
        finally:
            gives_up.cancel()
            if self._now_ms - sent > SLOW_MS:
                self.hampered.append((sent, self._now_ms))
        if name == "time":
            self.told_time.append((self._now_ms, self._now_ms - sent))
        return result

    def _arrive(
        self,
        answer: asyncio.Future[Any],
        back: float,
        is_lost: bool,
        shown: str,
        name: str,
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> None:
        server = self.server
        if server.stalled_until > self._loop.now:
            wait = server.stalled_until - self._loop.now
            self._at(wait, self._arrive, answer, back, is_lost, shown, name, args, options)
            return
        if not server.up:
            self._at(back, self._deliver, answer, None, redis_errors.ConnectionError("connection closed by server"))
            return
        result, problem = None, None
        self._trace(shown, "arrives")
        try:
            result = server.perform(self.process.name, name, args, options)
        except redis_errors.RedisError as error:
            problem = error
        if is_lost:
            self._trace(shown, "answer_lost")
            problem = redis_errors.ConnectionError("connection reset")
        self._at(back, self._deliver, answer, result, problem)

    def _deliver(self, answer: asyncio.Future[Any], result: Any, problem: Exception | None) -> None:
        if answer.done() or self.process.dead:
            return
        if problem is None:
            answer.set_result(result)
        else:
            answer.set_exception(problem)

    def _give_up(self, answer: asyncio.Future[Any]) -> None:
        self._deliver(answer, None, redis_errors.TimeoutError("timeout reading from the server"))

    def _at(self, seconds: float, callback: Callable[..., None], *args: Any) -> None:
        """Something that happens on the way, whoever dies meanwhile."""
        self._loop.call_at(self._loop.now + seconds, callback, *args, context=self.server.process.context)

    def _way(self) -> float:
        """What one way takes, in seconds."""
        chance, weather = self._chance, self.weather
        drawn = chance.random()
        way = 0.000_1 + 0.001_5 * drawn if drawn < 0.98 else 0.02 * chance.random()
        if weather.slow and chance.random() < weather.slow:
            way += weather.slow_by * chance.random()
        return way

    @property
    def _now_ms(self) -> float:
        return (EPOCH + self._loop.now) * 1000

    def _failed(self, command: str, how: str, sent: float) -> None:
        if command not in ("pubsub", "time"):  # these renew nothing
            self._broke(sent)
        self._trace(command, how)

    def _broke(self, sent: float) -> None:
        self.broke_at.append(self._now_ms)
        self.hampered.append((sent, self._now_ms))

    def _trace(self, command: str, how: str) -> None:
        self.server.trace.line(self._now_ms, self.process.name, how, command)

    def break_connections(self) -> None:
        """Whoever listens hears of it at once; commands notice by themselves."""
        for pubsub in list(self._subscribed):
            pubsub.break_off()


class SimPipeline:
    def __init__(self, line: Line) -> None:
        self._line = line
        self._commands: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    async def __aenter__(self) -> SimPipeline:
        return self

    async def __aexit__(self, *problem: Any) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **options: self._commands.append((name, args, options))

    async def execute(self) -> Any:
        return await self._line.send("pipeline", *self._commands)


class SimPubSub:
    """What one process hears of what is published."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._heard: deque[dict[str, Any]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._broken = False

    async def subscribe(self, *channels: str) -> None:
        await self._line.send("ping")
        self._line.server.subscribers.append(self)
        self._line._subscribed.append(self)
        self._hear({"type": "subscribe", "data": 1})

    async def get_message(self, *, timeout: float) -> dict[str, Any] | None:
        if not self._heard and not self._broken:
            self._waiter = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._waiter}, timeout=timeout)
            self._waiter = None
        if self._broken:
            self._line._trace("pubsub", "broken")
            raise redis_errors.ConnectionError("connection closed by server")
        return self._heard.popleft() if self._heard else None

    async def aclose(self) -> None:
        self._leave()

    def _leave(self) -> None:
        for listed in (self._line.server.subscribers, self._line._subscribed):
            if self in listed:
                listed.remove(self)

    def break_off(self) -> None:
        self._leave()
        self._broken = True
        self._wake()

    def published(self, data: str) -> None:
        """By the server."""
        line = self._line
        if line.process.dead:
            self._leave()
            return
        weather, chance = line.weather, line._chance
        copies = 1
        if weather.unheard and chance.random() < weather.unheard:
            copies = 0
        elif weather.doubled and chance.random() < weather.doubled:
            copies = 2
        for _ in range(copies):
            delay = line._way()
            if weather.late and chance.random() < weather.late:
                delay += 3 * chance.random()
            line._at(delay, self._hear, {"type": "message", "data": data})
        kind = json.loads(data).get("type", "")
        line.server.trace.line((EPOCH + line._loop.now) * 1000, line.process.name, f"is_told_{copies}x", kind)

    def _hear(self, message: dict[str, Any]) -> None:
        self._heard.append(message)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
