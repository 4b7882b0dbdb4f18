"""Was every promise kept? Judged from outside, after the run: from the runners' book, the clients' log, the log of
faults, the ends of the processes and their logs, and the keys, read by a plain client. No code is the engine's.

A second run is excused by what was done to who held the fire, and by nothing that was done to the server: an outage is
to re-run nothing that is still running.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.accounting import ENDED, check_accounts, of_kind

LOSES_LEASES = ("kill_daemon", "stop_daemon", "term_daemon", "kill_all", "stood still")
AHEAD_MS = 4_000
"""What is in hand before it is due, with what a fault may delay its end."""
RETRY_MS = 0.3 * 0.75 * 1000
SLACK_MS = 30
STOPPED_WITHIN_MS = 3_000
"""After a cancel was acknowledged nothing begins any more, but for a stop that a renewal has to tell of."""
MAX_CRASHES = 3
ENDS_IN = {"paused": ("paused", "cancelled"), "cancelled": ("cancelled",)}
"""An entry of the account that has no end, and what its prompt is then."""


@dataclass
class Evidence:
    """All that a run left behind."""

    book: list[dict[str, Any]]
    clients: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    lives: list[dict[str, Any]]
    logs: dict[str, str]
    """What each life of a daemon or client wrote to stderr."""
    keys: dict[str, Any]
    lifetimes: dict[str, int]
    ended_at: float
    """When the keys were read, ms UTC."""


@dataclass
class Run:
    """What a runner did."""

    fire: str
    attempt: int
    who: str
    pid: int
    began: float
    ended: float = float("inf")
    how: str = "never ended"


@dataclass
class Verdict:
    findings: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)


def prompt_of(fire: str) -> str:
    return fire[:26]


def judge(evidence: Evidence) -> Verdict:
    judge = _Judge(evidence)
    for check in (
        judge.accounts_add_up,
        judge.everything_has_ended,
        judge.nothing_acknowledged_is_lost,
        judge.nothing_is_there_that_nobody_asked_for,
        judge.one_shots_fired_once,
        judge.every_occurrence_is_accounted_for,
        judge.no_attempt_began_twice,
        judge.second_runs_are_explained,
        judge.at_most_once_where_asked_for,
        judge.ends_are_those_of_the_last_attempt,
        judge.nothing_begins_after_a_cancel,
        judge.nobody_ended_by_itself,
        judge.logs_are_quiet,
    ):
        try:
            check()
        except AssertionError as problem:
            judge.find(f"{check.__name__}: {str(problem)[:2_000]}")
    return judge.verdict


class _Judge:
    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.verdict = Verdict()
        self.prompts = of_kind(evidence.keys, "prompt")
        self.docs = {prompt: json.loads(stored["doc"]) for prompt, stored in self.prompts.items()}
        self.fires = of_kind(evidence.keys, "fire")
        self.runs = _runs(evidence.book)
        self.harm: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
        """To whom, what, from when until when: what may cost its victim a lease."""
        for fault in evidence.faults:
            for who in fault["who"].split():
                self.harm[who].append((fault["kind"], fault["since"], fault["until"]))
        for line in evidence.book:
            if line["what"] == "stood still":
                self.harm[line["who"]].append(("stood still", line["wall"] - line["ms"], line["wall"]))
        self.asked: dict[str, set[str]] = defaultdict(set)
        """By prompt: what clients would do to it."""
        for line in evidence.clients:
            self.asked[line["prompt"]].add(line["deed"])
        self._count()

    def find(self, finding: str) -> None:
        self.verdict.findings.append(finding)

    def _count(self) -> None:
        runs = [run for of_fire in self.runs.values() for run in of_fire]
        counted = self.verdict.counted
        counted["prompts"], counted["fires"] = len(self.prompts), len(self.fires)
        counted["fires that began"], counted["attempts that began"] = len(self.runs), len(runs)
        for stored in self.fires.values():
            counted[f"fires {stored['status']}"] += 1
        for line in self.evidence.clients:
            if line["what"] != "asks":
                counted[f"clients: {line['what']}"] += 1

    # Who was hindered

    def _hindered(self, who: str, since: float, until: float) -> bool:
        """Whether something was done to a daemon that may cost it a lease."""
        return any(
            kind in LOSES_LEASES and began <= until and ended >= since for kind, began, ended in self.harm.get(who, ())
        )

    def _hindrances(self, since: float, until: float) -> int:
        """How many daemons lost what they held."""
        return sum(
            kind in LOSES_LEASES and began <= until and ended >= since
            for who, faults in self.harm.items()
            for kind, began, ended in faults
            if who != "server"
        )

    def _away(self, since: float, until: float) -> bool:
        """Whether the server could not be reached, or took no writes."""
        return any(began <= until and ended >= since for _, began, ended in self.harm.get("server", ()))

    # In the end

    def accounts_add_up(self) -> None:
        check_accounts(self.evidence.keys, self.evidence.lifetimes)

    def everything_has_ended(self) -> None:
        """The calm was long enough for all that was due."""
        for fire, stored in self.fires.items():
            if stored["status"] not in ENDED:
                self.find(f"{fire} is {stored['status']} ({stored.get('reason')}) in the end")
        for platform, prompts in of_kind(self.evidence.keys, "due").items():
            for prompt, due in prompts:
                if due < self.evidence.ended_at:
                    self.find(f"{prompt} (of {platform}) was due {due:.0f} and is due still")
        for prompt, stored in self.prompts.items():
            if stored["status"] == "quarantined":
                self.find(f"{prompt} was set aside")

    def nothing_acknowledged_is_lost(self) -> None:
        for line in self.evidence.clients:
            if line["what"] == "done" and line["prompt"] not in self.prompts:
                self.find(f"{line['prompt']} was acknowledged ({line['deed']}) and is nowhere")
            if line["what"] == "refused" and line["error"] == "not_found":
                self.find(
                    f"{line['prompt']} was acknowledged, and a client that would {line['deed']} it did not find it"
                )
        for fire in self.runs:
            if fire not in self.fires:
                self.find(f"{fire} ran and has no record")
        acknowledged = {line["prompt"] for line in self.evidence.clients if line["what"] == "done"}
        ended = {prompt_of(fire) for fire in self.fires}
        for prompt in acknowledged & self.prompts.keys() - ended:
            if self.prompts[prompt]["status"] == "executed":
                self.find(f"{prompt} is executed, and has no fire")

    def nothing_is_there_that_nobody_asked_for(self) -> None:
        asked = Counter(line["tag"] for line in self.evidence.clients if line["what"] == "asks" and not line["prompt"])
        made = Counter(doc["name"] for doc in self.docs.values())
        for tag, number in made.items():
            if number > asked[tag]:
                self.find(f"{tag} was asked for {asked[tag]} times, and there are {number} of it")

    def one_shots_fired_once(self) -> None:
        fired = Counter(prompt_of(fire) for fire in self.fires if "@" in fire)
        for prompt, doc in self.docs.items():
            if doc["schedule"]["kind"] != "once":
                continue
            status = self.prompts[prompt]["status"]
            if fired[prompt] > 1:
                self.find(f"the one-shot {prompt} fired {fired[prompt]} times")
            if status == "executed" and fired[prompt] != 1:
                self.find(f"the one-shot {prompt} is executed, and fired {fired[prompt]} times")
            if status not in ("executed", "cancelled", "paused"):
                self.find(f"the one-shot {prompt} is {status} in the end")

    def every_occurrence_is_accounted_for(self) -> None:
        """Of intervals, whose occurrences are counted here by themselves: fired, or noted down as passed over."""
        for prompt, doc in self.docs.items():
            schedule, stored = doc["schedule"], self.prompts[prompt]
            if schedule["kind"] != "interval":
                continue
            covered = list(self._covered(prompt))
            nominal = schedule["anchor"]
            while (nominal := nominal + schedule["every_ms"]) < doc["end_at"]:
                if nominal <= int(stored["created_at"]) or f"{prompt}@{nominal}" in self.fires:
                    continue
                self.verdict.counted["occurrences passed over"] += 1
                if not any(since <= nominal < until for since, until in covered):
                    self.find(f"the occurrence {nominal} of {prompt} is neither fired nor accounted for")

    def _covered(self, prompt: str) -> Iterator[tuple[float, float]]:
        """Where its account says that nothing fired; a pause or an end is believed where a client had asked for it."""
        asked = self.asked[prompt]
        status = self.prompts[prompt]["status"]
        for text in self.evidence.keys.get(f"spans:{prompt}", ()):
            entry = json.loads(text)
            since = float(entry.get("from", entry["at"]))
            if entry["kind"] == "missed" or (entry["kind"] == "resumed" and "pause" in asked):
                yield since, float(entry.get("until", "inf"))
            elif status in ENDS_IN.get(entry["kind"], ()) and asked & {"pause", "cancel"}:
                yield since, float("inf")

    # Runs

    def no_attempt_began_twice(self) -> None:
        for fire, runs in self.runs.items():
            for attempt, number in Counter(run.attempt for run in runs).items():
                if number > 1:
                    self.find(f"attempt {attempt} of {fire} began {number} times: a double claim, or a double take")
            if [run.attempt for run in runs] != sorted(run.attempt for run in runs):
                self.find(f"the attempts of {fire} began as {[run.attempt for run in runs]}")

    def second_runs_are_explained(self) -> None:
        for fire, runs in self.runs.items():
            stored = self.fires.get(fire)
            due = float(stored["due"]) if stored else runs[0].began
            if runs[0].attempt > 1:
                self._explain_takes(fire, runs[0].attempt - 1, due - AHEAD_MS, runs[0].began)
            for before, after in pairwise(runs):
                self._explain(before, after)

    def _explain(self, before: Run, after: Run) -> None:
        counted = self.verdict.counted
        counted["second runs"] += 1
        between = (before.began - AHEAD_MS, after.began)
        lost = self._hindered(before.who, *between)
        killed = any(kind == "kill_command" for kind, _, _ in self.harm.get(f"pid:{before.pid}", ()))
        if before.ended > after.began and not killed:
            counted["ran on beside the next attempt"] += 1
            if not lost:
                both = f"attempts {before.attempt} and {after.attempt} of {before.fire}"
                self.find(f"{both} ran at once, and {before.who} was well")
        elif before.how == "raised" or killed:
            counted["second runs after a failure"] += 1
            ended = before.began if killed else before.ended
            if after.began - ended < RETRY_MS - SLACK_MS and not lost:
                self.find(f"attempt {after.attempt} of {before.fire} came {after.began - ended:.0f} ms after a failure")
        elif not lost:
            self.find(
                f"attempt {after.attempt} of {before.fire} began, though attempt {before.attempt} ({before.how}) "
                f"was with {before.who}, to which nothing had been done"
            )
        if lost:
            counted["second runs after a daemon was lost or stopped"] += 1
        if after.attempt - before.attempt > 1:
            self._explain_takes(before.fire, after.attempt - before.attempt - 1, *between)

    def _explain_takes(self, fire: str, number: int, since: float, until: float) -> None:
        """Attempts that nobody saw begin: somebody had them in hand, and was lost, or gave them back."""
        self.verdict.counted["attempts that never began"] += number
        if self._hindrances(since, until) < number:
            self.find(f"{number} attempts of {fire} never began, and less than that was done to daemons meanwhile")

    def at_most_once_where_asked_for(self) -> None:
        for fire, runs in self.runs.items():
            if self.docs.get(prompt_of(fire), {}).get("on_crash") == "interrupt":
                self.verdict.counted["fires at most once"] += 1
                if len(runs) > 1:
                    self.find(f"{fire} was to run at most once, and began {len(runs)} times")

    def ends_are_those_of_the_last_attempt(self) -> None:
        for fire, stored in self.fires.items():
            runs, status, attempt = self.runs.get(fire, []), stored["status"], int(stored.get("attempt", 0))
            last = runs[-1] if runs else None
            since = float(stored["due"]) - AHEAD_MS
            until = float(stored.get("ended_at") or self.evidence.ended_at)
            if last and last.attempt > attempt:
                self.find(f"{fire} says attempt {attempt}, and attempt {last.attempt} began")
            if status == "succeeded":
                text = json.loads(stored.get("result") or "{}").get("text")
                by = next((run for run in runs if run.attempt == attempt), None)
                if by is None or by.how != "ok":
                    self.find(f"{fire} has succeeded in attempt {attempt}, which {by.how if by else 'never began'}")
                if text != f"{fire}#{attempt}":
                    self.find(f"{fire} has the result {text!r} of a stale holder, and its last attempt was {attempt}")
                stale = sum(run.attempt < attempt and run.how == "ok" for run in runs)
                self.verdict.counted["results of stale holders that were refused"] += stale
            elif status == "failed" and stored.get("reason") == "crashed":
                if self._hindrances(since, until) < MAX_CRASHES:
                    self.find(f"{fire} ended failed: crashed, and its daemons were well")
            elif status == "failed":
                if last is None or last.how not in ("raised", "never ended"):
                    self.find(f"{fire} failed ({stored.get('error')}), and its last attempt {last and last.how}")
            elif status == "interrupted":
                if self._hindrances(since, until) == 0 and stored.get("reason") != "paused":
                    self.find(f"{fire} was interrupted, and its daemons were well")
            elif status in ("cancelled", "skipped"):
                done = last and (last.attempt, last.how) == (attempt, "ok") and last.ended < until - 3_000
                excused = last and (self._hindered(last.who, last.began, until) or self._away(last.ended, until))
                if done and not excused:
                    self.find(f"{fire} is {status}, and its last attempt had ended well")
            else:
                self.find(f"{fire} ended {status} ({stored.get('reason')})")

    def nothing_begins_after_a_cancel(self) -> None:
        cancelled = {
            line["prompt"]: line["wall"]
            for line in self.evidence.clients
            if line["deed"] == "cancel" and line["what"] == "done"
        }
        for fire, runs in self.runs.items():
            asked = cancelled.get(prompt_of(fire))
            for run in runs:
                if asked is None or run.began < asked + STOPPED_WITHIN_MS:
                    continue
                if not self._hindered(run.who, asked - AHEAD_MS, run.began) and not self._away(asked, run.began):
                    self.find(f"{fire} began {run.began - asked:.0f} ms after its prompt was cancelled")

    # Processes

    def nobody_ended_by_itself(self) -> None:
        for life in self.evidence.lives:
            if life["told"] == "kill" or life["ended"] is None:
                continue
            if life["told"] == "term" and life["code"] == 0:
                continue
            if self._never_served(life):
                self.verdict.counted["starts that came to nothing"] += 1
                continue
            said = self.evidence.logs.get(life["who"], "").strip()[-600:]
            self.find(f"{life['who']} ended with {life['code']} ({life['told'] or 'by itself'}): {said}")

    def _never_served(self, life: dict[str, Any]) -> bool:
        """Whether a daemon gave up before it served, because the server was away, or was told to end by then."""
        if '"event": "serving"' in self.evidence.logs[life["who"]]:
            return False
        if life["told"] == "term":
            return life["code"] in (-15, 0, 1, 5)
        return life["code"] in (1, 5) and self._away(life["began"], life["ended"])

    def logs_are_quiet(self) -> None:
        """No error is logged but what a fault explains, and nothing that is no line of the log."""
        for who, text in self.evidence.logs.items():
            life = next(life for life in self.evidence.lives if life["who"] == who)
            for line in text.splitlines():
                try:
                    said = json.loads(line)
                except ValueError:
                    if not (line.startswith(("error: ", "hint: ")) and self._never_served(life)):
                        self.find(f"{who} said: {line[:300]}")
                    continue
                event, level = said.get("event", ""), said.get("level", "")
                self.verdict.counted[f"log: {event}"] += level in ("warning", "error", "critical")
                if level in ("error", "critical") or "exception" in said:
                    left_behind = event == "fires_left_behind" and self._away(life["ended"] - 30_000, life["ended"])
                    if not left_behind:
                        self.find(f"{who} logged an error: {line[:600]}")


def _runs(book: list[dict[str, Any]]) -> dict[str, list[Run]]:
    """By fire, in the order in which they began."""
    runs: dict[str, list[Run]] = defaultdict(list)
    open_runs: dict[tuple[str, int, str, int], Run] = {}
    for line in book:
        if line["what"] == "begin":
            run = Run(line["fire"], line["attempt"], line["who"], line["pid"], line["wall"])
            runs[run.fire].append(run)
            open_runs[run.fire, run.attempt, run.who, run.pid] = run
        elif line["what"] == "end":
            ended = open_runs.pop((line["fire"], line["attempt"], line["who"], line["pid"]))
            ended.ended, ended.how = line["wall"], line["how"]
    for of_fire in runs.values():
        of_fire.sort(key=lambda run: run.began)
    return runs
