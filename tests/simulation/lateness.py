"""Is everything on time, where nothing stands in the way that may?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from tests.accounting import prompt_of
from tests.simulation.books import Books, Hold
from tests.simulation.excuses import Spans
from tests.simulation.judging import Checks, Judge

if TYPE_CHECKING:
    from tests.simulation.world import World

PUNCTUAL_MS = 1_000
"""How late an attempt may begin where nothing went wrong."""
PASSED_OVER_MS = 12_000
"""So long a daemon that could not claim a prompt may leave it alone, where it does not hear that it was changed."""
MENDED_MS = 10_000
"""After so long a connection that broke is felt no more."""


class Lateness(Judge):
    """Of first attempts, where the schedule alone says when."""

    def __init__(self, world: World, books: Books) -> None:
        super().__init__(world, books)
        self._full = Spans([(since, until) for _, since, until in books.full])
        self._up = Spans([(process.started, process.over) for process in self.daemons])
        self._held: dict[str, tuple[list[Hold], list[float]]] = {}
        """By prompt: its leases by their start, and when those up to each had ended."""

    def checks(self) -> Checks:
        if not self.world.plan.daemons:  # see `hosts.py`
            return ()
        return (
            self.punctual,
            self.taken_over_where_a_daemon_died,
            self.hears_again_after_a_break,
            self.found_by_a_look_where_nobody_hears,
        )

    def taken_over_where_a_daemon_died(self) -> None:
        """Where daemons only die, the prompts that a dead one had not taken yet begin after a look of another's."""
        others = [(w.start, w.end) for w in self.world.faults.windows if w.kind not in ("kill", "deploy", "hurry")]
        others += [(since, until) for since, until in self.books.halts]
        felt = Spans(others)
        counted = 0
        for fire, due, began in self._to_be_punctual:
            if felt.touch(due - 4_000 - self.after, began) or not self._up.cover(due - 15_000, began + 1_000):
                continue
            counted += 1
            if began - due > self._after_a_look:
                self.find(f"{fire} began {began - due:.0f} ms late, and daemons had died at most")
        self.books.answered["judged for being taken over"] = counted

    def punctual(self) -> None:
        """Where nothing went wrong, and nothing else stood in the way, an attempt begins when it is due."""
        counted = 0
        for fire, due, began in self._to_be_punctual:
            if self.is_excused(due - 4_000, began):
                continue
            counted += 1
            if began - due > PUNCTUAL_MS:
                self.find(f"{fire} began {began - due:.0f} ms late, and nothing had gone wrong")
        self.books.answered["judged for punctuality"] = counted

    def hears_again_after_a_break(self) -> None:
        """Where nothing but the connections of those who listen broke, all is on time when they listen again."""
        others = [(w.start - MENDED_MS, w.end + self.after) for w in self.world.faults.windows if w.kind != "break_off"]
        others += [(process.over, process.over + self.after) for process in self.daemons]
        others += [(since, until + self.after) for since, until in self.books.halts]
        breaks = [(w.start, w.end + MENDED_MS) for w in self.world.faults.windows if w.kind == "break_off"]
        if not breaks:
            return
        felt = Spans(others + breaks)
        for fire, due, began in self._to_be_punctual:
            if began - due > PUNCTUAL_MS and not felt.touch(due - 4_000, began):
                self.find(f"{fire} began {began - due:.0f} ms late, and connections had broken long before, at most")

    def found_by_a_look_where_nobody_hears(self) -> None:
        """Where nothing but messages is lost, what they tell of begins after a look."""
        silent = ("unheard", "break_off")
        others = [(w.start, w.end) for w in self.world.faults.windows if w.kind not in silent]
        others += [(process.over, process.over) for process in self.daemons]
        felt = Spans([(start, end + self.after) for start, end in [*others, *map(tuple, self.books.halts)]])
        for fire, due, began in self._to_be_punctual:
            touched = self.books.touched[prompt_of(fire)]
            is_passed_over = any(due - PASSED_OVER_MS <= at <= began for at in touched)
            if began - due > self._after_a_look and not is_passed_over and not felt.touch(due - 4_000, began):
                self.find(f"{fire} began {began - due:.0f} ms late, and messages had been lost at most")

    @property
    def _after_a_look(self) -> float:
        """How late what one of the daemons finds at its next look may begin (ms)."""
        plan = self.world.plan
        return plan.settings.watch_period * 1000 + 250 * plan.daemons + PUNCTUAL_MS

    @cached_property
    def _to_be_punctual(self) -> list[tuple[str, float, float]]:
        """Fires that nothing but a fault could hold up, when they were due and when they began (true ms)."""
        first = self._first_attempts
        return [(fire, due, began) for fire, due, began in first if not self._is_in_the_way(fire, due, began)]

    @property
    def _first_attempts(self) -> Iterator[tuple[str, float, float]]:
        """Of fires that no limit may hold up."""
        limits = self.world.plan.limits.concurrency
        if limits.platform is not None:
            return
        for fire, runs in self.books.runs.items():
            run, claim = runs[0], self.books.claims.get(fire)
            if run.attempt != 1 or claim is None or claim.item["trigger"] != "schedule":
                continue
            if claim.item["concurrency_key"] or (limits.owner is not None and claim.item["owner"]):
                continue
            yield fire, claim.due + run.began.at - run.began.server, run.began.at

    def _is_in_the_way(self, fire: str, due: float, began: float) -> bool:
        prompt = prompt_of(fire)
        if any(due - 6_000 <= at <= began for at in self.books.touched[prompt]):
            return True
        return self._is_held_up(fire, due, began)

    def _is_held_up(self, fire: str, due: float, began: float) -> bool:
        """By others that ran."""
        return self._full.touch(due - 4_000, began) or self._another_was_held(fire, due - 4_000, began)

    def _another_was_held(self, fire: str, start: float, end: float) -> bool:
        """Of the same prompt."""
        prompt = prompt_of(fire)
        if prompt not in self._held:
            holds = [h for other in self.books.claims_of(prompt) for h in self.books.holds.get(other, [])]
            holds.sort(key=lambda hold: hold.since)
            self._held[prompt] = holds, list(accumulate((hold.until for hold in holds), max))
        holds, latest_ends = self._held[prompt]
        begun = bisect_right(holds, end, key=lambda hold: hold.since)
        while begun and latest_ends[begun - 1] >= start:
            begun -= 1
            if holds[begun].until >= start and holds[begun].fire != fire:
                return True
        return False
