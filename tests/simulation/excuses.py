"""What may keep a daemon from its work: the faults that the checkers forgive a delay for, and nothing else."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from tests.simulation.loop import EPOCH
from tests.simulation.plan import is_host

if TYPE_CHECKING:
    from tests.simulation.books import Books
    from tests.simulation.world import World


class Spans:
    """From when to when something was."""

    def __init__(self, spans: list[tuple[float, float]]) -> None:
        spans = sorted(spans)
        self._starts = [start for start, _ in spans]
        self._latest_ends = list(accumulate((end for _, end in spans), max))
        """Of the first so many."""

    def touch(self, start: float, end: float) -> bool:
        """Whether one of them, its ends included, is in part from `start` to `end`."""
        begun = bisect_right(self._starts, end)
        return begun > 0 and self._latest_ends[begun - 1] >= start

    def cover(self, start: float, end: float) -> bool:
        """Whether one of them is from before `start` until after `end`."""
        begun = bisect_left(self._starts, start)
        return begun > 0 and self._latest_ends[begun - 1] > end


def clock_was_set(world: World, start: float, end: float) -> bool:
    """Whether that of the server was, or daemons had not looked at it since, at some time from `start` to `end`."""
    return any(w.kind == "server_step" and w.start <= end and w.end >= start for w in world.faults.windows)


class Contact:
    """Who was able to speak to the server, and when. A host goes by how long the server has been up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._windows = world.faults.windows
        self._lines = world.lines
        self._starts = {e.who: e.at for e in world.trace.events if e.what == "starts"}

    def broken(self, who: str, start: float, end: float) -> str | None:
        """Why a process was not in unbroken contact from `start` to `end`; None where it was, as far as can be said."""
        if is_host(who):
            return self.server_was_away(start, end)
        slack = 1_500.0  # a watch period and a round trip are not held against it
        slack += 7_000.0 if clock_was_set(self._world, start, end) else 0.0
        slack += self._world.plan.settings.watch_period * 1000
        start += slack
        if start >= end:
            return None
        if self._starts[who] > start:
            return "it had just begun"
        broke = self._lines[who].broke_at
        i = bisect_left(broke, start)
        if i < len(broke) and broke[i] < end - 100:
            return "an answer had failed to come"
        for window in self._windows:
            if window.kind in ("freeze", "suspend", "lid") and window.is_of(who):
                asleep = min(window.end - 2_000, end) - max(window.start, start)
                if asleep > slack + self._world.plan.settings.lease_ms / 4:
                    return f"{window.kind} of {window.who}"
        return self.server_was_away(start, end)

    def server_was_away(self, start: float, end: float) -> str | None:
        for since, until in self._world.server.away:
            if (EPOCH + since) * 1000 < end and (EPOCH + until) * 1000 > start:
                return "the server was away"
        return None


class Wellness:
    """Who was able to do its work: it lived, no fault was upon it, its line was quick, and a host had a runner."""

    def __init__(self, world: World, books: Books) -> None:
        self._world = world
        self._books = books
        self._ill: dict[str, Spans] = {}

    def lasts(self, who: str, start: float, end: float) -> bool:
        process = self._books.processes[who]
        if process.started > start or process.over < end:
            return False
        if who not in self._ill:
            self._ill[who] = Spans(
                [
                    *((w.start, w.end) for w in self._world.faults.windows if w.is_of(who)),
                    *self._world.lines[who].hampered,
                    *((since, until) for since, until in self._books.without_runner.get(who, [])),
                ]
            )
        return not self._ill[who].touch(start, end)
