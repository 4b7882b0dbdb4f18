"""Every read, in terms of records. Nothing here changes anything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import redis.exceptions as redis_errors

from scheduled_prompts.fire import Fire
from scheduled_prompts.ids import first_instant
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.store import script
from scheduled_prompts.store.codec import fire_from, pairs, prompt_from
from scheduled_prompts.store.halting import read_halt
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.pages import BATCH, pages
from scheduled_prompts.store.records import Look, Overdue, Quarantined, ReadPrompt, Serves, Span, Unreadable
from scheduled_prompts.store.transport import Transport, as_text, heedful, to_json, translate
from scheduled_prompts.stored import count, instant, legible, score

Rows = list[tuple[Any, Any]]
SKEW_MS = 86_400_000
"""A child's clock may be behind its parent's, of another machine: so far at most."""


class Reads:
    transport: Transport
    keys: Keys

    @property
    def description(self) -> str:
        return self.transport.connection.description

    async def look(self, *, overdue: int, serves: Serves, page: int = BATCH) -> Look:
        """What is ready, what is held, and which prompts were due by `overdue` (ms UTC)."""
        answer = await self.transport.run(
            script.LOOK, page=page, overdue=str(overdue), serves=to_json(serves._asdict())
        )
        return Look(
            ready=int(answer[0]),
            first_lease=_instant(answer[1]),
            first_retry=_instant(answer[2]),
            halt=read_halt(answer[3]),
            overdue=[Overdue(prompt, score(due), platform) for prompt, due, platform in answer[4:]],
        )

    async def due_page(self, platform: str, until: int, offset: int, count: int = BATCH) -> list[tuple[str, int]]:
        """Prompts due by `until` (ms UTC), by due time: (id, due)."""
        client = self.transport.client
        rows: Rows = await self.transport.ask(
            lambda: client.zrangebyscore(
                self.keys.due(platform), "-inf", until, start=offset, num=count, withscores=True
            )
        )
        return [(as_text(prompt), score(due)) for prompt, due in rows]

    async def platforms(self) -> list[str]:
        client = self.transport.client
        return sorted(as_text(list(await self.transport.ask(lambda: client.smembers(self.keys.platforms)))))

    async def read_prompts(self, ids: Sequence[str]) -> list[ReadPrompt]:
        """The prompts, in order: None for one that is gone, `Unreadable` for one that cannot be read."""
        found: list[ReadPrompt] = []
        for page in pages(ids):
            for prompt_id, stored in zip(page, await self._hashes("prompt", page), strict=True):
                found.append(prompt_from(prompt_id, stored))
        return found

    async def read_fires(self, ids: Sequence[str]) -> list[Fire | Unreadable | None]:
        """The fires, in order, without their definitions."""
        found: list[Fire | Unreadable | None] = []
        for page in pages(ids):
            for fire_id, stored in zip(page, await self._hashes("fire", page), strict=True):
                found.append(fire_from(fire_id, stored))
        return found

    async def _hashes(self, kind: str, ids: Sequence[str]) -> list[dict[str, str]]:
        return [pairs(flat) for flat in await self.transport.run(script.READ, kind=kind, ids=to_json(ids))]

    async def oldest_ids(self, status: str, offset: int, count: int = BATCH) -> list[tuple[str, int]]:
        """Prompts of a status by creation time (ms UTC), oldest first."""
        client = self.transport.client
        rows: Rows = await self.transport.ask(
            lambda: client.zrange(self.keys.by("status", status), offset, offset + count - 1, withscores=True)
        )
        return [(as_text(prompt), score(created)) for prompt, created in rows]

    async def pages_of(self, status: str) -> AsyncIterator[list[ReadPrompt]]:
        """The prompts of a status, oldest first, page by page. One that leaves the status meanwhile moves the pages."""
        offset = 0
        while rows := await self.oldest_ids(status, offset):
            yield await self.read_prompts([prompt_id for prompt_id, _ in rows])
            offset += len(rows)

    async def newest_ids(
        self, index: tuple[str, str] | None, behind: tuple[int, str] | None, count: int
    ) -> list[tuple[str, int]]:
        """Up to `count` prompts by creation time (ms UTC), newest first, that come behind a position (creation time and
        id): of one index such as ("owner", "ann"), or of all, which are those of any status."""
        client = self.transport.client
        keys = [self.keys.by(*index)] if index else [self.keys.by("status", status) for status in PromptStatus]
        newest = behind[0] if behind else "+inf"
        size = count

        async def read() -> list[Rows]:
            async with client.pipeline(transaction=True) as pipe:  # at one instant: none is missed between two statuses
                for key in keys:
                    pipe.zrevrangebyscore(key, newest, "-inf", start=0, num=size, withscores=True)
                return list(await pipe.execute())

        while True:
            answers = await self.transport.ask(read)
            rows = sorted(((score(at), as_text(prompt)) for rows in answers for prompt, at in rows), reverse=True)
            # A full page may end within one millisecond; what is certain is what lies before the last row of each.
            certain = max((score(rows[-1][1]) for rows in answers if len(rows) == size), default=-1)
            found = [(prompt, at) for at, prompt in rows if (behind is None or (at, prompt) < behind) and at > certain]
            if len(found) >= count or certain < 0:
                return found[:count]
            size *= 2

    async def living_descendants(self, prompt_id: str, owner: str | None) -> list[str]:
        """What was made in the fires of a prompt of this owner, or in the fires of those, and has not ended, or has
        fires that have not; elders first. Looks through all that the owner has had since."""
        since = first_instant(prompt_id) - SKEW_MS
        index = None if owner is None else ("owner", owner)
        found: list[tuple[int, str]] = []
        position: tuple[int, str] | None = None
        while rows := await self.newest_ids(index, position, BATCH):
            page = [row for row, created in rows if created >= since]
            lineages = await self._of_each(page, lambda pipe, i: pipe.hmget(self.keys.prompt(i), "status", "lineage"))
            below = [
                (i, *as_text(stored)) for i, stored in zip(page, lineages, strict=True) if isinstance(stored, list)
            ]
            below = [row for row in below if prompt_id in (row[2] or "").split()]
            live = await self._of_each([row[0] for row in below], lambda pipe, i: pipe.scard(self.keys.live(i)))
            for (i, status, lineage), fires in zip(below, live, strict=True):
                if status not in (PromptStatus.EXECUTED, PromptStatus.CANCELLED) or (
                    status == PromptStatus.EXECUTED and isinstance(fires, int) and fires
                ):
                    found.append((len(lineage.split()), i))
            if len(page) < len(rows):
                break
            position = (rows[-1][1], rows[-1][0])
        return [i for _, i in sorted(found)]

    async def _of_each(self, prompts: Sequence[str], ask: Callable[[Any, str], Any]) -> list[Any]:
        """The answers to one command for each, in one round trip; an error where a key is of the wrong type."""
        client = self.transport.client

        async def read() -> list[Any]:
            async with client.pipeline(transaction=False) as pipe:
                for prompt in prompts:
                    ask(pipe, prompt)
                return list(await pipe.execute(raise_on_error=False))

        return await self.transport.ask(read) if prompts else []

    async def count(self, field: str, value: str) -> int:
        """How many prompts an index holds, such as ("status", "active")."""
        client = self.transport.client
        return int(await self.transport.ask(lambda: client.zcard(self.keys.by(field, value))))

    async def approvals(self) -> tuple[int, tuple[str, int] | None]:
        """How many prompts wait for approval, and which has the least time left: its id, and until when (ms UTC)."""
        client = self.transport.client

        async def read() -> list[Any]:
            async with client.pipeline(transaction=True) as pipe:
                pipe.zcard(self.keys.approvals)
                pipe.zrange(self.keys.approvals, 0, 0, withscores=True)
                return list(await pipe.execute())

        number, firsts = await self.transport.ask(read)
        first = next(((str(as_text(prompt)), score(until)) for prompt, until in firsts), None)
        return int(number), first

    async def holder_of(self, owner: str | None, key: str) -> str | None:
        """The id of the prompt that last had a key. It may have ended, or be gone."""
        client = self.transport.client
        holder = await self.transport.ask(lambda: client.get(self.keys.key(owner, key)))
        return None if holder is None else str(as_text(holder))

    async def stored_fields(self, prompt_id: str) -> dict[str, str]:
        """A prompt's hash as it is stored, for repairs; empty where there is none."""
        return (await self._hashes("prompt", [prompt_id]))[0]

    async def documents(self, prompt_id: str) -> dict[int, str]:
        """Earlier definitions, each by the last version that had it. A fire ran that of the smallest version not below
        its own; where there is none, the present one."""
        client = self.transport.client
        stored = as_text(await self.transport.ask(lambda: client.hgetall(self.keys.version(prompt_id))))
        return dict(legible(lambda one: (count(one[0]), one[1]), stored.items()))

    async def quarantined(self) -> list[Quarantined]:
        """The records that were set aside, latest first."""
        client = self.transport.client
        stored = as_text(await self.transport.ask(lambda: client.hgetall(self.keys.quarantine)))
        found = [_quarantined(prompt, why) for prompt, why in stored.items()]
        return sorted(found, key=lambda one: (-one.at, one.id))

    async def history_page(self, prompt_id: str, newest: int | str, offset: int, count: int) -> list[tuple[str, int]]:
        """Fire ids by nominal time (ms UTC), newest first."""
        client = self.transport.client
        rows: Rows = await self.transport.ask(
            lambda: client.zrevrangebyscore(
                self.keys.history(prompt_id), newest, "-inf", start=offset, num=count, withscores=True
            )
        )
        return [(as_text(fire), score(nominal)) for fire, nominal in rows]

    async def fires_between(self, prompt_id: str, first: int, end: int) -> list[str]:
        """Ids of the fires with a nominal time in [first, end), ms UTC, oldest first."""
        client = self.transport.client
        key, found = self.keys.history(prompt_id), list[str]()

        async def page(offset: int) -> list[str]:
            rows = await self.transport.ask(
                lambda: client.zrangebyscore(key, first, f"({end}", start=offset, num=BATCH)
            )
            return [str(as_text(fire)) for fire in rows]

        while len(rows := await page(len(found))) == BATCH:
            found += rows
        return found + rows

    async def spans(self, prompt_id: str) -> list[Span]:
        """What the account tells beyond fires, oldest first. What of it cannot be read is left out."""
        client = self.transport.client
        rows = as_text(await self.transport.ask(lambda: client.lrange(self.keys.spans(prompt_id), 0, -1)))
        return legible(lambda row: _span(json.loads(row)), rows)

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
            await self.transport.subscribe(pubsub, self.keys.changes)
            while True:
                message = await heedful(pubsub.get_message(timeout=30.0))
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    yield {}
                elif message["type"] == "message":
                    yield _heard(message["data"])
        except (redis_errors.RedisError, OSError) as error:
            raise translate(error, self.description) from error
        finally:
            await heedful(pubsub.aclose())  # type: ignore[no-untyped-call]


def _heard(data: Any) -> Any:
    """What was published; as it is where that is no JSON, for whoever listens to say so."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data


def _quarantined(prompt_id: str, why: str) -> Quarantined:
    """Whatever is wrong with what is told of it, that it was set aside is told."""
    try:
        stored = json.loads(why)
        return Quarantined(prompt_id, str(stored["error"]), instant(str(stored["at"])), str(stored["was"]))
    except Exception:
        return Quarantined(prompt_id, "why it was set aside cannot be read", 0, "")


def _span(stored: dict[str, Any]) -> Span:
    return Span(
        stored["kind"],
        instant(str(stored["at"])),
        _instant(stored.get("from", "")),
        _instant(stored.get("until", "")),
        _instant(stored.get("since", "")),
        stored.get("reason"),
        stored.get("note"),
        tuple(stored.get("changed", ())),
        stored.get("stood"),
        stored.get("was"),
        stored.get("by"),
        {field: (before, after) for field, (before, after) in json.loads(stored.get("values", "{}")).items()},
        count(str(stored.get("count", 0))),
        stored.get("fire"),
        stored.get("deed"),
        count(str(stored.get("times", 1))),
        _instant(stored.get("last", "")),
        tuple(stored.get("prompts", ())),
    )


def _instant(text: str) -> int | None:
    return score(text) if text else None
