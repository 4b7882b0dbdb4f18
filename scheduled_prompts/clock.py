"""The one source of time and randomness for everything above the schedules.

`Clock.now()` is integer milliseconds since the Unix epoch, UTC, as the *store's server* counts them: the event
loop's monotonic time plus a measured offset. Every wait goes through the running event loop, so a program that runs
on a loop with virtual time (`scheduled_prompts.testing`) makes all of it virtual, waits and timers included.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

ServerTime = Callable[[], Awaitable[float]]

MEASURE_ROUNDS = 5
STEP_TOLERANCE_MS = 50.0


class Clock:
    """Server time, told by the local monotonic clock.

    `seed` fixes the randomness that goes into ids; without it they are unpredictable.
    """

    virtual = False

    def __init__(self, *, seed: int | None = None) -> None:
        self.random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)
        self.in_flight = 0
        """Commands that are on their way to a server: virtual time stands still meanwhile."""
        self._offset_ms = _local_offset_ms()
        self._local_offset_ms = self._offset_ms

    def now(self) -> int:
        """Milliseconds UTC, by the server's clock. Rounded down, so that nothing reads as due before it is."""
        return int(self.exactly_now())

    def exactly_now(self) -> float:
        """Milliseconds UTC with their fractions, for measurements."""
        return asyncio.get_running_loop().time() * 1000 + self._offset_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_at(self, instant: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call back when `instant` (ms UTC) has come, not a fraction of a millisecond before it."""
        loop = asyncio.get_running_loop()
        return loop.call_at((instant - self._offset_ms) / 1000, callback)

    async def measure(self, server_time: ServerTime) -> float:
        """Follow the server: take the offset from the fastest of a few round trips. Returns the offset to local
        wall time, in ms.

        The error is at most half of that round trip.
        """
        loop = asyncio.get_running_loop()
        best_trip = float("inf")
        offset = self._offset_ms
        for _ in range(MEASURE_ROUNDS):
            sent = loop.time()
            server_ms = await server_time()
            received = loop.time()
            if received - sent < best_trip:
                best_trip = received - sent
                offset = server_ms - (sent + received) / 2 * 1000
        self._offset_ms = offset
        self._local_offset_ms = _local_offset_ms()
        return offset - self._local_offset_ms

    def stepped(self) -> bool:
        """Whether the local clocks have drifted apart since the last measurement: a step, or a suspended machine."""
        return abs(_local_offset_ms() - self._local_offset_ms) > STEP_TOLERANCE_MS


def _local_offset_ms() -> float:
    """Wall clock minus monotonic clock, in ms: constant unless one of them jumps or stands still."""
    return (time.time() - time.monotonic()) * 1000
