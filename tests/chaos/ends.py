"""How fires ended: as their last attempt did, and each for a reason."""

from __future__ import annotations

import json

from tests.chaos.evidence import AHEAD_MS, Facts

MAX_CRASHES = 3


def ends_are_those_of_the_last_attempt(facts: Facts) -> None:
    for fire, stored in facts.fires.items():
        runs, status, attempt = facts.runs.get(fire, []), stored["status"], int(stored.get("attempt", 0))
        last = runs[-1] if runs else None
        since = float(stored["due"]) - AHEAD_MS
        until = float(stored.get("ended_at") or facts.evidence.ended_at)
        if last and last.attempt > attempt:
            facts.find(f"{fire} says attempt {attempt}, and attempt {last.attempt} began")
        if status == "succeeded":
            text = json.loads(stored.get("result") or "{}").get("text")
            by = next((run for run in runs if run.attempt == attempt), None)
            if by is None or by.how != "ok":
                facts.find(f"{fire} has succeeded in attempt {attempt}, which {by.how if by else 'never began'}")
            if text != f"{fire}#{attempt}":
                facts.find(f"{fire} has the result {text!r} of a stale holder, and its last attempt was {attempt}")
            stale = sum(run.attempt < attempt and run.how == "ok" for run in runs)
            facts.counted["results of stale holders that were refused"] += stale
        elif status == "failed" and stored.get("reason") == "crashed":
            if facts.hindrances(since, until) < MAX_CRASHES:
                facts.find(f"{fire} ended failed: crashed, and its daemons were well")
        elif status == "failed":
            if last is None or last.how not in ("raised", "never ended"):
                facts.find(f"{fire} failed ({stored.get('error')}), and its last attempt {last and last.how}")
        elif status == "interrupted":
            if facts.hindrances(since, until) == 0 and stored.get("reason") != "paused":
                facts.find(f"{fire} was interrupted, and its daemons were well")
        elif status in ("cancelled", "skipped"):
            done = last and (last.attempt, last.how) == (attempt, "ok") and last.ended < until - 3_000
            excused = last and (facts.hindered(last.who, last.began, until) or facts.away(last.ended, until))
            if done and not excused:
                facts.find(f"{fire} is {status}, and its last attempt had ended well")
        else:
            facts.find(f"{fire} ended {status} ({stored.get('reason')})")
