"""Which skips an edit is said to have dropped: those to come that the new times no longer name."""

from __future__ import annotations

from scheduled_prompts.scheduler import Scheduler
from tests.conftest import Lab

DAY = 86_400.0


async def with_the_next_skipped(scheduler: Scheduler) -> tuple[str, int]:
    prompt = (await scheduler.schedule("x", "daily at 09:00")).prompt.id
    return prompt, (await scheduler.skip(prompt, "next")).nominal


async def test_a_skip_whose_time_passed_in_a_pause_is_not_said_to_be_dropped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store, "UTC")
        prompt, _ = await with_the_next_skipped(scheduler)
        await scheduler.pause(prompt)
        await store.clock.sleep(2 * DAY)
        edited = await scheduler.edit(prompt, force=True, max_fires=50)
        assert (edited.prompt.skips, edited.skips_dropped) == ((), [])


async def test_nor_is_one_that_no_daemon_claimed_in_time(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store, "UTC")
        prompt, _ = await with_the_next_skipped(scheduler)
        await store.clock.sleep(2 * DAY)
        assert (await scheduler.edit(prompt, force=True, max_fires=50)).skips_dropped == []


async def test_one_to_come_is_even_where_the_new_times_begin_after_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store, "UTC")
        prompt, nominal = await with_the_next_skipped(scheduler)
        later = nominal + round(3 * DAY * 1000)
        assert (await scheduler.edit(prompt, force=True, start_at=later)).skips_dropped == [nominal]
