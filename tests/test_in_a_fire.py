"""What an agent may do from inside of a fire: while that attempt runs, to itself and what it made, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from scheduled_prompts import Caller, Conflict, Forbidden, LimitReached, Limits, Scheduler, Scope
from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler import Scheduled
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Lease
from tests.conftest import Lab
from tests.store.steps import EVERYTHING, claimed, crash, read, saved, settled, take, taken

HOUR = 3_600_000
ALL = frozenset(Scope)
DEEP = Limits(max_depth=2)
MINE: dict[str, Any] = {"owner": "ann", "agent": "aide", "conversation": "c1", "platform": "telegram"}


async def told(call: Awaitable[Any], kind: type[ScheduledPromptsError]) -> str:
    with pytest.raises(kind) as caught:
        await call
    assert type(caught.value) is kind
    return caught.value.message


def inside(store: Store, lease: Lease, limits: Limits | None = None, **more: Any) -> Scheduler:
    """The scheduler of the agent whose fire runs."""
    owner = lease.fire.prompt.owner if lease.fire.prompt else None
    said = {
        "owner": owner,
        "agent": "aide",
        "fire": lease.fire.id,
        "attempt": lease.fire.attempt,
        "scopes": ALL,
        **more,
    }
    return Scheduler(store, timezone="UTC", limits=limits).as_caller(Caller.model_validate(said))


async def fired(store: Store, prompt: ScheduledPrompt) -> Lease:
    """What is next of a prompt, at work."""
    await claimed(store, prompt)
    return await taken(store)


async def at_work(store: Store, **fields: Any) -> tuple[ScheduledPrompt, Lease]:
    prompt = await saved(store, **{**MINE, **fields})
    return prompt, await fired(store, prompt)


# While that attempt runs


def deeds(scheduler: Scheduler, prompt: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "schedule": lambda: scheduler.schedule("more", "in 2h"),
        "edit": lambda: scheduler.edit(prompt, force=True, text="other"),
        "pause": lambda: scheduler.pause(prompt),
        "skip": lambda: scheduler.skip(prompt, "next"),
        "cancel_fire": lambda: scheduler.cancel_fire(scheduler.caller.fire if scheduler.caller else ""),
        "cancel": lambda: scheduler.cancel(prompt),
    }


async def test_all_rights_end_with_the_fire(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        await settled(store, lease)
        before = await read(store, prompt)
        for deed in deeds(inside(store, lease, DEEP), prompt.id).values():
            assert "has ended" in await told(deed(), Forbidden)
        assert await read(store, prompt) == before


async def test_an_attempt_has_no_rights_when_another_one_runs(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lost = await at_work(store)
        await crash(store)
        second = await taken(store)
        assert (second.fire.id, second.fire.attempt) == (lost.fire.id, 2)
        for deed in deeds(inside(store, lost, DEEP), prompt.id).values():
            assert "not the attempt that runs" in await told(deed(), Forbidden)
        assert (await inside(store, second, DEEP).edit(prompt.id, force=True, text="other")).prompt.text == "other"
        assert "not the attempt" in await told(inside(store, second, attempt=None).cancel(prompt.id), Forbidden)


async def test_what_is_asked_for_while_the_fire_ends_is_made_whole_or_refused(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store, once=True)
        limits = Limits(max_depth=1, active_per_tree=0, active_per_owner=0, active_per_conversation=0)
        agents = [inside(store, lease, limits) for _ in range(12)]
        calls = [agent.schedule("a child", "in 2h") for agent in agents]
        answers = await asyncio.gather(*calls[:6], settled(store, lease), *calls[6:], return_exceptions=True)
        made = {answer.prompt.id for answer in answers if isinstance(answer, Scheduled)}
        assert len(made) + sum(isinstance(answer, Forbidden) for answer in answers) == 12
        there = {found.id for found in (await Scheduler(store, timezone="UTC").list()).items} - {prompt.id}
        assert there == made


async def test_a_fire_that_was_asked_to_stop_changes_nothing_any_more(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        agent = inside(store, lease, DEEP)
        child = (await agent.schedule("a child", "in 2h")).prompt
        await Scheduler(store, timezone="UTC").cancel(prompt.id)  # a person
        for deed in (lambda: agent.schedule("one more", "in 3h"), lambda: agent.edit(child.id, force=True, text="x")):
            assert "asked to stop" in await told(deed(), Forbidden)


async def test_a_fire_of_another_owner_lends_no_rights(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        mine = await saved(store, owner="bob", agent="aide", next_at=store.clock.now() + HOUR)
        misbound = inside(store, lease, DEEP, owner="bob")
        assert "has ended" in await told(misbound.cancel(mine.id), Forbidden)
        assert "has ended" in await told(misbound.schedule("x", "in 2h"), Forbidden)
        assert await store.spans(prompt.id) == []  # nor is anything noted there


# Itself, and what it made


async def test_in_a_fire_others_of_the_same_owner_are_read_and_not_changed(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        other = await saved(store, **MINE, next_at=store.clock.now() + HOUR)
        _, lease = await at_work(store)
        agent = inside(store, lease)
        assert (await agent.get(other.id)).id == other.id
        assert {prompt.id for prompt in (await agent.list()).items} >= {other.id}
        calls = deeds(agent, other.id)
        for name in ("edit", "pause", "skip", "cancel"):
            assert "neither" in await told(calls[name](), Forbidden)
        assert await read(store, other) == other


async def test_in_a_fire_a_prompt_changes_itself(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        agent = inside(store, lease)
        edited = (await agent.edit(prompt.id, force=True, text="other", when="every 3h")).prompt
        assert (edited.text, edited.status) == ("other", "active")
        await agent.skip(prompt.id, "next")
        await agent.pause(prompt.id)
        assert (await agent.cancel(prompt.id)).before == "paused"
        spans = await store.spans(prompt.id)
        assert {(span.kind, span.by, span.fire) for span in spans} == {
            (kind, "agent:aide", lease.fire.id) for kind in ("edited", "skip", "paused", "cancelled")
        }


async def test_what_was_paused_or_skipped_stays_so_in_a_fire(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        person, agent = Scheduler(store, timezone="UTC"), inside(store, lease)
        await person.skip(prompt.id, "next")
        assert "unskipped" in await told(agent.unskip(prompt.id, "next"), Forbidden)
        await person.pause(prompt.id)
        assert "resumed" in await told(agent.resume(prompt.id), Forbidden)
        assert (await agent.edit(prompt.id, force=True, when="every 2h")).prompt.status == "paused"


async def test_nothing_is_run_beside_its_schedule_in_a_fire(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        agent = inside(store, lease)
        assert "beside its schedule" in await told(agent.run_now(prompt.id), Forbidden)
        assert "beside its schedule" in await told(agent.run_now(prompt.id), Forbidden)
        ended = await fired(store, await saved(store, **MINE))
        await settled(store, ended)
        assert "beside its schedule" in await told(agent.rerun(ended.fire.id), Forbidden)
        [ran] = [span for span in await store.spans(prompt.id) if span.deed == "run"]
        assert ran.times == 2


async def test_an_agent_has_one_run_beside_the_schedule_at_a_time(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, **MINE, next_at=store.clock.now() + HOUR)
        operator = Scheduler(store, timezone="UTC")
        callers = [operator.as_caller(Caller(owner="ann", agent=f"a{number}")) for number in range(8)]
        answers = await asyncio.gather(*(one.run_now(prompt.id) for one in callers), return_exceptions=True)
        assert sum(isinstance(answer, Conflict) for answer in answers) == 7
        lease = await taken(store)
        await told(callers[0].run_now(prompt.id), Conflict)
        await settled(store, lease)
        again = await callers[0].run_now(prompt.id)
        assert again.by == "agent:a0"
        await operator.run_now(prompt.id)  # a person may


async def test_in_a_fire_nothing_that_has_ended_is_deleted(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        _, lease = await at_work(store)
        ended = await saved(store, **MINE, next_at=store.clock.now() + HOUR)
        await Scheduler(store, timezone="UTC").cancel(ended.id)
        await store.clock.sleep(30)
        assert "delete what has ended" in await told(inside(store, lease).clean_up(0), Forbidden)
        outside = Scheduler(store, timezone="UTC").as_caller(Caller(owner="ann", agent="aide", scopes=ALL))
        assert (await outside.clean_up(0)).prompts == 1


# What it makes


async def test_by_default_a_fire_makes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        agent = inside(store, lease, Limits())
        for _ in range(3):
            assert "a fire makes no prompts ([limits] max_depth = 0)" in await told(
                agent.schedule("me again", "in 2h"), LimitReached
            )
        [page] = (await Scheduler(store, timezone="UTC").list()).items
        assert page.id == prompt.id


async def test_what_is_made_in_a_fire_says_where_it_comes_from(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store, runner="claude", timezone="Europe/Berlin")
        child = (await inside(store, lease, DEEP).schedule("a child", "in 2h", key="child")).prompt
        assert child == await read(store, child)
        assert (child.owner, child.agent, child.conversation, child.platform) == ("ann", "aide", "c1", "telegram")
        assert (child.runner, child.timezone) == ("claude", "Europe/Berlin")
        assert (child.created_by, child.created_in) == ("agent:aide", lease.fire.id)
        assert (child.depth, child.parent, child.root, child.lineage) == (1, root.id, root.id, (root.id,))


async def test_each_generation_is_one_deeper_up_to_the_deepest(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, first = await at_work(store, once=True)
        child = (await inside(store, first, DEEP).schedule("a child", "in 2h")).prompt
        await settled(store, first)
        await store.clock.sleep(7200)
        lease = await fired(store, child)
        grandchild = (await inside(store, lease, DEEP).schedule("a grandchild", "in 2h")).prompt
        assert grandchild.lineage == (root.id, child.id)
        await settled(store, lease)
        await store.clock.sleep(7200)
        lease = await fired(store, grandchild)
        refused = inside(store, lease, DEEP).schedule("too deep", "in 2h")
        assert "depth 2 is the most ([limits] max_depth = 2)" in await told(refused, LimitReached)


async def test_an_ancestor_changes_what_was_made_in_its_fires_and_never_the_other_way_round(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store)
        elder = inside(store, lease, DEEP)
        child = (await elder.schedule("a child", "in 2h")).prompt
        sister = (await elder.schedule("a sister", "in 5h")).prompt
        assert (await elder.edit(child.id, force=True, when="in 1h")).prompt.version == 2
        await store.clock.sleep(3600)
        running = next(one for one in await take_all(store, child) if one.fire.prompt_id == child.id)
        young = inside(store, running, DEEP)
        for other in (root, sister):
            assert "neither" in await told(young.cancel(other.id), Forbidden)
            assert "neither" in await told(young.edit(other.id, force=True, text="x"), Forbidden)


async def take_all(store: Store, prompt: ScheduledPrompt) -> list[Lease]:
    await claimed(store, prompt)
    return (await take(store)).leases


async def test_of_a_tree_only_so_many_are_active_at_once_whoever_in_it_makes_them(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        _, lease = await at_work(store)
        limits = Limits(max_depth=1, active_per_tree=3, active_per_owner=0, active_per_conversation=0)
        agents = [inside(store, lease, limits) for _ in range(8)]
        made = await asyncio.gather(*(agent.schedule("a child", "in 2h") for agent in agents), return_exceptions=True)
        refused = [answer for answer in made if isinstance(answer, LimitReached)]
        assert len(refused) == 5
        assert "active_per_tree = 3" in refused[0].message
        [first, *_] = [answer for answer in made if not isinstance(answer, BaseException)]
        await agents[0].cancel(first.prompt.id)
        assert (await agents[0].schedule("in its place", "in 3h")).created


async def test_agents_make_only_so_many_prompts_for_an_owner_in_a_day(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(made_per_owner=3, active_per_owner=0)
        operator = Scheduler(store, timezone="UTC", limits=limits)
        ann, bob = (operator.as_caller(Caller(owner=owner, agent="aide")) for owner in ("ann", "bob"))
        made = await asyncio.gather(*(ann.schedule("x", "in 2d") for _ in range(7)), return_exceptions=True)
        assert sum(isinstance(answer, LimitReached) for answer in made) == 4
        [first, *_] = [answer.prompt for answer in made if not isinstance(answer, BaseException)]
        await ann.cancel(first.id)  # it was made all the same
        assert "made_per_owner = 3" in await told(ann.schedule("x", "in 2d"), LimitReached)
        assert (await bob.schedule("x", "in 2d")).created
        assert (await operator.schedule("x", "in 2d", owner="ann")).created  # a person's
        await store.clock.sleep(86_400)
        assert (await ann.schedule("x", "in 2d")).created


async def test_the_budget_of_the_root_is_that_of_its_tree(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        _, lease = await at_work(store, budget_total=Decimal(5), max_cost=Decimal(2))
        agent = inside(store, lease, Limits(max_depth=1))
        children = [(await agent.schedule("a child", "in 1h")).prompt for _ in range(3)]
        assert {(child.max_cost, child.budget_total) for child in children} == {(Decimal(2), Decimal(5))}
        await settled(store, lease)  # its cost is not known: 2 of 5 are spent
        await store.clock.sleep(3600)
        for child in children:
            await claimed(store, child)
        ran = [one.fire.prompt_id for one in (await take(store)).leases]
        assert len(ran) == 1  # 2 spent, 2 reserved: there is no room for 2 more
        ended = [await fire_of(store, child) for child in children if child.id not in ran]
        assert {(fire.status, fire.reason) for fire in ended} == {("skipped", "budget")}
        assert "in whose fires this one was made" in (ended[0].error or "")
        assert await store.inspect() == []


async def fire_of(store: Store, prompt: ScheduledPrompt) -> Any:
    last = (await read(store, prompt)).last_fire
    assert last is not None
    [fire] = await store.read_fires([last])
    return fire


async def test_of_a_tree_only_so_many_fires_begin_in_a_day(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(max_depth=1, fires_per_tree=2)
        prompt = await saved(store, **MINE)
        await claimed(store, prompt)
        [lease] = (await store.take(9, lease_ms=60_000, daemon="d", serves=EVERYTHING, limits=limits)).leases
        agent = inside(store, lease, limits)
        children = [(await agent.schedule("a child", "in 1m")).prompt for _ in range(3)]
        await store.clock.sleep(60)
        for child in children:
            await claimed(store, child)
        began = (await store.take(9, lease_ms=60_000, daemon="d", serves=EVERYTHING, limits=limits)).leases
        assert len(began) == 1  # with that of the root, two
        waiting = [await fire_of(store, child) for child in children if child.id != began[0].fire.prompt_id]
        assert {(fire.status, fire.reason) for fire in waiting} == {("retrying", "rate_limit")}
        assert "and what its fires made" in waiting[0].error


# No limit is loosened


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"end_at": 4_000_000_000_000}, {"end_at": None}),
        ({"end_at": 4_000_000_000_000}, {"end_at": 4_100_000_000_000}),
        ({"max_fires": 5}, {"max_fires": None}),
        ({"max_fires": 5}, {"max_fires": 6}),
        ({"max_cost": Decimal(1)}, {"max_cost": Decimal(2)}),
        ({"budget_day": Decimal(1)}, {"budget_day": None}),
        ({"budget_total": Decimal(1)}, {"budget_total": "1.01"}),
        ({"quiet": "22:00-07:00"}, {"quiet": "none"}),
        ({"quiet": "22:00-07:00"}, {"quiet": "23:00-07:00"}),
        ({"quiet": "22:00-07:00"}, {"quiet_policy": "defer"}),
        ({"quiet": "22:00-07:00"}, {"timezone": "Asia/Tokyo"}),
        ({"timeout": 60}, {"timeout": 61}),
        ({"retries": 1}, {"retries": 2}),
        ({"pause_after": 2}, {"pause_after": 0}),
        ({}, {"priority": 60}),
        ({}, {"origin": "goal"}),
        ({"overlap": "skip"}, {"overlap": "allow"}),
        ({"concurrency_key": "gpu"}, {"concurrency_key": None}),
        ({"runner": "claude"}, {"runner": "log"}),
        ({"runner": "claude"}, {"runner": None}),
        ({}, {"misfire": "all"}),
    ],
)
async def test_in_a_fire_no_limit_is_loosened_of_itself_nor_for_a_child(
    lab: Lab, before: dict[str, Any], change: dict[str, Any]
) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store, **{"overlap": "skip", **before})
        agent = inside(store, lease, DEEP)
        assert "in a fire" in await told(agent.edit(prompt.id, force=True, **change), Forbidden)
        said = {name: value for name, value in change.items() if value is not None}
        if said and "runner" not in change:  # None: what nobody says is inherited
            assert "in a fire" in await told(agent.schedule("a child", "in 2h", **said), Forbidden)
        elif "runner" not in change:
            [name] = change
            child = (await agent.schedule("a child", "in 2h")).prompt
            assert getattr(child, name) == getattr(prompt, name)
        assert (await read(store, prompt)).version == 1


async def test_in_a_fire_limits_may_be_tightened(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store, max_cost=Decimal(2), end_at=4_000_000_000_000)
        agent = inside(store, lease, DEEP)
        tight = {"max_cost": Decimal(1), "end_at": 3_900_000_000_000, "quiet": "10:00-11:00", "timeout": 60.0}
        edited = (await agent.edit(prompt.id, force=True, **tight)).prompt
        child = (await agent.schedule("a child", "in 2h", max_cost="0.50")).prompt
        assert (edited.max_cost, edited.quiet) == (Decimal(1), "10:00-11:00")
        assert (child.max_cost, child.end_at, child.quiet) == (Decimal("0.50"), 3_900_000_000_000, "10:00-11:00")


async def test_a_child_inherits_what_holds_at_the_instant_when_it_is_made(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        person, agent = Scheduler(store, timezone="UTC"), inside(store, lease, DEEP)
        create, tightened = store.create_for, []

        async def tightened_meanwhile(*arguments: Any, **more: Any) -> Any:
            if not tightened:
                tightened.append(await person.edit(prompt.id, force=True, max_cost=Decimal(1)))
            return await create(*arguments, **more)

        monkeypatch.setattr(store, "create_for", tightened_meanwhile)
        assert (await agent.schedule("a child", "in 2h")).prompt.max_cost == Decimal(1)


async def test_what_re_times_itself_comes_no_sooner_than_agents_may(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store, once=True)
        agent = inside(store, lease, Limits(min_interval=60))
        assert "min_interval = 60" in await told(agent.edit(prompt.id, force=True, when="in 30s"), LimitReached)
        assert (await agent.edit(prompt.id, force=True, when="in 60s")).prompt.status == "scheduled"


async def test_an_agent_makes_a_persons_prompt_come_no_sooner_than_agents_may(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, owner="ann", next_at=store.clock.now() + HOUR)
        operator = Scheduler(store, timezone="UTC", limits=Limits(min_interval=60))
        agent = operator.as_caller(Caller(owner="ann", agent="aide"))
        assert "min_interval = 60" in await told(agent.edit(prompt.id, force=True, when="every 30s"), LimitReached)
        assert (await operator.edit(prompt.id, force=True, when="every 30s")).prompt.version == 2


# Its own key


@pytest.mark.parametrize("once", [True, False])
async def test_what_is_scheduled_in_a_fire_with_its_own_key_re_times_it(lab: Lab, once: bool) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store, once=once, key="chase")
        agent = inside(store, lease, Limits())
        answer = await agent.schedule("chase again", "in 2h", key="chase", name="Chase")
        assert (answer.created, answer.retimed, answer.prompt.id) == (False, True, prompt.id)
        after = await read(store, prompt)
        assert (after.text, after.name, after.status) == ("chase again", "Chase", "scheduled")
        assert after.next_nominal == store.clock.now() + 2 * HOUR
        assert [found.id for found in (await agent.list()).items] == [prompt.id]


async def test_what_is_scheduled_in_a_fire_with_the_key_of_a_child_re_times_that(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        _, lease = await at_work(store)
        agent = inside(store, lease, DEEP)
        child = (await agent.schedule("a child", "in 2h", key="child")).prompt
        again = await agent.schedule("a child", "in 3h", key="child")
        assert (again.created, again.retimed, again.prompt.id) == (False, True, child.id)
        await agent.cancel(child.id)
        assert (await agent.schedule("another", "in 2h", key="child")).prompt.id != child.id


async def test_its_own_key_loosens_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store, key="chase", max_cost=Decimal(1), end_at=store.clock.now() + HOUR)
        agent = inside(store, lease)
        await told(agent.schedule("chase", "in 10m", key="chase", max_cost=Decimal(2)), Forbidden)
        with pytest.raises(ScheduledPromptsError, match="names no instant before"):
            await agent.schedule("chase", "in 2h", key="chase")
        assert (await read(store, prompt)).version == 1


async def test_outside_of_a_fire_a_key_that_is_there_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, **MINE, key="chase", next_at=store.clock.now() + HOUR)
        answer = await Scheduler(store, timezone="UTC").as_caller(Caller(**MINE)).schedule("x", "in 2h", key="chase")
        assert (answer.created, answer.retimed, answer.prompt) == (False, False, prompt)


# One call, one effect


async def test_a_tool_call_that_is_made_again_makes_no_second_prompt(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        operator = Scheduler(store, timezone="UTC")
        first = operator.as_caller(Caller(owner="ann", agent="aide", tool_call_id="call_1"))
        made = await asyncio.gather(*(first.schedule("x", "in 2h") for _ in range(5)))
        assert {answer.prompt.id for answer in made} == {made[0].prompt.id}
        assert all(answer.created for answer in made)
        second = operator.as_caller(Caller(owner="ann", agent="aide", tool_call_id="call_2"))
        other = operator.as_caller(Caller(owner="bob", agent="aide", tool_call_id="call_1"))
        for scheduler in (second, other):
            assert (await scheduler.schedule("x", "in 2h")).prompt.id != made[0].prompt.id
        assert (await first.schedule("y", "in 2h")).prompt.id != made[
            0
        ].prompt.id  # it is another call, whatever it says


async def test_a_run_that_is_asked_for_again_by_the_same_call_is_one(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, **MINE, next_at=store.clock.now() + HOUR)
        agent = Scheduler(store, timezone="UTC").as_caller(Caller(owner="ann", agent="aide", tool_call_id="c"))
        fires = await asyncio.gather(*(agent.run_now(prompt.id) for _ in range(5)))
        assert len({fire.id for fire in fires}) == 1
        await settled(store, await taken(store))
        assert (await agent.run_now(prompt.id)).id == fires[0].id
        assert len((await agent.history(prompt.id)).items) == 1


# What is told of it


async def test_what_was_made_and_refused_in_a_fire_is_told_once_each_with_how_often(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store, timezone="Europe/Berlin")
        agent = inside(store, lease, Limits(max_depth=1, active_per_tree=2, active_per_conversation=0))
        children = [(await agent.schedule("a child", "in 2h")).prompt.id for _ in range(2)]
        for _ in range(40):
            await told(agent.schedule("a child too many", "in 2h"), LimitReached)
        other = await saved(store, **MINE, next_at=store.clock.now() + HOUR)
        await told(agent.cancel(other.id), Forbidden)
        spans = await store.spans(prompt.id)
        assert [(span.kind, span.deed, span.times) for span in spans] == [
            ("made", None, 2),
            ("refused", "schedule", 40),
            ("refused", "cancel", 1),
        ]
        assert spans[0].prompts == tuple(children)
        told_of = (await Scheduler(store, timezone="UTC").explain(prompt.id)).conduct
        assert [sentence.split(":")[0] for sentence in told_of] == [
            f"its fire of {prompt.local(lease.fire.nominal):%Y-%m-%d %H}",
        ] * 3
        assert told_of[1].endswith(
            "tried 40 times to schedule a prompt; refused: prompt "
            f"{prompt.id[-8:]} has the 2 active prompts made in its fires, and in those of these, "
            "that it may have ([limits] active_per_tree = 2)"
        )
        assert await store.inspect() == []


async def test_what_one_fire_did_is_not_buried_under_what_it_does(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        agent = inside(store, lease)
        for number in range(100):
            await agent.edit(prompt.id, force=True, text=f"number {number}")
        assert "100 changes" in await told(agent.edit(prompt.id, force=True, text="one more"), LimitReached)
        assert len(await store.spans(prompt.id)) == 101


# The rest of the house


async def test_the_root_of_a_tree_is_kept_while_any_of_it_is_active(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store, once=True)
        agent = inside(store, lease, DEEP)
        child = (await agent.schedule("a child", "in 48h")).prompt
        await settled(store, lease)
        await store.clock.sleep(86_400)
        ended = await read(store, root)
        assert (await store.purge([ended], store.clock.now())).prompts == 0
        await Scheduler(store, timezone="UTC").cancel(child.id)
        assert (await store.purge([ended], store.clock.now())).prompts == 1


async def test_where_a_prompt_comes_from_is_exported_and_imported(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        root, lease = await at_work(store)
        child = (await inside(store, lease, DEEP).schedule("a child", "in 2h")).prompt
        operator = Scheduler(store, timezone="UTC")
        from scheduled_prompts.scheduler.exporting import entry_of

        document = {"schema": 1, "prompts": [entry_of(await read(store, child))]}
        await operator.cancel(child.id)
        await settled(store, lease)
        await store.clock.sleep(60)
        gone = await read(store, child)
        assert (await store.purge([gone], store.clock.now())).prompts == 1
        assert (await operator.import_prompts(document)).created == 1
        back = await read(store, child)
        assert (back.created_in, back.lineage, back.created_by) == (lease.fire.id, (root.id,), "agent:aide")
        assert await store.inspect() == []


async def test_nothing_is_made_in_the_fire_of_a_prompt_that_was_paused(lab: Lab) -> None:
    """What it made would go on where somebody wanted it to stop."""
    async with lab:
        store = await lab.store()
        prompt, lease = await at_work(store)
        agent = inside(store, lease, DEEP)
        assert (await agent.schedule("a child", "in 2h")).created
        await Scheduler(store, timezone="UTC").pause(prompt.id)
        assert "was paused" in await told(agent.schedule("another", "in 2h"), Forbidden)


async def test_a_tool_call_of_another_conversation_is_another_call(lab: Lab) -> None:
    """Small models number their calls from one."""
    async with lab:
        operator = await lab.scheduler(await lab.store(), "UTC")
        first, second = [
            await operator.as_caller(
                Caller(owner="ann", agent="aide", conversation=conversation, tool_call_id="call_0")
            ).schedule("look again", "in 20m")
            for conversation in ("c1", "c2")
        ]
        assert first.prompt.id != second.prompt.id


async def test_a_run_that_was_denied_may_be_asked_for_again_by_the_same_tool_call(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        operator = await lab.scheduler(store, "UTC")
        agent = operator.as_caller(Caller(owner="ann", agent="aide", tool_call_id="call_1"))
        prompt = (await operator.schedule("hello", "every day at 9am", owner="ann")).prompt
        waiting = await operator.run_now(prompt.id)
        assert "has not ended" in await told(agent.run_now(prompt.id), Conflict)
        await operator.cancel_fire(waiting.id)
        assert (await agent.run_now(prompt.id)).id != waiting.id
