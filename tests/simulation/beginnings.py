"""What begins, and when: nothing before its time, nothing twice but for a fault."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from tests.accounting import prompt_of
from tests.simulation.books import Hold
from tests.simulation.excuses import clock_was_set
from tests.simulation.judging import COOPERATIVE, Checks, Judge

ASKED = 5
"""The time is asked for so often in a row."""
ASKED_BEFORE = 3 * ASKED
"""In a bad time, some of those rows break off."""
TICK_MS = 1_500
"""A daemon looks once a second whether it is time to renew its leases, and its answer takes a moment."""


class Beginnings(Judge):
    """Of attempts: by their leases, and by what runners wrote."""

    def checks(self) -> Checks:
        return (
            self.nothing_began_early,
            self.nothing_began_that_was_lost,
            self.each_runs_what_was_claimed,
            self.second_runs_are_explained,
            self.leases_are_lost_only_to_faults,
            self.at_most_once_where_asked_for,
            self.two_runs_at_once_only_where_a_lease_was_lost,
        )

    def nothing_began_early(self) -> None:
        for run in self.books.all_runs:
            claim = self.books.claims.get(run.fire)
            if claim is None:
                continue
            at = run.began.at
            may_be_wrong = self._clock_error(run.who, at) + (6_000 if clock_was_set(self.world, at, at) else 0)
            early = claim.due - run.began.server
            if early > may_be_wrong:
                self.find(f"{run.fire} began {early:.1f} ms before it was due, in {run.who}")
            if claim.due < int(claim.item["nominal"]):
                self.find(f"{run.fire} is due {claim.due}, before its nominal time")

    def nothing_began_that_was_lost(self) -> None:
        """Whoever slept, or stood still, for longer than its lease finds out before it begins."""
        lease = self.world.plan.settings.lease_ms
        for hold in self.books.all_holds:
            if hold.end != "reaped" or hold.run is None or hold.asked_to_begin:
                continue
            began = hold.run.began
            late = began.server - hold.renewed - lease - self._clock_error(hold.who, began.at)
            if began.at > hold.until and late > 0 and not clock_was_set(self.world, hold.since, began.at):
                self.find(f"attempt {hold.attempt} of {hold.fire} began in {hold.who}, {late:.0f} ms after it was lost")

    def _clock_error(self, who: str, at: float) -> float:
        """By how much, in ms, a daemon's clock may be wrong: by half of what the fastest answer took of those in a row,
        whichever row it was of those since the sweep before, and the last few before that one."""
        told = self.world.lines[who].told_time
        first = bisect_left(told, (at - self.world.plan.settings.sweep_period * 1000 - 6_000, 0.0))
        took = [ms for _, ms in told[max(0, first - ASKED_BEFORE) : bisect_left(told, (at, 0.0))]]
        rows = (took[i : i + ASKED] for i in range(max(1, len(took) - ASKED + 1)))
        return max(min(row, default=0.0) for row in rows) / 2 + 1.5

    def each_runs_what_was_claimed(self) -> None:
        for run in self.books.all_runs:
            claim = self.books.claims.get(run.fire)
            if claim is not None and claim.item["skip"]:
                self.find(f"{run.fire} ran, and was to be skipped: {claim.item['skip']}")
            definition = claim and self.books.definition(prompt_of(run.fire), int(claim.item["version"]))
            if definition and run.began.text != definition.doc["text"]:
                self.find(f"{run.fire} ran {run.began.text!r}, and was claimed with {definition.doc['text']!r}")

    def second_runs_are_explained(self) -> None:
        """By what became of the attempt before: it failed, its daemon stopped, or its lease was lost to a fault."""
        for fire, holds in self.books.holds.items():
            for before, after in pairwise(holds):
                why = self._may_run_again(before)
                if why is not None:
                    self.find(f"attempt {after.attempt} of {fire}: {why}")

    def _may_run_again(self, hold: Hold) -> str | None:
        """None, or why there ought to be no attempt after this one."""
        run, claim = hold.run, self.books.claims[hold.fire]
        if hold.end == "reaped":
            return None  # see `leases_are_lost_only_to_faults`
        if hold.end == "queued":
            return None if hold.reason in ("given_back", "stopped") else f"the one before was put back: {hold.reason}"
        if hold.end == "retrying":
            if run is None:
                return "the one before failed and never began"
            if hold.reason == "timed_out" and claim.item["on_crash"] == "interrupt":
                return "the one before timed out, and may have done its work"
            ok = run.how in ("raised", "cancelled") or run.ended - run.began.at >= run.began.timeout * 1000 - 10
            return None if ok else f"the one before ended {run.how}"
        return f"the one before had ended {hold.end}"

    def leases_are_lost_only_to_faults(self) -> None:
        for hold in self.books.all_holds:
            if hold.end == "reaped" and not self._was_hindered(hold):
                self.find(
                    f"attempt {hold.attempt} of {hold.fire} in {hold.who} was reaped, and nothing had kept that from "
                    "renewing it"
                )

    def _was_hindered(self, hold: Hold) -> bool:
        """Whether at each time at which its daemon was to renew it, from the last renewal on, something was wrong."""
        settings = self.world.plan.settings
        between = settings.renewal_period * 1000 + TICK_MS
        hindrances = self.hindrances(hold.who)
        asked = hold.asked_at - TICK_MS
        if hold.run is None and any(start <= hold.since and end >= asked for start, end in hindrances):
            return True  # it may never have heard that it got it
        well_until = hold.renewed_at
        for start, end in sorted([*hindrances, (hold.renewed_at + settings.lease_ms, float("inf"))]):
            if end >= well_until:
                if start - well_until > between:
                    return False
                well_until = end
        return True

    def at_most_once_where_asked_for(self) -> None:
        for fire, runs in self.books.runs.items():
            if not runs or self.books.claims[fire].item["on_crash"] != "interrupt":
                continue
            for before in runs[:-1]:
                if before.how not in ("raised", "cancelled"):
                    self.find(
                        f"{fire} (on_crash interrupt) began again after its attempt {before.attempt} {before.how}"
                    )

    def two_runs_at_once_only_where_a_lease_was_lost(self) -> None:
        renewal = self.world.plan.settings.renewal_period * 1000 + 6_000
        for fire, runs in self.books.runs.items():
            for before, after in pairwise(runs):
                if before.ended <= after.began.at:
                    continue
                hold = next((h for h in self.books.holds[fire] if h.run is before), None)
                if hold is None or hold.end != "reaped":
                    self.find(f"attempts {before.attempt} and {after.attempt} of {fire} ran at once")
                elif before.began.mood in COOPERATIVE and before.ended - after.began.at > renewal:
                    until = min(before.ended, after.ended)
                    if not self.is_out_of_touch(before.who, after.began.at - renewal, until):
                        self.find(
                            f"{before.who} went on with {fire} for {until - after.began.at:.0f} ms after it lost it"
                        )
