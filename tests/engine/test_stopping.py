"""The graceful stop: nothing more is taken, what has not started goes back, what runs may end."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.errors import StoreUnreachable
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.faults import unsteady_store
from tests.engine.scenes import CALM, Worker, scene


async def test_an_idle_daemon_stops_at_once_and_withdraws_its_heartbeat(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        assert len(await at.scheduler.daemons()) == 1
        began = at.now
        await at.daemon.__aexit__()
        assert at.now == began
        assert await at.scheduler.daemons() == []


async def test_a_running_fire_may_end_within_the_drain_time(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(5), drain=8)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        began = at.now
        await at.daemon.__aexit__()
        assert 3_900 <= at.now - began <= 4_300
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt) == ("succeeded", 1)


async def test_a_fire_that_outlasts_the_drain_time_is_cancelled_and_free_at_once(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100), drain=8)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        began = at.now
        await at.daemon.__aexit__()
        assert 8_000 <= at.now - began <= 8_200
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.attempt, fire.crashes, fire.failures) == ("queued", "stopped", 1, 0, 0)
        other = Worker(1)
        await lab.daemon(at.store, other, **CALM)
        await at.sleep(2)
        assert other.attempts == [2]


async def test_at_most_once_a_fire_that_outlasts_the_drain_time_is_interrupted(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100), drain=2)
        prompt = await at.add("in 1s", on_crash="interrupt")
        await at.sleep(2)
        await at.daemon.__aexit__()
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.error) == ("interrupted", "stopped", "the daemon was stopped")


async def test_at_most_once_holds_for_a_runner_that_answers_the_stop_with_an_error(lab: Lab) -> None:
    async def work(_: object) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise OSError("the pipe broke")

    async with lab:
        at = await scene(lab, RecordingRunner(work), drain=2)
        prompt = await at.add("in 1s", on_crash="interrupt", retry_delays=[1])
        await at.sleep(2)
        await at.daemon.__aexit__()
        assert (await at.fire(prompt)).status == "interrupted"


async def test_what_was_taken_ahead_and_has_not_started_goes_back_untouched(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 2s")
        await at.sleep(1.9)
        began = at.now
        await at.daemon.__aexit__()
        assert at.now == began
        assert at.runner.fires == []
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.started_at) == ("queued", "given_back", None)
        other = RecordingRunner()
        await lab.daemon(at.store, other, **CALM)
        await at.sleep(2)
        assert len(other.fires) == 1


async def test_while_it_drains_it_takes_nothing_and_claims_nothing(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(6), drain=8)
        await at.add("in 1s", "first")
        await at.sleep(2)
        at.daemon.stop()
        late = await at.add("in 1s", "late")
        await at.sleep(4)
        assert [fire.text for fire in at.runner.begun] == ["first"]
        assert await at.fires(late) == []
        await at.daemon.__aexit__()


async def test_a_second_signal_means_now(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100), drain=60)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        began = at.now
        at.daemon.stop()
        await at.sleep(1)
        at.daemon.stop()
        await at.daemon.__aexit__()
        assert at.now - began <= 1_200
        assert (await at.fire(prompt)).status == "queued"


async def test_a_runner_that_tidies_up_has_a_few_seconds_for_it(lab: Lab) -> None:
    tidied = []

    async def work(_: object) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(3)
            tidied.append(1)

    async with lab:
        at = await scene(lab, RecordingRunner(work), drain=1)
        await at.add("in 1s")
        await at.sleep(2)
        await at.daemon.__aexit__()
        assert tidied == [1]


async def test_a_runner_that_will_not_stop_tidying_up_is_cancelled_a_second_time(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100, swallow=1), drain=1)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        began = at.now
        await at.daemon.__aexit__()
        assert at.now - began <= 7_500
        assert (await at.fire(prompt)).status == "queued"


async def test_a_runner_that_swallows_every_cancellation_is_named_and_awaited(lab: Lab) -> None:
    """Nothing ends a coroutine that does not want to: the daemon waits for it, and whoever wants it gone kills both."""
    async with lab:
        at = await scene(lab, Worker(30, swallow=1_000), drain=1)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        with capture_logs() as logs:
            await at.daemon.__aexit__()
        [left] = [entry for entry in logs if entry["event"] == "fires_left_behind"]
        assert left["fires"] == [at.runner.begun[0].id]
        assert (await at.fire(prompt)).status == "running"  # until its lease is over


async def test_fires_that_a_take_brings_home_during_the_stop_go_back(lab: Lab) -> None:
    """The daemon asked for them before it was told to stop: it must wait for the answer, or they are nobody's for a
    whole lease."""
    async with lab:
        store, _client = await unsteady_store(lab)
        at = await scene(lab, store=store, watch_period=30)
        await at.daemon.__aexit__()
        looker = await lab.scheduler(await lab.store(seed=5))
        prompt = (await looker.schedule("x", "in 1h")).prompt.id
        daemon = await lab.daemon(store, at.runner, **{**CALM, "watch_period": 30, "slots": 5})
        await at.sleep(1)
        take = store.take
        asked, answered = asyncio.Event(), asyncio.Event()

        async def slow_take(*args: object, **options: object) -> object:
            taken = await take(*args, **options)  # type: ignore[arg-type]
            asked.set()
            await answered.wait()
            return taken

        store.take = slow_take  # type: ignore[assignment]
        fire_id = (await looker.run_now(prompt)).id
        await asked.wait()
        daemon.stop()
        await asyncio.sleep(0.5)
        answered.set()
        await daemon.__aexit__()
        assert at.runner.fires == []
        fire = await looker.fire(fire_id)
        assert (fire.status, fire.reason) == ("queued", "given_back")


async def test_a_daemon_stops_although_its_store_is_away(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(100), store=store, drain=1)
        await at.add("in 1s")
        await at.sleep(2)
        client.away = True
        began = at.now
        await at.daemon.__aexit__()
        assert at.now - began <= 25_000
        client.away = False


async def test_a_daemon_stops_although_its_store_never_answers(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        ask = at.store.transport.ask

        async def never(_: object) -> None:
            await asyncio.get_running_loop().create_future()

        at.store.transport.ask = never  # type: ignore[assignment]
        await at.daemon.__aexit__()
        at.store.transport.ask = ask  # type: ignore[method-assign]


async def test_no_task_outlives_the_daemon(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        before = asyncio.all_tasks()
        async with Daemon(store, runners={"log": Worker(3)}, settings=EngineSettings(watch_period=1)):
            await (await lab.scheduler(store)).schedule("x", "in 1s")
            await store.clock.sleep(2)
        assert asyncio.all_tasks() == before


async def test_who_gives_up_waiting_for_the_daemon_to_start_leaves_no_daemon_behind(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        before = asyncio.all_tasks()
        client.away = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await Daemon(store, runners={"log": Worker(3)}).__aenter__()
        client.away = False
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == before


async def test_a_daemon_does_not_start_on_a_store_that_does_not_answer(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        client.away = True
        with pytest.raises(StoreUnreachable, match="an unsteady store does not answer"):
            await Daemon(store, runners={"log": Worker(3)}).__aenter__()
        client.away = False


async def test_asked_to_stop_before_it_is_up_it_stops(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        daemon = Daemon(store, runners={"log": Worker(3)})
        daemon.stop()
        await daemon.run()
        assert await (await lab.scheduler(store)).daemons() == []


async def test_who_listens_heeds_a_stop_that_comes_together_with_a_message(lab: Lab) -> None:
    async def listen(store: Store) -> None:
        async for _ in store.changes():
            pass

    async with lab:
        store = await lab.store()
        for ticks in range(12):  # the stop comes so long after the message
            listening = asyncio.create_task(listen(store))
            await store.clock.sleep(1)
            lab.inspector.publish(store.keys.changes, '{"type": "ready"}')
            for _ in range(ticks):
                await asyncio.sleep(0)
            listening.cancel()
            await asyncio.wait({listening}, timeout=100)
            assert listening.done()
