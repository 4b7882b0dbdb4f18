"""A program that embeds a daemon is told of failures and pauses."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.runners.contract import Permanent
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from tests.conftest import Lab
from tests.store.steps import LEASE, running


async def failing(fire: Fire) -> str:
    if "well" in fire.text:
        return "fine"
    raise Permanent("no such thing")


async def embedded(lab: Lab, store: Store, runner: Any = failing, **arguments: Any) -> Scheduler:
    settings = arguments.pop("settings", EngineSettings())
    await lab.stack.enter_async_context(Daemon(store, runners={"log": runner}, settings=settings, **arguments))
    return Scheduler(store, timezone="UTC")


async def test_a_fire_that_failed_is_told_with_what_it_ran_and_one_that_went_well_is_not(lab: Lab) -> None:
    async with lab:
        told: list[Fire] = []
        store = await lab.store()
        scheduler = await embedded(lab, store, on_fire_failed=told.append)
        await scheduler.schedule("fail", "in 10s")
        await scheduler.schedule("go well", "in 10s")
        await store.clock.sleep(12)
        assert [(fire.text, fire.status, fire.error) for fire in told] == [("fail", FireStatus.FAILED, "no such thing")]


async def test_a_failure_that_will_be_tried_again_is_not_told_until_the_last(lab: Lab) -> None:
    async with lab:
        told: list[Fire] = []

        async def broken(fire: Fire) -> None:
            raise ValueError("oh")

        store = await lab.store()
        scheduler = await embedded(lab, store, broken, on_fire_failed=told.append)
        await scheduler.schedule("x", "in 10s", retries=2, retry_delays=[1])
        await store.clock.sleep(20)
        assert [(fire.attempt, fire.failures) for fire in told] == [(3, 3)]


async def test_a_fire_whose_daemon_was_lost_for_good_is_told_by_the_one_that_reaps_it(lab: Lab) -> None:
    async with lab:
        told: list[Fire] = []
        store = await lab.store()
        lease = await running(store, on_crash="interrupt")  # in the hands of a daemon that is not there
        await store.extend([(lease.fire.id, lease.token, store.clock.now())], lease_ms=LEASE)
        await embedded(lab, store, on_fire_failed=told.append)
        await store.clock.sleep(3 * LEASE / 1000)
        assert [(fire.id, fire.status) for fire in told] == [(lease.fire.id, FireStatus.INTERRUPTED)]


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_pause_is_told_with_its_note(lab: Lab, kind: str) -> None:
    async with lab:
        told: list[ScheduledPrompt] = []

        async def note(prompt: ScheduledPrompt) -> None:
            told.append(prompt)

        store = await lab.store()
        scheduler = await embedded(lab, store, on_prompt_paused=note if kind == "async" else told.append)
        prompt = (await scheduler.schedule("x", "every 1h")).prompt
        await scheduler.pause(prompt.id, "holiday")
        await store.clock.sleep(1)
        assert [(one.id, one.pause_note, one.pause_reason) for one in told] == [(prompt.id, "holiday", "requested")]


async def test_a_prompt_that_gives_up_is_told_with_its_last_error(lab: Lab) -> None:
    async with lab:
        told: list[ScheduledPrompt] = []
        store = await lab.store()
        scheduler = await embedded(lab, store, on_prompt_paused=told.append)
        prompt = (await scheduler.schedule("x", "every 10s", retries=0, pause_after=1)).prompt
        await store.clock.sleep(12)
        lab.inspector.ping()
        await store.clock.sleep(1)
        assert [(one.id, one.pause_reason, one.pause_note) for one in told] == [
            (prompt.id, "failures", "no such thing")
        ]


async def test_a_hook_that_fails_stops_neither_the_daemon_nor_the_next_call(lab: Lab) -> None:
    async with lab:
        calls: list[str] = []

        def hook(fire: Fire) -> None:
            calls.append(fire.text)
            raise RuntimeError("hook")

        store = await lab.store()
        scheduler = await embedded(lab, store, on_fire_failed=hook)
        await scheduler.schedule("one", "in 1s")
        await scheduler.schedule("two", "in 2s")
        await store.clock.sleep(5)
        assert calls == ["one", "two"]


async def test_a_stop_waits_for_what_is_still_to_be_told(lab: Lab) -> None:
    async with lab:
        told: list[str] = []

        async def slow(fire: Fire) -> None:
            await store.clock.sleep(2)
            told.append(fire.text)

        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        async with Daemon(store, runners={"log": failing}, on_fire_failed=slow):
            await scheduler.schedule("x", "in 1s")
            await store.clock.sleep(1.5)
        assert told == ["x"]


async def test_a_hook_that_was_cancelled_by_something_it_awaited_is_called_again(lab: Lab) -> None:
    async with lab:
        calls: list[str] = []

        async def hook(fire: Fire) -> None:
            calls.append(fire.text)
            given_up = asyncio.ensure_future(asyncio.sleep(5))
            given_up.cancel()
            await given_up

        store = await lab.store()
        scheduler = await embedded(lab, store, on_fire_failed=hook)
        await scheduler.schedule("one", "in 1s")
        await scheduler.schedule("two", "in 2s")
        await store.clock.sleep(5)
        assert calls == ["one", "two"]


async def test_a_hook_that_keeps_a_cancellation_to_itself_does_not_hold_up_the_stop(lab: Lab) -> None:
    async with lab:

        async def deaf(fire: Fire) -> None:
            with contextlib.suppress(BaseException):
                await store.clock.sleep(3600)

        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        async with asyncio.timeout(60), Daemon(store, runners={"log": failing}, on_fire_failed=deaf):
            await scheduler.schedule("x", "in 1s")
            await store.clock.sleep(2)


async def test_a_hook_that_is_not_async_runs_beside_the_loop(lab: Lab) -> None:
    async with lab:
        threads: list[int] = []
        store = await lab.store()
        scheduler = await embedded(lab, store, on_fire_failed=lambda _: threads.append(threading.get_ident()))
        await scheduler.schedule("x", "in 1s")
        await store.clock.sleep(2)
        assert threads
        assert threading.get_ident() not in threads
