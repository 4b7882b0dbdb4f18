"""Was every promise kept? Judged from outside, after the run: from the runners' book, the clients' log, the log of
faults, the ends of the processes and their logs, and the keys, read by a plain client. No code is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import answers, attempts, ends, processes, promises
from tests.chaos.evidence import Evidence, Facts, Verdict

CHECKS = (
    promises.accounts_add_up,
    promises.everything_has_ended,
    promises.nothing_acknowledged_is_lost,
    promises.nothing_is_there_that_nobody_asked_for,
    promises.one_shots_fired_once,
    promises.every_occurrence_is_accounted_for,
    promises.nothing_begins_after_a_cancel,
    answers.changes_that_were_acknowledged_hold,
    answers.pauses_that_were_acknowledged_hold,
    answers.manual_runs_are_those_that_were_asked_for,
    attempts.no_attempt_began_twice,
    attempts.nothing_begins_early,
    attempts.nothing_waits_once_all_is_well,
    attempts.second_runs_are_explained,
    attempts.at_most_once_where_asked_for,
    ends.ends_are_those_of_the_last_attempt,
    ends.what_began_ends,
    processes.nobody_ended_by_itself,
    processes.logs_are_quiet,
)


IN_A_SOAK = (
    promises.accounts_add_up,
    attempts.no_attempt_began_twice,
    attempts.second_runs_are_explained,
    ends.what_began_ends,
    processes.nobody_ended_by_itself,
    processes.logs_are_quiet,
)
"""What can be judged where ended prompts are deleted."""


def judge(evidence: Evidence, checks: tuple[Callable[[Facts], None], ...] = CHECKS) -> Verdict:
    facts = Facts(evidence)
    for check in checks:
        try:
            check(facts)
        except AssertionError as problem:
            facts.find(f"{check.__name__}: {str(problem)[:2_000]}")
    return facts.verdict
