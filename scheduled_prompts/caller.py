"""Who is calling, where that is not a person at a terminal: bound by the host, never said by the caller itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from scheduled_prompts import ids
from scheduled_prompts.names import Name


class Scope(StrEnum):
    """What a caller may do with the prompts of its owner."""

    READ = "read"
    WRITE = "write"
    """Schedule, change, pause, skip, cancel."""
    RUN = "run"
    """Fire beside the schedule."""
    CLEANUP = "cleanup"
    """Delete what has ended, and with it the account."""


DEFAULT_SCOPES = frozenset({Scope.READ, Scope.WRITE, Scope.RUN})


class Caller(BaseModel):
    """On whose behalf a call is made. Another owner's prompts do not exist for it; what it schedules is its owner's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Name | None = None
    """None: it sees what has no owner, and nothing else."""
    agent: Name | None = None
    conversation: Name | None = None
    platform: Name | None = None
    """Where answers to what it schedules go; None: the default platform."""
    runners: tuple[Name, ...] | None = None
    """Those that it may name; None: only the default one."""
    scopes: frozenset[Scope] = DEFAULT_SCOPES
    fire: str | None = None
    """The fire in which it runs: then it has that fire's rights, as long as that attempt runs."""
    attempt: int | None = None
    """Which attempt at that fire."""
    tool_call_id: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """The same for a repetition of the same call: it is answered as the first one was."""

    @property
    def prompt(self) -> str | None:
        """The id of the prompt whose fire it runs in."""
        return None if self.fire is None else ids.prompt_of(self.fire)

    @property
    def actor(self) -> str:
        """As the account names it."""
        if self.agent is not None:
            return f"agent:{self.agent}"
        return "caller" if self.owner is None else f"caller:{self.owner}"
