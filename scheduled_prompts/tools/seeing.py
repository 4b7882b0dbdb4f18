"""list_scheduled_prompts and get_scheduled_prompt: what there is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from scheduled_prompts.caller import Scope
from scheduled_prompts.tools.answers import ListAnswer, PromptAnswer, instants, named, prompt_record
from scheduled_prompts.tools.call import Call
from scheduled_prompts.tools.spec import Between, tool

LISTED = 20
ID = "Which one: its id, the last 8 characters of its id, its key, or its name."


@tool(
    "List your scheduled prompts, newest first: those that are to run, and those that are paused or have ended.",
    answer=ListAnswer,
    scope=Scope.READ,
    read_only=True,
    idempotent=True,
)
async def list_scheduled_prompts(
    call: Call,
    status: Annotated[
        Literal["scheduled", "active", "paused", "executed", "cancelled", "quarantined"] | None,
        "Only those: 'scheduled' (to run once), 'active' (recurring), 'paused', 'executed' (over), 'cancelled'.",
    ] = None,
    limit: Annotated[int, "How many at most; 20 if left out.", Between(1, 100)] = LISTED,
    cursor: Annotated[str | None, "For the next page: the `cursor` of the answer before."] = None,
) -> dict[str, Any]:
    page = await call.scheduler.list(status=status, limit=limit, cursor=cursor)
    records = [prompt_record(prompt, call.scheduler.upcoming(prompt, 1)) for prompt in page.items]
    return {
        "message": f"{len(records)} scheduled prompts." if records else "There are no scheduled prompts.",
        "scheduled_prompts": records,
        "cursor": page.cursor,
    }


@tool(
    "Show one of your scheduled prompts: its text, when it runs next, and what became of it.",
    answer=PromptAnswer,
    scope=Scope.READ,
    read_only=True,
    idempotent=True,
)
async def get_scheduled_prompt(call: Call, id: Annotated[str, ID]) -> dict[str, Any]:  # noqa: A002  the argument's name
    prompt = await call.prompt(id)
    upcoming = call.scheduler.upcoming(prompt)
    return {
        "message": f"{named(prompt)} is {prompt.status}.",
        "scheduled_prompt": prompt_record(prompt, upcoming),
        "timezone": prompt.timezone,
        "upcoming": instants(upcoming, prompt.timezone),
        "unserved": await call.scheduler.why_unserved(prompt),
    }
