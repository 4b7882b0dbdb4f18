"""Who calls by a token: then the command line acts on behalf of whoever it was made for, with their rights alone.

A child of a `command` runner finds the token of its fire in its environment; people may be given one by
`scheduled-prompts token`. What is an operator's to do is refused here, whatever the command would do; all else is
judged by the scheduler that is bound to the caller.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scheduled_prompts.errors import Forbidden

if TYPE_CHECKING:  # every command comes by here, `--help` too
    from scheduled_prompts.caller import Caller

VARIABLE = "SCHEDULED_PROMPTS_TOKEN"
FOR_BEARERS = frozenset(
    {
        *("add", "edit", "update", "cancel", "pause", "resume", "run", "skip", "unskip"),
        "mcp",
        *("list", "show", "history", "fire", "explain", "events", "preview"),
    }
)
"""Commands about one's own prompts. All others are an operator's."""
OF_OPERATORS = {
    "apply": "applies a file of prompts",
    "approve": "is what a person decides",
    "reject": "is what a person decides",
    "token": "lets others in",
    "cleanup": "deletes what has ended, whoever it belongs to",
    "doctor": "examines the whole store",
    "export": "reads everybody's prompts",
    "import": "brings in prompts under their own ids",
    "serve": "starts a daemon",
    "start-all": "lets all go on",
    "stats": "tells how everything stands",
    "stop-all": "stops all",
}
"""What they do, for whoever wonders why not."""


def token_here() -> str | None:
    """The token in the environment; an empty one is none."""
    return os.environ.get(VARIABLE) or None


def refuse_what_is_an_operators(command: str | None) -> None:
    """Raises Forbidden where there is a token and the command is not for who has one."""
    if command is None or command in FOR_BEARERS or token_here() is None:
        return
    does = OF_OPERATORS.get(command)
    raise Forbidden(
        f"{_where()} this is not allowed: `{command}`" + (f" {does}" if does else ""),
        hint=f"that is for whoever runs the service; {VARIABLE} is set, so you act for your own prompts alone",
    )


def who(caller: Caller) -> str:
    """As an error names them: `agent:planner of ann, in the fire …`."""
    owner = "" if caller.owner is None or caller.agent is None else f" of {caller.owner}"
    fire = "" if caller.fire is None else f", in the fire {caller.fire}"
    return f"{VARIABLE} is set: you act as {caller.actor}{owner}{fire}"


def _where() -> str:
    return "inside a fire" if os.environ.get("SCHEDULED_PROMPTS_FIRE_ID") else "with a token"
