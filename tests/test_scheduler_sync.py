"""The scheduler without an event loop: the same calls, blocking."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Iterator

import pytest

from scheduled_prompts.errors import NotFound, StoreUnreachable, VersionConflict
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.exporting import entry_of
from scheduled_prompts.scheduler.sync import SyncScheduler
from tests.conftest import RealServer


@pytest.fixture
def scheduler(real_server: RealServer, request: pytest.FixtureRequest) -> Iterator[SyncScheduler]:
    with Scheduler.sync(real_server.url, namespace=f"sync-{request.node.name[:40]}", timezone="UTC") as opened:
        yield opened


def test_a_prompt_lives_from_schedule_to_cancel_without_an_event_loop(scheduler: SyncScheduler) -> None:
    prompt = scheduler.schedule("hello", "every day at 9am").prompt
    assert scheduler.get(prompt.id[-8:]).text == "hello"
    assert scheduler.edit(prompt.id, version=1, text="hi").changed == ["text"]
    assert scheduler.pause(prompt.id, "holiday").prompt.pause_note == "holiday"
    assert scheduler.resume(prompt.id).passed is None
    fire = scheduler.run_now(prompt.id)
    assert [one.id for one in scheduler.history(prompt.id).items] == [fire.id]
    scheduler.cancel(prompt.id)
    assert [one.status for one in scheduler.list().items] == ["cancelled"]
    assert scheduler.daemons() == []


def test_a_preview_and_what_comes_need_no_loop_either(scheduler: SyncScheduler) -> None:
    assert len(scheduler.preview("every day at 9am", count=3).upcoming) == 3
    assert len(scheduler.upcoming(scheduler.schedule("x", "every 1h").prompt, 2)) == 2


def test_events_and_exports_come_one_by_one(scheduler: SyncScheduler) -> None:
    prompt = scheduler.schedule("x", "every 1h").prompt
    scheduler.pause(prompt.id)
    events = scheduler.events(since=prompt.created_at - 1)
    assert [next(events).type, next(events).type] == ["created", "paused"]
    assert [one.id for one in scheduler.export()] == [prompt.id]


def test_errors_are_those_of_the_scheduler(scheduler: SyncScheduler) -> None:
    with pytest.raises(NotFound):
        scheduler.get("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    prompt = scheduler.schedule("x", "every 1h").prompt
    with pytest.raises(VersionConflict):
        scheduler.edit(prompt.id, version=7, text="y")


def test_a_store_that_does_not_answer_is_said_when_it_is_opened_and_no_thread_stays_behind() -> None:
    before = threading.active_count()
    with pytest.raises(StoreUnreachable):
        Scheduler.sync("unix:///nowhere/at/all")
    assert threading.active_count() == before


def test_it_works_where_a_loop_runs_already_and_from_other_threads(scheduler: SyncScheduler) -> None:
    async def in_a_notebook() -> str:
        return scheduler.schedule("x", "every 1h").prompt.id

    prompt = asyncio.run(in_a_notebook())
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(scheduler.get(prompt).id))
    thread.start()
    thread.join()
    assert found == [prompt]


def test_what_is_closed_says_so_and_may_be_closed_again(real_server: RealServer) -> None:
    scheduler = Scheduler.sync(real_server.url, namespace="sync-closed")
    scheduler.close()
    scheduler.close()
    with pytest.raises(RuntimeError, match="closed"):
        scheduler.list()


def test_closing_it_ends_what_other_threads_wait_for(real_server: RealServer) -> None:
    scheduler = Scheduler.sync(real_server.url, namespace="sync-closed-meanwhile")
    problems: list[str] = []

    def follow() -> None:
        with pytest.raises(RuntimeError) as problem:
            next(iter(scheduler.events()))
        problems.append(str(problem.value))

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    time.sleep(0.2)
    scheduler.close()
    reader.join(5)
    assert problems == ["this scheduler was closed meanwhile"]


def test_a_call_from_within_a_call_is_refused_as_it_would_wait_for_ever(scheduler: SyncScheduler) -> None:
    def look_again(_: int) -> None:
        scheduler.list()

    entry = entry_of(scheduler.schedule("x", "every 1h").prompt)
    with pytest.raises(RuntimeError, match="within"):
        scheduler.import_prompts({"schema": 1, "prompts": [entry]}, progress=look_again)


def test_every_call_of_the_scheduler_has_its_blocking_twin_with_its_description() -> None:
    others = ("open", "sync", "as_caller", "as_bearer", "asks")
    calls = {
        name
        for name, member in vars(Scheduler).items()
        if not name.startswith("_") and callable(member) and name not in others
    }
    assert calls <= set(dir(SyncScheduler))
    assert inspect.getdoc(vars(SyncScheduler)["edit"]) == inspect.getdoc(Scheduler.edit)
