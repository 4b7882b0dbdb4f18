"""A house that is lived in: a namespace with a key of every kind, to be damaged.

It is built by living in it for a while, once, in virtual time; then it is kept as its server dumps it, and stood up
again under another name as often as somebody wants to break it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.caller import Caller
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.limits import Concurrency, Limits
from scheduled_prompts.money import Usage
from scheduled_prompts.runners.contract import Retry
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.store.records import EVERYTHING
from scheduled_prompts.testing import VirtualClock

RULES: dict[str, Any] = {
    "limits": Limits(min_interval=0, fires_per_conversation=2, concurrency=Concurrency(owners={"ann": 1})),
    "budgets": Budgets(owner_per_day=1000, reserve=1),
}
BINARY_PREFIX = b"{%s:0}:"
LEASE_MS = 60_000


async def work(fire: Fire) -> Result | str:
    if fire.text == "fails":
        raise Retry("not today", after=5.0)
    return Result(text="done", usage=Usage(tokens_in=3, tokens_out=4, cost=1))


@dataclass(frozen=True)
class House:
    """What it held when it was left, by name without the prefix, and when that was (ISO, UTC)."""

    dumped: dict[str, bytes]
    left_at: str
    healthy: str
    """The prompt that is to fire on time, whatever is wrong with the others: every 5 s."""
    prompts: dict[str, str]
    """All of them, by what they are."""

    def names(self, kind: str) -> list[str]:
        return sorted(name for name in self.dumped if kind_of(name) == kind)

    @property
    def kinds(self) -> list[str]:
        return sorted({kind_of(name) for name in self.dumped})

    def stand_up(self, client: redis.Redis, namespace: str) -> None:
        with client.pipeline(transaction=False) as pipe:
            for name, dump in self.dumped.items():
                pipe.restore(BINARY_PREFIX % namespace.encode() + name.encode(), 0, dump)
            pipe.execute()


def kind_of(name: str) -> str:
    """`prompt`, `due`, …; of `by:<field>:…` and `spend:<scope>…` with the field: they are different indexes."""
    kind, _, rest = name.partition(":")
    if kind in ("by", "spend", "active", "rate", "turns"):
        return f"{kind}:{rest.partition(':')[0]}"
    return f"{kind}:" if kind == "parked" and rest else kind


async def built(url: str, binary: redis.Redis, namespace: str) -> House:
    """Build it in that namespace of a server, keep it, and clear the namespace. Runs in virtual time."""
    clock = VirtualClock(seed=7)
    prompts: dict[str, str] = {}
    async with Store(connect(url), namespace=namespace, clock=clock) as store:
        scheduler = Scheduler(store, timezone="UTC", approval=Approval(agents=("asks",)), **RULES)

        async def add(name: str, when: str, text: str = "works", by: Scheduler = scheduler, **fields: Any) -> str:
            made = await by.schedule(text, when, **fields)
            prompts[name] = made.prompt.id
            return made.prompt.id

        healthy = await add("healthy", "every 5s", platform="well", runner="well")
        daily = await add("daily", "every day at 9am", key="daily", owner="ann", timezone="Europe/Berlin")
        await add("often", "every 7s", "fails", owner="bob", retries=3, quiet="22:00-23:00", max_fires=500)
        await add("one", "in 4s", owner="bob")
        await add("late", "in 2h", budget_total=5, max_cost=2)
        await add("window", "3 times between 09:00 and 17:00", jitter=60.0)
        paused = await add("paused", "every 9s", owner="cleo")
        gone = await add("cancelled", "every 1h")
        broken = await add("broken", "in 3s")
        agent = scheduler.as_caller(Caller(owner="dora", agent="asks", conversation="talk"))
        await add("pending", "every 1h", by=agent)
        helper = scheduler.as_caller(Caller(owner="dora", agent="helps", conversation="talk"))
        await add("made by an agent", "every 6s", by=helper)
        for number in range(3):
            await add(f"queue {number}", "every 10m", owner="ann", overlap="queue", concurrency_key="gpu")

        await scheduler.edit(daily, force=True, text="works otherwise")
        await scheduler.skip(daily, "next")
        await scheduler.pause(paused, "for now")
        binary.hset(store.keys.prompt(broken), "doc", "{")
        token = await store.new_token(Caller(owner="ann"), lifetime=3600)
        await store.revoke(token.token)
        async with Daemon(store, runners={"log": work, "well": work}, **RULES):
            await clock.sleep(21)
            await scheduler.edit(daily, force=True, text="works once more", when="every day at 10am")
            await scheduler.cancel(gone)
            await scheduler.stop_all("for a moment")
            await scheduler.start_all()
        # What a daemon leaves that was killed: fires in its hands, a heartbeat; and what waits behind them.
        for name in ("queue 0", "queue 1", "queue 2", "late", "often", "made by an agent"):
            await scheduler.run_now(prompts[name])
        await store.take(6, lease_ms=LEASE_MS, daemon="lost", serves=EVERYTHING, **RULES)
        await scheduler.run_now(prompts["window"])
        await scheduler.edit(prompts["window"], force=True, text="works at last")
        await store.heartbeat("lost", "")
        await store.heartbeat("other", '{"id": "other"}')
        await store.time_for_orphans(0)
        left = clock.now()
        prefix = BINARY_PREFIX % namespace.encode()
        binary.delete(
            *list(binary.scan_iter(match=prefix.replace(b"{", b"\\{") + b"op:*", count=1000))[1:]
        )  # one is enough
        keys = list(binary.scan_iter(match=prefix.replace(b"{", b"\\{") + b"*", count=1000))
        dumped = {key.removeprefix(prefix).decode(): bytes(binary.dump(key)) for key in keys}
        binary.delete(*keys)
    return House(dumped, f"2026-01-01T00:00:{(left % 60_000) / 1000:06.3f}Z", healthy, prompts)
