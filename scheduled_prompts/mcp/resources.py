"""What a client can read, beside calling tools: a prompt, a fire, and the list of the prompts that live."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mcp_types import (
    ListResourcesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from scheduled_prompts.errors import InvalidInput, ScheduledPromptsError
from scheduled_prompts.mcp.problems import as_protocol_error
from scheduled_prompts.mcp.seat import Seat

if TYPE_CHECKING:  # see `desk`
    from scheduled_prompts.prompt import ScheduledPrompt
    from scheduled_prompts.scheduler import Scheduler

JSON = "application/json"
PROMPT, FIRE = "prompt://", "fire://"
PAGE = 100
OVER = ("executed", "cancelled", "quarantined")
"""What is not listed."""
SHORTENED = 60

TEMPLATES = [
    ResourceTemplate(
        uri_template=PROMPT + "{id}",
        name="scheduled-prompt",
        title="A scheduled prompt",
        description="What it says, when it runs next, and how it stands. id: its id, or an unambiguous part of it.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        uri_template=FIRE + "{id}",
        name="fire",
        title="What became of one occurrence",
        description="When it was due and ran, its result or its error. id: as list_fires gives it.",
        mime_type=JSON,
    ),
]


async def living(seat: Seat, cursor: str | None) -> ListResourcesResult:
    """A page of the caller's prompts that are not over. Raises MCPError."""
    try:
        scheduler = await seat.scheduler()
        statuses, position = _read_cursor(cursor)
        found: list[ScheduledPrompt] = []
        following: str | None = None
        for status in statuses:  # one after the other: the store lists them so
            if len(found) == PAGE:
                following = f"{status}:"
                break
            page = await scheduler.list(status=status, limit=PAGE - len(found), cursor=position)
            found += page.items
            position = None
            if page.cursor is not None:
                following = f"{status}:{page.cursor}"
                break
    except ScheduledPromptsError as error:
        raise as_protocol_error(error) from error
    return ListResourcesResult(resources=[_resource(prompt) for prompt in found], next_cursor=following)


async def read(seat: Seat, uri: str) -> ReadResourceResult:
    """One prompt or fire, as JSON. Raises MCPError."""
    try:
        document = await _document(await seat.scheduler(), uri)
    except ScheduledPromptsError as error:
        raise as_protocol_error(error, uri) from error
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=JSON, text=text)])


async def _document(scheduler: Scheduler, uri: str) -> Mapping[str, Any]:
    from scheduled_prompts.views import fire_view, prompt_view, upcoming_view

    scheme, slashes, rest = uri.partition("://")
    reference = unquote(rest).strip("/")
    if not slashes or not reference or scheme + slashes not in (PROMPT, FIRE):
        raise InvalidInput(f"{uri!r} is no resource of this server", hint=f"{PROMPT}<id> or {FIRE}<id>")
    if scheme + slashes == PROMPT:
        prompt = await scheduler.get(reference)
        upcoming = upcoming_view(scheduler.upcoming(prompt), prompt.timezone)
        return {**prompt_view(prompt), "upcoming": upcoming, "unserved": await _unserved(scheduler, prompt)}
    fire = await scheduler.fire(reference)
    return fire_view(fire, (await scheduler.get(fire.prompt_id)).timezone)


async def _unserved(scheduler: Scheduler, prompt: ScheduledPrompt) -> str | None:
    """As the tools say it."""
    from scheduled_prompts.tools.call import Call

    assert scheduler.caller is not None
    return await Call(scheduler, scheduler.caller).unserved(prompt)


def _resource(prompt: ScheduledPrompt) -> Resource:
    from scheduled_prompts.schedule.language.words import describe

    text = " ".join(prompt.text.split())
    return Resource(
        uri=PROMPT + quote(prompt.id),
        name=prompt.id,
        title=prompt.name or prompt.key or (text if len(text) <= SHORTENED else text[: SHORTENED - 1] + "…"),
        description=f"{prompt.status}: {describe(prompt.schedule, timezone=prompt.timezone)}",
        mime_type=JSON,
    )


def _read_cursor(cursor: str | None) -> tuple[list[str], str | None]:
    """The statuses that are still to be listed, and where in the first of them."""
    from scheduled_prompts.prompt import PromptStatus

    living = [status.value for status in PromptStatus if status not in OVER]
    if cursor is None:
        return living, None
    status, colon, position = cursor.partition(":")
    if not colon or status not in living:
        raise InvalidInput(f"{cursor!r} is not a cursor", hint="pass on the `nextCursor` of the page before")
    return living[living.index(status) :], position or None
