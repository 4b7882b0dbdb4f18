"""Is all well? Each check tells an ill from a healthy store."""

from __future__ import annotations

import pytest

from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.diagnosis import Finding, Level, daemons, memory, persistence
from scheduled_prompts.store.condition import ServerCondition
from scheduled_prompts.store.records import DaemonInfo
from scheduled_prompts.version import VERSION
from tests.conftest import Lab

HEALTHY = ServerCondition("valkey 9", True, "always", "", (), 2**20, 0, "noeviction")


def daemon(version: str = VERSION) -> DaemonInfo:
    return DaemonInfo(
        id="d", host="elsewhere", pid=1, version=version, platforms=("*",), runners=("log",), slots=1, started_at=0
    )


async def level_of(scheduler: Scheduler, check: str, **how: bool) -> Level:
    return (await finding_of(scheduler, check, **how)).level


async def finding_of(scheduler: Scheduler, check: str, **how: bool) -> Finding:
    [found] = [finding for finding in await scheduler.doctor(**how) if finding.check == check]
    return found


@pytest.mark.parametrize(
    ("condition", "level", "said"),
    [
        (HEALTHY, Level.OK, "on disk before it is answered"),
        (HEALTHY._replace(appendfsync="everysec"), Level.OK, "up to a second"),
        (HEALTHY._replace(appendonly=False), Level.PROBLEM, "this Redis forgets everything on restart"),
        (HEALTHY._replace(appendonly=False, save="3600 1"), Level.WARNING, "only snapshots"),
        (HEALTHY._replace(appendonly=None, save=None), Level.NOTE, "does not tell"),
        (HEALTHY._replace(failing=("append-only file",)), Level.PROBLEM, "failed"),
    ],
)
def test_persistence_is_judged_by_what_a_restart_would_leave(
    condition: ServerCondition, level: Level, said: str
) -> None:
    found = persistence(condition, remembers=True)
    assert found.level is level
    assert said in found.message
    assert (found.hint is not None) == (level in (Level.PROBLEM, Level.WARNING))


def test_a_store_in_memory_is_said_to_forget() -> None:
    assert persistence(HEALTHY, remembers=False).level is Level.PROBLEM


@pytest.mark.parametrize(
    ("condition", "level"),
    [
        (HEALTHY, Level.OK),
        (HEALTHY._replace(maxmemory=2**30), Level.OK),
        (HEALTHY._replace(maxmemory=2**20 + 1), Level.WARNING),
        (HEALTHY._replace(maxmemory=2**30, eviction="allkeys-lru"), Level.PROBLEM),
        (HEALTHY._replace(maxmemory=0, eviction="allkeys-lru"), Level.OK),
    ],
)
def test_memory_is_judged_by_what_may_be_thrown_away_or_refused(condition: ServerCondition, level: Level) -> None:
    assert memory(condition).level is level


def test_no_daemon_is_a_problem_where_something_is_to_come_or_one_is_needed() -> None:
    assert daemons([], 0, here=False, needed=False).level is Level.WARNING
    assert daemons([], 1, here=False, needed=False).level is Level.PROBLEM
    assert daemons([], 0, here=False, needed=True).level is Level.PROBLEM


def test_a_daemon_of_another_release_is_a_warning_and_one_elsewhere_is_not_one_here() -> None:
    assert daemons([daemon()], 1, here=False, needed=True).level is Level.OK
    assert daemons([daemon(), daemon("0.0.1")], 1, here=False, needed=True).level is Level.WARNING
    assert daemons([daemon()], 1, here=True, needed=True).level is Level.PROBLEM


async def test_a_healthy_house_has_no_problem_but_that_nothing_is_kept_here(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        await lab.daemon(store)
        await scheduler.schedule("x", "every 1h")
        ill = [one.check for one in await scheduler.doctor() if one.level in (Level.PROBLEM, Level.WARNING)]
        assert ill in (["persistence"], [])  # this server keeps nothing on disk, and fakeredis does not tell


async def test_a_prompt_that_nobody_serves_is_found_and_then_it_is_overdue(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        await lab.daemon(store)
        await scheduler.schedule("x", "in 1m", runner="nobody", platform="chat")
        served = await finding_of(scheduler, "served")
        assert (served.level, served.details) == (Level.PROBLEM, ("1 × runner nobody on platform chat",))
        assert await level_of(scheduler, "due") is Level.OK
        await store.clock.sleep(70)
        assert await level_of(scheduler, "due", quick=True) is Level.PROBLEM


@pytest.mark.unaccounted
async def test_a_record_that_was_set_aside_is_listed_with_its_error(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        assert await level_of(scheduler, "quarantine") is Level.OK
        prompt = (await scheduler.schedule("x", "in 1m")).prompt
        lab.inspector.hset(store.keys.prompt(prompt.id), "doc", "{")
        await lab.daemon(store)
        await store.clock.sleep(70)
        found = await finding_of(scheduler, "quarantine")
        assert found.level is Level.PROBLEM
        assert prompt.id[-8:] in found.details[0]


@pytest.mark.unaccounted
async def test_indexes_that_disagree_are_found_and_repaired(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        prompt = (await scheduler.schedule("x", "in 1m")).prompt
        assert await level_of(scheduler, "indexes") is Level.OK
        lab.inspector.delete(store.keys.due("default"))
        assert await level_of(scheduler, "indexes") is Level.PROBLEM
        assert await level_of(scheduler, "indexes", repair=True) is Level.NOTE
        assert await level_of(scheduler, "indexes") is Level.OK
        assert lab.inspector.zscore(store.keys.due("default"), prompt.id) == prompt.next_at


async def test_a_quick_look_reads_no_records(lab: Lab) -> None:
    async with lab:
        scheduler = Scheduler(await lab.store(), timezone="UTC")
        assert {one.check for one in await scheduler.doctor(quick=True)}.isdisjoint({"served", "indexes"})
