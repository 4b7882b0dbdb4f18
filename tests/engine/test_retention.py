"""What has been over for long is deleted, and nothing else."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.engine.retention import cleanup
from scheduled_prompts.errors import NotFound
from tests.conftest import Lab
from tests.engine.scenes import scene

DAY = 86_400.0
LONG = {"watch_period": 3600.0, "heartbeat_period": 7200.0, "sweep_period": 7200.0, "cleanup_period": 30 * DAY}


async def test_ended_prompts_go_with_all_that_is_theirs_when_their_time_is_over(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LONG)
        executed = await at.add("in 1s", owner="ann", agent="a", key="k")
        cancelled = await at.add("in 1h")
        await at.scheduler.cancel(cancelled)
        await at.sleep(10)
        await at.daemon.__aexit__()
        await at.sleep(5 * DAY)
        purged = await cleanup(at.store, 7)
        assert (purged.prompts, purged.fires) == (0, 0)
        await at.sleep(2.1 * DAY)
        purged = await cleanup(at.store, 7)
        assert (purged.prompts, purged.fires) == (2, 1)
        assert [name for name in lab.keys() if executed in name or cancelled in name] == []
        assert (await at.scheduler.list()).items == []


async def test_a_cancelled_prompt_can_be_looked_at_until_its_time_is_over(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LONG)
        prompt = await at.add("every 1h")
        await at.sleep(2 * 3600 + 60)
        await at.scheduler.cancel(prompt)
        await at.daemon.__aexit__()
        await at.sleep(6 * DAY)
        await cleanup(at.store, 7)
        assert (await at.scheduler.get(prompt)).status == "cancelled"
        assert [fire.status for fire in await at.fires(prompt)] == ["succeeded"] * 2
        assert [(span.kind, span.by) for span in await at.scheduler.spans(prompt)] == [("cancelled", "api")]
        await at.sleep(DAY + 60)
        assert (await cleanup(at.store, 7)).prompts == 1
        with pytest.raises(NotFound):
            await at.scheduler.get(prompt)


async def test_old_fires_of_a_living_prompt_go_and_the_prompt_stays(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LONG)
        prompt = await at.add("every 1h")
        await at.sleep(6 * 3600 + 60)
        assert len(await at.fires(prompt)) == 6
        purged = await cleanup(at.store, 2 / 24)
        assert (purged.prompts, purged.fires) == (0, 4)
        assert len(await at.fires(prompt)) == 2
        assert (await at.scheduler.get(prompt)).status == "active"


async def test_a_fire_that_has_not_ended_keeps_its_prompt(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LONG)
        await at.daemon.__aexit__()
        prompt = await at.add("in 1h")
        fire = await at.scheduler.run_now(prompt)
        await at.scheduler.cancel(prompt)
        other = await at.add("in 1h")
        waiting = await at.scheduler.run_now(other)
        await at.sleep(40 * DAY)
        await cleanup(at.store, 7)
        assert (await at.scheduler.fire(waiting.id)).status == "queued"
        assert lab.inspector.exists(f"{lab.prefix}fire:{fire.id}") == 0


async def test_where_it_is_unknown_when_a_prompt_ended_its_creation_counts(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LONG)
        prompt = await at.add("in 1s")
        await at.sleep(5)
        await at.daemon.__aexit__()
        key = f"{lab.prefix}prompt:{prompt}"
        ended = lab.inspector.hget(key, "ended_at")
        lab.inspector.hdel(key, "ended_at")
        await at.sleep(3 * DAY)
        assert (await cleanup(at.store, 4)).prompts == 0
        assert ended is not None
        lab.inspector.hset(key, "created_at", int(ended) - 86_400_000 * 2)
        assert (await cleanup(at.store, 4)).prompts == 1


@pytest.mark.unaccounted
async def test_one_with_neither_date_is_logged_and_left(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LONG)
        prompt, other = await at.add("in 1s"), await at.add("in 1s")
        await at.sleep(5)
        await at.daemon.__aexit__()
        lab.inspector.hdel(f"{lab.prefix}prompt:{prompt}", "ended_at", "created_at")
        await at.sleep(30 * DAY)
        with capture_logs() as logs:
            assert (await cleanup(at.store, 1)).prompts == 1
        assert [entry["prompt"] for entry in logs if entry["log_level"] == "warning"] == [prompt]
        assert lab.inspector.exists(f"{lab.prefix}prompt:{prompt}") == 1
        assert lab.inspector.exists(f"{lab.prefix}prompt:{other}") == 0


async def test_more_than_a_page_goes_in_one_cleanup(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduled_prompts.engine.retention.PAGE", 7)
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        for _ in range(20):
            await scheduler.cancel((await scheduler.schedule("x", "in 1h")).prompt.id)
        await store.clock.sleep(2 * DAY)
        assert (await cleanup(store, 1)).prompts == 20


async def test_the_daemon_cleans_up_by_itself(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **{**LONG, "cleanup_period": 3600.0}, retention_days=0.02)
        await at.add("in 1s")
        await at.sleep(2 * 3600)
        assert (await at.scheduler.list()).items == []


async def test_the_daemon_deletes_orphans_once_a_day(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **{**LONG, "cleanup_period": 6 * 3600.0})
        key = f"{lab.prefix}fire:01ARZ3NDEKTSV4RRFFQ69G5FAV@1"
        lab.inspector.hset(key, mapping={"status": "failed", "nominal": 1})
        await at.sleep(7 * 3600)
        assert not lab.inspector.exists(key)
        lab.inspector.hset(key, mapping={"status": "failed", "nominal": 1})
        await at.sleep(12 * 3600)
        assert lab.inspector.exists(key)
        await at.sleep(12 * 3600)
        assert not lab.inspector.exists(key)


async def test_a_prompt_keeps_no_more_fires_than_it_should(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, keep_fires=3)
        prompt = await at.add("every 1s")
        await at.sleep(8)
        fires = await at.fires(prompt)
        assert len(fires) in (3, 4)
        assert fires[0].nominal - fires[-1].nominal <= 3_000
        stored = [name for name in lab.keys() if name.startswith("fire:")]
        assert len(stored) == len(fires)
