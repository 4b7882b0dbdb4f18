"""What somebody changes takes effect at once in a live daemon; where the message is lost, it holds all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scheduled_prompts.errors import Conflict
from scheduled_prompts.fire import Fire
from scheduled_prompts.store import Store
from scheduled_prompts.store.reads import Reads
from scheduled_prompts.store.records import Taken
from tests.conftest import Lab
from tests.engine.faults import vanish
from tests.engine.scenes import CALM, Scene, Worker, scene

SOON = 0.05


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """No daemon hears a message: the subscription stands, and nothing comes."""

    async def nothing(self: Reads) -> Any:
        yield {}
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Store, "changes", nothing)


def lateness(at: Scene) -> list[int]:
    """Of what ran, by the start that was recorded."""
    return [(fire.started_at or 0) - fire.due for fire in at.runner.fires]


async def ended(at: Scene, prompt: str) -> list[tuple[str, str | None]]:
    return [(fire.status, fire.reason) for fire in await at.fires(prompt)]


# A message comes


async def test_an_edit_to_an_earlier_time_moves_the_armed_timer(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 60s")
        await at.sleep(SOON)
        await at.scheduler.edit(prompt, force=True, when="in 1s")
        await at.sleep(1 + SOON)
        assert (await at.fire(prompt)).status == "succeeded"
        assert lateness(at) == [0]


async def test_an_edit_to_a_later_time_moves_the_armed_timer(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s")
        await at.sleep(5)
        await at.scheduler.edit(prompt, force=True, when="in 20s")
        await at.sleep(19)
        assert at.runner.fires == []
        await at.sleep(1 + SOON)
        assert lateness(at) == [0]


async def test_an_edit_from_far_away_arms_a_timer(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 30d")
        await at.scheduler.edit(prompt, force=True, when="in 2s")
        await at.sleep(2 + SOON)
        assert lateness(at) == [0]


async def test_an_edit_to_far_away_disarms_the_timer(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s")
        await at.sleep(SOON)
        assert len(at.daemon.timers) == 1
        await at.scheduler.edit(prompt, force=True, when="in 30d")
        await at.sleep(SOON)
        assert len(at.daemon.timers) == 0


async def test_an_edit_of_the_text_an_instant_before_runs_the_new_text_unless_it_was_claimed(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        late, early = await at.add("in 10s", "old"), await at.add("in 20s", "old")
        await at.sleep(9.95)
        await at.scheduler.edit(late, force=True, text="new")
        await at.scheduler.edit(early, force=True, text="new")
        await at.sleep(12)
        assert at.runner.texts == ["old", "new"]
        assert lateness(at) == [0, 0]


async def test_an_executed_one_shot_that_is_given_another_time_fires_again(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 1s")
        await at.sleep(5)
        await at.scheduler.edit(prompt, force=True, when="in 1s")
        await at.sleep(1 + SOON)
        assert [fire.status for fire in await at.fires(prompt)] == ["succeeded", "succeeded"]
        assert (await at.scheduler.get(prompt)).status == "executed"


async def test_a_prompt_that_moves_to_a_platform_that_is_not_served_fires_no_more(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, platforms=("chat",))
        prompt = await at.add("every 5s", platform="chat")
        await at.sleep(6)
        await at.scheduler.edit(prompt, force=True, platform="mail")
        await at.sleep(20)
        assert len(at.runner.fires) == 1
        await at.scheduler.edit(prompt, force=True, platform="chat")
        await at.sleep(6)
        assert len(at.runner.fires) >= 2


@pytest.mark.parametrize("change", ["pause", "cancel"])
async def test_a_pause_or_a_cancellation_disarms_the_timer(lab: Lab, change: str) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s")
        await at.sleep(SOON)
        await getattr(at.scheduler, change)(prompt)
        await at.sleep(SOON)
        assert len(at.daemon.timers) == 0
        await at.sleep(20)
        assert at.runner.fires == []


async def test_a_resumed_prompt_fires_on_time(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 10s")
        await at.scheduler.pause(prompt)
        await at.sleep(35)
        await at.scheduler.resume(prompt)
        await at.sleep(5 + SOON)
        assert lateness(at) == [0]


# Claimed ahead of its time


async def take_back(at: Scene, prompt: str, change: str) -> str:
    """Make a change that takes back what was claimed ahead; returns the reason its fire ends with."""
    if change == "pause":
        await at.scheduler.pause(prompt)
        return "paused"
    if change == "edit":
        await at.scheduler.edit(prompt, force=True, when="in 1h")
        return "edited"
    await at.scheduler.skip(prompt, (await at.fire(prompt)).nominal)
    return "requested"


@pytest.mark.parametrize("change", ["pause", "edit", "skip"])
@pytest.mark.parametrize("on_crash", ["rerun", "interrupt"])
async def test_what_was_claimed_ahead_is_taken_back_100_ms_before_its_time(
    lab: Lab, change: str, on_crash: str
) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 1m", on_crash=on_crash)
        await at.sleep(59.9)
        assert (await at.fire(prompt)).status == "running"  # in hand
        reason = await take_back(at, prompt, change)
        await at.sleep(5)
        assert at.runner.fires == []
        assert await ended(at, prompt) == [("skipped", reason)]


def between_take_and_answer(
    at: Scene, monkeypatch: pytest.MonkeyPatch, happens: Callable[[str], Awaitable[Any]]
) -> None:
    """Something happens, and the daemon hears of it, when a fire is taken and the answer is on its way."""
    take = at.store.take

    async def late(*args: Any, **options: Any) -> Taken:
        taken = await take(*args, **options)
        for lease in taken.leases:
            await happens(lease.fire.id)
            await at.sleep(0.02)
        return taken

    monkeypatch.setattr(at.store, "take", late)


@pytest.mark.parametrize("change", ["pause", "edit", "skip", "cancel"])
async def test_what_is_taken_back_while_the_answer_of_its_take_is_on_its_way_does_not_start(
    lab: Lab, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 1m")

        async def happens(_fire: str) -> None:
            await (at.scheduler.cancel(prompt) if change == "cancel" else take_back(at, prompt, change))

        between_take_and_answer(at, monkeypatch, happens)
        await at.sleep(65)
        assert at.runner.fires == []
        assert [outcome for outcome, _ in await ended(at, prompt)] == ["cancelled" if change == "cancel" else "skipped"]


async def test_a_stop_that_is_out_of_date_stops_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 5s")

        async def happens(fire: str) -> None:
            at.daemon.worker.stop_fire(fire, take_back=True)

        between_take_and_answer(at, monkeypatch, happens)
        await at.sleep(6)
        assert lateness(at) == [0]
        assert await ended(at, prompt) == [("succeeded", None)]


@pytest.mark.parametrize("change", ["pause", "edit", "skip"])
async def test_what_was_claimed_ahead_and_waits_for_a_slot_is_taken_back(lab: Lab, change: str) -> None:
    async with lab:
        runner = Worker(5)
        at = await scene(lab, runner, slots=1)
        first = await at.add("in 58s", "first")
        prompt = await at.add("every 1m")
        await at.sleep(59.9)
        assert (await at.fire(prompt)).status == "queued"
        reason = await take_back(at, prompt, change)
        await at.sleep(10)
        assert [fire.prompt_id for fire in runner.begun] == [first]
        assert await ended(at, prompt) == [("skipped", reason)]


async def test_a_one_shot_that_was_claimed_ahead_is_executed_and_can_be_skipped_but_not_paused(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s")
        await at.sleep(9.9)
        with pytest.raises(Conflict, match="is executed"):
            await at.scheduler.pause(prompt)
        await take_back(at, prompt, "skip")
        await at.sleep(5)
        assert at.runner.fires == []


async def test_a_cancellation_100_ms_before_its_time_is_honoured(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s")
        await at.sleep(9.9)
        assert (await at.scheduler.cancel(prompt)).asked_to_stop == 1
        await at.sleep(5)
        assert at.runner.fires == []
        assert await ended(at, prompt) == [("cancelled", "prompt_cancelled")]


async def test_what_has_started_goes_on_through_a_pause_and_an_edit(lab: Lab) -> None:
    async with lab:
        runner = Worker(30)
        at = await scene(lab, runner)
        prompt = await at.add("every 1m")
        await at.sleep(65)
        await at.scheduler.edit(prompt, force=True, when="every 2m")
        await at.scheduler.pause(prompt)
        await at.sleep(40)
        assert await ended(at, prompt) == [("succeeded", None)]


async def test_a_recurring_prompt_that_was_taken_back_by_a_skip_fires_the_next_time(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 10s")
        await at.sleep(9.9)
        await take_back(at, prompt, "skip")
        await at.sleep(11)
        assert await ended(at, prompt) == [("succeeded", None), ("skipped", "requested")]


async def test_an_occurrence_that_is_skipped_in_time_ends_skipped_and_the_next_one_fires(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 10s")
        await at.scheduler.skip(prompt, "next")
        await at.sleep(21)
        assert await ended(at, prompt) == [("succeeded", None), ("skipped", "requested")]
        assert lateness(at) == [0]


async def test_a_fire_that_runs_is_cancelled_within_an_instant(lab: Lab) -> None:
    async with lab:
        runner = Worker(600)
        at = await scene(lab, runner)
        prompt = await at.add("in 1s")
        await at.sleep(2)
        await at.scheduler.cancel_fire(prompt)
        await at.sleep(SOON)
        assert runner.cancelled
        await at.sleep(1)
        assert await ended(at, prompt) == [("cancelled", "fire_cancelled")]


# No message comes


async def test_a_lost_message_of_a_pause_fires_nothing(lab: Lab, deaf: None) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s")
        await at.daemon._sweep()
        assert len(at.daemon.timers) == 1
        await at.scheduler.pause(prompt)
        await at.sleep(30)
        assert at.runner.fires == []
        assert await at.fires(prompt) == []


@pytest.mark.parametrize("when", ["in 5s", "in 20s"])
async def test_a_lost_message_of_an_edit_costs_punctuality_alone(lab: Lab, deaf: None, when: str) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s", "old")
        await at.daemon._sweep()
        await at.scheduler.edit(prompt, force=True, text="new", when=when)
        await at.sleep(22)
        assert at.runner.texts == ["new"]
        assert 0 <= lateness(at)[0] <= 1_300  # overdue by 250 ms, seen by one look a second


async def test_a_lost_message_of_an_edit_of_the_text_costs_nothing(lab: Lab, deaf: None) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s", "old")
        await at.daemon._sweep()
        await at.scheduler.edit(prompt, force=True, text="new")
        await at.sleep(12)
        assert (at.runner.texts, lateness(at)) == (["new"], [0])


async def test_what_is_taken_back_unheard_and_starts_goes_on_and_is_not_cut_off(lab: Lab, deaf: None) -> None:
    async with lab:
        runner = Worker(60)
        at = await scene(lab, runner, watch_period=20)
        prompt = await at.add("every 10m")
        await at.sleep(599.9)
        await at.scheduler.pause(prompt)
        await at.sleep(80)
        assert runner.cancelled == []
        assert await ended(at, prompt) == [("succeeded", None)]


async def test_at_most_once_what_is_taken_back_unheard_does_not_start(lab: Lab, deaf: None) -> None:
    async with lab:
        at = await scene(lab, watch_period=20)
        prompt = await at.add("every 10m", on_crash="interrupt")
        await at.sleep(599.9)
        await at.scheduler.pause(prompt)
        await at.sleep(5)
        assert at.runner.fires == []
        assert await ended(at, prompt) == [("skipped", "paused")]


async def test_a_lost_message_of_a_cancellation_stops_what_runs_within_a_heartbeat_of_its_lease(
    lab: Lab, deaf: None
) -> None:
    async with lab:
        runner = Worker(600)
        at = await scene(lab, runner)
        prompt = await at.add("in 1s")
        await at.sleep(5)
        await at.scheduler.cancel(prompt)
        await at.sleep(at.daemon.settings.renewal_period + 2)
        assert await ended(at, prompt) == [("cancelled", "prompt_cancelled")]


# Races, and several daemons


@pytest.mark.parametrize("ms", range(-260, -140, 20))
async def test_an_edit_that_races_with_a_claim_loses_or_wins_and_nothing_fires_twice(lab: Lab, ms: int) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 10s", "old")
        await at.sleep(10 + ms / 1000)
        await at.scheduler.edit(prompt, force=True, text="new", when="in 10s")
        await at.sleep(12)
        assert at.runner.texts == ["new"]
        assert await ended(at, prompt) in (
            [("succeeded", None)],
            [("succeeded", None), ("skipped", "edited")],
        )


async def test_many_changes_at_once_by_several_hands_leave_one_truth(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 5s", "old")
        others = [await lab.scheduler(await lab.store(at.store.clock)) for _ in range(3)]
        await at.sleep(4.85)
        calls = [other.edit(prompt, force=True, text=f"by {n}") for n, other in enumerate(others)]
        await asyncio.gather(*calls, at.scheduler.pause(prompt), return_exceptions=True)
        after = await at.scheduler.get(prompt)
        assert (after.status, after.version) == ("paused", 5)
        await at.sleep(20)
        assert at.runner.fires == []


async def test_of_several_daemons_none_fires_what_is_paused_and_one_fires_what_is_resumed(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        for seed in (1, 2):
            await lab.daemon(await lab.store(seed=seed), at.runner, **CALM)
        await at.sleep(5)
        prompts = [await at.add("every 10s") for _ in range(9)]
        await at.sleep(1)
        for prompt in prompts:
            await at.scheduler.pause(prompt)
        await at.sleep(24)
        assert at.runner.fires == []
        for prompt in prompts:
            await at.scheduler.resume(prompt)
        await at.sleep(5.5)
        assert sorted(fire.prompt_id for fire in at.runner.fires) == sorted(prompts)
        assert set(lateness(at)) == {0}


async def test_an_edit_is_heard_by_whichever_daemon_has_the_timer(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        for seed in (1, 2):
            await lab.daemon(await lab.store(seed=seed), at.runner, **CALM)
        await at.sleep(5)
        prompts = [await at.add("in 50s") for _ in range(9)]
        for prompt in prompts:
            await at.scheduler.edit(prompt, force=True, when="in 2s", text="new")
        await at.sleep(2.5)
        assert sorted(fire.prompt_id for fire in at.runner.fires) == sorted(prompts)
        assert set(lateness(at)) == {0}
        await at.sleep(60)
        assert len(at.runner.fires) == 9


async def test_what_a_lost_daemon_ran_is_run_again_with_what_it_was_claimed_with(lab: Lab) -> None:
    async with lab:
        store = await lab.store(seed=5)
        doomed = await lab.daemon(store, Worker(600), **CALM)
        scheduler = await lab.scheduler(await lab.store(store.clock))
        prompt = (await scheduler.schedule("old", "in 1s")).prompt.id
        lab.inspector.ping()
        await store.clock.sleep(2)
        await vanish(doomed)
        await scheduler.edit(prompt, force=True, text="new")
        at = await scene(lab, store=await lab.store(seed=6))
        await at.sleep(130)
        [fire] = at.runner.fires
        assert isinstance(fire, Fire)
        assert (fire.text, fire.attempt) == ("old", 2)
