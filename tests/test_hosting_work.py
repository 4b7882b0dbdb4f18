"""What a host has in hand, and what it waits for: nothing is held up, and nothing begins where nobody does the work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduled_prompts import hosting, hydrate_scheduled_prompts, set_bot_runner, tick_scheduled_prompts
from tests.conftest import Lab
from tests.hosting_lab import Bot, Host

pytestmark = pytest.mark.usefixtures("clean_host")


async def test_without_a_runner_nothing_is_lost_and_an_error_is_logged(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, decoded: bool
) -> None:
    async with Host(lab, monkeypatch, decoded=decoded) as host:
        prompt = await host.add("in 1s")
        await host.clock.sleep(2)
        before = lab.keys()
        with capture_logs() as logs:
            await tick_scheduled_prompts(host.redis)
            assert await hydrate_scheduled_prompts(host.redis, ["default"]) == 0
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [("no_bot_runner", "error")] * 2
        assert lab.keys() == before
        bot = Bot()
        set_bot_runner(bot)
        await tick_scheduled_prompts(host.redis)
        assert bot.texts == ["hello"]
        assert await host.statuses(prompt) == ["succeeded"]


async def test_when_the_runner_is_taken_away_armed_timers_leave_what_is_due_due(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot())
        prompt = await host.add("in 10s")
        assert await hydrate_scheduled_prompts(host.redis, ["default"]) == 1
        set_bot_runner(None)
        await host.clock.sleep(20)
        assert await host.statuses(prompt) == []
        assert (await host.scheduler.get(prompt)).status == "scheduled"
        bot = Bot()
        set_bot_runner(bot)
        await tick_scheduled_prompts(host.redis)
        assert bot.texts == ["hello"]


async def test_what_is_in_hand_and_has_not_begun_stays_due_when_the_runner_is_taken_away(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot(takes=40))
        await host.add("in 5s", "long")
        prompt = await host.add("in 10s", "taken ahead", retries=0)
        await hydrate_scheduled_prompts(host.redis, ["default"])
        await host.clock.sleep(9.9)
        set_bot_runner(None)
        await host.clock.sleep(60)
        assert await host.statuses(prompt) == ["queued"]
        bot = Bot()
        set_bot_runner(bot)
        await tick_scheduled_prompts(host.redis)
        assert bot.texts == ["taken ahead"]
        assert await host.statuses(prompt) == ["succeeded"]


async def test_where_nobody_does_the_work_nothing_more_is_begun_beside_what_runs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine lives as long as the long one runs."""
    async with Host(lab, monkeypatch) as host:
        bot = Bot(takes=40)
        set_bot_runner(bot)
        await host.add("in 5s", "long")
        late = [await host.add("in 1s", "late") for _ in range(300)]
        await host.clock.sleep(90)
        tick = asyncio.create_task(tick_scheduled_prompts(host.redis))
        await host.clock.sleep(1)
        begun = len(bot.texts)
        set_bot_runner(None)
        await host.clock.sleep(60)
        await tick
        assert 0 < begun < 200
        assert len(bot.texts) == begun
        statuses = [status for prompt in late for status in await host.statuses(prompt)]
        assert set(statuses) <= {"succeeded", "queued"}


async def test_what_has_not_begun_when_the_bot_takes_itself_away_goes_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leaves(Bot):
        async def handle_webhook(self, payload: dict[str, Any]) -> Any:
            set_bot_runner(None)
            return await super().handle_webhook(payload)

    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Leaves())
        prompts = [await host.add("in 1s", retries=0, on_crash=on_crash) for on_crash in ("rerun", "interrupt") * 2]
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        found = [status for prompt in prompts for status in await host.statuses(prompt)]
        assert sorted(found) == ["queued", "queued", "queued", "succeeded"]
        bot = Bot()
        set_bot_runner(bot)
        await host.clock.sleep(1)
        assert len(bot.texts) == 3


async def test_who_does_the_work_after_a_while_without_anybody_goes_on_at_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot(takes=40))
        for _ in range(300):
            await host.add("in 1s", "late")
        await host.clock.sleep(90)
        tick = asyncio.create_task(tick_scheduled_prompts(host.redis))
        await host.clock.sleep(1)
        set_bot_runner(None)
        await host.clock.sleep(3)
        bot = Bot()
        set_bot_runner(bot)
        await host.clock.sleep(60)
        await tick
        assert len(bot.texts) > 200
        [engine] = hosting._engines.values()
        assert engine.is_idle


async def test_a_tick_runs_all_that_wait_for_one_another(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot(takes=2))
        prompts = [await host.add("in 1s", concurrency_key="gpu") for _ in range(3)]
        await host.clock.sleep(2)
        began = host.clock.now()
        await tick_scheduled_prompts(host.redis)
        assert 6_000 <= host.clock.now() - began < 7_000
        assert [await host.statuses(prompt) for prompt in prompts] == [["succeeded"]] * 3


async def test_what_waits_for_one_fire_waits_for_no_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Bot):
        async def handle_webhook(self, payload: dict[str, Any]) -> Any:
            self.takes = 25 if payload["prompt"]["text"] == "long" else 2
            return await super().handle_webhook(payload)

    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Slow())
        await host.add("in 1s", "long")
        prompts = [await host.add("in 1s", concurrency_key="gpu") for _ in range(3)]
        await host.clock.sleep(2)
        tick = asyncio.create_task(tick_scheduled_prompts(host.redis))
        await host.clock.sleep(7)
        assert [await host.statuses(prompt) for prompt in prompts] == [["succeeded"]] * 3
        await tick


async def test_work_that_comes_in_just_as_the_last_ends_is_done_by_this_tick(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine was about to rest: it must look again before it does."""
    async with Host(lab, monkeypatch) as host:
        bot = Bot(takes=2)
        set_bot_runner(bot)
        await hydrate_scheduled_prompts(host.redis, [])
        [engine] = hosting._engines.values()
        worker_run = engine._worker.run
        late: list[str] = []

        async def run() -> None:
            try:
                await worker_run()
            finally:
                if late and len(bot.texts) == 1:
                    engine._ring(late[0], 0)  # a timer rings while the parts are ending

        engine._worker.run = run  # type: ignore[method-assign]
        await host.add("in 1s", "first")
        await host.clock.sleep(2)
        tick = asyncio.create_task(tick_scheduled_prompts(host.redis))
        await host.clock.sleep(0.5)
        late.append(await host.add("in 1s", "late"))
        await tick
        assert bot.texts == ["first", "late"]


async def test_a_store_that_goes_away_for_a_moment_cancels_no_running_fire(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot(takes=60)
        set_bot_runner(bot)
        prompt = await host.add("in 1s", on_crash="interrupt")
        later = await host.add("in 40s")
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        [engine] = hosting._engines.values()
        transport = engine._store.transport
        ask = transport.ask

        async def away(_: Any) -> Any:
            from scheduled_prompts.errors import StoreUnreachable

            await asyncio.sleep(1)
            raise StoreUnreachable("gone for a while")

        transport.ask = away  # type: ignore[method-assign]
        await host.clock.sleep(20)  # meanwhile the timer of the second one rings
        transport.ask = ask  # type: ignore[method-assign]
        await host.clock.sleep(90)
        assert await host.statuses(prompt) == ["succeeded"]
        assert await host.statuses(later) == ["succeeded"]
        assert len(bot.payloads) == 2


async def test_a_slow_fire_does_not_block_the_next_tick_for_ever(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot(takes=200)
        set_bot_runner(bot)
        slow = await host.add("in 1s", "slow")
        await host.clock.sleep(2)
        began = host.clock.now()
        await tick_scheduled_prompts(host.redis)
        assert 30_000 <= host.clock.now() - began < 31_000
        bot.takes = 0
        quick = await host.add("in 1s", "quick")
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        assert await host.statuses(quick) == ["succeeded"]
        assert await host.statuses(slow) == ["running"]
        await host.clock.sleep(180)
        assert await host.statuses(slow) == ["succeeded"]  # its lease was kept, in the host's loop
        assert bot.texts == ["slow", "quick"]
