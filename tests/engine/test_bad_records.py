"""What is wrong with one record harms that record alone."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.engine.claiming import Claimer
from scheduled_prompts.engine.membership import Membership
from scheduled_prompts.engine.timers import Timers
from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.contract import Retry
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import ALL, DaemonInfo, Serves
from scheduled_prompts.testing import VirtualClock
from tests.conftest import Lab
from tests.engine.faults import counted, unsteady_store
from tests.engine.scenes import CALM, Worker, scene

BROKEN = {
    "not JSON": {"doc": "{"},
    "no object": {"doc": "[]"},
    "a field of the wrong type": {"doc": '{"text": "x", "schedule": {"kind": "once", "at": "soon"}}'},
    "a cron that is none": {"doc": '{"text": "x", "schedule": {"kind": "cron", "expression": "whenever"}}'},
    "a zone that is none": {"doc": '{"text": "x", "timezone": "Mars/Base", "schedule": {"kind": "once", "at": 1}}'},
    "a number that is none": {"seq": "many"},
    "a status that is none": {"status": "undecided"},
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
async def test_a_prompt_that_cannot_be_read_is_set_aside_and_stops_no_other(lab: Lab, damage: dict[str, str]) -> None:
    async with lab:
        at = await scene(lab)
        bad = await at.add("in 3s", "bad")
        good = await at.add("in 3s", "good")
        lab.inspector.hset(f"{lab.prefix}prompt:{bad}", mapping=damage)
        with capture_logs() as logs:
            await at.sleep(6)
        assert at.runner.texts == ["good"]
        assert (await at.fire(good)).status == "succeeded"
        assert [entry["prompt"] for entry in logs if entry["event"] == "prompt_quarantined"] == [bad]
        assert [found.id for found in await at.scheduler.quarantined()] == [bad]
        assert lab.inspector.zscore(f"{lab.prefix}due:default", bad) is None
        assert lab.inspector.zscore(f"{lab.prefix}by:status:quarantined", bad) is not None


async def test_a_prompt_of_a_newer_release_is_left_alone_without_a_complaint(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        newer = await at.add("in 3s")
        key = f"{lab.prefix}prompt:{newer}"
        lab.inspector.hset(key, "doc", json.dumps({"schema": 99, "text": "x", "moods": ["merry"]}))
        before = lab.inspector.hgetall(key)
        with capture_logs() as logs:
            await at.sleep(6)
        assert at.runner.fires == []
        assert lab.inspector.hgetall(key) == before
        assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_a_field_that_a_newer_release_added_survives_a_claim(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 2s")
        key = f"{lab.prefix}prompt:{prompt}"
        document = json.loads(lab.inspector.hget(key, "doc")) | {"mood": "merry"}
        lab.inspector.hset(key, "doc", json.dumps(document))
        await at.sleep(3)
        assert len(at.runner.fires) == 1
        assert json.loads(lab.inspector.hget(key, "doc")) == document


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
async def test_a_prompt_that_is_repaired_by_an_edit_fires_again(lab: Lab, damage: dict[str, str]) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 3s")
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt}", mapping=damage)
        await at.sleep(5)
        await at.scheduler.edit(prompt, force=True, text="mended", when="in 2s", timezone="UTC")
        await at.sleep(3)
        assert at.runner.texts == ["mended"]
        fire = await at.fire(prompt)
        assert (fire.status, fire.lateness_ms) == ("succeeded", 0)


async def test_a_prompt_that_is_mended_by_hand_stays_aside_until_it_is_edited(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 3s")
        key = f"{lab.prefix}prompt:{prompt}"
        document = lab.inspector.hget(key, "doc")
        lab.inspector.hset(key, "doc", "{")
        await at.sleep(5)
        lab.inspector.hset(key, "doc", document)
        await at.sleep(11)
        assert at.runner.fires == []
        assert (await at.scheduler.get(prompt)).status == "quarantined"
        await at.scheduler.edit(prompt, force=True, when="in 2s")
        await at.sleep(3)
        assert (await at.fire(prompt)).status == "succeeded"


@pytest.mark.unaccounted
async def test_an_entry_of_the_due_index_without_a_prompt_is_not_asked_for_at_every_look(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        at = await scene(lab, store=store)
        await at.add("in 1h")  # so that the platform is known
        ghost = "01KDVDNA00GH0ST000000000ST"
        lab.inspector.zadd(f"{lab.prefix}due:default", {ghost: at.now - 60_000})
        await at.sleep(2)
        async with counted(client) as idle:
            await at.sleep(9)
        assert idle.total() <= 9 + 3 + 2  # looks, heartbeats, and next to nothing else


@pytest.mark.unaccounted
async def test_a_fire_that_cannot_be_read_fails_and_stops_no_other(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, slots=1)
        bad, good = await at.add("in 3s", "bad"), await at.add("in 4s", "good")
        lab.inspector.hset(f"{lab.prefix}prompt:{bad}", "doc", lab.inspector.hget(f"{lab.prefix}prompt:{bad}", "doc"))
        fire_id = (await at.scheduler.run_now(good)).id
        await at.sleep(6)
        assert (await at.scheduler.fire(fire_id)).status == "succeeded"
        await at.daemon.__aexit__()
        waiting = (await at.scheduler.run_now(bad)).id
        lab.inspector.hset(f"{lab.prefix}prompt:{bad}", "doc", "{")
        also = (await at.scheduler.run_now(good)).id
        await lab.daemon(at.store, at.runner, **CALM)
        await at.sleep(3)
        assert (await at.scheduler.fire(also)).status == "succeeded"
        failed = await at.scheduler.fire(waiting)
        assert (failed.status, failed.reason) == ("failed", "unreadable")


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        "[]",
        "null",
        "7",
        '{"type": "armed"}',
        '{"type": "armed", "prompt": "x", "platform": "default", "due": "soon"}',
        '{"type": "armed", "prompt": ["x"], "platform": "default", "due": "1"}',
        '{"type": "stop"}',
        '{"type": "a newer kind"}',
        b"\xff\xfe",
    ],
)
async def test_a_message_that_makes_no_sense_harms_nobody(lab: Lab, message: str | bytes) -> None:
    async with lab:
        at = await scene(lab)
        lab.inspector.publish(f"{lab.prefix}changes", message)
        await at.sleep(2)
        prompt = await at.add("in 1s")
        await at.sleep(1.5)
        fire = await at.fire(prompt)
        assert (fire.status, fire.lateness_ms) == ("succeeded", 0)  # it still hears what makes sense


@pytest.mark.parametrize("info", ["", "{", '{"id": "other"}', '{"id": "other", "of": "the future"}'])
async def test_a_heartbeat_that_cannot_be_read_harms_nobody(lab: Lab, info: str) -> None:
    async with lab:
        store = await lab.store()
        lab.inspector.zadd(f"{lab.prefix}daemons", {"other": store.clock.now() + 10_000})
        lab.inspector.hset(f"{lab.prefix}daemon_info", "other", info)
        at = await scene(lab, store=store)
        prompt = await at.add("in 3s")
        await at.sleep(6)
        assert (await at.fire(prompt)).status == "succeeded"
        assert [daemon.id for daemon in await at.scheduler.daemons()] == [at.daemon.id]
        assert await at.scheduler.why_unserved(await at.scheduler.get(prompt)) is None


async def test_passing_over_many_prompts_costs_no_more_for_each_than_passing_over_few() -> None:
    """100,000 overdue prompts of a runner that another daemon has must not keep this one busy."""
    store = Store("memory:never opened", clock=VirtualClock())
    own = DaemonInfo(id="d", host="h", pid=1, version="1", platforms=(ALL,), runners=("log",), slots=1, started_at=0)
    claimer = Claimer(
        store,
        Timers(store.clock, lambda *_: None),
        Membership(own),
        Serves((ALL,), ("log",)),
        room=lambda: 1_000,
        claimed=lambda _: None,
        horizon_ms=1,
        late_spread=0,
    )
    rebuilt: set[int] = set()
    kept = []  # so that no id is used again
    for number in range(100_000):
        claimer._pass_over(f"prompt {number}", store.clock.now())
        if id(claimer._passed_over) not in rebuilt:
            rebuilt.add(id(claimer._passed_over))
            kept.append(claimer._passed_over)
        assert len(rebuilt) < 10
    assert len(claimer._passed_over) == 100_000


async def test_a_fire_whose_runner_is_nobody_s_by_the_time_that_it_is_taken_stops_no_other(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(5), slots=1)
        await at.add("in 1s", "first")
        bad = await at.add("in 2s", "bad")
        good = await at.add("in 3s", "good")
        await at.sleep(4)
        lab.inspector.hset(f"{lab.prefix}fire:{(await at.fire(bad)).id}", "runner", "nobody")
        await at.sleep(12)
        fire = await at.fire(bad)
        assert (fire.status, fire.reason) == ("failed", "unreadable")
        assert (await at.fire(good)).status == "succeeded"


class OddRetry(Retry):
    def __init__(self, after: object) -> None:
        super().__init__("odd")
        self.after = after  # type: ignore[assignment]


@pytest.mark.parametrize("after", ["soon", float("nan"), -5, object(), None], ids=lambda after: type(after).__name__)
async def test_a_runner_that_asks_for_no_time_at_all_stops_no_other(lab: Lab, after: object) -> None:
    def run(fire: Fire) -> None:
        if fire.text == "odd":
            raise OddRetry(after)

    async with lab:
        at = await scene(lab, run)
        odd = await at.add("in 1s", "odd", retries=1, retry_delays=(2,), retry_jitter=0)
        await at.sleep(2)
        good = await at.add("in 1s", "good")
        await at.sleep(4)
        assert (await at.fire(odd)).attempt == 2
        assert (await at.fire(good)).status == "succeeded"
