"""The store: every transition and every read, in terms of records. All that speaks to Redis goes through here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Self

import redis.exceptions as redis_errors
from redis.asyncio import Redis

from scheduled_prompts.clock import Clock
from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import script
from scheduled_prompts.store.codec import fire_from, lease_from, pairs, prompt_from
from scheduled_prompts.store.connection import Connection, adopt, connect
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.opening import check_namespace, check_server
from scheduled_prompts.store.records import (
    Cancelled,
    ClaimItem,
    Lease,
    Look,
    MissedSpan,
    Overdue,
    Purged,
    ReadPrompt,
    Serves,
    SettleItem,
    Taken,
    Unreadable,
)
from scheduled_prompts.store.transport import Transport, as_text, to_json, translate

BATCH = 500
PURGE_BATCH = 25
"""Prompts a script: each may have a thousand fires, and nobody else is served while they are deleted."""
PATIENCE = 5.0
DAEMON_ALIVE_MS = 15_000

Rows = list[tuple[Any, Any]]


class Store:
    """The records of one namespace on one server.

    `patience`: how long, in seconds, a command is sent again before StoreUnreachable is raised.
    """

    def __init__(
        self,
        where: str | Redis | Connection,
        *,
        namespace: str = "sp",
        clock: Clock | None = None,
        patience: float = PATIENCE,
    ) -> None:
        if isinstance(where, str):
            connection = connect(where)
        else:
            connection = where if isinstance(where, Connection) else adopt(where)
        self.clock = clock or Clock()
        self.keys = Keys(namespace)
        self.transport = Transport(connection, self.keys, self.clock, patience=patience)
        self._op_prefix = f"{self.clock.random.getrandbits(64):016x}"
        self._ops = 0

    async def open(self) -> Self:
        """Bring the server up where it is ours, check that it can be used, and measure its clock.

        Raises StoreUnreachable, or StoreUnusable for an old server, a newer schema, or other shards.
        """
        try:
            await self.ensure_server()
            check_server(self.description, await self.server_info())
            await check_namespace(self.transport)
            if not self.clock.virtual:
                await self.clock.measure(self.transport.server_time)
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        await self.transport.connection.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def description(self) -> str:
        return self.transport.connection.description

    @property
    def remembers(self) -> bool:
        """Whether what is stored outlives this process."""
        return self.transport.connection.remembers

    def new_op(self) -> str:
        """An op id: the same for all repetitions of one request."""
        self._ops += 1
        return f"{self._op_prefix}{self._ops:x}"

    # What the server says of itself

    async def server_info(self) -> dict[str, Any]:
        """The `server` section of INFO; empty where the server does not have it."""

        async def ask() -> dict[str, Any]:
            try:
                return dict(await self.transport.client.info("server"))
            except redis_errors.ResponseError:
                return {}

        return dict(await self.transport.ask(ask))

    async def server_run(self) -> str:
        """Which run of the server this is: another after each restart."""
        return str((await self.server_info()).get("run_id", ""))

    async def ensure_server(self) -> None:
        """Bring the server up where it is ours. Cheap when it runs."""
        await self.transport.connection.ensure()

    async def measure_clock(self) -> None:
        if not self.clock.virtual:
            await self.clock.measure(self.transport.server_time)

    # Transitions

    async def create(self, prompt: ScheduledPrompt, *, op: str | None = None) -> str | None:
        """Store a new prompt. Returns the id of the living prompt that already has its key, or None."""
        answer = await self.transport.run(
            script.SAVE,
            op=op or self.new_op(),
            mode="create",
            prompt=to_json(
                {
                    "id": prompt.id,
                    "doc": prompt.document(),
                    "status": prompt.status,
                    "platform": prompt.platform,
                    "owner": prompt.owner or "",
                    "agent": prompt.agent or "",
                    "key": prompt.key or "",
                    "created_at": str(prompt.created_at),
                    "next_nominal": str(prompt.next_nominal),
                    "next_at": str(prompt.next_at),
                }
            ),
        )
        if answer[0] == "conflict":
            raise StoreUnusable(f"a prompt with the id {prompt.id} exists already")
        return str(answer[1]) if answer[0] == "exists" else None

    async def retime(self, prompt: ScheduledPrompt, next_nominal: int, next_at: int, *, op: str | None = None) -> bool:
        """Move what is next, because the rules of the zone changed. False where the prompt changed meanwhile."""
        answer = await self.transport.run(
            script.SAVE,
            op=op or self.new_op(),
            mode="retime",
            prompt=to_json(
                {
                    "id": prompt.id,
                    "version": str(prompt.version),
                    "seq": str(prompt.seq),
                    "status": prompt.status,
                    "platform": prompt.platform,
                    "next_nominal": str(next_nominal),
                    "next_at": str(next_at),
                }
            ),
        )
        return bool(answer[0] == "retimed")

    async def claim(self, items: Sequence[ClaimItem], *, op: str | None = None) -> list[str]:
        """For each item `claimed`, `lost` or `gone`. At most 500 items."""
        return list(await self.transport.run(script.CLAIM, op=op or self.new_op(), items=to_json(items)))

    async def take(self, limit: int, *, lease_ms: int, daemon: str, serves: Serves, op: str | None = None) -> Taken:
        """Lease up to `limit` (at most 500) ready fires."""
        token = op or self.new_op()
        answer = await self.transport.run(
            script.TAKE,
            op=token,
            limit=limit,
            lease=lease_ms,
            daemon=daemon,
            serves=to_json(serves._asdict()),
        )
        found = [lease_from(token, fire_id, pairs(fields), document) for fire_id, fields, document in answer[1:]]
        leases = [lease for lease in found if isinstance(lease, Lease)]
        unreadable = [fire for fire in found if isinstance(fire, Unreadable)]
        return Taken(token, leases, unreadable, int(answer[0]))

    async def extend(self, items: Sequence[tuple[str, str, int | None]], *, lease_ms: int) -> list[str]:
        """Renew leases given as (fire id, token, started at). For each `ok`, `cancel` or `lost`."""
        states: list[str] = []
        for page in _pages(items):
            rows = [(fire, token, "" if started is None else str(started)) for fire, token, started in page]
            states += await self.transport.run(script.EXTEND, lease=lease_ms, items=to_json(rows))
        return states

    async def settle(self, items: Sequence[SettleItem], *, keep: int) -> list[str]:
        """End attempts. For each `settled` or `lost`. At most 500 items; `keep` bounds each prompt's history."""
        return list(await self.transport.run(script.SETTLE, keep=keep, items=to_json(items)))

    async def reap(self, *, leases: bool, max_crashes: int, op: str | None = None) -> list[tuple[str, str]]:
        """Free what lost daemons held (if `leases`) and make due retries ready: (fire id, what became of it)."""
        answer = await self.transport.run(
            script.REAP,
            op=op or self.new_op(),
            limit=BATCH,
            leases="1" if leases else "0",
            max_crashes=max_crashes,
        )
        return [(fire, outcome) for fire, outcome in answer]

    async def cancel(self, prompt: ScheduledPrompt, *, op: str | None = None) -> Cancelled | str:
        """Cancel a prompt. Returns its status where that cannot be done (`gone` where it no longer exists)."""
        answer = await self.transport.run(script.CANCEL, op=op or self.new_op(), id=prompt.id, platform=prompt.platform)
        if answer[0] == "gone":
            return "gone"
        if answer[0] == "conflict":
            return str(answer[1])
        return Cancelled(answer[1], int(answer[2]), int(answer[3]))

    async def purge(self, prompts: Iterable[ScheduledPrompt], before: int, *, op: str | None = None) -> Purged:
        """Delete what has been over since before `before` (ms UTC). Of a prompt with more than 1,000 fires, the oldest
        1,000; it is kept until a later call finds none left."""
        items = [
            {
                "id": p.id,
                "platform": p.platform,
                "owner": p.owner or "",
                "agent": p.agent or "",
                "key": p.key or "",
            }
            for p in prompts
        ]
        op = op or self.new_op()
        answer: list[tuple[str, str]] = []
        for first in range(0, len(items), PURGE_BATCH):
            page = items[first : first + PURGE_BATCH]
            answer += await self.transport.run(
                script.PURGE, op=f"{op}.{first}", before=str(before), items=to_json(page)
            )
        return Purged(
            prompts=sum(1 for outcome, _ in answer if outcome == "purged"),
            fires=sum(int(fires) for _, fires in answer),
            undated=[item["id"] for item, (outcome, _) in zip(items, answer, strict=True) if outcome == "undated"],
        )

    async def heartbeat(self, daemon: str, info: str) -> list[tuple[str, str]]:
        """Say that `daemon` lives (or, with an empty info, leaves). Returns (id, info) of all that live."""
        answer = await self.transport.run(script.HEARTBEAT, daemon=daemon, info=info, alive=DAEMON_ALIVE_MS)
        return [(daemon_id, info) for daemon_id, info in answer]

    # Reads

    async def look(self, *, overdue: int, serves: Serves, page: int = BATCH) -> Look:
        """What is ready, what is held, and which prompts were due by `overdue` (ms UTC)."""
        answer = await self.transport.run(
            script.LOOK, page=page, overdue=str(overdue), serves=to_json(serves._asdict())
        )
        return Look(
            ready=int(answer[0]),
            first_lease=_instant(answer[1]),
            first_retry=_instant(answer[2]),
            overdue=[Overdue(prompt, int(float(due)), platform) for prompt, due, platform in answer[3:]],
        )

    async def due_page(self, platform: str, until: int, offset: int, count: int = BATCH) -> list[tuple[str, int]]:
        """Prompts due by `until` (ms UTC), by due time: (id, due)."""
        client = self.transport.client
        rows: Rows = await self.transport.ask(
            lambda: client.zrangebyscore(
                self.keys.due(platform), "-inf", until, start=offset, num=count, withscores=True
            )
        )
        return [(as_text(prompt), int(due)) for prompt, due in rows]

    async def platforms(self) -> list[str]:
        client = self.transport.client
        return sorted(as_text(list(await self.transport.ask(lambda: client.smembers(self.keys.platforms)))))

    async def read_prompts(self, ids: Sequence[str]) -> list[ReadPrompt]:
        """The prompts, in order: None for one that is gone, `Unreadable` for one that cannot be read."""
        found: list[ReadPrompt] = []
        for page in _pages(ids):
            for prompt_id, stored in zip(page, await self._hashes("prompt", page), strict=True):
                found.append(prompt_from(prompt_id, stored))
        return found

    async def read_fires(self, ids: Sequence[str]) -> list[Fire | Unreadable | None]:
        """The fires, in order, without their definitions."""
        found: list[Fire | Unreadable | None] = []
        for page in _pages(ids):
            for fire_id, stored in zip(page, await self._hashes("fire", page), strict=True):
                found.append(fire_from(fire_id, stored))
        return found

    async def _hashes(self, kind: str, ids: Sequence[str]) -> list[dict[str, str]]:
        return [pairs(flat) for flat in await self.transport.run(script.READ, kind=kind, ids=to_json(ids))]

    async def ids_by_creation(
        self,
        *,
        index: tuple[str, str] | None = None,
        newest: int | str = "+inf",
        oldest: int | str = "-inf",
        offset: int = 0,
        count: int = BATCH,
        oldest_first: bool = False,
    ) -> list[tuple[str, int]]:
        """Prompt ids by creation time (ms UTC), newest first: of all prompts, or of one index such as ("status",
        "active")."""
        client = self.transport.client
        key = self.keys.by(*index) if index else self.keys.prompts
        read = client.zrangebyscore if oldest_first else client.zrevrangebyscore
        bounds = (oldest, newest) if oldest_first else (newest, oldest)
        rows: Rows = await self.transport.ask(lambda: read(key, *bounds, start=offset, num=count, withscores=True))
        return [(as_text(prompt), int(created)) for prompt, created in rows]

    async def count(self, *index: str) -> int:
        client = self.transport.client
        return int(await self.transport.ask(lambda: client.zcard(self.keys.by(*index) if index else self.keys.prompts)))

    async def history_page(self, prompt_id: str, newest: int | str, offset: int, count: int) -> list[tuple[str, int]]:
        """Fire ids by nominal time (ms UTC), newest first."""
        client = self.transport.client
        rows: Rows = await self.transport.ask(
            lambda: client.zrevrangebyscore(
                self.keys.history(prompt_id), newest, "-inf", start=offset, num=count, withscores=True
            )
        )
        return [(as_text(fire), int(nominal)) for fire, nominal in rows]

    async def missed(self, prompt_id: str) -> list[MissedSpan]:
        """The ranges of occurrences that did not fire, oldest first."""
        client = self.transport.client
        rows = as_text(await self.transport.ask(lambda: client.lrange(self.keys.spans(prompt_id), 0, -1)))
        spans = [json.loads(row) for row in rows]
        return [MissedSpan(int(s["from"]), int(s["until"]), s["reason"]) for s in spans if s["kind"] == "missed"]

    async def rules(self) -> str:
        """Which zone rules the stored "next" times were last computed with."""
        client = self.transport.client
        return str(as_text(await self.transport.ask(lambda: client.hget(self.keys.meta, "rules"))))

    async def set_rules(self, rules: str) -> None:
        client = self.transport.client
        await self.transport.ask(lambda: client.hset(self.keys.meta, "rules", rules))

    async def changes(self) -> AsyncIterator[dict[str, Any]]:
        """What is published from now on; the first item, empty, says that the subscription stands.

        Raises StoreUnreachable when the connection breaks.
        """
        pubsub = self.transport.client.pubsub()
        try:
            await pubsub.subscribe(self.keys.changes)
            while True:
                message = await pubsub.get_message(timeout=30.0)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    yield {}
                elif message["type"] == "message":
                    yield json.loads(message["data"])
        except (redis_errors.RedisError, OSError) as error:
            raise translate(error, self.description) from error
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]


def _instant(text: str) -> int | None:
    return int(float(text)) if text else None


def _pages(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
