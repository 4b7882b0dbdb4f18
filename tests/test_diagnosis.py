"""Is all well? Each check tells an ill from a healthy store."""

from __future__ import annotations

import json

import pytest

from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.diagnosis import Finding, Level, Waiting, daemons, memory, persistence, unserved
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
        (HEALTHY._replace(appendonly=False, save=None), Level.WARNING, "does not tell whether it makes snapshots"),
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
        (HEALTHY._replace(maxmemory=2**20), Level.PROBLEM),
        (HEALTHY._replace(maxmemory=2**30, eviction="allkeys-lru"), Level.PROBLEM),
        (HEALTHY._replace(maxmemory=2**30, eviction="volatile-lru"), Level.WARNING),
        (HEALTHY._replace(maxmemory=2**20, used_memory=2**20, eviction="volatile-lru"), Level.PROBLEM),
        (HEALTHY._replace(maxmemory=0, eviction="allkeys-lru"), Level.OK),
    ],
)
def test_memory_is_judged_by_what_may_be_thrown_away_or_refused(condition: ServerCondition, level: Level) -> None:
    assert memory(condition).level is level


def test_no_daemon_is_a_problem() -> None:
    assert daemons([], 0, here=False).level is Level.PROBLEM


def test_a_daemon_of_another_release_is_a_warning_and_one_elsewhere_is_not_one_here() -> None:
    assert daemons([daemon()], 1, here=False).level is Level.OK
    assert daemons([daemon(), daemon("0.0.1")], 1, here=False).level is Level.WARNING
    assert daemons([daemon()], 1, here=True).level is Level.PROBLEM


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
        prompt = (await scheduler.schedule("x", "in 1m", runner="nobody", platform="chat")).prompt
        served = await finding_of(scheduler, "served")
        assert served.level is Level.PROBLEM
        assert served.details == (f"1 × runner nobody on platform chat, such as {prompt.id[-8:]}",)
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
        assert found.hint is not None
        assert found.hint.startswith(f"scheduled-prompts edit {prompt.id[-8:]} --force")


@pytest.mark.unaccounted
async def test_a_record_that_cannot_be_read_is_found_before_it_is_due_and_set_aside_with_its_error(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        prompt = (await scheduler.schedule("x", "in 1h")).prompt
        document = json.loads(lab.inspector.hget(store.keys.prompt(prompt.id), "doc") or "")
        lab.inspector.hset(store.keys.prompt(prompt.id), "doc", json.dumps(document | {"timezone": "Nowhere/Else"}))
        found = await finding_of(scheduler, "records")
        assert found.level is Level.PROBLEM
        assert "Nowhere/Else" in found.details[0]
        assert await level_of(scheduler, "quarantine") is Level.OK
        assert await level_of(scheduler, "records", repair=True) is Level.NOTE
        assert await level_of(scheduler, "records") is Level.OK
        assert "Nowhere/Else" in (await finding_of(scheduler, "quarantine")).details[0]
        lab.check_accounts()


@pytest.mark.unaccounted
async def test_a_record_of_a_newer_release_is_left_alone_by_a_repair(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        prompt = (await scheduler.schedule("x", "in 1h")).prompt
        document = json.loads(lab.inspector.hget(store.keys.prompt(prompt.id), "doc") or "")
        lab.inspector.hset(store.keys.prompt(prompt.id), "doc", json.dumps(document | {"schema": 99}))
        before = lab.keys()
        found = {one.check: one.level for one in await scheduler.doctor(repair=True)}
        assert (found["records"], found["indexes"]) == (Level.NOTE, Level.OK)
        assert lab.keys() == before


def test_of_many_that_nobody_serves_the_most_come_first_and_not_all_are_shown() -> None:
    waiting = {(f"p{number}", "log"): Waiting(number, "0" * 26) for number in range(1, 21)}
    found = unserved(waiting, [daemon().model_copy(update={"runners": ("other",)})])
    assert found.message == "no live daemon serves 210 prompts"
    assert found.details[0].startswith("20 × runner log on platform p20")
    assert found.details[-1] == "… and 10 more"


@pytest.mark.unaccounted
async def test_an_unknown_key_is_noted_and_left_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        lab.inspector.set(lab.prefix + "novelty", "x")
        found = {one.check: one for one in await scheduler.doctor(repair=True)}
        assert (found["indexes"].level, found["keys"].level) == (Level.OK, Level.NOTE)
        assert found["keys"].details == ("novelty",)
        assert lab.inspector.get(lab.prefix + "novelty") == "x"


@pytest.mark.unaccounted
async def test_what_a_repair_cannot_mend_stays_a_problem_and_is_what_is_shown(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        first = (await scheduler.schedule("x", "in 1h", key="daily")).prompt
        twin = (await scheduler.schedule("x", "in 1h")).prompt
        document = lab.inspector.hget(store.keys.prompt(first.id), "doc") or ""
        lab.inspector.hset(store.keys.prompt(twin.id), "doc", document)
        lab.inspector.set(store.keys.due("default") + "x", "x")
        lab.inspector.delete(store.keys.due("default"))
        found = await finding_of(scheduler, "indexes", repair=True)
        assert (found.level, found.message) == (Level.PROBLEM, "1 disagreement between indexes and records")
        assert "both live with one key" in found.details[0]
        assert lab.inspector.zcard(store.keys.due("default")) == 2


async def test_progress_goes_from_nothing_to_all_and_never_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="UTC")
        for _ in range(3):
            await scheduler.schedule("x", "in 1h")
        heard: list[float] = []
        await scheduler.doctor(progress=lambda done, total: heard.append(done / max(total, 1)))
        assert heard == sorted(heard)
        assert heard[-1] == 1


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
