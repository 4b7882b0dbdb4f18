"""`Scheduler.past_events` and `Scheduler.events`: what happened, in order, and what happens."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduled_prompts import Conflict, InvalidInput, StoreUnreachable
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.events import PAGE, TYPES, Event, Events
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.store.events import KEPT
from scheduled_prompts.store.script import _PRELUDE, ALL
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.faults import unsteady_store, vanish
from tests.engine.scenes import Worker, scene


def what(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def write(lab: Lab, count: int, first: int = 0) -> list[str]:
    """That many events, the quick way."""
    with lab.inspector.pipeline() as pipe:
        for number in range(first, first + count):
            pipe.xadd(f"{lab.prefix}events", {"type": "created", "at": "5", "prompt": f"p{number % 3}"})
        return [str(entry) for entry in pipe.execute()]


async def all_since(scheduler: Scheduler, since: Any) -> list[Event]:
    found: list[Event] = []
    while True:
        page = await scheduler.past_events(since=since, limit=1000)
        found += page.items
        since = page.cursor
        if not page.more:
            return found


# Which there are


def test_every_event_that_a_script_writes_has_a_name_here() -> None:
    written = {name for script in ALL for name in re.findall(r"\bevent\('(\w+)'", script.source)}
    assert written - set(TYPES) == set()
    assert len(written) >= 9


def test_how_many_are_kept_is_what_the_prelude_says() -> None:
    assert f"'MAXLEN', '~', {KEPT}," in _PRELUDE


async def test_each_transition_of_a_prompt_is_an_event(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        prompt = (await scheduler.schedule("hello", "every 1h")).prompt
        await scheduler.pause(prompt.id, "not now")
        await scheduler.resume(prompt.id)
        await scheduler.skip(prompt.id, "next")
        await scheduler.unskip(prompt.id, (await scheduler.get(prompt.id)).skips[0])
        await scheduler.edit(prompt.id, force=True, text="hello again")
        await scheduler.cancel(prompt.id)
        page = await scheduler.past_events()
        assert what(page.items) == ["created", "paused", "resumed", "skip", "unskip", "edited", "cancelled"]
        assert {event.prompt for event in page.items} == {prompt.id}
        assert {event.fire for event in page.items} == {None}
        assert not any(event.is_end for event in page.items)
        assert page.items[1].fields == {"reason": "requested", "note": "not now"}
        assert page.items[5].fields == {"changed": "text"}
        assert page.cursor == page.items[-1].id


async def test_each_end_of_a_fire_is_an_event(lab: Lab) -> None:
    answers = {"good": "ok", "bad": Permanent("no"), "slow": None}

    async def answer(fire: Any) -> Any:
        if fire.text == "slow":
            await asyncio.sleep(100)
        if fire.text == "again" and fire.attempt == 1:
            raise Retry("not yet", after=2)
        if isinstance(answers.get(fire.text), Exception):
            raise answers[fire.text]  # type: ignore[misc]
        return "ok"

    async with lab:
        at = await scene(lab, RecordingRunner(answer))
        good = await at.add("in 1s", "good")
        await at.add("in 1s", "bad")
        await at.add("in 1s", "again")
        await at.add("in 1s", "slow", timeout=5, retries=0)
        skipped = await at.add("in 3s", "good")
        await at.scheduler.skip(skipped, "next")
        stopped = await at.add("in 1s", "slow")
        await at.sleep(4)
        await at.scheduler.cancel_fire(stopped)
        await at.sleep(10)
        events = [event for event in (await at.scheduler.past_events()).items if event.fire]
        assert Counter(what(events)) == Counter(
            ["succeeded", "failed", "retrying", "succeeded", "timed_out", "skipped", "cancelled"]
        )
        assert [event.is_end for event in events if event.type == "retrying"] == [False]
        [retrying] = [event for event in events if event.type == "retrying"]
        assert int(retrying.fields["retry_at"]) >= retrying.at
        [first] = (await at.scheduler.past_events(prompt=good[-8:], types=["succeeded"])).items
        assert (first.prompt, first.fire) == (good, (await at.fire(good)).id)


async def test_what_a_lost_daemon_ran_is_told(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(50), lease=5)
        await at.add("in 1s", "a")
        await at.add("in 1s", "b", on_crash="interrupt")
        await at.sleep(2)
        await vanish(at.daemon)
        store = await lab.store(at.store.clock)
        await lab.daemon(store, lease=5, watch_period=1.0)
        await store.clock.sleep(30)
        events = (await (await lab.scheduler(store)).past_events()).items
        assert {"reaped", "interrupted", "succeeded"} <= set(what(events))


async def test_missed_occurrences_and_broken_records_are_told(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        late = (await scheduler.schedule("x", "every 1m")).prompt
        broken = (await scheduler.schedule("y", "every 1m")).prompt
        lab.inspector.hset(f"{lab.prefix}prompt:{broken.id}", "doc", "{}")
        await store.clock.sleep(600)
        await lab.daemon(store, watch_period=1.0)
        await store.clock.sleep(5)
        events = (await scheduler.past_events()).items
        [missed] = [event for event in events if event.type == "missed"]
        assert (missed.prompt, set(missed.fields)) == (late.id, {"from", "until"})
        [set_aside] = [event for event in events if event.type == "quarantined"]
        assert set_aside.prompt == broken.id
        assert set_aside.fields["error"]
        await scheduler.cancel(broken.id)


# The last, and those since


async def test_the_last_ones_come_oldest_first(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        ids = write(lab, PAGE + 30)
        assert [event.id for event in (await scheduler.past_events()).items] == ids[-20:]
        assert [event.id for event in (await scheduler.past_events(limit=PAGE + 10)).items] == ids[-PAGE - 10 :]
        assert [event.id for event in (await scheduler.past_events(limit=1000)).items] == ids
        page = await scheduler.past_events(limit=0)
        assert (page.items, page.cursor) == ([], ids[-1])


async def test_filters_look_as_far_back_as_they_must(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        prompt = (await scheduler.schedule("x", "in 1h")).prompt
        write(lab, PAGE * 2)
        assert what((await scheduler.past_events(prompt=prompt.id)).items) == ["created"]
        assert (await scheduler.past_events(types=["paused"])).items == []


async def test_an_empty_stream_has_a_cursor_all_the_same(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        page = await scheduler.past_events()
        assert page.items == []
        ids = write(lab, 2)
        assert [event.id for event in await all_since(scheduler, page.cursor)] == ids


@pytest.mark.parametrize("count", [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 1_100])
async def test_whoever_resumes_sees_each_event_once(lab: Lab, count: int) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        before = write(lab, 3)
        ids = write(lab, count)
        assert [event.id for event in await all_since(scheduler, before[-1])] == ids
        since, seen = before[-1], []
        while True:
            page = await scheduler.past_events(since=since, limit=170)
            seen += page.items
            since = page.cursor
            if not page.more:
                break
        assert [event.id for event in seen] == ids


async def test_since_a_time(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        key = f"{lab.prefix}events"
        start = scheduler.clock.now()
        for ms in (start - 2000, start - 1000, start - 999):
            lab.inspector.xadd(key, {"type": "created", "at": ms, "prompt": "p"}, id=f"{ms}-0")
        for since in (start - 1000, datetime.fromtimestamp(start / 1000 - 1, UTC)):
            assert [event.at for event in (await scheduler.past_events(since=since)).items] == [
                start - 1000,
                start - 999,
            ]
        page = await scheduler.past_events(since=start)
        assert page.items == []
        lab.inspector.xadd(key, {"type": "created", "at": start, "prompt": "p"}, id=f"{start}-0")
        assert [event.at for event in (await scheduler.past_events(since=page.cursor)).items] == [start]


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "yesterday"},
        {"since": "12"},
        {"since": datetime(2026, 1, 1)},  # noqa: DTZ001  (that is what is refused)
        {"types": ["succeded"]},
        {"limit": -1},
        {"limit": 1001},
    ],
    ids=str,
)
async def test_what_cannot_be_meant_is_refused(lab: Lab, asked: dict[str, Any]) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        with pytest.raises(InvalidInput):
            await scheduler.past_events(**asked)
        with pytest.raises(InvalidInput):
            await scheduler.past_events(since=scheduler.clock.now() + timedelta(hours=1) // timedelta(milliseconds=1))


# What was trimmed


async def test_behind_an_event_that_is_gone_there_is_a_gap(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        ids = write(lab, 10)
        lab.inspector.xtrim(f"{lab.prefix}events", maxlen=4, approximate=False)
        page = await scheduler.past_events(since=ids[2], types=["created"])
        assert what(page.items) == ["gap"] + ["created"] * 4
        assert page.items[0].fields == {"since": ids[2], "oldest": ids[6]}
        assert page.cursor == ids[-1]
        assert what((await scheduler.past_events(since=ids[6])).items) == ["created"] * 3, "that one is still there"


async def test_where_nothing_is_left_that_is_a_gap_too(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        ids = write(lab, 3)
        lab.inspector.delete(f"{lab.prefix}events")
        assert what((await scheduler.past_events(since=ids[0])).items) == ["gap"]
        assert what((await scheduler.past_events(since="0-0")).items) == []


async def test_a_time_before_the_oldest_is_a_gap_only_where_something_was_trimmed(lab: Lab) -> None:
    async with lab:
        scheduler = await lab.scheduler(await lab.store())
        write(lab, 20)
        assert "gap" not in what((await scheduler.past_events(since=5)).items)
        write(lab, KEPT + 200)
        lab.inspector.xtrim(f"{lab.prefix}events", maxlen=KEPT, approximate=False)
        assert what((await scheduler.past_events(since=5)).items)[:2] == ["gap", "created"]
        assert what((await scheduler.past_events(since="0-0")).items)[:2] == ["gap", "created"]


# As they happen


async def collect(events: Events, into: list[Event]) -> None:
    async for event in events:
        into.append(event)


async def test_events_come_as_they_happen(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        await at.add("in 1h")
        seen: list[Event] = []
        task = asyncio.create_task(collect(at.scheduler.events(), seen))
        await at.sleep(1)
        prompt = await at.add("in 3s")
        await at.sleep(10)
        task.cancel()
        assert what(seen) == ["created", "succeeded"], "what was before is not told"
        assert {event.prompt for event in seen} == {prompt}


async def test_following_begins_behind_what_was_seen(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        ids = write(lab, PAGE * 2 + 5)
        seen: list[Event] = []
        events = scheduler.events(since=ids[9], prompt="p0")
        task = asyncio.create_task(collect(events, seen))
        await store.clock.sleep(5)
        ids += write(lab, 6, first=len(ids))
        await store.clock.sleep(5)
        task.cancel()
        assert [event.id for event in seen] == ids[12::3]
        assert events.position == ids[-1]


async def test_a_reader_who_falls_behind_is_told(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        events = (await lab.scheduler(store)).events(since="0-0")
        ids = write(lab, 3)
        assert [event.id for event in await events.batch()] == ids
        write(lab, 10)
        lab.inspector.xtrim(f"{lab.prefix}events", maxlen=4, approximate=False)
        assert what(await events.batch()) == ["gap"] + ["created"] * 4
        assert await events.batch() == []


async def test_a_stream_that_is_gone_is_said_once_and_a_new_one_is_followed(lab: Lab) -> None:
    async with lab:
        events = (await lab.scheduler(await lab.store())).events(since="0-0")
        write(lab, 3)
        await events.batch()
        lab.inspector.delete(f"{lab.prefix}events")
        assert what(await events.batch()) == ["gap"]
        assert what(await events.batch()) == []
        ids = write(lab, 2)
        assert [event.id for event in await events.batch()] == ids


async def test_an_outage_is_an_error_and_iterating_goes_on_from_where_it_was(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        events = (await lab.scheduler(store)).events(since="0-0")
        ids = write(lab, 1)
        assert (await anext(events)).id == ids[0]
        client.away = True
        for _ in range(2):
            with pytest.raises(StoreUnreachable):
                await anext(events)
        ids += write(lab, 2)
        client.away = False
        assert [(await anext(events)).id, (await anext(events)).id] == ids[1:]


@pytest.mark.real_time
async def test_in_real_time_an_event_comes_at_once(lab: Lab) -> None:
    async with lab, Store(connect(lab.url), namespace=lab.namespace) as store:
        scheduler = await lab.scheduler(store)
        events = scheduler.events()
        assert await events.batch() == [], "nothing came within its second"
        waiting = asyncio.create_task(events.batch())
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        written = loop.time()
        prompt = (await scheduler.schedule("x", "in 1h")).prompt
        [event] = await waiting
        assert (event.type, event.prompt) == ("created", prompt.id)
        assert loop.time() - written < 0.5
        waiting = asyncio.create_task(events.batch())
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(Conflict):
            await scheduler.resume(prompt.id)  # the store can still be talked to
