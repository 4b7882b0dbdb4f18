"""What a caller may see and do, as far as that can be told before the store is asked.

Another owner's prompt reads as not found, in the words and the round trips of one that is not there. What an agent
makes is stamped with who it is; it cannot say otherwise. What depends on how things stand (whether the fire still runs,
how much there is already) is judged by the scripts, at the instant of the change; what is judged here by a record holds
because the script refuses where that changed meanwhile.

What an agent is refused in a fire is noted on the prompt whose fire that is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from scheduled_prompts.caller import Scope
from scheduled_prompts.errors import Forbidden, LimitReached, ScheduledPromptsError
from scheduled_prompts.fencing import UNNAMED
from scheduled_prompts.limits import Limits
from scheduled_prompts.policies import ORIGIN_PRIORITIES
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.scheduler import finding
from scheduled_prompts.scheduler.defining import check_interval
from scheduled_prompts.scheduler.finding import Only
from scheduled_prompts.scheduler.inheriting import check_ceilings, check_not_looser
from scheduled_prompts.store import Store
from scheduled_prompts.store.acting import Actor
from scheduled_prompts.store.denials import denial
from scheduled_prompts.upcoming import Occurrence

STAMPS = ("owner", "agent", "conversation", "platform")
"""Whose a prompt is: bound by the host, never said by the caller."""
HIGHEST_PRIORITY = max(ORIGIN_PRIORITIES.values())
"""Of what an agent makes: below what people run by hand."""
DEEDS = {
    "schedule": "schedule a prompt",
    "edit": "change a prompt",
    "pause": "pause a prompt",
    "resume": "resume a prompt",
    "skip": "skip an occurrence",
    "unskip": "unskip an occurrence",
    "cancel": "cancel a prompt",
    "run": "run a prompt now",
    "rerun": "run a fire again",
    "cancel_fire": "cancel a fire",
    "cleanup": "delete what has ended",
}
"""What a caller does, in words."""


class Authority:
    """The rights of one caller; with None, of whoever may reach the store: all."""

    def __init__(
        self, store: Store, actor: Actor, limits: Limits, runner: str | None, platform: str | None = None
    ) -> None:
        self._store = store
        self._actor = actor
        self._limits = limits
        self._runner = runner
        self._platform = platform
        self.caller = actor.caller
        self.only = None if actor.caller is None else Only(actor.caller.owner)

    # What it may ask for

    def require(self, scope: Scope, what: str) -> None:
        """Raises Forbidden where the caller was not given the scope."""
        if self.caller is not None and scope not in self.caller.scopes:
            has = ", ".join(sorted(self.caller.scopes)) or "none"
            raise Forbidden(
                f"{self._actor.by} may not {what}: that takes the scope {scope}, and it has {has}",
                hint="whoever runs the agent may give it that scope",
            )

    def outside_of_fires(self, name: str) -> None:
        """Raises Forbidden in a fire."""
        if self._actor.fire is not None:
            raise Forbidden(f"in a fire an agent may not {DEEDS[name]}: what became of it is told by that")

    def operators_only(self, what: str) -> None:
        """Raises Forbidden for any caller."""
        if self.caller is not None:
            raise Forbidden(f"{self._actor.by} may not {what}: that is for whoever runs the service")

    @asynccontextmanager
    async def deed(self, name: str, scope: Scope = Scope.WRITE) -> AsyncIterator[None]:
        """What is done inside is one of `DEEDS`. Raises Forbidden where it is not the caller's to do."""
        try:
            self.require(scope, DEEDS[name])
            yield
        except (Forbidden, LimitReached) as refusal:
            if self._actor.fire is not None:
                with suppress(ScheduledPromptsError):  # that it was refused is said, whether or not it can be noted
                    await self._store.note_refusal(self._actor, name, refusal.code, refusal.message)
            raise

    # What there is for it

    async def full_id(self, id_or_part: str) -> str:
        return await finding.full_id(self._store, id_or_part, self.only)

    async def full_fire_id(self, reference: str) -> str:
        return await finding.full_fire_id(self._store, reference, self.only)

    async def acting_prompt(self) -> ScheduledPrompt | None:
        """The prompt in whose fire the caller acts; None where it acts in none. Raises Forbidden where it is gone."""
        if self.caller is None or self.caller.prompt is None:
            return None
        [found] = await self._store.read_prompts([self.caller.prompt])
        if not isinstance(found, ScheduledPrompt) or found.owner != self.caller.owner:
            raise denial("ended", self._actor)
        return found

    # What it may make

    def stamped(self, said: Mapping[str, Any], parent: ScheduledPrompt | None) -> dict[str, Any]:
        """The fields of a new prompt, with whose it is: the caller's, and that of the prompt in whose fire it is made.
        Raises Forbidden where the caller says otherwise."""
        caller = self.caller
        if caller is None:
            usual = {"runner": self._runner, "platform": self._platform}
            return {**{name: value for name, value in usual.items() if value is not None}, **said}
        stamps: dict[str, Any] = {"owner": caller.owner, "agent": caller.agent or UNNAMED}
        if parent is None:
            stamps["conversation"] = caller.conversation
            stamps["platform"] = caller.platform or self._platform or Definition.model_fields["platform"].default
        else:
            stamps["agent"] = parent.agent or stamps["agent"]
            stamps["conversation"], stamps["platform"] = parent.conversation, parent.platform
        for name, bound in stamps.items():
            if said.get(name) not in (None, bound):
                raise Forbidden(
                    f"{self._actor.by} schedules for its own {name}, {_shown(bound)}, and not for {said[name]!r}",
                    hint=f"leave out {name}",
                )
        return {**said, **stamps, "runner": self._runner_for(said.get("runner"), parent)}

    def _runner_for(self, wanted: Any, parent: ScheduledPrompt | None) -> str:
        """That of the prompt in whose fire it is; else the default one, or those that the caller was given."""
        assert self.caller is not None
        usual: str = self._runner or Definition.model_fields["runner"].default
        allowed = self.caller.runners if self.caller.runners is not None else (usual,)
        if parent is not None:
            allowed = (parent.runner, *(runner for runner in allowed if runner != parent.runner))
            usual = parent.runner
        if wanted is None and usual not in allowed and allowed:
            return allowed[0]
        runner = usual if wanted is None else str(wanted)
        if runner not in allowed:
            may = ", ".join(allowed) or "none at all"
            raise Forbidden(f"{self._actor.by} may not use the runner {runner!r}", hint=f"it may use: {may}")
        return runner

    def check_shared(self, before: Definition | None, wanted: Definition) -> None:
        """Raises Forbidden where a caller would take of what it shares with other owners: a place before theirs, or one
        of the slots of a `concurrency_key`. `before`: what is edited, or what the house says of new ones."""
        if self.caller is None:
            return
        had = 0 if before is None else before.priority_of()
        if wanted.priority_of() > max(HIGHEST_PRIORITY, had):
            raise Forbidden(
                f"{self._actor.by} may not have priority {wanted.priority_of()}: others wait there, too",
                hint=f"at most {HIGHEST_PRIORITY}",
            )
        if wanted.concurrency_key not in (None, None if before is None else before.concurrency_key):
            raise Forbidden(
                f"{self._actor.by} may not take part in concurrency_key {wanted.concurrency_key!r}: others share it",
                hint="leave out concurrency_key",
            )

    def check_edit(self, before: ScheduledPrompt | None, wanted: Definition, first: Occurrence | None) -> None:
        """Raises Forbidden where an edit would say whose a prompt is, take a runner that is not the caller's, or, in a
        fire, loosen a limit; LimitReached where it would make it come too often. `first`: what is next then, where
        that changes."""
        if self.caller is None or before is None:
            return
        for name in STAMPS:
            was, becomes = getattr(before, name), getattr(wanted, name)
            if was != becomes:
                raise Forbidden(
                    f"{self._actor.by} may not change the {name} of a prompt ({_shown(was)} to {_shown(becomes)})",
                    hint=f"leave out {name}",
                )
        self.check_shared(before, wanted)
        takes_runner = before.runner != wanted.runner
        if takes_runner and self.caller.fire is not None and self.caller.runners is None:
            raise Forbidden(f"in a fire the runner stays {before.runner!r}", hint="leave out runner")
        gives_it_text = before.text != wanted.text and self.caller.fire is None
        if takes_runner or gives_it_text:  # its words in the hands of a runner that it may not use
            self._runner_for(wanted.runner, None)
        if before.agent is None:  # a person's: what it may cost, and for how long, that person decided
            check_ceilings(before, wanted, where="of what a person made")
            if before.schedule != wanted.schedule:
                check_interval(self._limits, wanted.model_copy(update={"agent": UNNAMED}))
        if self.caller.fire is not None:
            self._check_in_fire(before, wanted, first)

    def _check_in_fire(self, before: ScheduledPrompt, wanted: Definition, first: Occurrence | None) -> None:
        check_not_looser(before, wanted)
        soonest = self._store.clock.now() + round(self._limits.min_interval * 1000)
        if first is not None and self._limits.min_interval and first.nominal < soonest:
            raise LimitReached(
                f"what is re-timed in a fire comes {self._limits.min_interval:g} s later or more "
                f"([limits] min_interval = {self._limits.min_interval:g})",
                hint="give it a later time",
            )

    def op(self, deed: str, *said: object) -> str | None:
        """The op id of what a tool call does: the same when that call is made again. None where it names no call."""
        caller = self.caller
        if caller is None or caller.tool_call_id is None:
            return None
        who = [caller.owner, caller.agent, caller.conversation, caller.platform, caller.fire, caller.attempt]
        whole = [*who, caller.tool_call_id, deed, *map(repr, said)]
        return f"call-{hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:32]}"


def _shown(name: str | None) -> str:
    return "none" if name is None else repr(name)
