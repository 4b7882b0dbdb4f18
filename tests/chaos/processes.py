"""What became of the daemons and clients themselves, and what they logged."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.evidence import Facts


def nobody_ended_by_itself(facts: Facts) -> None:
    for life in facts.evidence.lives:
        if life["told"] == "kill" or life["ended"] is None:
            continue
        if life["told"] == "term" and life["code"] == 0:
            continue
        if _never_served(facts, life):
            facts.counted["starts that came to nothing"] += 1
            continue
        said = facts.evidence.logs.get(life["who"], "").strip()[-600:]
        facts.find(f"{life['who']} ended with {life['code']} ({life['told'] or 'by itself'}): {said}")


def _never_served(facts: Facts, life: dict[str, Any]) -> bool:
    """Whether a daemon gave up before it served, because the server was away, or had been told to end by then."""
    if '"event": "serving"' in facts.evidence.logs[life["who"]]:
        return False
    if life["told"] == "term":
        return life["code"] in (-15, 0, 1, 5)
    if life["told"] == "kill":  # it was about to give up by itself
        return facts.away(life["began"], life["ended"])
    return life["code"] in (1, 5) and facts.away(life["began"], life["ended"])


def logs_are_quiet(facts: Facts) -> None:
    """No error is logged but what a fault explains, and nothing that is no line of the log."""
    for who, text in facts.evidence.logs.items():
        life = next(life for life in facts.evidence.lives if life["who"] == who)
        for line in text.splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                if not (line.startswith(("error: ", "hint: ")) and _never_served(facts, life)):
                    facts.find(f"{who} said: {line[:300]}")
                continue
            event, level = said.get("event", ""), said.get("level", "")
            facts.counted[f"log: {event}"] += level in ("warning", "error", "critical")
            if level in ("error", "critical") or "exception" in said:
                left_behind = event == "fires_left_behind" and facts.away(life["ended"] - 30_000, life["ended"])
                if not left_behind:
                    facts.find(f"{who} logged an error: {line[:600]}")
