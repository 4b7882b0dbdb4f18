"""A host's own client, whatever it decodes and whichever protocol it speaks, finds the same store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from redis.asyncio import Redis

from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.testing import VirtualClock
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    LEASE,
    claim_for,
    claimed,
    ending,
    read,
    read_fire,
    reap,
    running,
    saved,
    settle,
    settled,
    take,
    taken,
)

clients = pytest.mark.parametrize(
    "options",
    [{"decode_responses": True}, {"decode_responses": False}]
    + [{"decode_responses": decoded, "protocol": 3} for decoded in (True, False)],
    ids=lambda options: ",".join(f"{name}={value}" for name, value in options.items()),
)


def host_client(lab: Lab, options: dict[str, Any]) -> Redis:
    """A client as a host makes it: none of our options."""
    pool = connect(lab.url).client.connection_pool
    if lab.url.startswith("memory:"):
        server: FakeServer = pool.connection_kwargs["server"]
        return FakeRedis(server=server, **options)
    return Redis(unix_socket_path=pool.connection_kwargs["path"], **options)


async def whole_life(store: Store) -> list[Any]:
    """Every transition and every read, once, and what they answered."""
    said: list[Any] = []
    start = store.clock.now()
    prompt = await saved(store, owner="ann", key="k", agent="bot", text="grüß dich — “x”", platform="chat")
    said.append(await store.create(prompt.model_copy(update={"id": "0" * 26})))
    said.append(await store.claim([claim_for(prompt, missed_from=start - 5)]))
    said.append(await store.spans(prompt.id))
    said.append(await store.look(overdue=start, serves=EVERYTHING))
    lease = await taken(store)
    said.append(lease)
    said.append(await store.extend([(lease.fire.id, lease.token, start)], lease_ms=LEASE))
    said.append(await settle(store, [ending(store, lease, "failed", error="é", result='{"text":"ü"}')]))
    said.append(await read_fire(store, lease.fire.id))
    said.append(await read(store, prompt))
    said.append(await store.history_page(prompt.id, "+inf", 0, 10))
    said.append(await store.due_page("chat", start + 10**9, 0))
    said.append((await store.platforms(), await store.count("platform", "chat"), await store.count("owner", "ann")))
    said.append(await store.newest_ids(("status", "active"), None, 10))
    said.append(await store.retime(await read(store, prompt), start + 10**8, start + 10**8))
    once = await saved(store, once=True)
    await claimed(store, once)
    await settled(store, await taken(store))
    await running(store)
    await store.clock.sleep(LEASE / 1000)
    said.append(await reap(store))
    said.append((await take(store)).waiting)
    said.append(await store.heartbeat("d", '{"ö":1}'))
    said.append(await store.cancel(prompt.id))
    said.append(await store.purge([once], store.clock.now()))
    said.append((await store.read_prompts([once.id]), await store.read_fires(["none"])))
    said.append(await store.rules())
    return said


@clients
async def test_every_client_gets_the_same_answers_as_ours(lab: Lab, options: dict[str, Any]) -> None:
    async with lab:
        expected = await whole_life(await lab.store())
        lab.clear()
        async with host_client(lab, options) as client:
            clock = VirtualClock()
            clock._offset_ms -= asyncio.get_running_loop().time() * 1000  # the same instants once more
            store = await Store(client, namespace=lab.namespace, clock=clock).open()
            answers = await whole_life(store)
            await store.close()
            assert [str(answer) for answer in answers] == [str(answer) for answer in expected]
            clock.in_flight += 1  # virtual time waits for the answer
            assert await client.ping()  # it is the host's, and stays open


@clients
async def test_a_namespace_made_by_one_client_is_opened_by_another(lab: Lab, options: dict[str, Any]) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        async with host_client(lab, options) as client:
            other = await Store(client, namespace=lab.namespace, clock=VirtualClock(seed=1)).open()
            assert await read(other, prompt) == prompt


@clients
async def test_what_is_published_is_heard(lab: Lab, options: dict[str, Any]) -> None:
    async with lab, host_client(lab, options) as client:
        store = await Store(client, namespace=lab.namespace, clock=VirtualClock()).open()
        changes = store.changes()
        assert await anext(changes) == {}
        prompt = await saved(store)
        heard = await anext(changes)
        assert heard == {"type": "armed", "prompt": prompt.id, "platform": "default", "due": str(prompt.next_at)}
        await changes.aclose()
