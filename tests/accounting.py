"""Does everything in a namespace add up? Shares no code with the package: it reads keys as any client would.

Every key is accounted for by a prompt, a fire or a named index; every fire that has not ended is in exactly one index,
the one that its status names; every index entry has its record.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

NAMED = {"meta", "quarantine", "platforms", "queues", "leases", "retries", "events", "daemons", "daemon_info"}
ENDED = {"succeeded", "failed", "timed_out", "cancelled", "interrupted", "skipped", "missed"}
LIVING_PROMPT = {"scheduled", "active", "paused"}


def check_accounts(keys: dict[str, Any]) -> None:
    """Raise AssertionError with all that does not add up."""
    problems = [*_prompts(keys), *_fires(keys), *_leftovers(keys)]
    assert not problems, "\n".join(problems)


def members(value: Any) -> list[str]:
    return [member for member, _ in value] if isinstance(value, list) else list(value)


def of_kind(keys: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name.removeprefix(kind + ":"): value for name, value in keys.items() if name.startswith(kind + ":")}


def _prompts(keys: dict[str, Any]) -> list[str]:
    problems = []
    prompts = of_kind(keys, "prompt")
    places: dict[str, set[str]] = defaultdict(set)
    for name, value in of_kind(keys, "by").items():
        for prompt in members(value):
            places[prompt].add(name)
            if prompt not in prompts:
                problems.append(f"by:{name} lists {prompt}, which is gone")
    due = {prompt: score for value in of_kind(keys, "due").values() for prompt, score in value}
    for prompt, stored in prompts.items():
        status = stored["status"]
        statuses = {place for place in places[prompt] if place.startswith("status:")}
        if statuses != {f"status:{status}"}:
            problems.append(f"prompt {prompt} is {status} and listed under {statuses}")
        expected = stored["next_at"] if status in {"scheduled", "active"} else ""
        found = due.get(prompt)
        if ("" if found is None else f"{found:.0f}") != (expected or ""):
            problems.append(f"prompt {prompt} ({status}) is due {expected!r}, and the due index says {found!r}")
        if status in ("executed", "cancelled") and not stored.get("ended_at"):
            problems.append(f"prompt {prompt} is {status} and has no ended_at")
    problems += [f"the due index lists {prompt}, which is gone" for prompt in due if prompt not in prompts]
    problems += [f"key:{k} names {p}, which is gone" for k, p in of_kind(keys, "key").items() if p not in prompts]
    return problems


def _fires(keys: dict[str, Any]) -> list[str]:
    problems = []
    fires = of_kind(keys, "fire")
    places: dict[str, list[str]] = defaultdict(list)
    for queue, value in of_kind(keys, "ready").items():
        for fire in members(value):
            places[fire].append("ready")
            if fire in fires and queue != f"{fires[fire]['platform']}/{fires[fire]['runner']}":
                problems.append(f"fire {fire} waits in queue {queue}")
    for index in ("leases", "retries"):
        for fire in members(keys.get(index, [])):
            places[fire].append(index)
    named = {"queued": ["ready"], "running": ["leases"], "retrying": ["retries"]}
    live = {fire: prompt for prompt, value in of_kind(keys, "live").items() for fire in value}
    history = {fire: prompt for prompt, value in of_kind(keys, "history").items() for fire in members(value)}
    for fire, stored in fires.items():
        status = stored["status"]
        if places.pop(fire, []) != named.get(status, []):
            problems.append(f"fire {fire} is {status}, and is not in exactly the index that this names")
        if (fire in live) != (status not in ENDED):
            problems.append(f"fire {fire} is {status}, and `live` says otherwise")
        if history.get(fire) != fire[:26]:
            problems.append(f"fire {fire} is in no history")
        if status in ENDED and not stored.get("ended_at"):
            problems.append(f"fire {fire} is {status} and has no ended_at")
    problems += [f"{where} lists fire {fire}, which is gone" for fire, where in places.items()]
    problems += [f"`live` lists fire {fire}, which is gone" for fire in live if fire not in fires]
    problems += [f"a history lists fire {fire}, which is gone" for fire in history if fire not in fires]
    return problems


def _leftovers(keys: dict[str, Any]) -> list[str]:
    prompts = of_kind(keys, "prompt")
    problems = []
    for name in keys:
        kind, _, rest = name.partition(":")
        if name in NAMED or kind in ("op", "by", "due", "ready", "prompt", "fire", "key", "ended"):
            continue
        if kind in ("history", "live", "spans", "version") and rest in prompts:
            continue
        problems.append(f"key {name} belongs to nothing")
    return problems
