"""`start_at`, `end_at`, `max_fires`: which of the occurrences that a schedule names count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduled_prompts.engine.due import claim_of
from scheduled_prompts.errors import Conflict, InvalidInput, InvalidSchedule
from scheduled_prompts.fire import FireStatus
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.applying import Wanted
from scheduled_prompts.scheduler.exporting import entry_of
from tests.conftest import Lab
from tests.engine.scenes import Scene, Worker, scene

LONG_SPANS: dict[str, Any] = {"watch_period": 60.0, "heartbeat_period": 900.0}
HOUR = 3_600_000
MINUTE = 60_000


async def test_only_occurrences_from_start_on_and_before_the_end_fire(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        start = s.now // MINUTE * MINUTE + 3 * MINUTE
        within = await s.add("* * * * *", start_at=start, end_at=start + 2 * MINUTE)
        without = await s.add("* * * * *")
        await s.sleep(7 * 60)
        assert [fire.nominal for fire in await s.fires(within)] == [start + MINUTE, start]
        assert len(await s.fires(without)) >= 6
        assert (await s.scheduler.get(within)).status is PromptStatus.EXECUTED


async def test_max_fires_is_the_end_of_it_and_without_it_there_is_none(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        three, more = await s.add("every 1m", max_fires=3), await s.add("every 1m")
        upcoming = s.scheduler.upcoming(await s.scheduler.get(three))
        assert len(upcoming) == 3
        await s.sleep(600)
        assert [fire.status for fire in await s.fires(three)] == [FireStatus.SUCCEEDED] * 3
        assert (await s.scheduler.get(three)).status is PromptStatus.EXECUTED
        assert len(await s.fires(more)) == 10
        assert (await s.scheduler.get(more)).status is PromptStatus.ACTIVE


async def test_what_is_skipped_or_missed_does_not_count(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        prompt = await s.add("every 1m", max_fires=2)
        await s.scheduler.skip(prompt, "next")
        await s.sleep(61)
        assert (await s.fire(prompt)).status is FireStatus.SKIPPED
        await _stopped(s)
        await s.sleep(180)
        await lab.daemon(s.store, s.runner, **LONG_SPANS)
        await s.sleep(300)
        ran = [fire for fire in await s.fires(prompt) if fire.status is FireStatus.SUCCEEDED]
        assert len(ran) == 2
        assert (await s.scheduler.get(prompt)).status is PromptStatus.EXECUTED


async def test_the_last_one_that_is_taken_back_is_not_the_last(lab: Lab) -> None:
    """Claimed ahead, it has made the prompt `executed`; skipped then, it has not fired."""
    async with lab:
        store = await lab.store()
        s = await lab.scheduler(store)
        first = (await s.schedule("x", "every 1h", max_fires=1)).upcoming[0]
        prompt = (await s.list()).items[0]
        await store.clock.sleep(3600 - 2)
        item = claim_of(prompt, store.clock.now(), store.clock.now() + 3000)
        assert item is not None
        assert await store.claim([item]) == ["claimed"]
        assert (await s.get(prompt.id)).status is PromptStatus.EXECUTED
        await s.skip(prompt.id, first.nominal)
        again = await s.get(prompt.id)
        assert (again.status, again.fired, again.next_nominal) == (PromptStatus.ACTIVE, 0, first.nominal + HOUR)
        assert again.ended_at is None
        assert [o.nominal for o in s.upcoming(again)] == [first.nominal + HOUR]


async def test_one_whose_key_is_anothers_by_then_stays_executed(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        s = await lab.scheduler(store)
        answer = await s.schedule("x", "every 1h", max_fires=1, key="k")
        await store.clock.sleep(3600 - 2)
        item = claim_of(answer.prompt, store.clock.now(), store.clock.now() + 3000)
        assert item is not None
        await store.claim([item])
        assert (await s.schedule("y", "every 1h", key="k")).created
        await s.skip(answer.prompt.id, answer.upcoming[0].nominal)
        assert (await s.get(answer.prompt.id)).status is PromptStatus.EXECUTED


async def test_a_window_may_be_said_as_text_or_a_datetime(lab: Lab) -> None:
    async with lab:
        s = await lab.scheduler(await lab.store())
        aware = datetime(2030, 1, 1, 12, tzinfo=UTC)
        for start in (
            aware,
            "2030-01-01 13:00",
            "2030-01-01T12:00Z",
            aware.replace(hour=13, tzinfo=None),
            "2030-01-01 07:00 America/New_York",
        ):
            prompt = (await s.schedule("x", "every day at 9:00", timezone="Europe/Berlin", start_at=start)).prompt
            assert prompt.start_at == round(aware.timestamp() * 1000)
            assert prompt.next_nominal == round((aware + timedelta(hours=20)).timestamp() * 1000)


async def test_windows_that_leave_nothing_are_refused(lab: Lab) -> None:
    async with lab:
        s = await lab.scheduler(await lab.store())
        now = s.clock.now()
        with pytest.raises(InvalidInput, match=r"the end, .*, is not after the start, "):
            await s.schedule("x", "every 1h", start_at=now + HOUR, end_at=now + HOUR)
        with pytest.raises(InvalidInput, match=r"the end, .*, has passed"):
            await s.schedule("x", "every 1h", end_at=now)
        with pytest.raises(InvalidSchedule, match=r"names no instant from .* before"):
            await s.schedule("x", "every 1h", start_at=now + 70 * MINUTE, end_at=now + 80 * MINUTE)
        with pytest.raises(InvalidInput, match="start_at: 'soon' is not a date or time"):
            await s.schedule("x", "every 1h", start_at="soon")
        with pytest.raises(InvalidInput, match="max_fires"):
            await s.schedule("x", "every 1h", max_fires=0)


async def test_an_edit_of_a_window_counts_from_now(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        prompt = await s.add("every 1m", max_fires=2)
        await s.sleep(300)
        with pytest.raises(InvalidInput, match="it has fired 2 times already"):
            await s.scheduler.edit(prompt, force=True, max_fires=1)
        assert (await s.scheduler.edit(prompt, force=True, max_fires=3)).prompt.status is PromptStatus.ACTIVE
        await s.sleep(300)
        assert len(await s.fires(prompt)) == 3
        assert (await s.scheduler.edit(prompt, force=True, max_fires=None)).prompt.status is PromptStatus.ACTIVE
        end = s.now + 150_000
        edited = await s.scheduler.edit(prompt, force=True, end_at=end)
        assert [o.nominal < end for o in edited.upcoming] == [True] * len(edited.upcoming)
        await s.sleep(400)
        assert (await s.scheduler.get(prompt)).status is PromptStatus.EXECUTED


async def test_a_pause_that_outlasts_the_window_leaves_nothing_to_resume(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        prompt = await s.add("every 1m", end_at=s.now + 5 * MINUTE)
        await s.scheduler.pause(prompt)
        await s.sleep(600)
        with pytest.raises(Conflict, match="nothing left to come"):
            await s.scheduler.resume(prompt)


async def test_an_export_carries_the_window_and_the_count(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        prompt = await s.add("every 1m", max_fires=5, end_at=s.now + HOUR)
        await s.sleep(121)
        entry = entry_of(await s.scheduler.get(prompt))
        async with Scheduler(f"memory:elsewhere-{id(s)}", clock=s.store.clock, timezone="UTC") as other:
            await other.import_prompts({"schema": 1, "prompts": [entry]})
            arrived = await other.get(prompt)
        assert (arrived.fired, arrived.max_fires, arrived.end_at) == (2, 5, (await s.scheduler.get(prompt)).end_at)
        assert len(s.scheduler.upcoming(arrived, 10)) == 3


async def test_a_file_applied_again_does_not_revive_what_fired_its_fill(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        wanted = [Wanted("k", "* * * * *", {"text": "x", "runner": "log", "max_fires": 1})]
        applied = await s.scheduler.apply(wanted, set_name="s")
        assert len(applied.created) == 1
        prompt = applied.created[0].prompt
        assert prompt is not None
        await s.sleep(200)
        assert (await s.scheduler.get(prompt.id)).status is PromptStatus.EXECUTED
        assert len((await s.scheduler.apply(wanted, set_name="s")).unchanged) == 1


async def test_the_last_one_that_found_the_one_before_at_work_is_not_the_last(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, Worker(150), **LONG_SPANS)
        prompt = await s.add("every 1m", max_fires=2)
        await s.sleep(15 * 60)
        fires = await s.fires(prompt)
        assert [fire.status for fire in fires if fire.reason != "busy"] == [FireStatus.SUCCEEDED] * 2
        assert {fire.status for fire in fires if fire.reason == "busy"} == {FireStatus.SKIPPED}
        assert (await s.scheduler.get(prompt)).status is PromptStatus.EXECUTED
        assert (await s.scheduler.get(prompt)).fired == 2


async def _stopped(s: Scene) -> None:
    s.daemon.stop()
    await s.sleep(1)
