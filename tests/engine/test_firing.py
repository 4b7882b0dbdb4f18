"""From `schedule` to `settled`, in virtual time."""

from __future__ import annotations

from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab


async def test_a_one_shot_fires_once_at_its_time_and_ends_as_executed(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        runner = RecordingRunner("done")
        await lab.daemon(store, runner)
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("say hello", "in 10s")).prompt

        await store.clock.sleep(30)

        assert runner.texts == ["say hello"]
        assert runner.fires[0].started_at == prompt.next_at
        ended = await scheduler.get(prompt.id)
        assert ended.status is PromptStatus.EXECUTED
        [fire] = (await scheduler.history(prompt.id)).items
        assert (fire.status, fire.attempt, fire.lateness_ms) == ("succeeded", 1, 0)
        assert fire.result is not None
        assert fire.result.text == "done"
