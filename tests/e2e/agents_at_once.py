"""Agents in processes of their own, which book, re-time, pause and cancel at random against quotas.

    make agents-at-once ARGS="--agents 50 --seconds 60 --seed 1"

It works on a server of its own, or on the store that it is given (`--store`, `--namespace`). One more process looks at
the store all the while, without this package: at no instant may an owner or a conversation have more active prompts
than it may, and what is counted must be what there is. In the end each owner must be able to book up to its limit, and
no further. Prints what was done as JSON, and every violation; ends with 1 if there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from contextlib import nullcontext
from typing import Any

import redis

from benchmarks.private_server import private_server
from scheduled_prompts import Caller, Limits, Scheduler
from scheduled_prompts.tools import BoundTools, Tools

PER_OWNER = 6
PER_CONVERSATION = 4
AGENTS_OF_AN_OWNER = 5
LIMITS = Limits(active_per_owner=PER_OWNER, active_per_conversation=PER_CONVERSATION)
WHENS = ("in 2h", "in 90m", "every day at 9am", "every weekday at 7:30", "every 3h")

SNAPSHOT = """
local found = {}
for _, kind in ipairs({'owner', 'conversation'}) do
  for _, name in ipairs(cjson.decode(ARGV[2])[kind]) do
    local armed = {}
    for _, id in ipairs(redis.call('ZRANGE', ARGV[1] .. 'by:owner:' .. string.match(name, '^[^.]+'), 0, -1)) do
      local stored = redis.call('HMGET', ARGV[1] .. 'prompt:' .. id, 'status', 'doc')
      local doc = stored[2] and cjson.decode(stored[2]) or {}
      if (stored[1] == 'scheduled' or stored[1] == 'active') and doc[kind] == name then armed[#armed + 1] = id end
    end
    table.sort(armed)
    local counted = redis.call('SMEMBERS', ARGV[1] .. 'active:' .. kind .. ':' .. name)
    table.sort(counted)
    found[#found + 1] = {kind .. ':' .. name, #armed, table.concat(armed, ' ') == table.concat(counted, ' ')}
  end
end
return cjson.encode(found)
"""
"""What is active and what is counted, of all owners and conversations, at one instant."""


def caller(number: int) -> Caller:
    owner = f"o{number // AGENTS_OF_AN_OWNER}"
    return Caller(owner=owner, agent=f"a{number}", conversation=f"{owner}.{number % 2}")


async def agent(url: str, namespace: str, number: int, seconds: float, seed: int) -> dict[str, int]:
    """One agent's minute: how often it did what, and how it was answered."""
    chance, done = random.Random(f"{seed}.{number}"), Counter[str]()
    async with Scheduler(url, namespace=namespace, timezone="UTC", limits=LIMITS) as scheduler:
        tools = Tools(scheduler).bound(caller(number))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            name, arguments = await _next_step(tools, chance)
            answer = await tools.call(name, arguments)
            done[f"{name} {'done' if answer['ok'] else answer['error']['code']}"] += 1
            await asyncio.sleep(chance.uniform(0, 0.05))
    return done


async def _next_step(tools: BoundTools, chance: random.Random) -> tuple[str, dict[str, Any]]:
    if chance.random() < 0.45:
        return "schedule_prompt", {"prompt": "look at it", "when": chance.choice(WHENS)}
    listed = await tools.call("list_scheduled_prompts", {"limit": 50})
    known = [
        prompt["id"]
        for prompt in listed.get("scheduled_prompts", [])
        if prompt["status"] not in ("cancelled", "executed")
    ]
    if not known:
        return "schedule_prompt", {"prompt": "look at it", "when": chance.choice(WHENS)}
    it = {"id": chance.choice(known)}
    step = chance.choice(("update", "cancel", "pause", "resume", "resume"))
    if step == "update":
        return "update_scheduled_prompt", {**it, "when": chance.choice(WHENS)}
    return f"{step}_scheduled_prompt", it


async def fill_up(url: str, namespace: str, agents: int) -> list[str]:
    """Each owner books until it is refused: it must come to exactly its limit."""
    problems = []
    async with Scheduler(url, namespace=namespace, timezone="UTC", limits=LIMITS) as scheduler:
        for number in range(0, agents, AGENTS_OF_AN_OWNER):
            one = caller(number)
            tools = Tools(scheduler).bound(one.model_copy(update={"conversation": None}))
            for _ in range(PER_OWNER + 1):
                answer = await tools.call("schedule_prompt", {"prompt": "more", "when": "in 3h"})
            code = None if answer["ok"] else answer["error"]["code"]
            page = await scheduler.as_caller(one).list(limit=1000)
            active = sum(prompt.status.is_armed for prompt in page.items)
            if code != "limit_reached" or active != PER_OWNER:
                problems.append(f"{one.owner} ends with {active} active prompts of {PER_OWNER}, and was told {code}")
    return problems


def watch(url: str, namespace: str, agents: int, over: int) -> dict[str, Any]:
    """Look until the pipe `over` is closed."""
    server = redis.Redis.from_url(url, decode_responses=True)
    owners = sorted({str(caller(number).owner) for number in range(agents)})
    names = json.dumps({"owner": owners, "conversation": [f"{owner}.{n}" for owner in owners for n in (0, 1)]})
    os.set_blocking(over, False)
    looks, fullest, problems = 0, 0, []
    while True:
        try:
            if os.read(over, 1) == b"":
                return {"looks": looks, "fullest": fullest, "problems": problems[:20]}
        except BlockingIOError:
            time.sleep(0.02)
        for name, active, is_counted in json.loads(server.eval(SNAPSHOT, 0, f"{{{namespace}:0}}:", names)):
            limit = PER_OWNER if name.startswith("owner:") else PER_CONVERSATION
            fullest = max(fullest, active) if name.startswith("owner:") else fullest
            if active > limit:
                problems.append(f"{name} has {active} active prompts, and may have {limit}")
            if not is_counted:
                problems.append(f"what is counted for {name} is not what is active")
        looks += 1


def in_a_process(work: Any) -> tuple[int, int]:
    """Do it in a forked process. Its pid, and where its answer can be read as JSON."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    os.close(reader)
    status = 1
    try:
        os.write(writer, json.dumps(work()).encode())
        status = 0
    finally:
        os._exit(status)


def live(store: str, namespace: str, agents: int, seconds: float, seed: int) -> dict[str, Any]:
    """What all did, what the watcher saw, and what was wrong."""
    over, end = os.pipe()

    def look() -> dict[str, Any]:
        os.close(end)
        return watch(store, namespace, agents, over)

    watcher, seen_by_it = in_a_process(look)
    crowd = [
        in_a_process(lambda number=number: asyncio.run(agent(store, namespace, number, seconds, seed)))
        for number in range(agents)
    ]
    done, problems = Counter[str](), []
    for pid, answer in crowd:
        with os.fdopen(answer) as told:
            done.update(json.loads(told.read() or "{}"))
        if os.waitpid(pid, 0)[1]:
            problems.append("an agent's process failed")
    problems += asyncio.run(fill_up(store, namespace, agents))
    os.close(end)
    with os.fdopen(seen_by_it) as told:
        seen = json.loads(told.read() or '{"problems": ["the watcher failed"]}')
    os.waitpid(watcher, 0)
    seen["problems"] += problems
    return {"calls": sum(done.values()), "done": dict(sorted(done.items())), **seen}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--store")
    parser.add_argument("--namespace", default="sp")
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    with nullcontext(said.store) if said.store else private_server() as store:
        found = live(store, said.namespace, said.agents, said.seconds, said.seed)
    print(json.dumps(found, indent=2))
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
