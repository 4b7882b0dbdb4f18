"""`token make`, `token revoke`: who may come in from elsewhere."""

from __future__ import annotations

import sys

from scheduled_prompts.cli.mcp_serving import Said
from scheduled_prompts.cli.moments import absolute
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines, write_note
from scheduled_prompts.cli.session import chosen_settings, command_line, open_scheduler
from scheduled_prompts.views import instant


async def make(choices: Choices, said: Said, lifetime: float) -> None:
    caller = said.caller()
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        made = await scheduler.store.new_token(caller, lifetime=lifetime)
        zone = scheduler.timezone
    if choices.as_json:
        caller_view = caller.model_dump(mode="json", exclude={"fire", "attempt", "tool_call_id"})
        caller_view["scopes"] = sorted(caller.scopes)
        document = {"id": made.id, "token": made.token, "expires_at": instant(made.expires_at, zone)}
        write_document({**document, "caller": caller_view})
        return
    write_note(f"good until {absolute(made.expires_at, zone)}, and shown only now")
    write_note(f"to end it: {command_line(choices, 'token', 'revoke', made.id)}")
    write_lines(made.token)


async def revoke(choices: Choices, which: str) -> None:
    if which == "-":
        which = sys.stdin.readline()
    said = which.strip()
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        revoked = await scheduler.store.revoke(said)
    if choices.as_json:
        write_document({"revoked": revoked})
    elif said == revoked:
        write_lines(
            f"a token {revoked} is good no more\n"
            "whether there was one cannot be known: ids are kept nowhere (a token given whole is checked)",
        )
    else:
        write_lines(f"token {revoked} is good no more")
