"""take: ready fires are leased, best first."""

from __future__ import annotations

import asyncio

import pytest

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import ALL, Serves
from tests.conftest import Lab
from tests.store.steps import (
    LEASE,
    claim_for,
    claimed,
    crash,
    ending,
    manual_for,
    queued,
    read_fire,
    reap,
    retrying,
    running,
    saved,
    settle,
    settled,
    take,
    taken,
)


async def test_a_taken_fire_runs_under_the_token_and_its_lease_ends_when_it_was_asked_to(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire = await queued(store, text="say hello")
        found = await take(store, op="token")
        [lease] = found.leases
        assert (lease.token, found.waiting) == ("token", 0)
        assert (lease.fire.id, lease.fire.status, lease.fire.attempt) == (fire, "running", 1)
        assert (lease.fire.text, lease.fire.daemon) == ("say hello", "daemon")
        keys = lab.keys()
        assert keys["leases"] == [(fire, float(store.clock.now() + LEASE))]
        assert "ready:default/log" not in keys


async def test_high_priority_goes_first_and_then_what_is_due_first_across_all_queues(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        later = await queued(store, next_at=now - 1, runner="a")
        low = await queued(store, next_at=now - 9_000, priority=0, platform="chat")
        first = await queued(store, next_at=now - 2, runner="b")
        high = await queued(store, next_at=now, priority=100, platform="chat", runner="b")
        order = [(await take(store, 1)).leases[0].fire.id for _ in range(4)]
        assert order == [high, first, later, low]


async def test_one_call_takes_in_the_same_order_as_many(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        now = store.clock.now()
        fires = [
            await queued(store, next_at=now - age, priority=priority, runner=runner)
            for age, priority, runner in [(5, 50, "a"), (6, 50, "b"), (1, 51, "c"), (7, 50, "a")]
        ]
        assert [lease.fire.id for lease in (await take(store)).leases] == [fires[i] for i in (2, 3, 1, 0)]


@pytest.mark.parametrize(
    ("platforms", "runners", "wanted"),
    [
        ((ALL,), (ALL,), {"chat/echo", "chat/log", "mail/log"}),
        (("chat",), (ALL,), {"chat/echo", "chat/log"}),
        ((ALL,), ("log",), {"chat/log", "mail/log"}),
        (("chat", "mail"), ("log",), {"chat/log", "mail/log"}),
        (("cha",), (ALL,), set()),
        ((), (ALL,), set()),
        ((ALL,), (), set()),
    ],
)
async def test_only_fires_of_served_platforms_and_runners_are_taken(
    lab: Lab, platforms: tuple[str, ...], runners: tuple[str, ...], wanted: set[str]
) -> None:
    async with lab:
        store = await lab.store()
        for platform, runner in (("chat", "echo"), ("chat", "log"), ("mail", "log")):
            await queued(store, platform=platform, runner=runner)
        found = await take(store, serves=Serves(platforms, runners))
        assert {f"{lease.fire.platform}/{lease.fire.runner}" for lease in found.leases} == wanted


async def test_no_more_than_the_limit_is_taken_and_the_rest_is_counted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.claim([manual_for(store, prompt) for _ in range(7)])
        found = await take(store, 3)
        assert (len(found.leases), found.waiting) == (3, 4)


async def test_a_limit_of_nothing_takes_nothing_and_counts(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store)
        found = await take(store, 0)
        assert (found.leases, found.waiting) == ([], 1)


async def test_five_hundred_in_many_queues_are_taken_at_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for number in range(5):
            prompt = await saved(store, runner=f"r{number}")
            await store.claim([manual_for(store, prompt) for _ in range(200)])
        found = await take(store)
        assert (len(found.leases), found.waiting) == (500, 500)


async def test_two_takers_never_hold_the_same_fire(lab: Lab) -> None:
    async with lab:
        stores = [await lab.store(seed=seed) for seed in range(4)]
        prompt = await saved(stores[0])
        await stores[0].claim([manual_for(stores[0], prompt) for _ in range(40)])
        found = await asyncio.gather(*(take(store, 15) for store in stores))
        ids = [lease.fire.id for part in found for lease in part.leases]
        assert len(ids) == len(set(ids)) == 40


async def test_the_attempt_rises_at_every_take_whatever_the_reason(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await settled(store, lease, "queued", reason="given_back")
        assert (await taken(store)).fire.attempt == 2
        await crash(store)
        third = await taken(store)
        assert (third.fire.attempt, third.fire.crashes) == (3, 1)
        await settled(store, third, "retrying", retry_at=store.clock.now())
        await store.reap(leases=False, max_crashes=3)
        fourth = await taken(store)
        assert (fourth.fire.attempt, fourth.fire.failures) == (4, 1)


async def test_a_new_attempt_has_not_started_and_waits_for_no_retry(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await retrying(store)
        await store.clock.sleep(60)
        await store.reap(leases=False, max_crashes=3)
        again = await taken(store)
        assert (again.fire.started_at, again.fire.retry_at) == (None, None)


async def test_a_fire_whose_definition_is_broken_is_leased_and_named_as_unreadable(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, other = await saved(store), await saved(store)
        fire, good = await claimed(store, prompt), await claimed(store, other)
        lab.inspector.hset(store.keys.prompt(prompt.id), "doc", "{")
        found = await take(store, op="token")
        assert [lease.fire.id for lease in found.leases] == [good]
        [unreadable] = found.unreadable
        assert (unreadable.id, found.token) == (fire, "token")


async def test_a_queue_entry_without_its_fire_is_dropped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire = await queued(store)
        lab.inspector.delete(store.keys.fire(fire), store.keys.live(fire[:26]), store.keys.history(fire[:26]))
        found = await take(store)
        assert (found.leases, found.unreadable, found.waiting) == ([], [], 0)


@pytest.mark.unaccounted
async def test_a_fire_that_is_no_record_at_all_keeps_no_other_from_being_taken(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        broken, good = await queued(store), await queued(store)
        lab.inspector.delete(store.keys.fire(broken))
        lab.inspector.set(store.keys.fire(broken), "not a hash")
        assert [lease.fire.id for lease in (await take(store)).leases] == [good]


@pytest.mark.unaccounted
async def test_a_fire_whose_attempt_is_no_number_keeps_no_other_from_being_taken(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        broken, good = await queued(store), await queued(store)
        lab.inspector.hset(store.keys.fire(broken), "attempt", "many")
        assert good in [lease.fire.id for lease in (await take(store)).leases]


async def test_a_fire_that_cannot_be_read_can_be_settled_by_its_token(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire = await queued(store)
        lab.inspector.hset(store.keys.fire(fire), "due", "soon")
        taken = await take(store)
        [unreadable] = taken.unreadable
        lab.inspector.hset(store.keys.fire(fire), "due", "1")
        item = {
            "fire": unreadable.id,
            "token": taken.token,
            "outcome": "failed",
            "reason": "unreadable",
            "started_at": "",
        }
        rest = {"ended_at": str(store.clock.now()), "result": "", "error": "no number", "retry_at": ""}
        assert await store.settle([{**item, **rest}], keep=9) == ["settled"]  # type: ignore[typeddict-item]
        assert (await read_fire(store, fire)).status == "failed"


async def claimed_with_deadline(store: Store, deadline: int | None) -> str:
    prompt = await saved(store)
    item = claim_for(prompt)
    item["deadline"] = "" if deadline is None else str(deadline)
    assert await store.claim([item]) == ["claimed"]
    return item["fire"]


@pytest.mark.parametrize(("late", "status"), [(10_000, "running"), (10_001, "missed")])
async def test_a_fire_that_waited_beyond_its_deadline_is_missed(lab: Lab, late: int, status: str) -> None:
    async with lab:
        store = await lab.store()
        start = store.clock.now()
        fire_id = await claimed_with_deadline(store, start + 10_000)
        patient = await claimed_with_deadline(store, None)
        await store.clock.sleep(late / 1000)
        leases = [lease.fire.id for lease in (await take(store)).leases]
        assert sorted(leases) == sorted([patient] if status == "missed" else [fire_id, patient])
        fire = await read_fire(store, fire_id)
        assert (fire.status, fire.reason) == (status, "late" if status == "missed" else None)
        prompt = await store.read_prompts([fire_id[:26]])
        assert isinstance(prompt[0], ScheduledPrompt)
        assert prompt[0].failures == 0


async def test_a_fire_that_was_given_back_before_it_began_is_judged_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire_id = await claimed_with_deadline(store, store.clock.now() + 10_000)
        item = ending(store, await taken(store), "queued", reason="given_back")
        assert await settle(store, [{**item, "started_at": ""}]) == ["settled"]
        await store.clock.sleep(11)
        assert (await take(store)).leases == []
        assert (await read_fire(store, fire_id)).status == "missed"


@pytest.mark.parametrize("how", ["stopped", "retried", "crashed"])
async def test_a_fire_that_may_have_begun_is_not_judged_again(lab: Lab, how: str) -> None:
    async with lab:
        store = await lab.store()
        fire_id = await claimed_with_deadline(store, store.clock.now() + 10_000)
        lease = await taken(store)
        if how == "stopped":
            await settled(store, lease, "queued", reason="stopped")
        elif how == "retried":
            await settled(store, lease, "retrying", retry_at=store.clock.now() + 20_000)
        await store.clock.sleep(61)
        if how != "stopped":
            await reap(store)
        assert (await taken(store)).fire.id == fire_id
