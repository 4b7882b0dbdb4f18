"""What becomes of an occurrence that is due while a fire of its prompt has not ended."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from scheduled_prompts.runners.contract import Retry
from tests.conftest import Lab
from tests.engine.faults import vanish
from tests.engine.scenes import Scene, Worker, scene

MINUTELY = "* * * * *"
"""From 00:01:00 on: the clock begins at midnight."""


async def told(at: Scene, prompt: str) -> list[tuple[str, str | None]]:
    """How each fire stands, and why, earliest first."""
    return [(fire.status.value, fire.reason) for fire in reversed(await at.fires(prompt))]


async def minutes(at: Scene, count: float) -> None:
    await at.sleep(count * 60)


async def at_work(lab: Lab, seconds: float, overlap: str, **fields: Any) -> tuple[Scene, str]:
    """A minutely prompt whose work takes so long."""
    at = await scene(lab, Worker(seconds), watch_period=20)
    return at, await at.add(MINUTELY, overlap=overlap, **fields)


async def test_skip_leaves_out_what_is_due_while_one_is_at_work(lab: Lab) -> None:
    async with lab:
        at, prompt = await at_work(lab, 90, "skip")
        await minutes(at, 5.2)
        busy = ("skipped", "busy")
        assert await told(at, prompt) == [("succeeded", None), busy, ("succeeded", None), busy, ("running", None)]
        assert at.runner.most_running == 1


async def test_allow_runs_all_at_once(lab: Lab) -> None:
    async with lab:
        at, prompt = await at_work(lab, 90, "allow")
        await minutes(at, 5.2)
        assert [status for status, _ in await told(at, prompt)] == ["succeeded"] * 3 + ["running"] * 2
        assert at.runner.most_running == 2


@pytest.mark.parametrize(("limit", "skipped"), [(1, 2), (2, 1), (3, 0)])
async def test_queue_runs_one_after_the_other_and_lets_so_many_wait(lab: Lab, limit: int, skipped: int) -> None:
    async with lab:
        at, prompt = await at_work(lab, 230, "queue", queue_limit=limit)
        await minutes(at, 4.5)
        standing = [status for status, _ in await told(at, prompt)]
        assert standing == ["running"] + ["queued"] * (3 - skipped) + ["skipped"] * skipped
        begun_before = len(at.runner.begun)
        await minutes(at, 0.6)
        assert (begun_before, len(at.runner.begun), at.runner.most_running) == (1, 2, 1)
        assert at.runner.begun[1].nominal == at.runner.begun[0].nominal + 60_000
        await at.scheduler.cancel(prompt)
        await minutes(at, 1)


async def test_a_waiting_one_starts_when_the_one_before_has_ended(lab: Lab) -> None:
    async with lab:
        at, prompt = await at_work(lab, 90, "queue")
        await minutes(at, 3.5)
        second = at.runner.begun[1]
        first = (await at.fires(prompt))[-1]
        assert first.ended_at is not None
        assert 0 <= second.started_at - first.ended_at < 300


async def test_replace_stops_the_one_at_work_and_then_runs(lab: Lab) -> None:
    async with lab:
        at, prompt = await at_work(lab, 90, "replace")
        await minutes(at, 3.2)
        assert await told(at, prompt) == [("cancelled", "replaced")] * 2 + [("running", None)]
        assert (len(at.runner.cancelled), at.runner.most_running) == (2, 1)
        assert all(fire.started_at - fire.due < 500 for fire in at.runner.begun)


async def test_what_waited_for_the_one_at_work_is_replaced_too(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(3600, swallow=100), watch_period=20)
        prompt = await at.add(MINUTELY, overlap="replace")
        await minutes(at, 3.2)
        assert await told(at, prompt) == [("running", None), ("skipped", "replaced"), ("queued", None)]
        at.runner.swallow = 0
        await at.scheduler.cancel(prompt)
        await minutes(at, 1)


async def test_what_replaces_a_fire_of_a_lost_daemon_runs_when_that_is_reaped(lab: Lab) -> None:
    async with lab:
        doomed, prompt = await at_work(lab, 3600, "replace")
        await minutes(doomed, 1.2)
        await vanish(doomed.daemon)
        other = await scene(lab, Worker(1), store=await lab.store(doomed.store.clock), lease=20)
        await minutes(other, 3)
        found = await told(other, prompt)
        assert found[0] == ("cancelled", "replaced")
        assert found[-1][0] in ("succeeded", "running")


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
async def test_an_occurrence_runs_though_the_one_before_ended_only_a_moment_ago(lab: Lab, overlap: str) -> None:
    """Claims are made ahead: what is at work then may have ended when the next is due."""
    async with lab:
        at, prompt = await at_work(lab, 59.95, overlap)
        await minutes(at, 4.5)
        assert [status for status, _ in await told(at, prompt)] == ["succeeded"] * 3 + ["running"]
        assert all(fire.started_at - fire.due < 100 for fire in at.runner.begun)
        assert at.daemon.claimer.lost == 0


class Failing:
    """Fails, and is to be tried again after so many seconds; the first `times` times."""

    def __init__(self, after: float, times: int = 1) -> None:
        self.after = after
        self.times = times

    async def run(self, fire: Any) -> str:
        if self.times:
            self.times -= 1
            raise Retry("no luck", after=self.after)
        return "done"


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
async def test_an_occurrence_supersedes_one_that_waits_for_its_next_attempt(lab: Lab, overlap: str) -> None:
    async with lab:
        at = await scene(lab, Failing(3600), watch_period=20)
        prompt = await at.add(MINUTELY, overlap=overlap)
        await minutes(at, 2.2)
        assert await told(at, prompt) == [("failed", "superseded"), ("succeeded", None)]
        assert (await at.fires(prompt))[-1].error == "no luck"


async def test_where_all_are_allowed_the_next_attempt_is_made_all_the_same(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Failing(100))
        prompt = await at.add(MINUTELY, overlap="allow")
        await minutes(at, 3.2)
        first = (await at.fires(prompt))[-1]
        assert (first.status, first.attempt) == ("succeeded", 2)


async def test_a_skipped_occurrence_supersedes_nothing(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Failing(3600), watch_period=20)
        prompt = await at.add(MINUTELY)
        await minutes(at, 1.2)
        await at.scheduler.skip(prompt, "next")
        await minutes(at, 1)
        assert [status for status, _ in await told(at, prompt)] == ["retrying", "skipped"]
        await at.scheduler.cancel(prompt)


async def test_a_manual_run_runs_beside_and_keeps_an_occurrence_from_running(lab: Lab) -> None:
    async with lab:
        at, prompt = await at_work(lab, 50, "skip")
        await minutes(at, 1.5)
        await at.scheduler.run_now(prompt)
        await at.sleep(5)
        assert at.runner.most_running == 2
        await minutes(at, 0.5)
        fires = await at.fires(prompt)
        assert [(fire.trigger, fire.status, fire.reason) for fire in fires[:2]] == [
            ("schedule", "skipped", "busy"),
            ("manual", "running", None),
        ]


async def test_an_edit_from_skip_to_allow_counts_for_the_next(lab: Lab) -> None:
    async with lab:
        at, prompt = await at_work(lab, 600, "skip")
        await minutes(at, 2.2)
        await at.scheduler.edit(prompt, force=True, overlap="allow")
        await minutes(at, 1)
        assert [status for status, _ in await told(at, prompt)] == ["running", "skipped", "running"]
        await at.scheduler.cancel(prompt)
        await at.sleep(1)


async def test_a_pause_takes_back_what_waits_for_the_one_at_work(lab: Lab) -> None:
    async with lab:
        at, prompt = await at_work(lab, 90, "queue")
        await minutes(at, 2.2)
        await at.scheduler.pause(prompt)
        await minutes(at, 1)
        assert await told(at, prompt) == [("succeeded", None), ("skipped", "paused")]


async def test_several_daemons_queue_as_one_does(lab: Lab) -> None:
    async with lab:
        scenes = [await scene(lab, Worker(90), seed=seed, watch_period=5) for seed in range(3)]
        prompt = await scenes[0].add(MINUTELY, overlap="queue")
        await minutes(scenes[0], 6)
        begun = sorted((fire for at in scenes for fire in at.runner.begun), key=lambda fire: fire.nominal)
        fires = {fire.id: fire for fire in await scenes[0].fires(prompt)}
        for before, after in itertools.pairwise(begun):
            assert after.started_at >= fires[before.id].ended_at
        assert len(begun) >= 3


async def test_who_is_superseded_too_often_gives_up_before_the_next_occurrence(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Failing(3600, times=100), watch_period=20)
        prompt = await at.add(MINUTELY, pause_after=2)
        await minutes(at, 4.2)
        assert await told(at, prompt) == [("failed", "superseded")] * 2
        assert (await at.scheduler.get(prompt)).status == "paused"
