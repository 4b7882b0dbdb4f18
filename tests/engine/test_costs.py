"""What the daemon and its callers ask of the server, in round trips: more of them would be noticed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from scheduled_prompts.scheduler import Scheduler
from tests.conftest import Lab


@contextmanager
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The first word of all that is sent meanwhile; a pipeline is one."""
    sent: list[str] = []
    send = AbstractConnection.send_packed_command

    async def counting(self: AbstractConnection, command: Any, check_health: bool = True) -> None:
        packed = command if isinstance(command, bytes) else b"".join(command)
        sent.append(packed.split(b"\r\n")[2].decode())
        await send(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counting)
    yield sent
    monkeypatch.undo()


async def test_an_add_is_one_round_trip(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab:
        scheduler = Scheduler(await lab.store(), timezone="UTC")
        await scheduler.schedule("x", "every day at 9am")  # the connection and the script are there from now on
        with round_trips(monkeypatch) as sent:
            await scheduler.schedule("y", "every day at 9am", owner="ann", key="k")
        assert sent == ["EVALSHA"]


async def test_a_fire_is_four_round_trips_read_claim_take_and_settle(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        daemon = await lab.daemon(store, watch_period=3600, heartbeat_period=3600, sweep_period=3600)
        prompt = (await scheduler.schedule("x", "every 1m")).prompt
        await store.clock.sleep(61)
        with round_trips(monkeypatch) as sent:
            await store.clock.sleep(60)
        assert sent == ["EVALSHA"] * 4
        assert daemon.claimer.won == 2
        await scheduler.cancel(prompt.id)


async def test_a_hundred_fires_at_one_instant_cost_hardly_more_than_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        await lab.daemon(store, watch_period=3600, heartbeat_period=3600, sweep_period=3600)
        for _ in range(100):
            await scheduler.schedule("x", "at 2026-01-01 00:01")
        with round_trips(monkeypatch) as sent:
            await store.clock.sleep(90)
        assert len(sent) <= 8


async def test_an_idle_minute_is_a_look_each_quarter_second_a_heartbeat_each_four_and_one_sweep(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab:
        store = await lab.store()
        await lab.daemon(store)
        await store.clock.sleep(30)
        with round_trips(monkeypatch) as sent:
            await store.clock.sleep(60)
        looks, heartbeats, sweeps = 240, 15, 2  # a sweep asks for the platforms; a page of each, but there are none
        assert abs(len(sent) - (looks + heartbeats + sweeps)) <= 6, Counter(sent)
