"""A prompt whose fires all fail gives up, and says so to whoever listens."""

from __future__ import annotations

import pytest

from scheduled_prompts.scheduler.sentences import phrase
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.scenes import scene


@pytest.mark.parametrize(("pause_after", "fires"), [(3, 3), (0, 8)])
async def test_a_prompt_that_always_fails_gives_up_unless_it_is_never_to(
    lab: Lab, pause_after: int, fires: int
) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(ValueError("no luck")))
        prompt = await at.add("every 10s", retries=0, pause_after=pause_after)
        await at.sleep(85)
        assert len(at.runner.fires) == fires
        now = await at.scheduler.get(prompt)
        assert now.status == ("paused" if pause_after else "active")
        assert now.pause_note == ("ValueError: no luck" if pause_after else None)
        assert now.failures == fires


async def test_once_resumed_it_goes_on_from_what_is_to_come(lab: Lab) -> None:
    async with lab:
        works = False
        at = await scene(lab, RecordingRunner(lambda _: "fine" if works else 1 / 0))
        prompt = await at.add("every 10s", retries=0, pause_after=2)
        await at.sleep(65)
        assert len(at.runner.fires) == 2
        works = True
        await at.scheduler.resume(prompt)
        await at.sleep(20)
        assert (await at.scheduler.get(prompt)).failures == 0
        assert [fire.status for fire in await at.fires(prompt)] == ["succeeded"] * 2 + ["failed"] * 2
        assert [(span.kind, span.reason) for span in await at.scheduler.spans(prompt)] == [
            ("paused", "failures"),
            ("resumed", "failures"),
        ]
        explained = await at.scheduler.explain(prompt)
        assert [(row.outcome, row.number) for row in explained.rows][:4] == [
            ("failed", 1),
            ("failed", 1),
            ("paused", 4),
            ("succeeded", 1),
        ]
        row = explained.rows[2]
        assert "too many failures in a row by scheduled-prompts (ZeroDivisionError" in phrase(row, "UTC")
