"""So many attempts may begin in any 24 hours: what recurs is skipped beyond that, what does not waits."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from random import Random
from typing import Any

import pytest

from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.runners.contract import Retry
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.testing import LONG_SPANS, RecordingRunner
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    HOUR,
    LEASE,
    ending,
    manual_for,
    queued,
    read,
    read_fire,
    saved,
    settle,
    settled,
    take,
)

DAY = 24 * HOUR
DAYS = pytest.mark.parametrize("lab", ["fakeredis"], indirect=True)
"""Of a test that lets a daemon live for days, which beside a real server takes seconds."""
SPANS = LONG_SPANS.model_copy(update={"watch_period": 1800.0})


async def at_work(lab: Lab, limits: Limits, runner: Any = None) -> tuple[Store, Scheduler, Any]:
    store = await lab.store()
    runner = runner if runner is not None else RecordingRunner()
    await lab.stack.enter_async_context(Daemon(store, runners={"log": runner}, settings=SPANS, limits=limits))
    return store, await lab.scheduler(store), runner


async def outcomes(scheduler: Scheduler, prompt: str) -> list[str]:
    """In the order of their nominal times."""
    fires = (await scheduler.history(prompt, limit=100)).items
    return [fire.reason or fire.status for fire in reversed(fires)]


@DAYS
@pytest.mark.parametrize(("limits", "skipped"), [(Limits(fires_per_owner=3), 3), (Limits(), 0)])
async def test_what_recurs_is_skipped_when_so_many_began_within_24_hours(
    lab: Lab, limits: Limits, skipped: int
) -> None:
    async with lab:
        store, scheduler, runner = await at_work(lab, limits)
        prompt = (await scheduler.schedule("x", "every 5h", owner="ann")).prompt.id
        await store.clock.sleep(33 * 3600)  # at 5, 10, 15, and, as the first leaves the window, at 30 h
        said = await outcomes(scheduler, prompt)
        assert said == ["succeeded"] * 3 + (["rate_limit"] * 2 + ["succeeded"] if skipped else ["succeeded"] * 3)
        assert len(runner.fires) == said.count("succeeded")


@DAYS
async def test_one_shots_wait_for_the_next_free_slots_and_each_for_its_own(lab: Lab) -> None:
    async with lab:
        store, scheduler, runner = await at_work(lab, Limits(fires_per_conversation=2))
        start = store.clock.now()
        prompts = [
            (await scheduler.schedule(str(hour), f"in {hour}h", conversation="c", grace=None)).prompt.id
            for hour in range(1, 7)
        ]
        await store.clock.sleep(7 * 3600)
        assert runner.texts == ["1", "2"]
        waiting = [await scheduler.fire(prompt) for prompt in prompts[2:]]
        assert {(fire.status, fire.reason, fire.attempt, fire.failures) for fire in waiting} == {
            (FireStatus.RETRYING, "rate_limit", 0, 0)
        }
        hours = [round(((fire.retry_at or 0) - start) / HOUR, 1) for fire in waiting]
        assert hours == [25, 26, 49, 50]
        await store.clock.sleep(47 * 3600)
        assert runner.texts == ["1", "2", "3", "4", "5", "6"]
        assert [round((fire.started_at or 0) - start) // HOUR for fire in await the_fires(scheduler, prompts)] == [
            1, 2, 25, 26, 49, 50,
        ]  # fmt: skip
        assert {fire.reason for fire in await the_fires(scheduler, prompts)} == {None}


async def the_fires(scheduler: Scheduler, prompts: list[str]) -> list[Fire]:
    return [await scheduler.fire(prompt) for prompt in prompts]


@DAYS
async def test_silent_and_failed_attempts_and_manual_runs_count(lab: Lab) -> None:
    def answer(fire: Fire) -> None:
        if fire.attempt < 3:
            raise Retry("not yet", after=600)

    async with lab:
        store, scheduler, runner = await at_work(lab, Limits(fires_per_owner=4), RecordingRunner(answer))
        prompt = (await scheduler.schedule("x", "every 6h", owner="ann")).prompt.id
        await store.clock.sleep(8 * 3600)
        assert len(runner.fires) == 3
        manual = await scheduler.run_now(prompt)
        await store.clock.sleep(3600)
        assert len(runner.fires) == 4
        assert (await scheduler.fire(manual.id)).reason == "rate_limit"  # its second attempt
        await store.clock.sleep(4 * 3600)
        assert len(runner.fires) == 4
        assert [fire.reason for fire in (await scheduler.history(prompt)).items if fire.id != manual.id] == [
            "rate_limit",
            None,
        ]


async def test_each_owner_and_conversation_has_a_rate_of_its_own(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(fires_per_owner=2, fires_per_conversation=1)
        now = store.clock.now()
        whose = (("ann", "a"), ("ann", "a"), ("ann", "b"), ("ann", "c"), ("bob", "d"), (None, "e"))
        for number, (owner, conversation) in enumerate(whose):
            text = f"{owner}-{conversation}"
            await queued(store, once=True, owner=owner, conversation=conversation, text=text, next_at=now + number)
        leases = (await taking(store, limits)).leases
        assert {lease.fire.text for lease in leases} == {"ann-a", "ann-b", "bob-d", "None-e"}


async def taking(store: Store, limits: Limits, op: str | None = None) -> Any:
    return await store.take(500, lease_ms=LEASE, daemon="daemon", serves=EVERYTHING, limits=limits, op=op)


async def test_several_daemons_at_once_begin_no_more_than_the_limit(lab: Lab) -> None:
    async with lab:
        stores = [await lab.store(seed=seed) for seed in range(6)]
        for number in range(40):
            await queued(stores[number % 6], once=True, owner="ann")
        limits = Limits(fires_per_owner=10)
        took = await asyncio.gather(
            *(
                store.take(5, lease_ms=LEASE, daemon=f"d{n}", serves=EVERYTHING, limits=limits)
                for n, store in enumerate(stores * 3)
            )
        )
        assert sum(len(taken.leases) for taken in took) == 10


async def test_who_stops_waiting_lets_the_others_move_up(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(fires_per_owner=1)
        start = store.clock.now()
        [first, second, third] = [await queued(store, once=True, owner="ann", next_at=start + n) for n in range(3)]
        await settled(store, (await taking(store, limits)).leases[0])
        assert [(await read_fire(store, fire)).retry_at for fire in (second, third)] == [start + DAY, start + 2 * DAY]
        assert await store.cancel_fire(second) == "ended"
        assert lab.keys()["turns:owner:ann"] == [(third, start + 2 * DAY)]
        late = await queued(store, once=True, owner="ann")
        await taking(store, limits)
        assert (await read_fire(store, late)).retry_at == start + 2 * DAY + DAY
        assert (await read_fire(store, first)).status == "succeeded"


async def test_who_waited_longest_goes_first_however_late_the_daemons_are(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(fires_per_owner=2)
        now = store.clock.now()
        fires = [await queued(store, once=True, owner="ann", next_at=now + number) for number in range(5)]
        for lease in (await taking(store, limits)).leases:
            await settled(store, lease)
        await store.clock.sleep(2.5 * DAY / 1000)
        await store.reap(leases=True, max_crashes=3)
        newcomer = await queued(store, once=True, owner="ann")
        assert [lease.fire.id for lease in (await taking(store, limits)).leases] == fires[2:4]
        assert (await read_fire(store, newcomer)).reason == "rate_limit"


async def test_an_attempt_that_was_given_back_before_it_began_does_not_count(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(fires_per_owner=1)
        fire = await queued(store, owner="ann")
        [lease] = (await taking(store, limits)).leases
        assert lab.keys()["rate:owner:ann"] == [(f"{fire}#1", store.clock.now())]
        item: Any = {"fire": fire, "token": lease.token, "outcome": "queued", "reason": "", "result": "", "error": ""}
        await store.settle([item | {"started_at": "", "ended_at": "", "retry_at": ""}], keep=100)
        assert "rate:owner:ann" not in lab.keys()
        assert len((await taking(store, limits)).leases) == 1


async def test_a_manual_run_of_a_recurring_prompt_waits_and_is_not_skipped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(fires_per_owner=1)
        prompt = await saved(store, owner="ann", next_at=store.clock.now() + HOUR)
        items = [manual_for(store, prompt) for _ in range(2)]
        assert await store.claim(items) == ["claimed", "claimed"]
        assert len((await taking(store, limits)).leases) == 1
        [waits] = [fire for item in items if (fire := await read_fire(store, item["fire"])).status == "retrying"]
        assert (waits.reason, waits.retry_at) == ("rate_limit", store.clock.now() + DAY)
        assert waits.error == "owner ann: no more than 1 may begin within 24 h"


async def test_without_a_limit_nothing_is_counted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store, owner="ann", conversation="c")
        assert len((await take(store)).leases) == 1
        assert not [name for name in lab.keys() if name.startswith(("rate:", "turns:"))]
        assert await read(store, await saved(store))


@DAYS
async def test_a_manual_run_that_waits_for_its_turn_outlives_the_next_occurrence(lab: Lab) -> None:
    async with lab:
        store, scheduler, _ = await at_work(lab, Limits(fires_per_owner=1))
        prompt = (await scheduler.schedule("x", "every 2h", owner="ann")).prompt.id
        await store.clock.sleep(3 * 3600)
        manual = await scheduler.run_now(prompt)
        await store.clock.sleep(2 * 3600)
        assert await outcomes(scheduler, prompt) == ["succeeded", "rate_limit", "rate_limit"]
        skipped = next(f for f in (await scheduler.history(prompt)).items if f.status == "skipped")
        assert skipped.error == "owner ann: no more than 1 may begin within 24 h"
        assert (await scheduler.fire(manual.id)).status == "retrying"
        await store.clock.sleep(22 * 3600)
        ran = await scheduler.fire(manual.id)
        assert (ran.status, ran.error) == ("succeeded", None)
        assert skipped.error in (await scheduler.why(prompt, skipped.nominal)).sentence


async def test_turns_of_who_does_not_wait_are_found_and_repaired(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(fires_per_owner=1)
        now = store.clock.now()
        [ran, waits] = [await queued(store, once=True, owner="ann", next_at=now + n) for n in range(2)]
        await taking(store, limits)
        assert await store.inspect() == []
        lab.inspector.zadd(store.keys.turns("owner", "ann"), {ran: 1, "0" * 26 + "@1": 1})
        lab.inspector.zadd(store.keys.turns("owner", "bob"), {waits: 1})
        found = await store.inspect()
        assert sorted(one.kind for one in found) == ["index_without_fire", "waits_for_no_turn", "waits_for_no_turn"]
        for one in found:
            assert await store.repair(one), one.message
        assert await store.inspect() == []


@pytest.mark.parametrize("lab", ["server"], indirect=True)
@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_no_24_hours_see_more_attempts_than_allowed_and_no_one_shot_is_lost(
    lab: Lab, seed: int
) -> None:
    """Owners and conversations at random, daemons that look now and then, failures, crashes, fires given back or
    cancelled."""
    chance = Random(seed)
    async with lab:
        store = await lab.store(seed=seed)
        limits = Limits(fires_per_owner=4, fires_per_conversation=3)
        began: dict[str, list[int]] = defaultdict(list)
        wanted: set[str] = set()

        async def look() -> None:
            await store.reap(leases=True, max_crashes=100)
            now = store.clock.now()
            for lease in (await taking(store, limits)).leases:
                outcome = chance.choice(["succeeded", "failed", "retrying", "given back", "lost"])
                if outcome == "given back":
                    item = ending(store, lease, "queued", reason="given_back")
                    await settle(store, [item | {"started_at": ""}])  # type: ignore[list-item]
                    continue
                [definition] = await store.read_prompts([lease.fire.prompt_id])
                assert isinstance(definition, ScheduledPrompt)
                began[f"owner {definition.owner}"].append(now)
                if definition.conversation is not None:
                    began[f"conversation {definition.conversation}"].append(now)
                if outcome != "lost":
                    await settled(store, lease, outcome, retry_at=now + HOUR if outcome == "retrying" else None)

        for step in range(60):
            if step < 40 and chance.random() < 0.6:
                fields = {"owner": chance.choice(["ann", None]), "conversation": chance.choice(["a", "b", None])}
                wanted.add(await queued(store, once=True, **fields))
            if step < 40 and chance.random() < 0.1:
                fire = chance.choice(sorted(wanted) or [""])
                if fire and await store.cancel_fire(fire) == "ended":
                    wanted.remove(fire)
            await look()
            if step % 10 == 0:
                lab.check_accounts()
            await store.clock.sleep(chance.choice([0, 60, 3_600, 8 * 3_600]))
        for _ in range(40):
            await store.clock.sleep(12 * 3_600)
            await look()
        for name, moments in began.items():
            most = limits.fires_per_owner if name.startswith("owner") else limits.fires_per_conversation
            assert all(later - first >= DAY for first, later in zip(moments, moments[most:], strict=False)), name
        fires = [await read_fire(store, fire) for fire in wanted]
        assert {fire.status.has_ended for fire in fires} == {True}
        assert {fire.reason for fire in fires if fire.attempt == 0} == set()
