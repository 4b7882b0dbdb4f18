"""Ten thousand of one owner do not starve another one's one; here they are fewer, and the queue is shallower."""

from __future__ import annotations

import pytest

from scheduled_prompts.engine import worker
from tests.conftest import Lab
from tests.engine.scenes import Worker, scene

CROWD = 60


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SHALLOW", 10)


async def test_one_owner_s_crowd_does_not_starve_another_s_one(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(10), slots=2)
        for number in range(CROWD):
            await at.add("in 5s", f"{number}", owner="ann")
        one = await at.add("in 6s", owner="bob")
        await at.sleep(40)
        place = [fire.prompt_id for fire in at.runner.begun].index(one)
        assert place < 8


async def test_without_an_owner_a_crowd_goes_by_when_it_is_due(lab: Lab) -> None:
    """The opposite: fairness is between owners."""
    async with lab:
        at = await scene(lab, Worker(1), slots=2)
        for number in range(30):
            await at.add("in 5s", f"{number}")
        one = await at.add("in 6s")
        await at.sleep(40)
        assert [fire.prompt_id for fire in at.runner.begun].index(one) == 30
