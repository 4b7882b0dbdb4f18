"""Does what is to stop stop: daemons, runs, and what waits to begin?"""

from __future__ import annotations

from collections.abc import Iterator

from tests.accounting import prompt_of
from tests.simulation.books import Hold
from tests.simulation.excuses import Spans
from tests.simulation.judging import COOPERATIVE, Checks, Judge
from tests.simulation.plan import is_host

AT_ONCE_MS = 500
"""So long a message or an answer may take, where nothing is wrong with the line."""
HEARD_MS = 60
"""And so long a message takes where the process has nothing else to do than to hear it."""
PRESSED_MS = 300
"""So long a daemon that is in a hurry may take to leave."""
BEGINS_AFTER_ITS_TAKE_MS = 4_500
"""So long what a host has taken may wait until it is due. It hears of nothing meanwhile."""
HARMLESS = {"deploy", "hurry", "unheard", "break_off", "kill_client"}
"""Faults that keep nobody from stopping: a message that nobody hears is no excuse."""


class Stops(Judge):
    """Of daemons, and of what they run."""

    def checks(self) -> Checks:
        return (
            self.leaves_nothing_behind,
            self.stopped_in_time,
            self.nothing_starts_while_stopped,
        )

    def leaves_nothing_behind(self) -> None:
        """A daemon that is told to stop gives back what it holds, or writes its end; one in a hurry, at once."""
        asked = {w.who: w.start for w in self.world.faults.windows if w.kind == "deploy"}
        pressed = {w.who: w.start for w in self.world.faults.windows if w.kind == "hurry"}
        held: dict[str, list[Hold]] = {}
        for hold in self.books.all_holds:
            held.setdefault(hold.who, []).append(hold)
        for process in self.daemons:
            told, who = asked.get(process.name), process.name
            if told is None or process.died or self._was_kept_from_leaving(who, told, process.over, held.get(who, [])):
                continue
            left = [hold.fire for hold in held.get(who, []) if hold.since <= process.over < hold.until]
            if left:
                self.find(f"{who} was told to stop, and left {left} behind")
            took = process.over - pressed.get(who, process.over)
            if took > PRESSED_MS:
                self.find(f"{who} was in a hurry, and took {took:.0f} ms to leave")

    def _was_kept_from_leaving(self, who: str, told: float, over: float, holds: list[Hold]) -> bool:
        """By a runner that works on, or because it was not in contact."""
        if any(hold.run and hold.run.began.mood == "swallow" and hold.run.ended > told for hold in holds):
            return True
        if any(start <= over and end >= told - self.after for start, end in self.world.lines[who].hampered):
            return True
        others = [w for w in self.world.faults.windows if w.kind not in HARMLESS and w.is_of(who)]
        return any(w.start <= over and w.end >= told - self.after for w in others)

    def stopped_in_time(self) -> None:
        """What was cancelled stops; what takes too long does."""
        settings = self.world.plan.settings
        renewal = settings.renewal_period * 1000 + 3_000
        silent = [(w.start, w.end) for w in self.world.faults.windows if w.kind not in HARMLESS]
        for run in self.books.all_runs:
            if run.began.mood not in COOPERATIVE or run.how == "died":
                continue
            over = run.ended - run.began.at - run.began.timeout * 1000
            if over > 1_000 and not self.is_excused(run.began.at, run.ended):
                self.find(f"attempt {run.attempt} of {run.fire} took {over:.0f} ms longer than it might")
            asked = min(
                self.books.cancelled.get(prompt_of(run.fire), float("inf")),
                self.books.fires_cancelled.get(run.fire, float("inf")),
            )
            was_asked = run.began.at <= asked < run.ended
            hindered = any(since <= run.ended and until + settings.lease_ms >= asked for since, until in silent)
            if was_asked and run.ended - asked > renewal and not hindered:
                self.find(f"{run.fire} ran for {run.ended - asked:.0f} ms after it was cancelled")

    def nothing_starts_while_stopped(self) -> None:
        """What was taken before a halt, a pause or a cancellation may begin only as long as nobody can have heard."""
        heard = self.world.plan.settings.watch_period * 1000 + 1_000
        renewal = self.world.plan.settings.renewal_period * 1000 + 5_000
        for run in self.books.all_runs:
            at = run.began.at
            until_heard = BEGINS_AFTER_ITS_TAKE_MS if is_host(run.who) else heard
            for since, until in self.books.halts:
                if since + until_heard < at < until and not self.is_out_of_touch(run.who, since - 10_000, at):
                    self.find(f"attempt {run.attempt} of {run.fire} began {at - since:.0f} ms after all was stopped")
            asked = self.books.cancelled.get(prompt_of(run.fire), float("inf"))
            if at > asked + renewal and not self.is_out_of_touch(run.who, asked - 10_000, at):
                self.find(
                    f"attempt {run.attempt} of {run.fire} began {at - asked:.0f} ms after its prompt was cancelled"
                )
        self._nothing_starts_that_was_taken_back()

    def _nothing_starts_that_was_taken_back(self) -> None:
        """By a pause, of which its daemon hears at once; by whatever it was, once a renewal was told of it."""
        for hold in self.books.all_holds:
            if hold.run is None:
                continue
            at, said = hold.run.began.at, f"attempt {hold.attempt} of {hold.fire} began"
            paused = float("inf") if is_host(hold.who) else min(self._pauses_ahead_of(hold), default=float("inf"))
            if at > paused + HEARD_MS and not self.is_out_of_touch(hold.who, paused - 10_000, at):
                self.find(f"{said} {at - paused:.0f} ms after its prompt was paused")
            if hold.may_not_begin < at:
                self.find(f"{said}, and it was answered {at - hold.may_not_begin:.0f} ms before that it is to stop")
            told = hold.told_to_stop
            if at > told + AT_ONCE_MS and not Spans(self.hindrances(hold.who)).touch(told, at):
                self.find(f"{said} {at - told:.0f} ms after a renewal was told that it is to stop")

    def _pauses_ahead_of(self, hold: Hold) -> Iterator[float]:
        """When its prompt was paused after it was taken, and before it was due."""
        claim = self.books.claims[hold.fire]
        if claim.item["trigger"] != "schedule" or hold.run is None:
            return
        due = claim.due + hold.run.began.at - hold.run.began.server
        yield from (since for since, _ in self.books.pauses.get(prompt_of(hold.fire), []) if hold.since < since < due)
