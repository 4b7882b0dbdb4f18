"""A host in virtual time, and a bot that does its work."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from scheduled_prompts import Scheduler, hosting
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.testing import VirtualClock
from tests.conftest import Lab


class Bot:
    """What a host has: something with `handle_webhook`."""

    def __init__(self, answer: Any = "done", *, takes: float = 0.0) -> None:
        self.answer = answer
        self.takes = takes
        self.payloads: list[dict[str, Any]] = []

    async def handle_webhook(self, payload: dict[str, Any]) -> Any:
        self.payloads.append(payload)
        await asyncio.sleep(self.takes)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @property
    def texts(self) -> list[str]:
        return [payload["prompt"]["text"] for payload in self.payloads]


def bare_client(lab: Lab, *, decoded: bool = False) -> Redis:
    """A client as a host makes it, with no thought of us."""
    lab.namespace = "sp"
    if not lab.url.startswith("memory:"):
        return Redis.from_url(lab.url, decode_responses=decoded)
    from fakeredis.aioredis import FakeRedis

    return FakeRedis(
        server=connect(lab.url).client.connection_pool.connection_kwargs["server"], decode_responses=decoded
    )


class Host:
    """A host in virtual time."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch, *, decoded: bool = False) -> None:
        self.redis = bare_client(lab, decoded=decoded)
        self.clock = VirtualClock()
        monkeypatch.setattr(hosting, "Store", partial(Store, clock=self.clock))
        self.scheduler = Scheduler(self.redis, timezone="UTC", clock=self.clock)

    async def __aenter__(self) -> Host:
        await self.scheduler.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.1)
        await self.redis.aclose()

    async def add(self, when: str, text: str = "hello", **fields: Any) -> str:
        return (await self.scheduler.schedule(text, when, **fields)).prompt.id

    async def statuses(self, prompt_id: str) -> list[str]:
        return [fire.status.value for fire in (await self.scheduler.history(prompt_id)).items]
