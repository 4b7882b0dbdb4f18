"""What agents ask for waits for a person where the settings say so: it never fires before, and is accounted for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from scheduled_prompts.approval import Approval
from scheduled_prompts.caller import Caller
from scheduled_prompts.errors import Conflict, ScheduledPromptsError
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.scenes import scene

DAY = 86_400
PENDING = PromptStatus.PENDING_APPROVAL
BOT = Caller(owner="ann", agent="bot", runners=("log",))
EVERYTHING = Approval(agents=("*",))


async def people(lab: Lab, approval: Approval = EVERYTHING, **more: Any) -> Scheduler:
    """A scheduler as people have it, with these settings; `people.as_caller(BOT)` is the agent's."""
    return Scheduler(await lab.store(), timezone="UTC", approval=approval, actor="cli:eve", **more)


async def refusal(of: Awaitable[Any], kind: type[ScheduledPromptsError] = Conflict) -> ScheduledPromptsError:
    with pytest.raises(kind) as caught:
        await of
    assert type(caught.value) is kind
    return caught.value


async def test_what_an_agent_asks_for_waits_and_says_who_asked_why_and_until_when(lab: Lab) -> None:
    async with lab:
        scheduler = await people(lab)
        now = scheduler.clock.now()
        answer = await scheduler.as_caller(BOT).schedule("hello", "in 20m")
        prompt = answer.prompt
        assert (answer.created, prompt.status, prompt.pending_by) == (True, PENDING, "agent:bot")
        assert (prompt.pending_since, prompt.pending_until) == (now, now + 7 * DAY * 1000)
        assert prompt.pending_why == "what agents ask for is to be approved"
        assert await scheduler.get(prompt.id) == prompt
        assert not [key for key in lab.keys() if key.startswith("due:")]
        assert [item.id for item in (await scheduler.list(status="pending_approval")).items] == [prompt.id]


async def test_what_people_make_needs_no_approval(lab: Lab) -> None:
    async with lab:
        scheduler = await people(lab)
        prompt = (await scheduler.schedule("hello", "in 20m", agent="bot")).prompt
        assert prompt.status is PromptStatus.SCHEDULED
        assert (await scheduler.edit(prompt.id, force=True, text="other")).prompt.status is PromptStatus.SCHEDULED


async def test_what_is_approved_fires_and_what_is_not_does_not(lab: Lab) -> None:
    async with lab:
        runner = RecordingRunner()
        s = await scene(lab, runner)
        person = Scheduler(s.store, timezone="UTC", approval=EVERYTHING, actor="cli:eve")
        agent = person.as_caller(BOT)
        wanted = (await agent.schedule("yes", "in 20m")).prompt
        left = (await agent.schedule("no", "in 20m")).prompt
        await s.sleep(60)
        approved = await person.approve(wanted.id, "looks right")
        assert (approved.prompt.status, approved.prompt.version, approved.passed) == (PromptStatus.SCHEDULED, 2, None)
        assert [each.due for each in approved.upcoming] == [wanted.next_at]
        assert approved.prompt.decision == "approved"
        assert (approved.prompt.decided_by, approved.prompt.decision_note) == ("cli:eve", "looks right")
        await s.sleep(3600)
        assert [fire.prompt_id for fire in runner.fires] == [wanted.id]
        assert (await person.get(left.id)).status is PENDING
