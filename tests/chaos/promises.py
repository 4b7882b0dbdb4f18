"""What was asked for: is it there, has it ended, did it fire as often as it was to?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from tests.accounting import ENDED, check_accounts, of_kind, prompt_of
from tests.chaos.evidence import AHEAD_MS, RECOVERS_WITHIN_MS, Facts

STOPPED_WITHIN_MS = 3_000
"""After a cancel was acknowledged nothing begins any more, but for a stop that a renewal has to tell of."""
ENDS_IN = {"paused": ("paused", "cancelled"), "cancelled": ("cancelled",)}
"""An entry of the account that has no end, and what its prompt is then."""


def accounts_add_up(facts: Facts) -> None:
    check_accounts(facts.evidence.keys, facts.evidence.lifetimes)


def everything_has_ended(facts: Facts) -> None:
    """The calm was long enough for all that was due."""
    for fire, stored in facts.fires.items():
        if stored["status"] not in ENDED:
            facts.find(f"{fire} is {stored['status']} ({stored.get('reason')}) in the end")
    for platform, prompts in of_kind(facts.evidence.keys, "due").items():
        for prompt, due in prompts:
            if due < facts.evidence.ended_at:
                facts.find(f"{prompt} (of {platform}) was due {due:.0f} and is due still")
    for prompt, stored in facts.prompts.items():
        if stored["status"] == "quarantined":
            facts.find(f"{prompt} was set aside")
        if stored["status"] == "cancelled" and "cancel" not in facts.asked[prompt]:
            facts.find(f"{prompt} is cancelled, and nobody had asked for that")
        if stored["status"] == "paused" and "pause" not in facts.asked[prompt]:
            facts.find(f"{prompt} is paused, and nobody had asked for that")


def nothing_acknowledged_is_lost(facts: Facts) -> None:
    for line in facts.evidence.clients:
        if line["what"] == "done" and line["prompt"] not in facts.prompts:
            facts.find(f"{line['prompt']} was acknowledged ({line['deed']}) and is nowhere")
        if line["what"] == "refused" and line["error"] == "not_found":
            facts.find(f"{line['prompt']} was acknowledged, and a client that would {line['deed']} it did not find it")
    for fire in facts.runs:
        if fire not in facts.fires:
            facts.find(f"{fire} ran and has no record")
    acknowledged = {line["prompt"] for line in facts.evidence.clients if line["what"] == "done"}
    ended = {prompt_of(fire) for fire in facts.fires}
    for prompt in acknowledged & facts.prompts.keys() - ended:
        if facts.prompts[prompt]["status"] == "executed":
            facts.find(f"{prompt} is executed, and has no fire")


def nothing_is_there_that_nobody_asked_for(facts: Facts) -> None:
    asked = Counter(line["tag"] for line in facts.evidence.clients if line["what"] == "asks" and not line["prompt"])
    made = Counter(doc["name"] for doc in facts.docs.values())
    for tag, number in made.items():
        if number > asked[tag]:
            facts.find(f"{tag} was asked for {asked[tag]} times, and there are {number} of it")


def one_shots_fired_once(facts: Facts) -> None:
    fired = Counter(prompt_of(fire) for fire in facts.fires if "@" in fire)
    for prompt, doc in facts.docs.items():
        if doc["schedule"]["kind"] != "once":
            continue
        status = facts.prompts[prompt]["status"]
        if fired[prompt] > 1:
            facts.find(f"the one-shot {prompt} fired {fired[prompt]} times")
        if status == "executed" and fired[prompt] != 1:
            facts.find(f"the one-shot {prompt} is executed, and fired {fired[prompt]} times")
        if status not in ("executed", "cancelled", "paused"):
            facts.find(f"the one-shot {prompt} is {status} in the end")


def every_occurrence_is_accounted_for(facts: Facts) -> None:
    """Of intervals, whose occurrences are counted here by themselves: fired, or noted down as passed over."""
    for prompt, doc in facts.docs.items():
        schedule, stored = doc["schedule"], facts.prompts[prompt]
        if schedule["kind"] != "interval":
            continue
        covered = list(_covered(facts, prompt))
        nominal = schedule["anchor"]
        while (nominal := nominal + schedule["every_ms"]) < doc["end_at"]:
            if nominal <= int(stored["created_at"]) or f"{prompt}@{nominal}" in facts.fires:
                continue
            facts.counted["occurrences passed over"] += 1
            if not any(since <= nominal < until for since, until in covered):
                facts.find(f"the occurrence {nominal} of {prompt} is neither fired nor accounted for")


def _covered(facts: Facts, prompt: str) -> Iterator[tuple[float, float]]:
    """From when until when its account says that nothing fired, as far as that is believed."""
    for text in facts.evidence.keys.get(f"spans:{prompt}", ()):
        entry = json.loads(text)
        since = float(entry.get("from", entry["at"]))
        if _is_believed(facts, prompt, entry["kind"], since, float(entry["at"])):
            has_an_end = entry["kind"] in ("missed", "resumed")
            yield since, float(entry.get("until", "inf")) if has_an_end else float("inf")


def _is_believed(facts: Facts, prompt: str, kind: str, since: float, at: float) -> bool:
    if kind == "missed":
        return facts.anything_wrong(since - RECOVERS_WITHIN_MS, at)
    if kind == "resumed":
        return _was_asked_for(facts, prompt, ("pause",), since)
    stands = facts.prompts[prompt]["status"] in ENDS_IN.get(kind, ())
    return stands and _was_asked_for(facts, prompt, ("pause", "cancel"), since)


def _was_asked_for(facts: Facts, prompt: str, deeds: tuple[str, ...], since: float) -> bool:
    """Whether a client had asked for one of them by then; or a fault explains that what was next had long been due."""
    asked = min(facts.asked_at.get((prompt, deed), float("inf")) for deed in deeds)
    explained = since >= asked - AHEAD_MS or facts.anything_wrong(since - RECOVERS_WITHIN_MS, asked)
    return asked < float("inf") and explained


def nothing_begins_after_a_cancel(facts: Facts) -> None:
    cancelled = {
        line["prompt"]: line["wall"]
        for line in facts.evidence.clients
        if line["deed"] == "cancel" and line["what"] == "done"
    }
    for fire, runs in facts.runs.items():
        asked = cancelled.get(prompt_of(fire))
        for run in runs:
            if asked is not None and run.began > _told_by(facts, run.who, asked):
                facts.find(f"{fire} began {run.began - asked:.0f} ms after its prompt was cancelled")


def _told_by(facts: Facts, who: str, asked: float) -> float:
    """When a daemon knows that what it holds is cancelled. Later harm is no excuse: what it did not hold by then has
    ended."""
    told = asked + STOPPED_WITHIN_MS
    hindrances = [
        *((since, until) for _, since, until in facts.harm.get("server", ()) if until >= asked),
        *((since, until) for _, since, until in facts.harm.get(who, ()) if until >= asked - AHEAD_MS),
    ]
    return max(asked, *(until for since, until in hindrances if since <= told), 0) + STOPPED_WITHIN_MS
