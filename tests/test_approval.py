"""What agents ask for waits for a person where the settings say so: it never fires before, and is accounted for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from scheduled_prompts import Approval, Budgets, Caller, Conflict, Forbidden, Limits, NotFound, VersionConflict
from scheduled_prompts.engine.retention import cleanup
from scheduled_prompts.errors import LimitReached, ScheduledPromptsError
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.exporting import entry_of
from scheduled_prompts.store.records import Refused
from scheduled_prompts.testing import LONG_SPANS
from tests.conftest import Lab
from tests.engine.scenes import Scene, Worker, scene
from tests.store.steps import edit_of

MINUTE, HOUR, DAY = 60, 3_600, 86_400
PENDING = PromptStatus.PENDING_APPROVAL
BOT = Caller(owner="ann", agent="bot", runners=("log", "shell"))
ALL = Approval(agents=("*",))
CALM: dict[str, Any] = {
    "watch_period": LONG_SPANS.watch_period,
    "heartbeat_period": LONG_SPANS.heartbeat_period,
    "sweep_period": LONG_SPANS.sweep_period,
    "lease": DAY,
}


async def a_person(lab: Lab, approval: Approval = ALL, **more: Any) -> Scheduler:
    """A scheduler as people have it, in a house with these settings; `as_caller(BOT)` is an agent's."""
    return Scheduler(await lab.store(), timezone="UTC", approval=approval, actor="cli:eve", **more)


async def at_work(lab: Lab, runner: Any = None, approval: Approval = ALL) -> tuple[Scene, Scheduler, Scheduler]:
    """A daemon at work, a person, and an agent."""
    s = await scene(lab, runner, **CALM)
    person = Scheduler(s.store, timezone="UTC", approval=approval, actor="cli:eve")
    return s, person, person.as_caller(BOT)


async def asked(scheduler: Scheduler, when: str = "every 2h", **fields: Any) -> ScheduledPrompt:
    return (await scheduler.schedule("hello", when, **fields)).prompt


async def refusal(of: Awaitable[Any], kind: type[ScheduledPromptsError] = Conflict) -> str:
    with pytest.raises(kind) as caught:
        await of
    assert type(caught.value) is kind
    return str(caught.value)


def is_due(lab: Lab) -> bool:
    return any(key.startswith("due:") for key in lab.keys())


# Asking


async def test_what_an_agent_asks_for_waits_and_says_who_asked_why_and_until_when(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        now = person.clock.now()
        answer = await person.as_caller(BOT).schedule("hello", "in 20m")
        prompt = answer.prompt
        assert (answer.created, prompt.status, prompt.pending_by) == (True, PENDING, "agent:bot")
        assert (prompt.pending_since, prompt.pending_until) == (now, now + 7 * DAY * 1000)
        assert prompt.pending_why == "what agents ask for is to be approved"
        assert await person.get(prompt.id) == prompt
        assert not is_due(lab)
        assert [item.id for item in (await person.list(status="pending_approval")).items] == [prompt.id]
        assert (await person.stats()).by_status["pending_approval"] == 1


async def test_what_people_make_and_change_needs_no_approval(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person, "in 20m", agent="bot")
        assert prompt.status is PromptStatus.SCHEDULED
        assert (await person.edit(prompt.id, force=True, text="other")).prompt.status is PromptStatus.SCHEDULED


@pytest.mark.parametrize(
    ("approval", "fields", "why"),
    [
        (Approval(), {}, None),
        (Approval(agents="bot"), {}, "agent bot is to be approved"),
        (Approval(agents=("other",)), {}, None),
        (Approval(runners=("shell",)), {"runner": "shell"}, "runner shell is to be approved"),
        (Approval(runners=("shell",)), {"runner": "log"}, None),
        (Approval(runners="*"), {}, "runner log is to be approved"),
        (
            Approval(cost_above="0.5"),
            {},
            "no max_cost is said, and what may cost more than 0.50 USD is to be approved",
        ),
        (Approval(cost_above="0.5"), {"max_cost": "0.5"}, None),
        (
            Approval(cost_above="0.5"),
            {"max_cost": "0.500001"},
            "a fire may cost 0.500001, and what may cost more than 0.50 USD is to be approved",
        ),
    ],
)
async def test_what_needs_approval_is_told_by_agent_runner_and_cost(
    lab: Lab, approval: Approval, fields: dict[str, Any], why: str | None
) -> None:
    async with lab:
        prompt = await asked((await a_person(lab, approval)).as_caller(BOT), **fields)
        assert (prompt.status is PENDING, prompt.pending_why) == (why is not None, why)


async def test_where_the_budgets_say_what_a_fire_may_cost_a_prompt_need_not(lab: Lab) -> None:
    async with lab:
        for per_fire, waits in (("0.4", False), ("0.6", True)):
            person = await a_person(lab, Approval(cost_above="0.5"), budgets=Budgets(owner_per_fire=per_fire))
            assert ((await asked(person.as_caller(BOT))).status is PENDING) == waits


async def test_what_waits_counts_as_active(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab, limits=Limits(active_per_owner=2))
        agent = person.as_caller(BOT)
        first = await asked(agent)
        await asked(agent)
        assert "2 active prompts" in await refusal(asked(agent), LimitReached)
        await person.reject(first.id)
        assert (await asked(agent)).status is PENDING


async def test_asking_again_with_the_same_key_finds_what_waits(lab: Lab) -> None:
    async with lab:
        agent = (await a_person(lab)).as_caller(BOT)
        first = await asked(agent, key="daily")
        again = await agent.schedule("hello", "every 2h", key="daily")
        assert (again.created, again.prompt.id, again.prompt.status) == (False, first.id, PENDING)


# Waiting


async def test_what_waits_never_fires_whatever_is_tried(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab)
        prompt = await asked(agent, "in 20m")
        for call in (person.run_now, agent.run_now):
            assert "waits for approval" in await refusal(call(prompt.id))
        assert "it does not" not in await refusal(person.pause(prompt.id))
        await refusal(agent.resume(prompt.id))
        assert "waits for approval" in await refusal(agent.skip(prompt.id, "next"))
        await s.sleep(6 * HOUR)
        assert s.runner.fires == []
        assert (await person.get(prompt.id)).status is PENDING


async def test_a_claim_by_hand_of_what_was_read_before_it_waited_is_lost(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person)
        stale = prompt.model_copy(update={"version": 2, "status": PromptStatus.ACTIVE})
        answer = await person.store.edit({**edit_of(prompt, text="x"), "approval": {"until": "9" * 13, "why": "so"}})
        assert answer == 2
        from scheduled_prompts.claims import manual_claim

        now = person.clock.now()
        claim = manual_claim(stale, f"{prompt.id}+01KDVDNA000016QAMMAQHYE1M2", now)
        assert await person.store.claim([claim]) == ["lost"]


async def test_what_waits_can_be_cancelled_by_who_asked_for_it(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        await person.as_caller(BOT).cancel(prompt.id)
        after = await person.get(prompt.id)
        assert (after.status, after.pending_since, after.decision) == (PromptStatus.CANCELLED, None, None)
        assert "approvals" not in lab.keys()
        assert "does not wait" in await refusal(person.approve(prompt.id))


async def test_an_edit_of_what_waits_keeps_it_waiting_and_no_longer(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        await person.clock.sleep(DAY)
        for who, change in ((person.as_caller(BOT), {"when": "every 3h"}), (person, {"text": "better"})):
            edited = (await who.edit(prompt.id, force=True, **change)).prompt
            assert (edited.status, edited.pending_until) == (PENDING, prompt.pending_until)
        assert not is_due(lab)


# Deciding


async def test_what_is_approved_fires_and_what_is_not_does_not(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab)
        wanted, left = await asked(agent, "in 20m"), await asked(agent, "in 20m")
        await s.sleep(60)
        approved = await person.approve(wanted.id, "looks right")
        assert (approved.prompt.status, approved.prompt.version, approved.passed) == (PromptStatus.SCHEDULED, 2, None)
        assert [each.due for each in approved.upcoming] == [wanted.next_at]
        assert (approved.prompt.decision, approved.prompt.decided_by) == ("approved", "cli:eve")
        assert (approved.prompt.decision_note, approved.prompt.pending_since) == ("looks right", None)
        await s.sleep(HOUR)
        assert [fire.prompt_id for fire in s.runner.fires] == [wanted.id]
        assert (await person.get(left.id)).status is PENDING


async def test_what_was_to_fire_meanwhile_does_not(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab)
        prompt = await asked(agent, "every 2h")
        await s.sleep(5 * HOUR)
        approved = await person.approve(prompt.id)
        assert approved.passed == (prompt.next_nominal, (prompt.next_nominal or 0) + 4 * HOUR * 1000)
        await s.sleep(2 * HOUR)
        assert [fire.nominal for fire in s.runner.fires] == [approved.passed[1]]


async def test_a_one_shot_whose_time_has_passed_is_given_another_time_before_it_is_approved(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT), "in 20m")
        await person.clock.sleep(HOUR)
        assert "`edit --when` gives it another time" in await refusal(person.approve(prompt.id))
        await person.edit(prompt.id, force=True, when="in 1h")
        assert (await person.approve(prompt.id)).prompt.status is PromptStatus.SCHEDULED


async def test_what_is_rejected_is_over(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab)
        prompt = await asked(agent, "in 20m", key="k")
        after = (await person.reject(prompt.id, "too dear")).prompt
        assert (after.status, after.decision, after.decided_by) == (PromptStatus.CANCELLED, "rejected", "cli:eve")
        assert (after.decision_note, after.ended_at) == ("too dear", s.now)
        assert "cancelled: rejected by cli:eve" in await refusal(person.approve(prompt.id))
        assert (await asked(agent, key="k")).id != prompt.id


async def test_only_a_person_decides(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        for agent in (person.as_caller(BOT), person.as_caller(Caller(owner="bob", agent="bot"))):
            for call in (agent.approve, agent.reject):
                assert "may not" in await refusal(call(prompt.id), Forbidden)
        await refusal(person.approve("ZZZZZZZZ"), NotFound)
        assert (await person.get(prompt.id)).status is PENDING


async def test_what_was_changed_since_it_was_read_is_not_approved(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        await person.as_caller(BOT).edit(prompt.id, force=True, text="delete everything")
        for call in (person.approve, person.reject):
            await refusal(call(prompt.id, version=1), VersionConflict)
        assert (await person.approve(prompt.id, version=2)).prompt.text == "delete everything"


async def test_what_is_changed_between_reading_and_deciding_is_not_approved_unseen(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        read = await person.get((await asked(person.as_caller(BOT))).id)
        await person.as_caller(BOT).edit(read.id, force=True, text="delete everything")
        refused = await person.store.approve(read, "active", read.next_nominal or 0, read.next_at or 0)
        assert refused == Refused(PENDING, "2")
        assert await person.store.reject(read.id, version=1) == refused


async def test_two_people_decide_once(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        read = await person.get(prompt.id)
        assert await person.store.approve(read, "active", read.next_nominal or 0, read.next_at or 0) is None
        refused = await person.store.approve(read, "active", read.next_nominal or 0, read.next_at or 0)
        assert refused is not None
        assert (refused.status, refused.version) == ("active", "2")
        assert (await person.store.reject(prompt.id)) == refused


async def test_a_repetition_is_answered_as_the_first_time(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await person.get((await asked(person.as_caller(BOT))).id)
        other = await asked(person.as_caller(BOT))
        for _ in range(2):
            first = await person.store.approve(prompt, "active", prompt.next_nominal or 0, prompt.next_at or 0, op="o1")
            assert first is None
            assert (await person.store.reject(other.id, op="o2")) == (0, 0)
        assert [span.kind for span in await person.spans(prompt.id)] == ["pending", "approved"]


# Time


async def test_what_nobody_approves_in_time_is_cancelled_by_the_sweep(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab, approval=Approval(agents=("*",), expires_after=5 * HOUR))
        prompt = await asked(agent, "every 2h")
        await s.sleep(5 * HOUR - 60)
        assert (await person.get(prompt.id)).status is PENDING
        await s.sleep(2 * HOUR)
        after = await person.get(prompt.id)
        assert (after.status, after.decision) == (PromptStatus.CANCELLED, "expired")
        assert s.runner.fires == []
        kinds = [event.type for event in (await person.past_events(prompt=prompt.id)).items]
        assert kinds == ["created", "pending", "expired", "cancelled"]
        assert "approvals" not in lab.keys()


async def test_a_sweep_cancels_all_of_them_however_many_they_are(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab, Approval(agents=("*",), expires_after=1), limits=Limits(active_per_owner=0))
        for _ in range(101):
            await asked(person.as_caller(BOT))
        await person.clock.sleep(HOUR)
        await lab.daemon(person.store, **CALM)  # its first sweep, before it is ready
        assert (await person.stats()).by_status["pending_approval"] == 0


async def test_once_its_time_has_run_out_nothing_is_approved_though_nobody_has_swept(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab, Approval(agents=("*",), expires_after=60))
        prompt = await asked(person.as_caller(BOT))
        read = await person.get(prompt.id)
        await person.clock.sleep(60)
        refused = await person.store.approve(read, "active", read.next_nominal or 0, read.next_at or 0)
        assert refused is not None
        assert refused.status == "late"
        assert "too late to approve" in await refusal(person.approve(prompt.id))
        assert (await person.get(prompt.id)).decision == "expired"


async def test_a_stray_harms_nobody(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab, Approval(agents=("*",), expires_after=1))
        late = [(await asked(person.as_caller(BOT))).id for _ in range(2)]
        kept = await asked(person)
        lab.inspector.zadd(person.store.keys.approvals, {kept.id: 1, "0" * 26: 2})
        await person.clock.sleep(2)
        assert sorted(await person.store.expire_approvals()) == late
        assert await person.store.expire_approvals() == []
        assert (await person.get(kept.id)).status is PromptStatus.ACTIVE
        assert "approvals" not in lab.keys()


# Edits of what was approved


async def test_an_edit_by_an_agent_sends_an_approved_prompt_back(lab: Lab) -> None:
    async with lab:
        runner = Worker(5 * MINUTE)
        s, person, agent = await at_work(lab, runner)
        prompt = await asked(agent, "every 2m", overlap="queue", queue_limit=3, timeout=DAY)
        await person.approve(prompt.id)
        await s.sleep(4 * MINUTE + 1)
        running, waiting = [f for f in (await s.fires(prompt.id))[::-1] if not f.status.has_ended][:2]
        edited = (await agent.edit(prompt.id, force=True, text="something else")).prompt
        assert (edited.status, edited.pending_by, edited.decision) == (PENDING, "agent:bot", None)
        assert edited.pending_since == s.now
        assert not is_due(lab)
        by_id = {fire.id: fire for fire in await s.fires(prompt.id)}
        assert (by_id[waiting.id].status, by_id[waiting.id].reason) == ("skipped", "pending_approval")
        assert by_id[running.id].status == "running"
        await s.sleep(6 * MINUTE)
        assert len(runner.begun) == 1
        await person.approve(prompt.id)
        await s.sleep(2 * MINUTE)
        assert len(runner.begun) == 2
        assert runner.begun[-1].prompt is not None
        assert runner.begun[-1].prompt.text == "something else"


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        ({"text": "other"}, True),
        ({"runner": "shell"}, True),
        ({"when": "every 3h"}, True),
        ({"when": "in 3h"}, True),
        ({"max_fires": 99}, True),
        ({"max_cost": "3"}, True),
        ({"budget_day": None}, False),
        ({"name": "better", "labels": {"a": "b"}, "priority": 1}, False),
        ({}, False),
    ],
)
async def test_what_changes_what_is_done_when_or_at_what_cost_is_to_be_approved(
    lab: Lab, change: dict[str, Any], waits: bool
) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        await person.approve(prompt.id)
        edited = (await person.as_caller(BOT).edit(prompt.id, force=True, **change)).prompt
        assert (edited.status is PENDING) == waits


async def test_pausing_and_resuming_is_no_way_around(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        agent = person.as_caller(BOT)
        prompt = await asked(agent)
        await person.approve(prompt.id)
        await person.pause(prompt.id, "holiday")
        edited = (await agent.edit(prompt.id, force=True, text="other")).prompt
        assert (edited.status, edited.paused_at) == (PENDING, None)
        await refusal(agent.resume(prompt.id))


async def test_an_executed_prompt_is_no_way_around(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab)
        prompt = await asked(agent, "in 20m")
        await person.approve(prompt.id)
        await s.sleep(HOUR)
        assert "nothing is to come" in await refusal(agent.edit(prompt.id, force=True, text="other"))
        edited = (await agent.edit(prompt.id, force=True, text="other", when="in 1h")).prompt
        assert (edited.status, edited.ended_at) == (PENDING, None)
        await s.sleep(6 * HOUR)
        assert len(s.runner.fires) == 1


async def test_a_fire_books_its_own_next_turn_without_asking_again(lab: Lab) -> None:
    async with lab:
        runner = Worker(60)
        s, person, agent = await at_work(lab, runner)
        prompt = await asked(agent, "in 20m")
        await person.approve(prompt.id)
        await s.sleep(20 * 60 + 1)
        [fire] = runner.begun
        inside = person.as_caller(BOT.model_copy(update={"fire": fire.id, "attempt": fire.attempt}))
        booked = (await inside.edit(prompt.id, force=True, when="in 2h")).prompt
        assert (booked.status, booked.decision) == (PromptStatus.SCHEDULED, "approved")
        await s.sleep(2 * HOUR + 1)
        assert len(runner.begun) == 2


@pytest.mark.parametrize("change", [{"when": "every 2h"}, {"when": "in 2h", "text": "more"}])
async def test_another_rhythm_or_another_text_is_asked_for_from_inside_too(lab: Lab, change: dict[str, Any]) -> None:
    async with lab:
        runner = Worker(60)
        s, person, agent = await at_work(lab, runner)
        prompt = await asked(agent, "in 20m")
        await person.approve(prompt.id)
        await s.sleep(20 * 60 + 1)
        [fire] = runner.begun
        inside = person.as_caller(BOT.model_copy(update={"fire": fire.id, "attempt": fire.attempt}))
        assert (await inside.edit(prompt.id, force=True, **change)).prompt.status is PENDING
        await s.sleep(120)
        assert [fire.status for fire in await s.fires(prompt.id)] == ["succeeded"]


async def test_what_a_fire_makes_is_asked_for_as_anything_is(lab: Lab) -> None:
    async with lab:
        runner = Worker(60)
        s = await scene(lab, runner, **CALM)
        person = Scheduler(s.store, timezone="UTC", approval=ALL, actor="cli:eve", limits=Limits(max_depth=1))
        prompt = await asked(person.as_caller(BOT), "in 20m", key="mine")
        await person.approve(prompt.id)
        await s.sleep(20 * 60 + 1)
        [fire] = runner.begun
        inside = person.as_caller(BOT.model_copy(update={"fire": fire.id, "attempt": fire.attempt}))
        child = await asked(inside, "in 1h")
        assert (child.status, child.lineage) == (PENDING, (prompt.id,))
        again = await inside.schedule("hello", "in 2h", key="mine")
        assert (again.prompt.id, again.prompt.status) == (prompt.id, PromptStatus.SCHEDULED)
        other = await inside.schedule("something else", "in 2h", key="mine")
        assert (other.prompt.id, other.prompt.status) == (prompt.id, PENDING)
        for decide in (inside.approve, inside.reject):
            assert "may not" in await refusal(decide(child.id), Forbidden)


# The account


async def test_explain_says_of_each_occurrence_that_it_was_waiting_for_approval(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab)
        prompt = await asked(agent, "30 * * * *")
        await s.sleep(2 * HOUR)
        explained = await person.explain(prompt.id)
        assert [(row.outcome, row.number) for row in explained.rows] == [("pending_approval", 7)]
        await person.approve(prompt.id, "fine")
        await s.sleep(HOUR)
        rows = [(row.outcome, row.number) for row in (await person.explain(prompt.id)).rows]
        assert rows == [("pending_approval", 2), ("succeeded", 1), *[("upcoming", 1)] * 5]
        why = await person.why(prompt.id, "2026-01-01 01:30")
        assert why.sentence == (
            "It did not run: the prompt was waiting for approval, asked for by agent:bot, "
            "from Thu 2026-01-01 00:00 +00:00 until Thu 2026-01-01 02:00 +00:00 "
            "(what agents ask for is to be approved)."
        )


@pytest.mark.parametrize("how", ["rejected", "expired"])
async def test_explain_says_why_it_never_will_run(lab: Lab, how: str) -> None:
    async with lab:
        person = await a_person(lab, Approval(agents=("*",), expires_after=2 * HOUR))
        prompt = await asked(person.as_caller(BOT), "30 * * * *")
        await person.clock.sleep(2 * HOUR)
        if how == "rejected":
            await person.reject(prompt.id, "no")
        else:
            await person.store.expire_approvals()
        await person.clock.sleep(HOUR)
        rows = (await person.explain(prompt.id)).rows
        assert [(row.outcome, row.number) for row in rows] == [("pending_approval", 2), ("cancelled", 1)]
        said = (await person.why(prompt.id, "2026-01-01 02:30")).sentence
        assert (
            said
            == {
                "rejected": "It did not run: the prompt was rejected Thu 2026-01-01 02:00 +00:00 by cli:eve (no).",
                "expired": "It did not run: nobody approved the prompt in time: it was cancelled "
                "Thu 2026-01-01 02:00 +00:00.",
            }[how]
        )


async def test_the_account_of_a_life_with_edits_and_pauses_tells_each_occurrence_once(lab: Lab) -> None:
    async with lab:
        s, person, agent = await at_work(lab)
        prompt = await asked(agent, "30 * * * *")
        await person.approve(prompt.id)
        await s.sleep(HOUR)  # 00:30 fired
        await person.pause(prompt.id, "holiday")
        await s.sleep(HOUR)  # 01:30 paused
        await agent.edit(prompt.id, force=True, text="other")
        await s.sleep(HOUR)  # 02:30 waits
        await agent.edit(prompt.id, force=True, when="45 * * * *")
        await s.sleep(HOUR)  # 03:45 waits
        await person.approve(prompt.id)
        await s.sleep(HOUR)  # 04:45 fired
        await agent.edit(prompt.id, force=True, when="50 * * * *")
        await s.sleep(HOUR)  # 05:50 waits
        await person.cancel(prompt.id)
        rows = (await person.explain(prompt.id)).rows
        told = [(row.outcome, f"{prompt.local(row.first):%H:%M}", row.number) for row in rows]
        assert told == [
            ("succeeded", "00:30", 1),
            ("paused", "01:30", 1),
            ("pending_approval", "02:30", 2),
            ("succeeded", "04:45", 1),
            ("pending_approval", "05:50", 1),
        ]
        assert "holiday" in (await person.why(prompt.id, "2026-01-01 01:30")).sentence


async def test_history_tells_who_asked_and_who_decided(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        await person.approve(prompt.id, "fine")
        await person.as_caller(BOT).edit(prompt.id, force=True, text="other")
        await person.reject(prompt.id, "no")
        spans = [(span.kind, span.by, span.note) for span in await person.spans(prompt.id)]
        assert spans == [
            ("pending", "agent:bot", None),
            ("approved", "cli:eve", "fine"),
            ("edited", "agent:bot", None),
            ("pending", "agent:bot", None),
            ("rejected", "cli:eve", "no"),
        ]


# Beside


async def test_an_export_of_what_waits_is_imported_waiting(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        waiting = await asked(person.as_caller(BOT), key="k")
        approved = await asked(person.as_caller(BOT))
        await person.approve(approved.id, "fine")
        await person.clock.sleep(HOUR)
        document = {"schema": 1, "prompts": [entry_of(prompt) async for prompt in person.export()]}  # type: ignore[arg-type]
        before = {prompt.id: await person.get(prompt.id) for prompt in (waiting, approved)}
        lab.clear()
        await person.store.close()
        there = Scheduler(await lab.store(seed=1), timezone="UTC", actor="cli:eve")
        await there.clock.sleep(HOUR)
        assert (await there.import_prompts(document)).created == 2
        arrived = await there.get(waiting.id)
        for name in ("status", "pending_since", "pending_until", "pending_why", "pending_by"):
            assert getattr(arrived, name) == getattr(before[waiting.id], name)
        assert (await there.get(approved.id)).decision_note == "fine"
        await there.approve(waiting.id)


async def test_retention_leaves_what_waits_and_takes_what_expired(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab, Approval(agents=("*",), expires_after=DAY))
        prompt = await asked(person.as_caller(BOT))
        assert (await cleanup(person.store, 0)).prompts == 0
        await person.clock.sleep(DAY)
        await person.store.expire_approvals()
        await person.clock.sleep(1)
        assert (await cleanup(person.store, 0)).prompts == 1
        await refusal(person.get(prompt.id), NotFound)


async def test_doctor_tells_what_waits_and_what_should_not_wait_any_more(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab, Approval(agents=("*",), expires_after=DAY))

        async def finding() -> tuple[str, str]:
            [found] = [one for one in await person.doctor(quick=True) if one.check == "approvals"]
            return found.level.value, found.message

        assert await finding() == ("ok", "nothing waits for approval")
        prompt = await asked(person.as_caller(BOT))
        assert await finding() == ("note", f"1 prompt waits for approval, {prompt.id[-8:]} for 24 h more at most")
        await person.clock.sleep(2 * DAY)
        assert (await finding())[0] == "warning"


async def test_a_record_that_waits_and_cannot_be_read_is_set_aside_and_waits_no_more(lab: Lab) -> None:
    async with lab:
        person = await a_person(lab)
        prompt = await asked(person.as_caller(BOT))
        lab.inspector.hset(person.store.keys.prompt(prompt.id), "pending_until", "soon")
        await person.doctor(repair=True)
        assert [one.id for one in await person.quarantined()] == [prompt.id]
        assert "approvals" not in lab.keys()
        edited = (await person.edit(prompt.id, force=True, text="hello", when="every 2h")).prompt
        assert (edited.status, edited.pending_since) == (PromptStatus.ACTIVE, None)
