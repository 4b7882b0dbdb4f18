"""The kill switch, with daemons that live: nothing starts, what runs goes on, and all goes on where it stopped."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.errors import AllStopped
from scheduled_prompts.fire import FireStatus
from tests.conftest import Lab
from tests.engine.scenes import Worker, scene


async def test_nothing_starts_while_all_is_stopped_and_goes_on_at_once_after_it(lab: Lab) -> None:
    async with lab:
        s = await scene(lab)
        prompt = await s.add("in 5s")
        await s.scheduler.stop_all("too many")
        await s.sleep(20)
        assert s.runner.fires == []
        await s.scheduler.start_all()
        await s.sleep(1)
        [fire] = await s.fires(prompt)
        assert fire.status is FireStatus.SUCCEEDED
        assert 15_000 <= (fire.lateness_ms or 0) <= 16_000


async def test_without_the_message_the_next_look_tells(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab:
        s = await scene(lab, watch_period=0.25)
        monkeypatch.setattr(s.daemon, "_hear", lambda _change: None)
        await s.add("in 5s")
        await s.scheduler.stop_all()
        await s.sleep(10)
        assert s.daemon.worker.halt is not None
        assert s.runner.fires == []
        await s.scheduler.start_all()
        await s.sleep(1)
        assert len(s.runner.fires) == 1


@pytest.mark.parametrize("on_crash", ["rerun", "interrupt"])
async def test_what_was_taken_ahead_is_given_back_and_runs_after_the_halt(lab: Lab, on_crash: str) -> None:
    async with lab:
        s = await scene(lab)
        prompt = await s.add("in 10s", on_crash=on_crash)
        await s.sleep(9.9)
        assert (await s.fire(prompt)).status is FireStatus.RUNNING  # in hand, 100 ms before it is due
        await s.scheduler.stop_all(cancel_running=True)
        await s.sleep(5)
        fire = await s.fire(prompt)
        assert (fire.status, fire.reason, fire.started_at) == (FireStatus.QUEUED, "given_back", None)
        assert s.runner.fires == []
        await s.scheduler.start_all()
        await s.sleep(1)
        assert (await s.fire(prompt)).status is FireStatus.SUCCEEDED


@pytest.mark.parametrize("cancel", [False, True])
async def test_what_runs_goes_on_unless_it_is_asked_to_stop(lab: Lab, cancel: bool) -> None:
    async with lab:
        s = await scene(lab, Worker(30))
        prompt = await s.add("in 1s")
        await s.sleep(5)
        await s.scheduler.stop_all(cancel_running=cancel)
        await s.sleep(40)
        fire = await s.fire(prompt)
        expected = (FireStatus.CANCELLED, "halted") if cancel else (FireStatus.SUCCEEDED, None)
        assert (fire.status, fire.reason) == expected


async def test_a_daemon_that_starts_while_all_is_stopped_starts_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        await scheduler.schedule("hello", "in 5s")
        await scheduler.stop_all()
        await store.clock.sleep(10)
        s = await scene(lab, store=store)
        assert s.daemon.worker.halt is not None
        await s.sleep(10)
        assert s.runner.fires == []
        await s.scheduler.start_all()
        await s.sleep(1)
        assert len(s.runner.fires) == 1


async def test_a_halted_daemon_asks_no_more_than_its_looks_and_says_so_once(lab: Lab) -> None:
    async with lab:
        s = await scene(lab)
        for _ in range(5):
            await s.add("every minute")
        with capture_logs() as logs:
            await s.scheduler.stop_all("why")
            await s.sleep(1)
            asked: list[str] = []
            run = s.store.transport.run

            async def counted(script: Any, **values: Any) -> Any:
                asked.append(script.name)
                return await run(script, **values)

            s.store.transport.run = counted  # type: ignore[method-assign]
            await s.sleep(300)
        assert len([line for line in logs if line["event"] == "all_stopped"]) == 1
        assert set(asked) <= {"look", "heartbeat", "wake", "decide"}
        assert asked.count("look") <= 301
        assert asked.count("wake") <= 6  # with each sweep
        assert asked.count("decide") <= 6  # likewise: what nobody approved in time


async def test_a_run_by_hand_is_refused(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("hello", "in 5s")).prompt
        await scheduler.stop_all()
        with pytest.raises(AllStopped, match="all is stopped"):
            await scheduler.run_now(prompt.id)
        await scheduler.start_all()
        assert (await scheduler.run_now(prompt.id)).status is FireStatus.QUEUED
