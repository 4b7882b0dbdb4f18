"""How many run at once, over all daemons."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.limits import Concurrency, Limits
from scheduled_prompts.settings import EngineSettings, load_settings
from tests.conftest import Lab
from tests.engine.faults import vanish
from tests.engine.scenes import Scene, Worker


async def daemons(lab: Lab, count: int, limits: Concurrency, seconds: float = 10, **settings: Any) -> list[Scene]:
    """Several with one fleet's limits, whose runners count together."""
    worker, found = Worker(seconds), []
    for seed in range(count):
        store = await lab.store(seed=seed)
        daemon = Daemon(
            store,
            runners={"log": worker, "claude": worker},
            settings=EngineSettings(**{"watch_period": 1.0, **settings}),
            limits=Limits(concurrency=limits),
        )
        await lab.stack.enter_async_context(daemon)
        found.append(Scene(lab, store, await lab.scheduler(store), worker, daemon))
    return found


@pytest.mark.parametrize(
    ("limits", "fields"),
    [
        (Concurrency(owner=2), {"owner": "ann"}),
        (Concurrency(runners={"claude": 2}), {"runner": "claude"}),
        (Concurrency(), {"concurrency_key": "gpu", "concurrency": 2}),
    ],
)
async def test_no_more_than_the_limit_run_at_once_in_all_daemons(
    lab: Lab, limits: Concurrency, fields: dict[str, Any]
) -> None:
    async with lab:
        at, *_ = await daemons(lab, 3, limits)
        prompts = [await at.add(**fields) for _ in range(6)]
        await at.sleep(40)
        assert at.runner.most_running == 2
        assert {(await at.fire(prompt)).status for prompt in prompts} == {"succeeded"}


async def test_without_a_limit_all_run_at_once(lab: Lab) -> None:
    async with lab:
        at, *_ = await daemons(lab, 1, Concurrency())
        for _ in range(6):
            await at.add(owner="ann")
        await at.sleep(10)
        assert at.runner.most_running == 6


async def test_a_slot_that_frees_is_taken_at_once_by_whoever_can(lab: Lab) -> None:
    async with lab:
        at, *_ = await daemons(lab, 2, Concurrency(owner=1), seconds=5, watch_period=30.0)
        for _ in range(4):
            await at.add("in 5s", owner="ann")
        await at.sleep(30)
        starts = [fire.started_at for fire in at.runner.begun]
        assert len(starts) == 4
        assert all(then - before < 5_500 for before, then in itertools.pairwise(starts))


async def test_who_waits_for_a_limit_holds_up_nobody_else(lab: Lab) -> None:
    async with lab:
        at, *_ = await daemons(lab, 1, Concurrency(owner=1), seconds=60, slots=2)
        for _ in range(5):
            await at.add("in 5s", owner="ann")
        bobs = await at.add("in 6s", owner="bob")
        await at.sleep(7)
        [fire] = [fire for fire in at.runner.begun if fire.prompt_id == bobs]
        assert fire.started_at - fire.due < 300


async def test_what_a_lost_daemon_held_is_free_when_it_is_reaped(lab: Lab) -> None:
    async with lab:
        doomed, other = await daemons(lab, 2, Concurrency(owner=1), seconds=5, lease=10)
        await doomed.sleep(5)
        prompts = [await doomed.add("in 5s", owner="ann") for _ in range(6)]
        await doomed.sleep(7)
        await vanish(doomed.daemon)
        await other.sleep(60)
        assert {(await other.fire(prompt)).status for prompt in prompts} == {"succeeded"}
        assert not [key for key in lab.keys() if key.startswith(("slots:", "parked"))]


def test_the_settings_say_how_many(tmp_path: Any) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[limits.concurrency]\nowner = 5\n[limits.concurrency.runners]\nclaude = 2\n")
    limits = load_settings(file).limits
    assert limits.concurrency == Concurrency(owner=5, runners={"claude": 2})
    assert Limits().document() == "{}"


@pytest.mark.parametrize("field", ["owner", "agent", "conversation", "platform", "runner"])
def test_a_limit_of_nothing_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Concurrency.model_validate({field: 0})
