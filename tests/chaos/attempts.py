"""What began: each attempt once, and each after the first for a reason.

A second run is excused by what was done to who held the fire, and by nothing that was done to the server: an outage is
to re-run nothing that is still running.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from tests.accounting import prompt_of
from tests.chaos.evidence import AHEAD_MS, LOSES_LEASES, RECOVERS_WITHIN_MS, Facts, Run, nominal_of

RETRY_MS = 0.3 * 0.75 * 1000
SLACK_MS = 30
EARLY_MS = 50
"""As far as a clock may be off that is read in two ways."""
RUNS_ON = ("kill_daemon", "stop_daemon", "kill_all", "stood still")
"""What may leave an attempt running beside the next one. A daemon that is told to end waits for its own, or stops them,
before it gives anything back."""


def no_attempt_began_twice(facts: Facts) -> None:
    for fire, runs in facts.runs.items():
        for attempt, number in Counter(run.attempt for run in runs).items():
            if number > 1:
                facts.find(f"attempt {attempt} of {fire} began {number} times: a double claim, or a double take")
        if [run.attempt for run in runs] != sorted(run.attempt for run in runs):
            facts.find(f"the attempts of {fire} began as {[run.attempt for run in runs]}")


def nothing_begins_early(facts: Facts) -> None:
    for fire, runs in facts.runs.items():
        due = float(facts.fires.get(fire, {}).get("due", 0))
        if runs[0].began < due - EARLY_MS:
            facts.find(f"{fire} began {due - runs[0].began:.0f} ms before it was due")


def nothing_waits_once_all_is_well(facts: Facts) -> None:
    """Of one-shots, for which nothing has to end before."""
    for fire, runs in facts.runs.items():
        doc, stored = facts.docs.get(prompt_of(fire)), facts.fires.get(fire)
        if doc is None or stored is None or doc["schedule"]["kind"] != "once" or runs[0].attempt > 1:
            continue
        due = max(float(stored["due"]), float(facts.prompts[prompt_of(fire)]["created_at"]))
        late = runs[0].began - due
        facts.counted["one-shots that began a second late or more"] += late >= 1_000
        if late > RECOVERS_WITHIN_MS and not facts.anything_wrong(runs[0].began - RECOVERS_WITHIN_MS, runs[0].began):
            facts.find(f"{fire} began {late:.0f} ms late, and in the last {RECOVERS_WITHIN_MS} ms of them all was well")


def second_runs_are_explained(facts: Facts) -> None:
    for fire, runs in facts.runs.items():
        stored = facts.fires.get(fire)
        due = float(stored["due"]) if stored else min(nominal_of(fire), runs[0].began)
        if runs[0].attempt > 1:
            _explain_takes(facts, fire, runs[0].attempt - 1, due - AHEAD_MS, runs[0].began)
        for before, after in pairwise(runs):
            _explain(facts, before, after)


def _explain(facts: Facts, before: Run, after: Run) -> None:
    counted = facts.counted
    counted["second runs"] += 1
    between = (before.began - AHEAD_MS, after.began)
    lost = facts.hindered(before.who, *between)
    killed = facts.command_was_killed(before)
    if before.ended > after.began and not killed:
        counted["ran on beside the next attempt"] += 1
        ran_on = before.ended < float("inf")  # of a command that its daemon killed it is not known when it ended
        if not facts.hindered(before.who, *between, RUNS_ON if ran_on else LOSES_LEASES):
            both = f"attempts {before.attempt} and {after.attempt} of {before.fire}"
            facts.find(f"{both} ran at once, and {before.who} was well")
    elif before.how == "raised" or killed:
        counted["second runs after a failure"] += 1
        ended = before.began if killed else before.ended
        if after.began - ended < RETRY_MS - SLACK_MS and not lost:
            facts.find(f"attempt {after.attempt} of {before.fire} came {after.began - ended:.0f} ms after a failure")
    elif not lost:
        facts.find(
            f"attempt {after.attempt} of {before.fire} began, though attempt {before.attempt} ({before.how}) "
            f"was with {before.who}, to which nothing had been done"
        )
    if lost:
        counted["second runs after a daemon was lost or stopped"] += 1
    if after.attempt - before.attempt > 1:
        _explain_takes(facts, before.fire, after.attempt - before.attempt - 1, *between)


def _explain_takes(facts: Facts, fire: str, number: int, since: float, until: float) -> None:
    """Attempts that nobody saw begin: somebody had them in hand, and was lost, or gave them back."""
    facts.counted["attempts that never began"] += number
    if facts.hindrances(since, until) < number:
        facts.find(f"{number} attempts of {fire} never began, and less than that was done to daemons meanwhile")


def at_most_once_where_asked_for(facts: Facts) -> None:
    for fire, runs in facts.runs.items():
        if facts.docs.get(prompt_of(fire), {}).get("on_crash") == "interrupt":
            facts.counted["fires at most once"] += 1
            if len(runs) > 1:
                facts.find(f"{fire} was to run at most once, and began {len(runs)} times")
