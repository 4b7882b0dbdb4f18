"""How much may happen at once: the limits of a whole fleet, from `[limits]` in the settings.

Each daemon hands its own to the store with every take, where they are judged inside the script; daemons of one
namespace should have the same.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scheduled_prompts.names import Name

AtOnce = Annotated[int, Field(ge=1, le=100_000)]


class Concurrency(BaseModel):
    """How many fires may run at once, over all daemons: of any one owner, agent, …; and of those that are named: what
    is said of a named one counts instead of what is said of any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: AtOnce | None = None
    agent: AtOnce | None = None
    conversation: AtOnce | None = None
    platform: AtOnce | None = None
    runner: AtOnce | None = None
    owners: dict[Name, AtOnce] = Field(default_factory=dict)
    agents: dict[Name, AtOnce] = Field(default_factory=dict)
    conversations: dict[Name, AtOnce] = Field(default_factory=dict)
    platforms: dict[Name, AtOnce] = Field(default_factory=dict)
    runners: dict[Name, AtOnce] = Field(default_factory=dict)


class Limits(BaseModel):
    """All of them. What is not said is not limited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: Concurrency = Concurrency()

    def document(self) -> str:
        """What the scripts read: JSON, without what is not limited."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))
