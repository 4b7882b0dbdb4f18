"""What a caller may see and do, as far as that can be told before the store is asked.

Another owner's prompt reads as not found, in the words and the round trips of one that is not there. What an agent
makes is stamped with who it is; it cannot say otherwise. What depends on how things stand (whether the fire still runs,
how much there is already) is judged by the scripts, at the instant of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.errors import Forbidden
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.scheduler import finding
from scheduled_prompts.scheduler.finding import Only
from scheduled_prompts.store import Store

UNNAMED = "unnamed"
"""The agent of a caller that names none: what it makes is counted as any agent's."""
STAMPS = ("owner", "agent", "conversation", "platform")
"""Whose a prompt is: bound by the host, never said by the caller."""


class Authority:
    """The rights of one caller; with None, of whoever may reach the store: all."""

    def __init__(self, store: Store, caller: Caller | None, runner: str | None = None) -> None:
        self._store = store
        self._runner = runner
        self.caller = caller
        self.only = None if caller is None else Only(caller.owner)

    def require(self, scope: Scope, what: str) -> None:
        """Raises Forbidden where the caller was not given the scope."""
        if self.caller is not None and scope not in self.caller.scopes:
            has = ", ".join(sorted(self.caller.scopes)) or "none"
            raise Forbidden(
                f"{self.caller.actor} may not {what}: that takes the scope {scope}, and it has {has}",
                hint="whoever runs the agent may give it that scope",
            )

    def operators_only(self, what: str) -> None:
        """Raises Forbidden for any caller."""
        if self.caller is not None:
            raise Forbidden(f"{self.caller.actor} may not {what}: that is for whoever runs the service")

    async def full_id(self, id_or_part: str) -> str:
        return await finding.full_id(self._store, id_or_part, self.only)

    async def full_fire_id(self, reference: str) -> str:
        return await finding.full_fire_id(self._store, reference, self.only)

    def stamped(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a new prompt, with whose it is. Raises Forbidden where the caller says otherwise."""
        caller = self.caller
        if caller is None:
            return {**({} if self._runner is None else {"runner": self._runner}), **said}
        stamps: dict[str, Any] = {
            "owner": caller.owner,
            "agent": caller.agent or UNNAMED,
            "conversation": caller.conversation,
        }
        stamps["platform"] = caller.platform or Definition.model_fields["platform"].default
        for name, bound in stamps.items():
            if said.get(name) not in (None, bound):
                raise Forbidden(
                    f"{caller.actor} schedules for its own {name}, {_shown(bound)}, and not for {said[name]!r}",
                    hint=f"leave out {name}",
                )
        return {**said, **stamps, "runner": self._runner_for(said.get("runner"))}

    def _runner_for(self, wanted: Any) -> str:
        assert self.caller is not None
        usual: str = self._runner or Definition.model_fields["runner"].default
        allowed = self.caller.runners if self.caller.runners is not None else (usual,)
        if wanted is None and usual not in allowed and allowed:
            return allowed[0]
        runner = usual if wanted is None else str(wanted)
        if runner not in allowed:
            may = ", ".join(allowed) or "none at all"
            raise Forbidden(f"{self.caller.actor} may not use the runner {runner!r}", hint=f"it may use: {may}")
        return runner

    def check_edit(self, before: ScheduledPrompt | None, wanted: Definition) -> None:
        """Raises Forbidden where an edit would say whose a prompt is, or take a runner that is not the caller's."""
        if self.caller is None or before is None:
            return
        for name in STAMPS:
            was, becomes = getattr(before, name), getattr(wanted, name)
            if was != becomes:
                raise Forbidden(
                    f"{self.caller.actor} may not change the {name} of a prompt ({_shown(was)} to {_shown(becomes)})",
                    hint=f"leave out {name}",
                )
        if before.runner != wanted.runner:
            self._runner_for(wanted.runner)


def _shown(name: str | None) -> str:
    return "none" if name is None else repr(name)
