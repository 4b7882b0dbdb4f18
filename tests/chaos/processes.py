"""What became of the daemons and clients themselves, and what they logged."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.chaos.evidence import Facts

GIVES_UP_WITHIN_MS = 3_000
"""From the last answer that a starting daemon did not get to the end of its process."""
LAST_WORDS_MS = 7_000
"""For so long a daemon that stops tries to write what came of its fires (6 s), on a busy machine."""


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
    if life["told"] == "kill":  # it may have stood still for long, about to give up by itself
        return facts.away(life["began"], life["ended"])
    if life["told"] == "term" and life["code"] in (-15, 0):
        return True
    if life["code"] not in (1, 5):
        return False
    late = facts.hindered(
        life["who"], life["ended"] - GIVES_UP_WITHIN_MS, life["ended"]
    )  # whoever harms it notes its end
    since = life["began"] if late else life["ended"] - GIVES_UP_WITHIN_MS
    return facts.away(since, life["ended"])


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
            if level not in ("error", "critical") and "exception" not in said:
                continue
            if event != "fires_left_behind" or not _was_away_to_the_last(facts, said["timestamp"]):
                facts.find(f"{who} logged an error: {line[:600]}")


def _was_away_to_the_last(facts: Facts, timestamp: str) -> bool:
    at = datetime.fromisoformat(timestamp).timestamp() * 1000
    return facts.away(at - LAST_WORDS_MS, at)
