"""What every judge of a simulation has at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.books import Books
from tests.simulation.excuses import Spans
from tests.simulation.plan import HOST, is_host

if TYPE_CHECKING:
    from tests.simulation.world import World

Checks = tuple[Callable[[], None], ...]

COOPERATIVE = {"succeed", "slow", "hang", "raise when cancelled", "fail", "ask for a retry", "give up"}
"""Moods of a runner that lets itself be cancelled."""


class Judge:
    def __init__(self, world: World, books: Books) -> None:
        self.world = world
        self.books = books
        settings = world.plan.settings
        self.after = (settings.lease + settings.sweep_period + settings.watch_period + 5.0) * 1000
        """How long a fault may still be felt, in ms."""
        self.daemons = [process for who, process in books.processes.items() if who.startswith("d")]
        fallen = [one for who, one in books.processes.items() if is_host(who) and (one.died or who.startswith(HOST))]
        self._trouble = Spans(
            [(w.start, w.end) for w in world.faults.windows]
            + [(process.over, process.over) for process in [*self.daemons, *fallen]]
            + [(since, until) for since, until in books.halts]
        )

    def checks(self) -> Checks:
        raise NotImplementedError

    def find(self, finding: str) -> None:
        self.books.findings.append(finding)

    def is_excused(self, start: float, end: float) -> bool:
        """Whether a fault may be felt at some time from `start` to `end` (true ms)."""
        return self._trouble.touch(start - self.after, end)

    def is_out_of_touch(self, who: str, start: float, end: float) -> bool:
        if any(start <= at <= end for at in self.world.lines[who].broke_at):
            return True
        return any(w.is_of(who) and w.start <= end and w.end >= start for w in self.world.faults.windows)

    def hindrances(self, who: str) -> list[tuple[float, float]]:
        """From when to when a daemon could not renew, or its lease was no lease long (true ms)."""
        look = self.world.plan.settings.watch_period * 1000
        spans = [(self.books.processes[who].over, float("inf")), *self.world.lines[who].hampered]
        for window in self.world.faults.windows:
            if window.kind in ("freeze", "suspend", "lid", "server_step") and window.is_of(who):
                spans.append((window.start, window.end + look))
        return spans
