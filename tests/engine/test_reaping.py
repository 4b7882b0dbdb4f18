"""A daemon is lost with fires in hand: who takes over, when, and what the lost one can still do."""

from __future__ import annotations

import pytest

from scheduled_prompts.engine.watch import Contact
from scheduled_prompts.store.records import EVERYTHING
from tests.conftest import Lab
from tests.engine.faults import freeze, unsteady_store, vanish
from tests.engine.scenes import CALM, Worker, scene

LEASE: dict[str, float] = {"lease": 10}


async def test_a_fire_whose_daemon_dies_runs_again_under_the_same_id(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(20), **LEASE)
        prompt = await at.add("in 1s")
        await at.sleep(4)
        await vanish(at.daemon)
        again = await scene(lab, Worker(1), seed=1, **LEASE)
        await again.sleep(15)
        [first], [second] = at.runner.begun, again.runner.begun
        assert first.id == second.id
        assert (first.attempt, second.attempt) == (1, 2)
        fire = await again.fire(prompt)
        assert (fire.status, fire.attempt, fire.crashes, fire.failures) == ("succeeded", 2, 1, 0)


async def test_a_fire_that_kills_its_daemons_is_given_up(lab: Lab) -> None:
    async with lab:
        prompt = None
        for seed in range(3):
            at = await scene(lab, Worker(20), seed=seed, **LEASE)
            prompt = prompt or await at.add("in 1s")
            await at.sleep(14)
            assert at.runner.attempts == [seed + 1]
            await vanish(at.daemon)
        at = await scene(lab, Worker(20), seed=9, **LEASE)
        await at.sleep(14)
        assert at.runner.begun == []
        assert prompt is not None
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.attempt, fire.crashes) == ("failed", "crashed", 3, 3)
        assert fire.error == "the daemon that ran it was lost, 3 times"


async def test_at_most_once_a_started_fire_whose_daemon_dies_is_interrupted_and_never_run_again(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(20), **LEASE)
        prompt = await at.add("in 1s", on_crash="interrupt")
        await at.sleep(1.01)
        await vanish(at.daemon)
        again = await scene(lab, Worker(1), seed=1, **LEASE)
        await again.sleep(25)
        assert (len(at.runner.begun), again.runner.begun) == (1, [])
        fire = await again.fire(prompt)
        assert (fire.status, fire.reason, fire.attempt) == ("interrupted", "crashed", 1)


async def test_at_most_once_a_fire_that_had_not_started_runs_elsewhere(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(20), **LEASE)
        prompt = await at.add("in 2s", on_crash="interrupt")
        await at.sleep(1.9)
        await vanish(at.daemon)
        again = await scene(lab, Worker(1), seed=1, **LEASE)
        await again.sleep(16)
        assert at.runner.begun == []
        fire = await again.fire(prompt)
        assert (fire.status, fire.attempt) == ("succeeded", 2)


async def test_a_fire_asked_to_stop_whose_daemon_dies_is_cancelled_and_not_run_again(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(20), **LEASE)
        prompt = await at.add("in 1s")
        await at.sleep(4)
        await vanish(at.daemon)
        again = await scene(lab, Worker(1), seed=1, **LEASE)
        await again.scheduler.cancel(prompt)
        await again.sleep(15)
        assert again.runner.begun == []
        assert (await again.fire(prompt)).status == "cancelled"


async def test_a_new_daemon_does_not_reap_before_it_has_watched_for_a_lease(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(20), **LEASE)
        await at.add("in 1s")
        await at.sleep(4)
        await vanish(at.daemon)
        store = await lab.store(seed=1)
        await store.clock.sleep(60)  # the lease has long been over
        again = await scene(lab, Worker(1), store=store, **LEASE)
        await again.sleep(9)
        assert again.runner.begun == []
        await again.sleep(3)
        assert again.runner.attempts == [2]


async def test_nobody_loses_a_fire_because_the_machine_slept(lab: Lab) -> None:
    """All clocks are hours ahead when it wakes. Who looks first must not take for lost what nobody could renew."""
    async with lab:
        at = await scene(lab, Worker(100), watch_period=0.25, **LEASE)
        await at.add("in 1s")
        await at.sleep(20)
        at.store.clock._offset_ms += 4 * 3_600_000
        await at.sleep(20)
        assert (at.runner.attempts, at.runner.cancelled) == ([1], [])


async def test_what_a_daemon_lost_while_it_slept_it_does_not_begin(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(1), **LEASE)
        await at.add("in 3s")
        await at.sleep(2.9)  # it is in hand, and not due yet
        at.store.clock._offset_ms += 60_000
        other = await lab.store(at.store.clock)
        assert [outcome for _, outcome in await other.reap(leases=True, max_crashes=3)] == ["queued"]
        assert len((await other.take(1, lease_ms=10_000, daemon="other", serves=EVERYTHING)).leases) == 1
        await at.sleep(5)
        assert at.runner.begun == []


async def test_after_a_break_of_contact_a_daemon_waits_for_a_lease_again(lab: Lab) -> None:
    """While nobody could renew, an expired lease proves nothing."""
    async with lab:
        at = await scene(lab, Worker(100), lease=20)
        await at.add("in 1s")
        await at.sleep(2)
        store, client = await unsteady_store(lab, seed=1)
        other = await scene(lab, Worker(1), store=store, lease=20)
        await at.sleep(30)
        thaw = await freeze(at.daemon)
        await at.sleep(10)
        client.away = True
        await at.sleep(2)
        client.away = False
        await at.sleep(17)  # the lease is over for ten seconds, contact has lasted for 17
        assert other.runner.begun == []
        thaw()
        await at.sleep(60)
        assert other.runner.begun == []
        assert len(at.runner.ended) == 1


async def test_a_break_of_contact_long_ago_delays_no_reaping(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100), **LEASE)
        await at.add("in 1s")
        await at.sleep(2)
        store, client = await unsteady_store(lab, seed=1)
        other = await scene(lab, Worker(1), store=store, **LEASE)
        client.away = True
        await at.sleep(2)
        client.away = False
        await at.sleep(26)
        await vanish(at.daemon)
        await at.sleep(13)
        assert other.runner.attempts == [2]


async def test_another_run_of_the_server_starts_the_count_anew(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(100), **LEASE)
        await at.add("in 1s")
        await at.sleep(2)
        other = await scene(lab, Worker(1), seed=1, **LEASE)
        await at.sleep(28)
        runs = "another run"

        async def server_run() -> str:
            return runs

        other.store.server_run = server_run  # type: ignore[method-assign]
        await vanish(at.daemon)
        await at.sleep(13)
        assert other.runner.begun == []
        await at.sleep(9)
        assert other.runner.attempts == [2]


async def test_who_lost_its_lease_can_neither_settle_nor_extend_and_its_runner_is_cancelled(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(60), **LEASE)
        prompt = await at.add("in 1s")
        other = await scene(lab, Worker(60), seed=1, **LEASE)
        await at.sleep(10)
        if not at.runner.begun:
            at, other = other, at
        thaw = await freeze(at.daemon)
        await at.sleep(15)
        assert other.runner.attempts == [2]
        thaw()
        await at.sleep(4)
        assert at.runner.cancelled == [at.runner.begun[0].id]
        fire = await at.fire(prompt)
        assert (fire.status, fire.daemon, fire.attempt) == ("running", other.daemon.id, 2)
        assert at.daemon.worker.running == 0
        await at.sleep(60)
        assert (await at.fire(prompt)).status == "succeeded"


async def test_what_a_stale_holder_has_finished_does_not_count(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(10), **LEASE)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        thaw = await freeze(at.daemon)
        other = await scene(lab, Worker(60), seed=1, **LEASE)
        await at.sleep(20)
        assert len(at.runner.ended) == 1
        assert other.runner.attempts == [2]
        thaw()
        await at.sleep(4)
        assert (await at.fire(prompt)).status == "running"


async def test_results_count_although_the_lease_is_over_where_nobody_has_reaped(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(15), **LEASE)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        thaw = await freeze(at.daemon)
        await at.sleep(60)
        thaw()
        await at.sleep(3)
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt) == ("succeeded", 1)


@pytest.mark.parametrize("swallow", [0, 1])
async def test_a_daemon_that_takes_back_what_it_lost_runs_it_once_at_a_time(lab: Lab, swallow: int) -> None:
    """It was suspended, another daemon reaped its fire and is gone: the fire comes back as attempt 2 while attempt 1
    still runs here. The old one is cancelled, and what it does at its end is no concern of the new one."""
    async with lab:
        at = await scene(lab, Worker(50, swallow=swallow), slots=2, **LEASE)
        prompt = await at.add("in 1s")
        await at.sleep(5)
        thaw = await freeze(at.daemon)
        store = await lab.store(seed=1)
        reaper = await lab.daemon(store, {"nothing of use": Worker()}, **{**CALM, **LEASE})
        await at.sleep(20)
        assert lab.inspector.hget(f"{lab.prefix}fire:{at.runner.begun[0].id}", "status") == "queued"
        await reaper.__aexit__()
        thaw()
        await at.sleep(5)
        assert at.runner.attempts == [1, 2]
        assert len(at.runner.cancelled) >= 1
        assert at.runner.running == 1
        await at.sleep(60)
        assert at.runner.running == 0
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt) == ("succeeded", 2)
        assert at.daemon.worker.running == 0
        assert not at.daemon.worker.busy


async def test_a_host_that_lives_for_one_tick_goes_by_how_long_the_server_has_been_up(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        uptime = (await store.server_info()).get("uptime_in_seconds")
        if uptime is None:
            pytest.skip("this server does not tell its uptime")
        contact = Contact(store, by_uptime=True)
        assert await contact.lasts(0)
        assert not await contact.lasts((int(uptime) + 3_600) * 1000)
