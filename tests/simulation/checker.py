"""Was every promise kept? Judges a simulation from what the server did, what runners wrote, and the keys in the end.

It shares no code with the engine. What it forgives, it forgives because of a fault that was there: `excused` names the
faults that explain a delay, and nothing explains a broken rule.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from tests.accounting import ENDED, check_accounts, of_kind
from tests.simulation.books import Books, Hold, Reading, prompt_of
from tests.simulation.loop import EPOCH
from tests.simulation.occurrences import check_account

if TYPE_CHECKING:
    from tests.simulation.world import World

PUNCTUAL_MS = 1_000
"""How late an attempt may begin where nothing went wrong."""
TICK_MS = 1_500
"""A daemon looks once a second whether it is time to renew its leases, and its answer takes a moment."""
ASKED = 5
"""The time is asked for so often in a row."""
ASKED_BEFORE = 3 * ASKED
"""In a bad time, some of those rows break off."""
AT_ONCE_MS = 500
"""So long a message or an answer may take, where nothing is wrong with the line."""
HEARD_MS = 60
"""And so long a message takes where the process has nothing else to do than to hear it."""
PRESSED_MS = 300
"""So long a daemon that is in a hurry may take to leave."""
PASSED_OVER_MS = 12_000
"""So long a daemon that could not claim a prompt may leave it alone, where it does not hear that it was changed."""
MENDED_MS = 10_000
"""After so long a connection that broke is felt no more."""
COOPERATIVE = {"succeed", "slow", "hang", "raise when cancelled", "fail", "ask for a retry", "give up"}
"""Moods of a runner that lets itself be cancelled."""


def judge(world: World) -> Books:
    """The books, with all findings."""
    contact = Contact(world)
    books = Reading(world.plan, world.trace.events, contact.broken).books
    books.findings[:0] = world.findings
    judge = _Judge(world, books)
    for check in (
        judge.accounts_add_up,
        judge.everything_has_ended,
        judge.nothing_began_early,
        judge.nothing_began_that_was_lost,
        judge.each_runs_what_was_claimed,
        judge.second_runs_are_explained,
        judge.leases_are_lost_only_to_faults,
        judge.at_most_once_where_asked_for,
        judge.two_runs_at_once_only_where_a_lease_was_lost,
        judge.ends_are_what_the_runner_said,
        judge.ends_that_are_not_well_have_their_reason,
        judge.retried_when_it_was_to_be,
        judge.nobody_is_told_no_for_what_was_done,
        judge.punctual,
        judge.taken_over_where_a_daemon_died,
        judge.hears_again_after_a_break,
        judge.found_by_a_look_where_nobody_hears,
        judge.leaves_nothing_behind,
        judge.stopped_in_time,
        judge.nothing_starts_while_stopped,
        judge.money_adds_up,
        judge.accounted_for,
    ):
        try:
            check()
        except AssertionError as problem:
            books.findings.append(f"{check.__name__}: {problem}")
    return books


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


def clock_was_set(world: World, start: float, end: float) -> bool:
    """Whether that of the server was, or daemons had not looked at it since, at some time from `start` to `end`."""
    return any(w.kind == "server_step" and w.start <= end and w.end >= start for w in world.faults.windows)


class Contact:
    """Who was able to speak to the server, and when."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._windows = world.faults.windows
        self._lines = world.lines
        self._starts = {e.who: e.at for e in world.trace.events if e.what == "starts"}

    def broken(self, who: str, start: float, end: float) -> str | None:
        """Why a process was not in unbroken contact from `start` to `end`; None where it was, as far as can be said."""
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
        for since, until in self._world.server.away:
            if (EPOCH + since) * 1000 < end and (EPOCH + until) * 1000 > start:
                return "the server was away"
        return None


class _Judge:
    def __init__(self, world: World, books: Books) -> None:
        self.world = world
        self.books = books
        self.keys = world.keys
        self.fires: dict[str, dict[str, str]] = of_kind(world.keys, "fire")
        self.end = world.now_ms
        settings = world.plan.settings
        self.after = (settings.lease + settings.sweep_period + settings.watch_period + 5.0) * 1000
        """How long a fault may still be felt, in ms."""
        self._daemons = [process for who, process in books.processes.items() if who.startswith("d")]
        self._trouble = Spans(
            [(w.start, w.end) for w in world.faults.windows]
            + [(process.over, process.over) for process in self._daemons]
            + [(since, until) for since, until in books.halts]
        )
        self._full = Spans([(since, until) for _, since, until in books.full])
        self._held: dict[str, tuple[list[Hold], list[float]]] = {}
        """By prompt: its leases by their start, and when those up to each had ended."""

    def find(self, finding: str) -> None:
        self.books.findings.append(finding)

    def is_excused(self, start: float, end: float) -> bool:
        """Whether a fault may be felt at some time from `start` to `end` (true ms)."""
        return self._trouble.touch(start - self.after, end)

    # In the end

    def accounts_add_up(self) -> None:
        check_accounts(self.keys, self.world.lifetimes)

    def everything_has_ended(self) -> None:
        """The calm was long enough for all that was due before it."""
        before = self.end - 60_000
        for fire, stored in self.fires.items():
            if stored["status"] in ENDED or float(stored["due"]) > before:
                continue
            if stored["status"] == "retrying" and float(stored["retry_at"]) > before:
                continue
            self.find(f"{fire} was due {stored['due']} and is {stored['status']} ({stored.get('reason')}) in the end")
        for platform, prompts in of_kind(self.keys, "due").items():
            for prompt, due in prompts:
                if due < before:
                    self.find(
                        f"{prompt} (of {platform}) was due {due:.0f} and is due still, {self.end - due:.0f} ms later"
                    )

    # Beginnings

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

    def _clock_error(self, who: str, at: float) -> float:
        """By how much, in ms, a daemon's clock may be wrong: by half of what the fastest answer took of those in a row,
        whichever row it was of those since the sweep before, and the last few before that one."""
        told = self.world.lines[who].told_time
        first = bisect_left(told, (at - self.world.plan.settings.sweep_period * 1000 - 6_000, 0.0))
        took = [ms for _, ms in told[max(0, first - ASKED_BEFORE) : bisect_left(told, (at, 0.0))]]
        rows = (took[i : i + ASKED] for i in range(max(1, len(took) - ASKED + 1)))
        return max(min(row, default=0.0) for row in rows) / 2 + 1.5

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
        hindrances = self._hindrances(hold.who)
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

    def _hindrances(self, who: str) -> list[tuple[float, float]]:
        """From when to when a daemon could not renew, or its lease was no lease long (true ms)."""
        look = self.world.plan.settings.watch_period * 1000
        spans = [(self.books.processes[who].over, float("inf")), *self.world.lines[who].hampered]
        for window in self.world.faults.windows:
            if window.kind in ("freeze", "suspend", "lid", "server_step") and window.is_of(who):
                spans.append((window.start, window.end + look))
        return spans

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
                    if not self._is_out_of_touch(before.who, after.began.at - renewal, until):
                        self.find(
                            f"{before.who} went on with {fire} for {until - after.began.at:.0f} ms after it lost it"
                        )

    def _is_out_of_touch(self, who: str, start: float, end: float) -> bool:
        if any(start <= at <= end for at in self.world.lines[who].broke_at):
            return True
        return any(w.is_of(who) and w.start <= end and w.end >= start for w in self.world.faults.windows)

    # Ends

    def ends_are_what_the_runner_said(self) -> None:
        for fire, stored in self.fires.items():
            holds = self.books.holds.get(fire, [])
            last = holds[-1] if holds else None
            status = stored["status"]
            if int(stored["attempt"]) != (last.attempt if last else 0):
                self.find(f"{fire} says attempt {stored['attempt']}; it was taken with {last and last.attempt} last")
            if status == "succeeded":
                text = json.loads(stored["result"]).get("text") if stored.get("result") else None
                if last is None or last.end != "succeeded" or last.run is None or last.run.how != "ok":
                    self.find(f"{fire} has succeeded, and its last attempt did not: {last}")
                elif text != f"{fire}#{last.attempt}":
                    self.find(f"{fire} has the result {text!r}, and its last attempt was {last.attempt}")
            elif last is not None and last.end == "succeeded":
                self.find(f"{fire} is {status}, and its last attempt succeeded")
        gone = {fire for fire in self.books.claims if fire not in self.fires}
        if gone and self.world.plan.settings.retention_days > 1 and self.world.plan.form != "year":
            self.find(f"{len(gone)} fires were claimed and are nowhere: {sorted(gone)[:3]}")

    def ends_that_are_not_well_have_their_reason(self) -> None:
        for fire, stored in self.fires.items():
            wrong = self._unfounded(fire, stored["status"], stored.get("reason", ""))
            if wrong is not None:
                self.find(f"{fire} is {stored['status']} ({stored.get('reason', '')}): {wrong}")

    def _unfounded(self, fire: str, status: str, reason: str) -> str | None:
        """Why a fire ought not to have ended so; None where it ought to, or that is not judged here."""
        holds = self.books.holds.get(fire, [])
        claim = self.books.claims.get(fire)
        if claim is None or status not in ("failed", "timed_out", "interrupted"):
            return None
        definition = self.books.definition(prompt_of(fire), int(claim.item["version"]))
        if definition is None:
            return "nobody knows what it was"
        once = claim.item["on_crash"] == "interrupt"
        retried, retries = sum(hold.end == "retrying" for hold in holds), definition.doc.get("retries", 4)
        crashes = sum(hold.end == "reaped" for hold in holds)
        run = holds[-1].run if holds else None
        match status, reason:
            case "failed", "crashed":
                most = self.world.plan.settings.max_crashes
                return None if crashes == most else f"it lost {crashes} daemons, and may lose {most}"
            case "failed", "permanent":
                final = run is not None and run.began.mood in ("give up", "nonsense")
                return None if final else "its runner did not say so"
            case "interrupted", "crashed" | "stopped":
                return None if once else "it was to be run again"
            case "failed", "superseded":
                tried = self.books.tried[prompt_of(fire)]
                gave_way = retried > 0 and any(at >= holds[-1].until for at in tried)
                return None if gave_way else "it did not give way to a later one"
            case _, "paused":
                return None if self._may_be_paused(prompt_of(fire)) else "nobody paused its prompt"
            case (("failed" | "timed_out"), ""):
                may_end = retried >= retries or (status == "timed_out" and once)
                return None if may_end else f"it was retried {retried} times of {retries}"
        return "nothing leads to this here"

    def _may_be_paused(self, prompt: str) -> bool:
        """By a client, or for having failed too often."""
        by_failures = any(one.doc.get("pause_after", 5) for one in self.books.definitions[prompt])
        return by_failures or bool(self.books.pauses.get(prompt))

    def retried_when_it_was_to_be(self) -> None:
        """No attempt before its delay is over, nor more than the prompt's retries."""
        for fire, holds in self.books.holds.items():
            definition = self.books.definition(prompt_of(fire), int(self.books.claims[fire].item["version"]))
            if definition is None:
                continue
            policies = definition.doc
            failures = 0
            for before, after in pairwise(holds):
                if before.end != "retrying":
                    continue
                delays = policies.get("retry_delays", [120.0])
                delay = delays[min(failures, len(delays) - 1)] * (1 - policies.get("retry_jitter", 0.25))
                failures += 1
                if failures > policies.get("retries", 4):
                    self.find(f"attempt {after.attempt} of {fire} is retry number {failures}")
                asked_for = before.run is not None and before.run.began.mood == "ask for a retry"
                waited = after.since - (before.until if before.run is None else before.run.ended)
                was_set = clock_was_set(self.world, before.until, after.since)
                if not asked_for and waited < delay * 1000 - 100 and not was_set:
                    self.find(f"attempt {after.attempt} of {fire} came {waited:.0f} ms after the one before failed")
            crashes = sum(hold.end == "reaped" for hold in holds)
            if crashes > self.world.plan.settings.max_crashes:
                self.find(f"{fire} lost {crashes} daemons")

    def nobody_is_told_no_for_what_was_done(self) -> None:
        """A client whose answer was lost, and who asks again, hears what it did."""
        for who, problem in self.books.refused.items():
            if who in self.books.done_by:
                self.find(f"{who} was refused ({problem}), and had done it: {self.books.done_by[who]}")

    # In time

    def taken_over_where_a_daemon_died(self) -> None:
        """Where daemons only die, the prompts that a dead one had not taken yet begin after a look of another's."""
        settings, daemons = self.world.plan.settings, self.world.plan.daemons
        patience = settings.watch_period * 1000 + 250 * daemons + PUNCTUAL_MS
        others = [(w.start, w.end) for w in self.world.faults.windows if w.kind not in ("kill", "deploy", "hurry")]
        others += [(since, until) for since, until in self.books.halts]
        felt = Spans(others)
        counted = 0
        for fire, due, began in self._to_be_punctual():
            if felt.touch(due - 4_000 - self.after, began) or not self._somebody_was_up(due - 10_000, began):
                continue
            counted += 1
            if began - due > patience:
                self.find(f"{fire} began {began - due:.0f} ms late, and daemons had died at most")
        self.books.answered["judged for being taken over"] = counted

    def _somebody_was_up(self, start: float, end: float) -> bool:
        """One that had been up for long, and in contact."""
        return any(process.started < start - 5_000 and process.over > end + 1_000 for process in self._daemons)

    def punctual(self) -> None:
        """Where nothing went wrong, and nothing else stood in the way, an attempt begins when it is due."""
        counted = 0
        for fire, due, began in self._to_be_punctual():
            if self.is_excused(due - 4_000, began):
                continue
            counted += 1
            if began - due > PUNCTUAL_MS:
                self.find(f"{fire} began {began - due:.0f} ms late, and nothing had gone wrong")
        self.books.answered["judged for punctuality"] = counted

    def hears_again_after_a_break(self) -> None:
        """Where nothing but the connections of those who listen broke, all is on time when they listen again."""
        others = [(w.start - MENDED_MS, w.end + self.after) for w in self.world.faults.windows if w.kind != "break_off"]
        others += [(process.over, process.over + self.after) for process in self._daemons]
        others += [(since, until + self.after) for since, until in self.books.halts]
        breaks = [(w.start, w.end + MENDED_MS) for w in self.world.faults.windows if w.kind == "break_off"]
        if not breaks:
            return
        felt = Spans(others + breaks)
        for fire, due, began in self._to_be_punctual():
            if began - due > PUNCTUAL_MS and not felt.touch(due - 4_000, began):
                self.find(f"{fire} began {began - due:.0f} ms late, and connections had broken long before, at most")

    def found_by_a_look_where_nobody_hears(self) -> None:
        """Where nothing but messages is lost, what they tell of begins after a look."""
        settings, daemons = self.world.plan.settings, self.world.plan.daemons
        patience = settings.watch_period * 1000 + 250 * daemons + PUNCTUAL_MS
        silent = ("unheard", "break_off")
        others = [(w.start, w.end) for w in self.world.faults.windows if w.kind not in silent]
        others += [(process.over, process.over) for process in self._daemons]
        felt = Spans([(start, end + self.after) for start, end in [*others, *map(tuple, self.books.halts)]])
        for fire, due, began in self._to_be_punctual():
            touched = self.books.touched[prompt_of(fire)]
            is_passed_over = any(due - PASSED_OVER_MS <= at <= began for at in touched)
            if began - due > patience and not is_passed_over and not felt.touch(due - 4_000, began):
                self.find(f"{fire} began {began - due:.0f} ms late, and messages had been lost at most")

    def leaves_nothing_behind(self) -> None:
        """A daemon that is told to stop gives back what it holds, or writes its end; one in a hurry, at once."""
        asked = {w.who: w.start for w in self.world.faults.windows if w.kind == "deploy"}
        pressed = {w.who: w.start for w in self.world.faults.windows if w.kind == "hurry"}
        held: dict[str, list[Hold]] = {}
        for hold in self.books.all_holds:
            held.setdefault(hold.who, []).append(hold)
        for process in self._daemons:
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
        harmless = ("deploy", "hurry", "unheard", "break_off", "kill_client")
        others = [w for w in self.world.faults.windows if w.kind not in harmless and w.is_of(who)]
        return any(w.start <= over and w.end >= told - self.after for w in others)

    def _to_be_punctual(self) -> Iterator[tuple[str, float, float]]:
        """Fires that nothing but a fault could hold up, when they were due and when they began (true ms)."""
        limits = self.world.plan.limits.concurrency
        if limits.platform is not None:
            return
        for fire, runs in self.books.runs.items():
            run, claim = runs[0], self.books.claims.get(fire)
            if run.attempt != 1 or claim is None or claim.item["trigger"] != "schedule":
                continue
            if claim.item["concurrency_key"] or (limits.owner is not None and claim.item["owner"]):
                continue
            due, began = claim.due + run.began.at - run.began.server, run.began.at
            if not self._is_in_the_way(fire, due, began):
                yield fire, due, began

    def _is_in_the_way(self, fire: str, due: float, began: float) -> bool:
        prompt = prompt_of(fire)
        if any(due - 6_000 <= at <= began for at in self.books.touched[prompt]):
            return True
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

    def stopped_in_time(self) -> None:
        """What was cancelled stops; what takes too long does."""
        settings = self.world.plan.settings
        renewal = settings.renewal_period * 1000 + 3_000
        # A message that nobody hears is no excuse.
        kinds = ("unheard", "break_off", "kill_client", "deploy", "hurry")
        silent = [(w.start, w.end) for w in self.world.faults.windows if w.kind not in kinds]
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
            for since, until in self.books.halts:
                if since + heard < at < until and not self._is_out_of_touch(run.who, since - 10_000, at):
                    self.find(f"attempt {run.attempt} of {run.fire} began {at - since:.0f} ms after all was stopped")
            asked = self.books.cancelled.get(prompt_of(run.fire), float("inf"))
            if at > asked + renewal and not self._is_out_of_touch(run.who, asked - 10_000, at):
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
            paused = min(self._pauses_ahead_of(hold), default=float("inf"))
            if at > paused + HEARD_MS and not self._is_out_of_touch(hold.who, paused - 10_000, at):
                self.find(f"{said} {at - paused:.0f} ms after its prompt was paused")
            if hold.may_not_begin < at:
                self.find(f"{said}, and it was answered {at - hold.may_not_begin:.0f} ms before that it is to stop")
            told = hold.told_to_stop
            if at > told + AT_ONCE_MS and not Spans(self._hindrances(hold.who)).touch(told, at):
                self.find(f"{said} {at - told:.0f} ms after a renewal was told that it is to stop")

    def _pauses_ahead_of(self, hold: Hold) -> Iterator[float]:
        """When its prompt was paused after it was taken, and before it was due."""
        claim = self.books.claims[hold.fire]
        if claim.item["trigger"] != "schedule" or hold.run is None:
            return
        due = claim.due + hold.run.began.at - hold.run.began.server
        yield from (since for since, _ in self.books.pauses.get(prompt_of(hold.fire), []) if hold.since < since < due)

    # Money

    def money_adds_up(self) -> None:
        budgets = self.world.plan.budgets
        spent: Counter[str] = Counter()
        for fire, stored in self.fires.items():
            said = sum(h.run.cost for h in self.books.holds.get(fire, []) if h.run and h.end not in ("reaped", "held"))
            if int(stored.get("cost", 0)) != said and "cost" in stored:
                self.find(f"{fire} has cost {stored['cost']}, and its attempts said {said}")
            counted = int(stored.get("cost", 0)) + int(stored.get("assumed", 0))
            for scope in ("all", f"prompt:{prompt_of(fire)}", f"owner:{stored.get('owner', '')}"):
                spent[scope] += counted
        for scope, stored in of_kind(self.keys, "spend").items():
            is_whole = self.world.plan.settings.retention_days > 1
            if is_whole and int(stored.get("spent", 0)) != spent[scope]:
                self.find(f"spend:{scope} says {stored.get('spent')}, and its fires {spent[scope]}")
            if scope.startswith("owner:") and budgets.owner_per_day is not None:
                most, of_today = int(budgets.owner_per_day * 1_000_000), int(stored.get("day_spent", 0))
                if of_today > most:
                    self.find(f"spend:{scope} is {of_today} today, and may be {most}")

    # The account

    def accounted_for(self) -> None:
        untold = of_kind(self.keys, "prompt").keys() - self.world.explained.keys()
        if untold:
            self.find(f"nothing was explained of {len(untold)} prompts: {sorted(untold)[:3]}")
        for prompt, explained in self.world.explained.items():
            for finding in check_account(self.world, self.books, prompt, explained):
                self.find(finding)
