"""What is counted in one read: where prompts and fires stand, and what ended when."""

from __future__ import annotations

from scheduled_prompts.store.counts import WINDOW_MS
from tests.conftest import Lab
from tests.engine.scenes import Worker, scene


async def test_an_empty_store_counts_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        counted = await store.counts(due_by=now, windows=[now // WINDOW_MS * WINDOW_MS], with_lateness=1)
        assert set(counted.by_status.values()) == {0}
        assert counted[1:6] == (0, None, 0, 0, 0)
        assert [(window.ended, window.late) for window in counted.windows] == [({}, {})]


async def test_what_is_armed_is_counted_over_all_platforms(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        first = (await scheduler.schedule("a", "in 10s", platform="chat")).prompt
        await scheduler.schedule("b", "in 20s")
        await scheduler.schedule("c", "every 1h")
        counted = await store.counts(due_by=store.clock.now(), windows=[], with_lateness=0)
        assert (counted.by_status["scheduled"], counted.by_status["active"]) == (2, 1)
        assert (counted.due, counted.first_due) == (0, (first.id, first.next_at))
        await store.clock.sleep(30)
        counted = await store.counts(due_by=store.clock.now(), windows=[], with_lateness=0)
        assert (counted.due, counted.first_due) == (2, (first.id, first.next_at))


async def test_fires_are_counted_where_they_stand(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(3), slots=1)
        for _ in range(3):
            await at.add("in 1s")
        await at.sleep(2)
        counted = await at.store.counts(due_by=at.now, windows=[], with_lateness=0)
        assert (counted.running, counted.ready, counted.retrying) == (1, 2, 0)
        await at.sleep(10)


async def test_ends_are_counted_in_the_window_in_which_they_were_written(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        start = at.now
        assert start % WINDOW_MS == 0
        await at.add("in 10s")
        await at.add("in 20s")
        await at.add("in 310s")
        await at.sleep(400)
        windows = [start, start + WINDOW_MS]
        counted = await at.store.counts(due_by=at.now, windows=windows, with_lateness=1)
        assert [(w.start, w.ended) for w in counted.windows] == [
            (windows[0], {"succeeded": 2}),
            (windows[1], {"succeeded": 1}),
        ]
        assert [sum(w.late.values()) for w in counted.windows] == [0, 1], "asked for the last one alone"
