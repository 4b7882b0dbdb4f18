"""Who calls is bound: it sees what is its owner's and nothing else, and what it makes says whose it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scheduled_prompts import Caller, Forbidden, InvalidInput, NotFound, Policies, Scheduler, Scope, StoreUnusable
from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.ids import short
from scheduled_prompts.store.transport import Transport
from tests.conftest import Lab

ANN = Caller(owner="ann", agent="aide", conversation="c1", platform="telegram")
BOB = Caller(owner="bob", agent="aide")
NOBODY = Caller()
ALL = frozenset(Scope)


async def an_operator(lab: Lab) -> Scheduler:
    return await lab.scheduler(await lab.store(), "UTC")


async def told(call: Awaitable[Any]) -> tuple[type[ScheduledPromptsError], str, str | None]:
    with pytest.raises(ScheduledPromptsError) as caught:
        await call
    return type(caught.value), caught.value.message, caught.value.hint


def looks(scheduler: Scheduler) -> list[Callable[[str], Awaitable[Any]]]:
    """All that can be asked about one prompt."""
    return [
        scheduler.get,
        scheduler.resolve,
        scheduler.history,
        scheduler.spans,
        scheduler.explain,
        lambda i: scheduler.why(i, "2026-12-01 09:00"),
        scheduler.fire,
        lambda i: scheduler.fire(f"{i}@2026-12-01 09:00"),
        lambda i: scheduler.spending(prompt=i),
        lambda i: scheduler.past_events(prompt=i),
        lambda i: scheduler.edit(i, force=True, text="mine now"),
        scheduler.pause,
        scheduler.resume,
        lambda i: scheduler.skip(i, "next"),
        lambda i: scheduler.unskip(i, "next"),
        scheduler.cancel,
        scheduler.run_now,
        scheduler.rerun,
        scheduler.cancel_fire,
    ]


async def test_another_owners_prompt_reads_as_one_that_is_not_there(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        mine = (await operator.as_caller(ANN).schedule("hers", "every day at 9am")).prompt
        absent = mine.id[:-8] + ("0" * 8 if mine.id[-8:] != "0" * 8 else "1" * 8)
        for stranger in (operator.as_caller(BOB), operator.as_caller(NOBODY)):
            for part in (lambda i: i, short, lambda i: i[-5:]):
                for look in looks(stranger):
                    kind, message, hint = await told(look(part(mine.id)))
                    assert (kind, message.replace(part(mine.id), "?"), hint) == (
                        NotFound,
                        (await told(look(part(absent))))[1].replace(part(absent), "?"),
                        "`list` shows the prompts there are",
                    )
        assert await operator.get(mine.id) == mine


async def test_a_whole_fire_id_of_another_owner_reads_as_not_found(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        mine = (await operator.as_caller(ANN).schedule("hers", "every day at 9am")).prompt
        fire = await operator.as_caller(ANN).run_now(mine.id)
        bob = operator.as_caller(BOB)
        absent = fire.id[:-4] + ("0000" if fire.id[-4:] != "0000" else "1111")
        for look in (bob.fire, bob.rerun, bob.cancel_fire):
            assert await told(look(fire.id)) == (
                NotFound,
                f"there is no fire {fire.id!r}",
                "`history` shows the fires of a prompt",
            )
            assert (await told(look(absent)))[1] == f"there is no fire {absent!r}"
        assert (await operator.as_caller(ANN).fire(fire.id)).id == fire.id


async def test_a_look_for_what_is_anothers_takes_as_many_round_trips(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab:
        operator = await an_operator(lab)
        mine = (await operator.as_caller(ANN).schedule("hers", "every day at 9am", key="k")).prompt
        await operator.schedule("an operator's", "every day at 9am")
        absent = mine.id[:-8] + ("0" * 8 if mine.id[-8:] != "0" * 8 else "1" * 8)
        trips = 0
        ask = Transport.ask

        async def counted(self: Transport, call: Any) -> Any:
            nonlocal trips
            trips += 1
            return await ask(self, call)

        monkeypatch.setattr(Transport, "ask", counted)

        async def cost(call: Awaitable[Any]) -> int:
            nonlocal trips
            trips = 0
            await told(call)
            return trips

        for stranger in (operator.as_caller(BOB), operator.as_caller(NOBODY)):
            for look in looks(stranger):
                assert await cost(look(mine.id)) == await cost(look(absent)) > 0
                assert await cost(look(short(mine.id))) == await cost(look(short(absent))) > 0


async def test_a_part_of_an_id_is_looked_for_among_the_owners_alone(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        ann, nobody = operator.as_caller(ANN), operator.as_caller(NOBODY)
        mine = (await ann.schedule("hers", "every day at 9am")).prompt
        theirs = (await nobody.schedule("nobody's", "every day at 9am")).prompt
        both = mine.id[:4]
        assert theirs.id.startswith(both)
        assert (await told(operator.get(both)))[0] is InvalidInput  # ambiguous to whoever sees both
        assert (await ann.get(both)).id == mine.id
        assert (await nobody.get(both)).id == theirs.id


async def test_a_list_holds_the_owners_prompts_alone_and_its_cursor_tells_of_no_others(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        callers = {caller.owner: operator.as_caller(caller) for caller in (ANN, BOB, NOBODY)}
        made: dict[str | None, list[str]] = {owner: [] for owner in callers}
        for number in range(9):
            owner = list(callers)[number % 3]
            answer = await callers[owner].schedule(f"number {number}", "every day at 9am")
            made[owner] = sorted([*made[owner], answer.prompt.id], reverse=True)  # all in one millisecond
        for owner, scheduler in callers.items():
            page = await scheduler.list(limit=2)
            assert [prompt.id for prompt in page.items] == made[owner][:2]
            rest = await scheduler.list(limit=2, cursor=page.cursor)
            assert ([prompt.id for prompt in rest.items], rest.cursor) == (made[owner][2:], None)
            whole = await scheduler.list(limit=3, status="active")
            assert ([prompt.id for prompt in whole.items], whole.cursor) == (made[owner], None)
        assert (await callers["bob"].list(owner="ann")).items == []
        assert len((await callers["bob"].list(owner="bob")).items) == 3
        assert (await callers[None].list(owner="ann")).items == []


async def test_the_same_key_is_another_for_every_owner(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        first = await operator.as_caller(ANN).schedule("hers", "every day at 9am", key="report")
        second = await operator.as_caller(BOB).schedule("his", "every day at 9am", key="report")
        again = await operator.as_caller(ANN).schedule("hers", "every day at 9am", key="report")
        assert (first.created, second.created, again.created) == (True, True, False)
        assert again.prompt.id == first.prompt.id != second.prompt.id


async def test_what_a_caller_schedules_says_whose_it_is(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        prompt = (await operator.as_caller(ANN).schedule("hers", "every day at 9am")).prompt
        assert (prompt.owner, prompt.agent, prompt.conversation, prompt.platform) == ("ann", "aide", "c1", "telegram")
        assert (prompt.created_by, prompt.created_in, prompt.depth, prompt.parent) == ("agent:aide", None, 0, None)
        unnamed = (await operator.as_caller(Caller(owner="ann")).schedule("x", "every day at 9am")).prompt
        assert (unnamed.agent, unnamed.platform) == ("unnamed", "default")  # so that it is counted as any agent's


async def test_a_caller_cannot_say_whose_a_prompt_is(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        ann = operator.as_caller(ANN)
        for said in ({"owner": "bob"}, {"agent": "other"}, {"conversation": "c2"}, {"platform": "slack"}):
            assert (await told(ann.schedule("x", "every day at 9am", **said)))[0] is Forbidden
        prompt = (await ann.schedule("x", "every day at 9am", owner="ann", agent="aide")).prompt
        for said in ({"agent": "other"}, {"agent": None}, {"conversation": None}, {"platform": None}):
            assert (await told(ann.edit(prompt.id, force=True, **said)))[0] is Forbidden
        assert (await ann.get(prompt.id)).version == 1
        assert (await operator.edit(prompt.id, force=True, agent="other")).prompt.agent == "other"


async def test_a_caller_takes_nothing_that_it_shares_with_other_owners(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        house = Scheduler(store, timezone="UTC", policies=Policies(priority=90))
        ann = Scheduler(store, timezone="UTC").as_caller(ANN)
        prompt = (await ann.schedule("x", "every day at 9am", origin="goal")).prompt
        for said in ({"priority": 76}, {"concurrency_key": "gpu"}):
            assert (await told(ann.schedule("x", "every day at 9am", **said)))[0] is Forbidden
            assert (await told(ann.edit(prompt.id, force=True, **said)))[0] is Forbidden
        assert (await house.as_caller(ANN).schedule("x", "every day at 9am")).prompt.priority == 90
        assert (await house.edit(prompt.id, force=True, priority=99, concurrency_key="gpu")).prompt.priority == 99
        kept = (await ann.edit(prompt.id, force=True, text="y")).prompt
        assert (kept.priority, kept.concurrency_key) == (99, "gpu")


async def test_a_caller_loosens_no_limit_that_a_person_set(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        ann = operator.as_caller(ANN)
        persons = (await operator.schedule("x", "every day at 9am", owner="ann", budget_total=5, max_fires=3)).prompt
        for said in ({"budget_total": 6}, {"budget_total": None}, {"max_fires": 4}):
            kind, message, _ = await told(ann.edit(persons.id, force=True, **said))
            assert kind is Forbidden
            assert message.startswith("of what a person made no limit is loosened")
        assert (await ann.edit(persons.id, force=True, budget_total=4)).prompt.budget_total == 4
        own = (await ann.schedule("x", "every day at 9am", max_fires=3)).prompt
        assert (await ann.edit(own.id, force=True, max_fires=4)).prompt.max_fires == 4


async def test_a_caller_may_name_the_runners_that_it_was_given(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        default = Scheduler(store, timezone="UTC", runner="claude")
        plain = default.as_caller(ANN)
        assert (await plain.schedule("x", "every day at 9am")).prompt.runner == "claude"
        prompt = (await plain.schedule("x", "every day at 9am", runner="claude")).prompt
        assert (await told(plain.schedule("x", "every day at 9am", runner="shell")))[0] is Forbidden
        assert (await told(plain.edit(prompt.id, force=True, runner="shell")))[0] is Forbidden
        given = default.as_caller(ANN.model_copy(update={"runners": ("mail", "shell")}))
        assert (await given.schedule("x", "every day at 9am")).prompt.runner == "mail"
        assert (await given.edit(prompt.id, force=True, runner="shell")).prompt.runner == "shell"
        assert (await told(given.edit(prompt.id, force=True, runner="claude")))[0] is Forbidden
        persons = (await default.schedule("back up", "every day at 9am", owner="ann", runner="root")).prompt
        kind, message, _ = await told(plain.edit(persons.id, force=True, text="do what I say"))
        assert (kind, message) == (Forbidden, "agent:aide may not use the runner 'root'")
        assert (await plain.edit(persons.id, force=True, when="every day at 10am")).prompt.text == "back up"
        nothing = default.as_caller(ANN.model_copy(update={"runners": ()}))
        assert (await told(nothing.schedule("x", "every day at 9am")))[0] is Forbidden


async def test_a_scope_that_is_missing_is_named(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        prompt = (await operator.as_caller(ANN).schedule("x", "every day at 9am")).prompt
        reader = operator.as_caller(ANN.model_copy(update={"scopes": frozenset({Scope.READ})}))
        writer = operator.as_caller(ANN.model_copy(update={"scopes": frozenset({Scope.WRITE})}))
        assert (await reader.get(prompt.id)).id == prompt.id
        refused = [
            reader.schedule("x", "every day at 9am"),
            reader.edit(prompt.id, force=True, text="y"),
            reader.cancel(prompt.id),
            reader.pause(prompt.id),
            reader.resume(prompt.id),
            reader.skip(prompt.id, "next"),
            reader.run_now(prompt.id),
            writer.run_now(prompt.id),
            writer.get(prompt.id),
            writer.list(),
            writer.history(prompt.id),
            writer.explain(prompt.id),
        ]
        for call in refused:
            kind, message, _ = await told(call)
            assert kind is Forbidden
            assert "that takes the scope" in message
        with pytest.raises(Forbidden):
            writer.preview("every day at 9am")
        assert (await writer.edit(prompt.id, force=True, text="y")).prompt.text == "y"


async def test_what_is_an_operators_to_do_is_forbidden_to_any_caller(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        ann = operator.as_caller(ANN.model_copy(update={"scopes": ALL}))
        refused: list[Awaitable[Any]] = [
            ann.stop_all(),
            ann.start_all(),
            ann.stats(),
            ann.quarantined(),
            ann.daemons(),
            ann.doctor(),
            ann.apply([], set_name="x"),
            ann.import_prompts({"schema": 1, "prompts": []}),
            ann.past_events(),
            ann.spending(),
            ann.spending(owner="bob"),
        ]
        for call in refused:
            assert (await told(call))[0] is Forbidden
        for begin in (ann.export, ann.events):
            with pytest.raises(Forbidden):
                begin()
        assert (await ann.spending(owner="ann")).today.spent == 0
        assert await ann.halted() is None


async def test_events_of_a_prompt_tell_its_owner_nothing_of_what_else_happens(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        ann = operator.as_caller(ANN)
        prompt = (await ann.schedule("hers", "every day at 9am")).prompt
        await operator.as_caller(BOB).schedule("his", "every day at 9am")
        page = await ann.past_events(prompt=prompt.id)
        assert [event.prompt for event in page.items] == [prompt.id]
        assert page.cursor == page.items[-1].id  # and not that of the last thing that happened
        after = await ann.past_events(prompt=prompt.id, since=page.cursor)
        assert (after.items, after.cursor, after.more) == ([], page.cursor, False)
        with pytest.raises(NotFound):
            await operator.as_caller(BOB).events(prompt=prompt.id).batch()


async def test_a_record_that_cannot_be_read_is_nobodys(lab: Lab) -> None:
    async with lab:
        operator = await an_operator(lab)
        ann = operator.as_caller(ANN)
        prompt = (await ann.schedule("hers", "every day at 9am")).prompt
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt.id}", "doc", "{")
        assert (await told(operator.get(prompt.id)))[0] is StoreUnusable
        assert (await told(ann.get(prompt.id)))[0] is NotFound
        assert (await operator.as_caller(BOB).list()).unreadable == []
        assert (await ann.list()).unreadable == []
        await operator.cancel(prompt.id)
