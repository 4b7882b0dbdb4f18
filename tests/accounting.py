"""Does everything in a namespace add up? Shares no code with the package: it reads keys as any client would.

Every key is accounted for by a prompt, a fire or a named index; every fire that has not ended is in exactly one index,
the one that its status names; every index entry has its record.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

NAMED = {
    "meta",
    "approvals",
    "quarantine",
    "platforms",
    "queues",
    "leases",
    "retries",
    "events",
    "daemons",
    "daemon_info",
    "halts",
    "fair",
    "parked",
    "revoked",
}
ENDED = {"succeeded", "failed", "timed_out", "cancelled", "interrupted", "skipped", "missed"}
ALONE = {"op", "by", "active", "rate", "turns", "due", "ready", "prompt", "fire", "key", "ended", "parked", "slots"}
"""Kinds of keys that belong to no one prompt."""
PROMPT_STATUSES = {"scheduled", "active", "paused", "pending_approval", "quarantined", "executed", "cancelled"}


LONGEST = {"op": 3_600_000, "ended": 26 * 3_600_000, "rate": 86_400_000, "turns": 400 * 86_400_000}
"""Kinds of keys that go by themselves, and after how long at most (ms). No other key does."""
META = {"schema", "shards", "virtual", "rules", "halted", "secret", "orphans_at"}


def check_accounts(keys: dict[str, Any], lifetimes: dict[str, int] | None = None) -> None:
    """Raise AssertionError with all that does not add up. `lifetimes`: in how many ms each key goes by itself, -1 where
    it never does."""
    problems = [*_prompts(keys), *_fires(keys), *_reservations(keys), *_leftovers(keys), *_named(keys)]
    problems += _lifetimes(lifetimes or {})
    assert not problems, "\n".join(problems)


def _lifetimes(lifetimes: dict[str, int]) -> list[str]:
    problems = []
    for name, left in lifetimes.items():
        longest = LONGEST.get(name.partition(":")[0])
        if longest is None and left != -1:
            problems.append(f"key {name} is gone in {left} ms, and what it says with it")
        elif longest is not None and not 0 <= left <= longest:
            problems.append(f"key {name} stays for {left} ms, and not for {longest} at most")
    return problems


def _named(keys: dict[str, Any]) -> list[str]:
    """Of the indexes that are there once: each entry stands for something."""
    problems = [f"meta says {field}, which means nothing" for field in {*keys.get("meta", {})} - META]
    if {*members(keys.get("daemons", []))} != {*keys.get("daemon_info", {})}:
        problems.append(f"{keys.get('daemons')} live, and {keys.get('daemon_info')} tell of themselves")
    for queue in of_kind(keys, "ready"):
        if queue not in keys.get("queues", ()):
            problems.append(f"nobody looks at ready:{queue}")
    waiting = [*of_kind(keys, "ready"), *of_kind(keys, "parked")]
    if "fair" in keys and not waiting:
        problems.append(f"nothing waits, and somebody has a turn: {keys['fair']}")
    return problems


def prompt_of(fire: str) -> str:
    return fire[:26]


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
    due_on: dict[str, list[str]] = defaultdict(list)
    for platform, value in of_kind(keys, "due").items():
        if platform not in keys.get("platforms", ()):
            problems.append(f"due:{platform} is of a platform that nobody looks at")
        for prompt, _ in value:
            due_on[prompt].append(platform)
    due = {prompt: score for value in of_kind(keys, "due").values() for prompt, score in value}
    set_aside = keys.get("quarantine", {})
    for prompt, stored in prompts.items():
        # What is no hash has no status; it can only have been set aside.
        stored = stored if isinstance(stored, dict) else {"status": "quarantined"}
        status = stored["status"]
        if status not in PROMPT_STATUSES:
            problems.append(f"prompt {prompt} has the status {status!r}")
        if (status == "quarantined") != (prompt in set_aside):
            problems.append(f"prompt {prompt} is {status}, and `quarantine` says otherwise")
        statuses = {place for place in places[prompt] if place.startswith("status:")}
        if statuses != {f"status:{status}"}:
            problems.append(f"prompt {prompt} is {status} and listed under {statuses}")
        expected = stored["next_at"] if status in {"scheduled", "active"} else ""
        found = due.get(prompt)
        if ("" if found is None else f"{found:.0f}") != (expected or ""):
            problems.append(f"prompt {prompt} ({status}) is due {expected!r}, and the due index says {found!r}")
        if status in ("executed", "cancelled") and not stored.get("ended_at"):
            problems.append(f"prompt {prompt} is {status} and has no ended_at")
        if status != "quarantined":
            problems += _motion(prompt, stored)
            problems += _placed(prompt, stored, places[prompt], due_on[prompt])
    problems += _counted(keys, prompts)
    waiting = {p: int(s["pending_until"]) for p, s in prompts.items() if _stands(s, "pending_approval")}
    if (found := dict(keys.get("approvals", ()))) != waiting:
        problems.append(f"{waiting} wait for approval, and `approvals` says {found}")
    for prompt, versions in of_kind(keys, "version").items():
        present = prompts.get(prompt)
        if isinstance(present, dict) and not all(0 < int(v) < int(present["version"]) for v in versions):
            problems.append(f"version:{prompt} holds {sorted(versions)}, and the present one is {present['version']}")
    problems += [f"`quarantine` lists {prompt}, which is gone" for prompt in set_aside if prompt not in prompts]
    problems += [f"the due index lists {prompt}, which is gone" for prompt in due if prompt not in prompts]
    problems += [f"key:{k} names {p}, which is gone" for k, p in of_kind(keys, "key").items() if p not in prompts]
    return problems


def _stands(stored: Any, status: str) -> bool:
    return isinstance(stored, dict) and stored.get("status") == status


def _counted(keys: dict[str, Any], prompts: dict[str, Any]) -> list[str]:
    """What agents made, and is armed or waits for approval, or may live again, as its last fire has not ended, counts
    for owner, conversation and tree; nothing else does."""
    expected: dict[str, set[str]] = defaultdict(set)
    live = of_kind(keys, "live")
    for prompt, stored in prompts.items():
        try:
            definition = json.loads(stored["doc"])
            last_fire_lives = "rest" in stored and prompt in live
            counts = stored["status"] in {"scheduled", "active", "pending_approval"}
            counts |= stored["status"] == "executed" and last_fire_lives
        except (ValueError, KeyError, TypeError):
            continue
        if not counts or not definition.get("agent"):
            continue
        expected[f"owner:{definition.get('owner', '')}"].add(prompt)
        if definition.get("conversation"):
            expected[f"conversation:{definition['conversation']}"].add(prompt)
        if stored.get("lineage"):
            expected[f"tree:{stored['lineage'].split()[0]}"].add(prompt)
    found = {name: set(value) for name, value in of_kind(keys, "active").items()}
    return [] if found == expected else [f"the active prompts made by agents are {expected}, and counted as {found}"]


def _motion(prompt: str, stored: dict[str, str]) -> list[str]:
    """What is next lies after what was claimed last; only who waits for something has skips, or is paused."""
    problems = []
    status = stored["status"]
    following, last = stored.get("next_nominal"), stored.get("last_nominal")
    if following and last and int(following) <= int(last):
        problems.append(f"prompt {prompt} has {following} to come, and {last} was claimed")
    if (status == "paused") != ("paused_at" in stored):
        problems.append(f"prompt {prompt} is {status}, and paused_at says otherwise")
    if (status == "pending_approval") != ("pending_since" in stored):
        problems.append(f"prompt {prompt} is {status}, and pending_since says otherwise")
    if status in ("executed", "cancelled") and (following or stored.get("skips")):
        problems.append(f"prompt {prompt} is {status}, and something of it is to come")
    skips = [int(nominal) for nominal in json.loads(stored.get("skips") or "[]")]
    if skips != sorted(set(skips)) or any(last and nominal <= int(last) for nominal in skips):
        problems.append(f"prompt {prompt} is to skip {skips}, and {last} was claimed")
    return problems


def _placed(prompt: str, stored: dict[str, str], places: set[str], due_on: list[str]) -> list[str]:
    """The indexes name what the definition says, where it can be read."""
    try:
        definition = json.loads(stored["doc"])
        named = {"platform": definition.get("platform", "default"), "agent": definition.get("agent")}
        named["owner"] = definition.get("owner")
    except (ValueError, KeyError, AttributeError):
        return []
    problems = []
    for field, name in named.items():
        expected = set() if name is None else {f"{field}:{name}"}
        found = {place for place in places if place.startswith(field + ":")}
        if found != expected:
            problems.append(f"prompt {prompt} has {field} {name!r} and is listed under {found}")
    if due_on and due_on != [named["platform"]]:
        problems.append(f"prompt {prompt} of {named['platform']!r} is due on {due_on}")
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
    for limit, value in of_kind(keys, "parked").items():
        for fire in members(value):
            places[fire].append("parked:" + limit)
        if limit not in keys.get("parked", ()):
            problems.append(f"nobody looks at parked:{limit}")
    problems += [f"nothing is parked at {limit}" for limit in keys.get("parked", ()) if f"parked:{limit}" not in keys]
    problems += _slots(keys, fires)
    named = {"queued": ["ready"], "running": ["leases"], "retrying": ["retries"]}
    live = {fire: prompt for prompt, value in of_kind(keys, "live").items() for fire in value}
    history = {fire: prompt for prompt, value in of_kind(keys, "history").items() for fire in members(value)}
    for fire, stored in fires.items():
        status = stored["status"]
        place = ["parked:" + stored["parked"]] if stored.get("parked") else named.get(status, [])
        if places.pop(fire, []) != place or (stored.get("parked") and status != "queued"):
            problems.append(f"fire {fire} is {status}, and is not in exactly the index that this names")
        if (fire in live) != (status not in ENDED):
            problems.append(f"fire {fire} is {status}, and `live` says otherwise")
        if history.get(fire) != prompt_of(fire):
            problems.append(f"fire {fire} is in no history")
        if status in ENDED and not stored.get("ended_at"):
            problems.append(f"fire {fire} is {status} and has no ended_at")
        if status == "skipped" and not stored.get("reason"):
            problems.append(f"fire {fire} was skipped and does not say why")
    for cap, value in of_kind(keys, "turns").items():
        waiting = {fire for fire, stored in fires.items() if cap in stored.get("turns", "").split()}
        problems += [f"turns:{cap} lists fire {fire}, which does not wait" for fire in {*members(value)} - waiting]
    for fire, stored in fires.items():
        for cap in stored.get("turns", "").split():
            if fire not in members(keys.get(f"turns:{cap}", [])):
                problems.append(f"fire {fire} waits for its turn in turns:{cap}, which does not list it")
    problems += [f"{where} lists fire {fire}, which is gone" for fire, where in places.items()]
    problems += [f"`live` lists fire {fire}, which is gone" for fire in live if fire not in fires]
    problems += [f"a history lists fire {fire}, which is gone" for fire in history if fire not in fires]
    return problems


def _slots(keys: dict[str, Any], fires: dict[str, Any]) -> list[str]:
    """A limit's slots are held by those that run under it, as each of them says."""
    taken = {(limit, fire) for limit, value in of_kind(keys, "slots").items() for fire in value}
    said = {(limit, fire) for fire, stored in fires.items() for limit in stored.get("slots", "").split()}
    problems = [f"slots:{limit} lists {fire}, which does not say so" for limit, fire in taken - said]
    problems += [f"fire {fire} says that it holds a slot of {limit}" for limit, fire in said - taken]
    problems += [
        f"fire {f} is {fires[f]['status']} and holds a slot" for _, f in said if fires[f]["status"] != "running"
    ]
    return problems


def _reservations(keys: dict[str, Any]) -> list[str]:
    """What is reserved is what running fires have reserved: of everything, an owner, a prompt, the first of its
    ancestors."""
    expected: dict[str, int] = defaultdict(int)
    for fire, stored in of_kind(keys, "fire").items():
        if "reserved" in stored and stored["status"] != "running":
            return [f"fire {fire} is {stored['status']}, and has reserved {stored['reserved']}"]
        scopes = ["all", f"prompt:{prompt_of(fire)}", f"owner:{stored.get('owner', '')}"]
        for scope in [*scopes, f"prompt:{stored['tree']}"] if "tree" in stored else scopes:
            expected[scope] += int(stored.get("reserved", 0))
    sums = {scope: stored for scope, stored in of_kind(keys, "spend").items() if isinstance(stored, dict)}
    return [
        f"spend:{scope} has {stored.get('reserved', 0)} reserved, and its fires {expected[scope]}"
        for scope, stored in sums.items()
        if int(stored.get("reserved", 0)) != expected[scope]
    ]


def _leftovers(keys: dict[str, Any]) -> list[str]:
    prompts = of_kind(keys, "prompt")
    problems = []
    for name in keys:
        kind, _, rest = name.partition(":")
        if name in NAMED or kind in ALONE:
            continue
        if kind in ("history", "live", "spans", "version") and rest in prompts:
            continue
        if kind == "spend" and (not rest.startswith("prompt:") or rest.removeprefix("prompt:") in prompts):
            continue
        problems.append(f"key {name} belongs to nothing")
    return problems
