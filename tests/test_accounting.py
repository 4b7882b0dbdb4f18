"""The check that runs after every test finds each kind of leak that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scheduled_prompts.caller import Caller
from tests.conftest import Lab
from tests.engine.scenes import scene

Leak = Callable[[Any, str, str], Any]
LEAKS: dict[str, Leak] = {
    "an op id that stays for ever": lambda r, p, i: [r.persist(key) for key in r.keys("*op:*")],
    "a counter that stays for ever": lambda r, p, i: [r.persist(key) for key in r.keys("*ended:*")],
    "a prompt that goes by itself": lambda r, p, i: r.expire(f"{p}prompt:{i}", 60),
    "a key that nobody knows": lambda r, p, i: r.set(f"{p}leftover:{i}", "x"),
    "a word in meta that nobody knows": lambda r, p, i: r.hset(f"{p}meta", "leftover", "x"),
    "a history of nobody": lambda r, p, i: r.zadd(f"{p}history:gone", {"gone@1": 1}),
    "spans of nobody": lambda r, p, i: r.rpush(f"{p}spans:gone", "{}"),
    "sums of nobody": lambda r, p, i: r.hset(f"{p}spend:prompt:gone", "spent", 1),
    "a heartbeat that says nothing": lambda r, p, i: r.zadd(f"{p}daemons", {"ghost": 1}),
    "what a daemon says that does not live": lambda r, p, i: r.hset(f"{p}daemon_info", "ghost", "{}"),
    "a turn of nobody": lambda r, p, i: r.hset(f"{p}fair", "50:ann", "1"),
    "a queue that nobody looks at": lambda r, p, i: r.zadd(f"{p}ready:x/y", {"gone@1": 1}),
    "an owner's prompt that its index does not have": lambda r, p, i: r.zrem(f"{p}by:owner:ann", i),
    "a prompt in another owner's index": lambda r, p, i: r.zadd(f"{p}by:owner:bob", {i: 1}),
    "one that waits for approval and does not": lambda r, p, i: r.zadd(f"{p}approvals", {i: 1}),
    "one that counts in a tree and is in none": lambda r, p, i: r.sadd(f"{p}active:tree:{i}", i),
    "one that waits for a turn and does not": lambda r, p, i: r.zadd(f"{p}turns:owner:ann", {"gone@1": 1}),
    "a slot of nobody": lambda r, p, i: r.sadd(f"{p}slots:owner:ann", "gone@1"),
    "a key of nobody": lambda r, p, i: r.set(f"{p}key:ann:daily", "gone"),
}


@pytest.mark.unaccounted
@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("lab", ["server"], indirect=True)
async def test_a_leak_is_found(lab: Lab, leak: Leak) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 2s", owner="ann")
        helper = at.scheduler.as_caller(Caller(owner="ann", agent="helps", conversation="talk"))
        await helper.schedule("x", "every 1h")
        await at.sleep(5)
        lab.check_accounts()
        leak(lab.inspector, lab.prefix, prompt)
        with pytest.raises(AssertionError):
            lab.check_accounts()
