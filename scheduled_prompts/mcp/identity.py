"""Who a client over stdin and stdout is: what the person who configured it said, and where they said nothing, by its
own name."""

from __future__ import annotations

import re

from scheduled_prompts.caller import Caller

NAMELESS = "mcp"
"""The agent where the client does not say what it is."""
_NO_NAME = re.compile(r"[\s/:{}\x00-\x1f\x7f]+")
LONGEST_NAME = 128


def named_by(said: Caller, client_name: str | None) -> Caller:
    """Who calls, given what the client says that it is. There is always an agent: the limits on agents hold."""
    return said if said.agent else Caller(**{**dict(said), "agent": agent_name(client_name)})


def agent_name(client_name: str | None) -> str:
    """A client's name (`Claude Code`) as that of an agent (`Claude-Code`)."""
    return _NO_NAME.sub("-", client_name or "").strip("-")[:LONGEST_NAME] or NAMELESS
