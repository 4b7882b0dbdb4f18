"""How fires ended: as their last attempt did, and each for a reason that its prompt, its clients or a fault gave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.accounting import prompt_of
from tests.chaos.evidence import AHEAD_MS, LOSES_LEASES, Facts, Run

MAX_CRASHES = 3
SETTLED_WITHIN_MS = 3_000
"""From the end of an attempt until its fire says so, where nothing hinders it."""
KILLS = ("kill_daemon", "kill_all")


@dataclass
class End:
    """One fire, as its record tells of it, and what explains that."""

    fire: str
    stored: dict[str, str]
    runs: list[Run]
    doc: dict[str, Any]
    asked: set[str]
    """What clients would do to its prompt."""
    until: float

    @property
    def reason(self) -> str:
        return self.stored.get("reason", "")

    @property
    def attempt(self) -> int:
        return int(self.stored.get("attempt", 0))

    @property
    def since(self) -> float:
        return float(self.stored["due"]) - AHEAD_MS

    @property
    def overlap(self) -> str:
        return str(self.doc.get("overlap", "skip"))

    @property
    def on_crash(self) -> str:
        return str(self.doc.get("on_crash", "rerun"))


def ends_are_those_of_the_last_attempt(facts: Facts) -> None:
    judges = {
        "succeeded": _succeeded, "failed": _failed, "interrupted": _interrupted, "cancelled": _cancelled,
        "skipped": _skipped,
    }  # fmt: skip
    for fire, stored in facts.fires.items():
        prompt = prompt_of(fire)
        until = float(stored.get("ended_at") or facts.evidence.ended_at)
        end = End(fire, stored, facts.runs.get(fire, []), facts.docs.get(prompt, {}), facts.asked[prompt], until)
        if end.runs and end.runs[-1].attempt > end.attempt:
            facts.find(f"{fire} says attempt {end.attempt}, and attempt {end.runs[-1].attempt} began")
        if (noted := int(stored.get("failures", 0))) > (seen := _failures(facts, end)):
            facts.find(f"{fire} counts {noted} failures, and {seen} of its attempts failed")
        judge = judges.get(stored["status"])
        if judge is None:
            facts.find(f"{fire} ended {stored['status']} ({end.reason})")
        elif why_not := judge(facts, end):
            facts.find(f"{fire} ended {stored['status']} ({end.reason}), and {why_not}")


def _failures(facts: Facts, end: End) -> int:
    return sum(run.how == "raised" or facts.command_was_killed(run) for run in end.runs)


def _succeeded(facts: Facts, end: End) -> str:
    by = next((run for run in end.runs if run.attempt == end.attempt), None)
    stale = sum(run.attempt < end.attempt and run.how == "ok" for run in end.runs)
    facts.counted["results of stale holders that were refused"] += stale
    if by is None or by.how != "ok":
        return f"attempt {end.attempt} {by.how if by else 'never began'}"
    text = json.loads(end.stored.get("result") or "{}").get("text")
    if text != f"{end.fire}#{end.attempt}":
        return f"has the result {text!r} of a stale holder, and its last attempt was {end.attempt}"
    return ""


def _failed(facts: Facts, end: End) -> str:
    failures = _failures(facts, end)
    if end.reason == "crashed":
        lost = facts.lost_holds(end.runs, end.attempt, end.since, end.until)
        return f"daemons that had it were harmed {lost} times" if lost < MAX_CRASHES else ""
    if end.reason == "superseded":
        return "none of its attempts failed" if failures == 0 else ""
    if end.reason == "paused" and "pause" in end.asked:
        return "none of its attempts failed" if failures == 0 else ""
    retries = int(end.doc.get("retries", 0))
    if end.reason or failures <= retries:
        return f"{failures} of its attempts failed, where {retries} are tried again: {end.stored.get('error')}"
    return ""


def _interrupted(facts: Facts, end: End) -> str:
    if end.on_crash != "interrupt" and not (end.reason == "paused" and "pause" in end.asked):
        return "it was to run again"
    if facts.lost_holds(end.runs, end.attempt, end.since, end.until) == 0:
        return "its daemons were well"
    return ""


def _cancelled(facts: Facts, end: End) -> str:
    if end.reason == "replaced":
        return "nothing may replace it" if end.overlap != "replace" else _it_had_run(facts, end)
    if end.reason != "prompt_cancelled" or "cancel" not in end.asked:
        return "nobody had asked for that"
    return _it_had_run(facts, end)


def _skipped(facts: Facts, end: End) -> str:
    allowed = {
        "busy": end.overlap in ("skip", "queue") and _stood_beside_another(facts, end),
        "replaced": end.overlap == "replace",
        "paused": "pause" in end.asked,
    }
    if not allowed.get(end.reason):
        return f"nothing gave reason to it (overlap {end.overlap}, clients: {', '.join(sorted(end.asked))})"
    return _it_had_run(facts, end)


def _stood_beside_another(facts: Facts, end: End) -> bool:
    """Another fire of its prompt had not ended; that an attempt has ended is known to the server a while later."""
    for fire, other in facts.fires_of[prompt_of(end.fire)].items():
        if fire == end.fire or float(other["queued_at"]) > end.until:
            continue
        ended = float(other.get("ended_at") or "inf")
        if ended + SETTLED_WITHIN_MS > end.until or facts.away(ended, end.until):
            return True
        if any(facts.hindered(run.who, ended - AHEAD_MS, end.until) for run in facts.runs.get(fire, ())):
            return True
    return False


def _it_had_run(facts: Facts, end: End) -> str:
    last = end.runs[-1] if end.runs else None
    if last is None or (last.attempt, last.how) != (end.attempt, "ok") or last.ended >= end.until - SETTLED_WITHIN_MS:
        return ""
    excused = facts.hindered(last.who, last.began, end.until) or facts.away(last.ended, end.until)
    return "" if excused else "its last attempt had ended well"


def what_began_ends(facts: Facts) -> None:
    """A runner in a daemon ends or is killed with it; a command may be killed alone, and is where it is to stop."""
    for fire, runs in facts.runs.items():
        told_to_stop = facts.asked[prompt_of(fire)] & {"cancel", "pause"}
        doc = facts.docs.get(prompt_of(fire))  # None: it is deleted, and what it said is not known
        may_be_replaced = doc is None or doc.get("overlap") == "replace"
        for run in runs:
            if run.how != "never ended" or facts.command_was_killed(run):
                continue
            is_command = run.runner == "command"
            if is_command and (told_to_stop or may_be_replaced):
                continue
            if not facts.hindered(run.who, run.began, float("inf"), LOSES_LEASES if is_command else KILLS):
                facts.find(f"attempt {run.attempt} of {fire} never ended, and {run.who} was well")
