"""Who a client over stdin and stdout is: what the person who configured it said, and where they said nothing, by its
own name."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

from scheduled_prompts.caller import DEFAULT_SCOPES, Caller, Scope
from scheduled_prompts.names import Name

NAMELESS = "mcp"
"""The agent where the client does not say what it is."""
_NO_NAME = re.compile(r"[\s/:{}\x00-\x1f\x7f]+")
LONGEST_NAME = 128


class Identity(BaseModel):
    """What was said of the one client of a process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Name | None = None
    agent: Name | None = None
    """None: the client's own name."""
    conversation: Name | None = None
    platform: Name | None = None
    runners: tuple[Name, ...] | None = None
    scopes: frozenset[Scope] = DEFAULT_SCOPES

    def caller(self, client_name: str | None) -> Caller:
        """Who calls, given what the client says that it is. There is always an agent: the limits on agents hold."""
        return Caller(
            owner=self.owner,
            agent=self.agent or agent_name(client_name),
            conversation=self.conversation,
            platform=self.platform,
            runners=self.runners,
            scopes=self.scopes,
        )


def agent_name(client_name: str | None) -> str:
    """A client's name (`Claude Code`) as that of an agent (`Claude-Code`)."""
    return _NO_NAME.sub("-", client_name or "").strip("-")[:LONGEST_NAME] or NAMELESS
