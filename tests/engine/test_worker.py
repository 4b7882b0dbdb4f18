"""Slots, starts, leases, and cancelling what is in hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from scheduled_prompts.fire import Fire
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.faults import counted, unsteady_store
from tests.engine.scenes import CALM, Worker, scene


async def test_no_more_fires_run_at_once_than_there_are_slots(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(2), slots=3)
        for _ in range(8):
            await at.add("in 1s")
        await at.sleep(9)
        assert at.runner.most_running == 3
        assert len(at.runner.ended) == 8


async def test_a_slot_is_free_as_soon_as_its_runner_has_ended(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(2), slots=1)
        for _ in range(3):
            await at.add("in 1s")
        start = at.now
        await at.sleep(8)
        starts = [fire.started_at - start for fire in at.runner.begun if fire.started_at is not None]
        assert starts[0] == 1_000
        assert starts[2] - starts[0] < 4_300


async def test_high_priority_goes_first_then_what_was_due_first(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(3), slots=1)
        await at.add("in 1s", "occupies the slot", priority=100)
        await at.add("in 3s", "low", priority=0)
        await at.add("in 3s", "later")
        await at.add("in 2s", "sooner")
        await at.add("in 3s", "high", priority=100)
        await at.sleep(18)
        assert [fire.text for fire in at.runner.begun] == ["occupies the slot", "high", "sooner", "later", "low"]


async def test_what_is_due_starts_at_its_millisecond_and_never_before(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        dues = [at.now + 2_000 + 137 * number for number in range(20)]
        for due in dues:
            await at.add(f"at {_utc(due)}")
        await at.sleep(7)
        assert sorted(fire.started_at or 0 for fire in at.runner.fires) == dues
        assert all(fire.lateness_ms == 0 for fire in at.runner.fires)


def _utc(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds")


async def test_a_fire_longer_than_its_lease_keeps_it(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(200), lease=20, watch_period=5)
        prompt = await at.add("in 1s")
        await at.sleep(210)
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt, fire.crashes) == ("succeeded", 1, 0)
        assert at.runner.attempts == [1]


async def test_all_leases_are_renewed_in_one_call_four_times_a_lease(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(100), store=store, lease=20, watch_period=5)
        for _ in range(10):
            await at.add("in 1s")
        await at.sleep(4)
        async with counted(client) as spent:
            await at.sleep(60)
        assert spent["extend"] == 12


async def test_what_has_run_for_a_second_is_marked_as_started(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(10))
        prompt = await at.add("in 1s")
        await at.sleep(1.5)
        assert (await at.fire(prompt)).started_at is None  # most fires are over before anybody asks
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert (fire.status, fire.started_at) == ("running", fire.due)


async def test_at_most_once_the_start_is_written_before_the_work_begins(lab: Lab) -> None:
    seen: list[str | None] = []

    async def work(fire: Fire) -> None:
        seen.append(lab.inspector.hget(f"{lab.prefix}fire:{fire.id}", "started_at"))

    async with lab:
        at = await scene(lab, RecordingRunner(work))
        await at.add("in 1s", on_crash="interrupt")
        await at.sleep(3)
        assert seen == [str(at.runner.fires[0].started_at)]


async def test_a_running_fire_is_cancelled_within_50_ms(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker())
        prompt = await at.add("in 1s")
        await at.sleep(5)
        cancelled = await at.scheduler.cancel(prompt)
        assert (cancelled.before, cancelled.ended, cancelled.asked_to_stop) == ("executed", 0, 1)
        await at.sleep(0.05)
        assert at.runner.cancelled == [at.runner.begun[0].id]
        await at.sleep(1)
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.attempt) == ("cancelled", "prompt_cancelled", 1)


async def test_without_a_message_a_running_fire_is_cancelled_within_one_renewal(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(), lease=20)
        at.daemon.worker.stop_fire = lambda _: None  # type: ignore[method-assign]
        prompt = await at.add("in 1s")
        await at.sleep(7)
        await at.scheduler.cancel(prompt)
        await at.sleep(6.5)
        assert len(at.runner.cancelled) == 1
        assert (await at.fire(prompt)).status == "cancelled"


async def test_what_is_claimed_ahead_and_cancelled_does_not_start(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 2s")
        await at.sleep(1.9)
        assert (await at.fire(prompt)).status == "running"  # in hand, a little before it is due
        assert (await at.scheduler.cancel(prompt)).asked_to_stop == 1
        await at.sleep(2)
        assert at.runner.fires == []
        fire = await at.fire(prompt)
        assert (fire.status, fire.started_at) == ("cancelled", None)


async def test_a_prompt_cancelled_before_it_is_due_does_not_fire(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 3s")
        await at.scheduler.cancel(prompt)
        await at.sleep(5)
        assert at.runner.fires == []
        assert len(at.daemon.timers) == 0
        assert await at.fires(prompt) == []


async def test_a_fire_that_waits_for_a_slot_ends_when_its_prompt_is_cancelled(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(5), slots=1)
        await at.add("in 1s", priority=100)
        waiting = await at.add("in 1s", "waits")
        await at.sleep(3)
        assert (await at.scheduler.cancel(waiting)).ended == 1
        await at.sleep(6)
        assert [fire.text for fire in at.runner.begun] == ["hello"]
        assert (await at.fire(waiting)).status == "cancelled"


async def test_a_fire_that_waits_for_its_retry_ends_when_its_prompt_is_cancelled(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(ValueError("no")))
        prompt = await at.add("in 1s", retry_delays=[5])
        await at.sleep(2)
        await at.scheduler.cancel(prompt)
        await at.sleep(8)
        assert len(at.runner.fires) == 1
        assert (await at.fire(prompt)).status == "cancelled"


async def test_a_runner_that_ignores_its_cancellation_and_ends_its_work_has_succeeded(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(4, swallow=1))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        await at.scheduler.cancel(prompt)
        await at.sleep(4)
        fire = await at.fire(prompt)
        assert (fire.status, fire.cancel_requested) == ("succeeded", True)


async def test_a_runner_that_answers_its_cancellation_with_an_error_is_cancelled(lab: Lab) -> None:
    async def work(fire: Fire) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise OSError("the pipe broke")

    async with lab:
        at = await scene(lab, RecordingRunner(work))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        await at.scheduler.cancel(prompt)
        await at.sleep(1)
        assert (await at.fire(prompt)).status == "cancelled"


async def test_the_slot_of_a_cancelled_fire_is_used_again(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(), slots=1)
        first = await at.add("in 1s", "first", priority=100)
        await at.add("in 1s", "second")
        await at.sleep(2)
        await at.scheduler.cancel(first)
        await at.sleep(1)
        assert [fire.text for fire in at.runner.begun] == ["first", "second"]
        assert at.daemon.worker.running == 1


async def test_a_clock_that_is_put_back_does_not_stop_the_renewals(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(3600), lease=20)
        await at.add("in 1s")
        await at.sleep(3)
        at.store.clock._offset_ms -= 3_600_000
        second = await at.add("in 1s", "after the step")
        await at.sleep(30)
        [(_, expiry)] = [
            (fire, score)
            for fire, score in lab.inspector.zrange(f"{lab.prefix}leases", 0, -1, withscores=True)
            if fire.startswith(second)
        ]
        assert expiry > at.now
        assert (await at.fire(second)).attempt == 1


async def test_fires_are_taken_in_batches_however_many_wait(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, store=store, slots=1000)
        await at.daemon.__aexit__()
        prompt = await at.add("in 1h")
        for _ in range(60):
            await at.scheduler.run_now(prompt)
        async with counted(client) as spent:
            await lab.daemon(store, at.runner, **{**CALM, "slots": 1000})
            await at.sleep(3)
        assert len(at.runner.fires) == 60
        assert spent["take"] <= 5
        assert spent["settle"] <= 3
