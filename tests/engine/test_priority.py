"""Which priority a fire has: what somebody said, or by what made it."""

from __future__ import annotations

import pytest

from tests.conftest import Lab
from tests.engine.scenes import scene


@pytest.mark.parametrize(("origin", "priority"), [("schedule", 50), ("routine", 60), ("assignment", 70), ("goal", 75)])
async def test_without_a_priority_the_origin_says_it_and_a_manual_run_goes_before(
    lab: Lab, origin: str, priority: int
) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add(origin=origin)
        await at.sleep(6)
        assert (await at.fire(prompt)).priority == priority
        assert (await at.scheduler.run_now(prompt)).priority == 80


@pytest.mark.parametrize("priority", [0, 50, 100])
async def test_a_priority_that_was_said_is_that_of_all_its_fires(lab: Lab, priority: int) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add(origin="goal", priority=priority)
        await at.sleep(6)
        assert (await at.fire(prompt)).priority == priority
        assert (await at.scheduler.run_now(prompt)).priority == priority
