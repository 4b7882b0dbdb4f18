"""The store goes away and comes back: no crash, no busy loop, and nothing lost."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.errors import StoreUnreachable
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.faults import unsteady_store
from tests.engine.scenes import Worker, scene


async def test_what_is_finished_meanwhile_is_kept_and_settled_when_the_store_is_back(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(5), store=store)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        client.away = True
        await at.sleep(40)
        assert len(at.runner.ended) == 1
        client.away = False
        await at.sleep(3)
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt) == ("succeeded", 1)
        assert fire.ended_at is not None
        assert fire.started_at is not None


async def test_an_outage_longer_than_a_lease_does_not_run_again_what_still_runs(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(100), store=store, lease=10, watch_period=2)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        client.away = True
        await at.sleep(30)
        client.away = False
        await at.sleep(80)
        assert at.runner.attempts == [1]
        assert (await at.fire(prompt)).status == "succeeded"


async def test_a_renewal_that_was_refused_is_tried_again_soon(lab: Lab) -> None:
    """Whoever reaps without having been in contact (a host of one tick) is not to find a lease that is over."""
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(100), store=store, lease=16)
        await at.add("in 1s")
        await at.sleep(4)  # its start is noted by now
        [(_, over)] = lab.keys()["leases"]
        client.full = True
        await at.sleep(3)  # a renewal falls into it
        client.full = False
        await at.sleep(1.5)
        assert lab.keys()["leases"][0][1] >= over + 4_000


async def test_writes_refused_for_longer_than_a_lease_do_not_run_again_what_still_runs(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(100), store=store, lease=10, watch_period=0.5)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        for _ in range(4):
            client.full = True
            await at.sleep(13.3)
            client.full = False
            await at.sleep(7)
        await at.sleep(20)
        assert at.runner.attempts == [1]
        assert (await at.fire(prompt)).status == "succeeded"


async def test_what_fell_due_meanwhile_fires_when_the_store_is_back(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, store=store)
        once, every = await at.add("in 20s"), await at.add("every 10s")
        await at.sleep(5)
        client.away = True
        await at.sleep(40)
        assert at.runner.fires == []
        client.away = False
        await at.sleep(4)
        assert (await at.fire(once)).status == "succeeded"
        assert len(await at.fires(every)) == 1
        [missed] = await at.store.spans(every)
        assert (missed.end - missed.start, missed.reason) == (30_000, "late")


async def test_there_is_no_busy_loop_while_the_store_is_away(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(30), store=store, watch_period=0.25)
        for _ in range(5):
            await at.add("in 1s")
        await at.add("in 30s")
        await at.sleep(2)
        client.away = True
        with capture_logs() as logs:
            await at.sleep(100)
        assert client.failed < 100 * 15  # half a dozen parts, two tries a second each
        assert len(logs) < 200
        client.away = False
        await at.sleep(4)
        assert len(at.runner.ended) == 5


async def test_it_hears_of_new_prompts_again_when_the_store_is_back(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, store=store)
        client.away = True
        await at.sleep(20)
        client.away = False
        await at.sleep(5)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        assert (await at.fire(prompt)).lateness_ms == 0


async def test_what_was_cancelled_during_the_outage_is_stopped_after_it(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(), store=store, lease=10)
        looker = await lab.scheduler(await lab.store(seed=5))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        client.away = True
        await at.sleep(2)
        await looker.cancel(prompt)
        await at.sleep(5)
        client.away = False
        await at.sleep(8)
        assert len(at.runner.cancelled) == 1
        assert (await at.fire(prompt)).status == "cancelled"


async def test_at_most_once_nothing_starts_whose_start_cannot_be_written(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, Worker(1), store=store)
        prompt = await at.add("in 2s", on_crash="interrupt")
        await at.sleep(1.95)
        client.away = True
        await at.sleep(10)
        assert at.runner.begun == []
        client.away = False
        await at.sleep(8)
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt) == ("succeeded", 1)


async def test_lost_answers_make_no_second_fire_and_lose_none(lab: Lab) -> None:
    """All is done and no answer comes back: whatever was sent is sent again, and answered as before."""
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, RecordingRunner("done"), store=store)
        looker = await lab.scheduler(await lab.store(seed=5))
        prompts = [(await looker.schedule("x", f"in {seconds}s")).prompt.id for seconds in range(2, 10)]
        every = (await looker.schedule("x", "every 2s")).prompt.id
        for _ in range(20):
            client.deaf = not client.deaf
            await at.sleep(0.35)
        client.deaf = False
        await at.sleep(8)
        for prompt in prompts:
            [fire] = (await looker.history(prompt)).items
            assert (fire.status, fire.attempt) == ("succeeded", 1)
        assert len({fire.id for fire in at.runner.fires}) == len(at.runner.fires)
        assert all(fire.status == "succeeded" for fire in (await looker.history(every)).items[1:])


async def test_a_fault_in_one_part_stops_no_other(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        calls = 0

        async def look() -> None:
            nonlocal calls
            calls += 1
            raise ZeroDivisionError

        at.daemon._watch.look = look  # type: ignore[method-assign]
        prompt = await at.add("in 5s")
        with capture_logs() as logs:
            await at.sleep(10)
        assert (await at.fire(prompt)).status == "succeeded"
        assert 3 <= calls <= 6
        assert {(entry["event"], entry["part"]) for entry in logs if entry["log_level"] == "error"} == {
            ("part_failed", "look")
        }


async def test_who_cannot_subscribe_is_not_in_contact(lab: Lab) -> None:
    async with lab:
        store, line = await unsteady_store(lab)
        changes = store.changes()
        assert await anext(changes) == {}
        line.away = True
        with pytest.raises(StoreUnreachable):
            await anext(changes)
        assert store.transport.failures == 0  # a server may break off who listens too slowly, and nothing else
        with pytest.raises(StoreUnreachable):
            await anext(store.changes())
        assert store.transport.failures == 1
