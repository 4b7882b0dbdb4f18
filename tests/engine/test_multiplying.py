"""A prompt that schedules two of itself in each run: it is stopped at the depth and the quota that are set.

Each run asks for two one-shots an hour later. What exists afterwards, hours on, is counted to the last one.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from scheduled_prompts import Daemon, Fire, Limits, ScheduledPrompt
from scheduled_prompts.testing import LONG_SPANS
from tests.conftest import Lab
from tests.engine.scenes import Scene

AGENT: dict[str, Any] = {"owner": "ann", "agent": "planner", "conversation": "c1"}
UNBOUND: dict[str, Any] = {"active_per_owner": 0, "active_per_conversation": 0}
FIRST = "in 5s"


class Multiplying:
    """A runner that is never content with one of itself."""

    def __init__(self) -> None:
        self.runs = 0
        self.answers: list[dict[str, Any]] = []

    async def run(self, fire: Fire) -> str:
        self.runs += 1
        for _ in range(2):
            self.answers.append(await fire.tools.call("schedule_prompt", prompt=fire.text, when="in 1h"))
        return "two more of me"

    @property
    def outcomes(self) -> Counter[str]:
        return Counter("made" if answer["ok"] else answer["error"]["code"] for answer in self.answers)


async def at_work(lab: Lab, runner: Multiplying, limits: Limits) -> Scene:
    """A daemon that has these limits, and so have its fires."""
    store = await lab.store()
    daemon = Daemon(store, runners={"log": runner}, settings=LONG_SPANS, limits=limits, timezone="UTC")
    await lab.stack.enter_async_context(daemon)
    return Scene(lab, store, await lab.scheduler(store), runner, daemon)


async def everything(at: Scene) -> list[ScheduledPrompt]:
    return (await at.scheduler.list(limit=1000)).items


def by_depth(prompts: list[ScheduledPrompt]) -> dict[int, int]:
    return dict(Counter(prompt.depth for prompt in prompts))


@pytest.mark.parametrize(
    ("max_depth", "generations", "deepest"),
    [
        (0, {0: 1}, "a fire makes no prompts ([limits] max_depth = 0)"),
        (1, {0: 1, 1: 2}, "depth 1 is the most ([limits] max_depth = 1)"),
        (2, {0: 1, 1: 2, 2: 4}, "depth 2 is the most ([limits] max_depth = 2)"),
    ],
)
async def test_what_schedules_two_of_itself_ends_at_the_depth_that_is_set(
    lab: Lab, max_depth: int, generations: dict[int, int], deepest: str
) -> None:
    runner = Multiplying()
    async with lab:
        limits = Limits(max_depth=max_depth, **UNBOUND)
        at = await at_work(lab, runner, limits)
        root = await at.add(FIRST, "two of me", **AGENT)
        await at.sleep(6 * 3600)
        made = await everything(at)
        assert by_depth(made) == generations
        assert {prompt.status for prompt in made} == {"executed"}, "and no more of it comes"
        assert runner.runs == len(made)
        leaves = generations[max_depth]
        assert runner.outcomes == Counter({"made": len(made) - 1, "limit_reached": 2 * leaves}) - Counter()
        for prompt in made:
            [told] = (await at.scheduler.explain(prompt.id)).conduct
            if prompt.depth == max_depth:
                assert "tried 2 times to schedule a prompt; refused" in told
                assert deepest in told
            else:
                assert " made 2 prompts: " in told
        assert {prompt.root for prompt in made} == {root}


@pytest.mark.parametrize(("when", "each_hour"), [(FIRST, [2, 4, 5, 5, 5, 5]), ("every 2h", [0, 0, 2, 4, 5, 5])])
async def test_what_schedules_two_of_itself_for_ever_stays_below_the_quota_of_its_tree(
    lab: Lab, when: str, each_hour: list[int]
) -> None:
    """Each generation may make the next one, deeper than anybody waits: `active_per_tree` is what holds."""
    runner = Multiplying()
    async with lab:
        limits = Limits(max_depth=16, active_per_tree=5, **UNBOUND)
        at = await at_work(lab, runner, limits)
        root = await at.add(when, "two of me", **AGENT)
        await at.sleep(1800)  # and never at an instant at which something runs
        alive = []
        for _ in each_hour:
            alive.append(sum(prompt.status.is_armed and prompt.id != root for prompt in await everything(at)))
            await at.sleep(3600)
        assert alive == each_hour, "as many as may be, and never one more"
        made = await everything(at)
        assert len(made) == 1 + sum(each_hour) + 5, "the root, what was alive at each look, and after the last one"
        assert len(made) - 1 == runner.outcomes["made"]
        assert 2 * runner.runs == runner.outcomes["made"] + runner.outcomes["limit_reached"]
        assert runner.outcomes["limit_reached"] > 0
        told = [line for prompt in made for line in (await at.scheduler.explain(prompt.id)).conduct]
        assert any("active_per_tree = 5" in line for line in told)
        # And a person stops it all.
        done = await at.scheduler.cancel(root, tree=True)
        assert len(done.with_it) == 5
        ran = runner.runs
        await at.sleep(3 * 3600)
        assert runner.runs == ran
