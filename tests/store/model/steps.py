"""What every step of the machine needs: a store in virtual time, the model beside it, and answers that come twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.limits import Limits
from scheduled_prompts.store.records import Lease
from scheduled_prompts.store.script import SETTLE, TAKE, Script
from scheduled_prompts.testing import VirtualTimeLoop
from tests.conftest import Lab
from tests.store.model.model import Model
from tests.store.model.records import ModelFire, ModelPrompt

Answer = TypeVar("Answer")
Found = TypeVar("Found")
any_number = st.integers(min_value=0, max_value=10**6)
REPLY_LOST_EVERY = 3
"""Of so many transitions the reply of one is lost, and it is sent again."""


def has_prompts(self: Steps) -> bool:
    return bool(self.model.prompts)


def has_fires(self: Steps) -> bool:
    return bool(self.model.fires)


def has_woken(self: Steps) -> bool:
    return bool(self.woken())


def has_undecided(self: Steps) -> bool:
    return bool(self.undecided())


def has_leases(self: Steps) -> bool:
    return bool(self.leases)


def has_held(self: Steps) -> bool:
    return bool(self.all_held())


class Steps(RuleBasedStateMachine):
    lab: Lab

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.space = Lab(self.lab.url, self.lab.inspector)
        self.store = self.run(self.space.store())
        self.model = Model()
        self.limits, self.budgets = Limits(), Budgets()
        self.leases: list[Lease] = []
        """All that were ever handed out: most of them are lost by now."""
        self._lose_replies()

    def _lose_replies(self) -> None:
        once, numbers = self.store.transport.run, itertools.count(1)

        async def run(script: Script, *, op: str = "", **values: str | int) -> Any:
            answer = await once(script, op=op, **values)
            if (op or script is SETTLE) and next(numbers) % REPLY_LOST_EVERY == 0:
                again = await once(script, op=op, **values)
                first = 1 if script is TAKE else 0  # how many more are ready is not repeated
                assert again[first:] == answer[first:]
            return answer

        self.store.transport.run = run  # type: ignore[method-assign]

    def run(self, step: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(step)

    def now(self) -> int:
        async def ask() -> int:
            return self.store.clock.now()

        return self.run(ask())

    def teardown(self) -> None:
        try:
            self.run(self.space.__aexit__(None, None, None))
            self.runner.close()
        finally:
            self.space.clear()

    def some_prompt(self, pick: int) -> ModelPrompt:
        """Every other time one that runs, if any does: what is asked of it then, it is asked of the attempt, too."""
        running = {fire.prompt for fire in self.model.fires.values() if fire.status == "running"}
        return _either(list(self.model.prompts.values()), lambda known: known.read.id in running, pick)

    def some_undecided(self, pick: int) -> ModelPrompt:
        """Every other time one that waits for approval, if any does."""
        return _either(list(self.model.prompts.values()), lambda known: known.status == "pending_approval", pick)

    def some_fire(self, pick: int) -> ModelFire:
        """Every other time one that has not ended, if there is any."""
        return _either(list(self.model.fires.values()), lambda fire: fire.is_live, pick)

    def some_lease(self, pick: int) -> Lease:
        """The latest for 0, which is the likeliest to be held still."""
        return self.leases[-1 - pick % len(self.leases)]

    def held(self, lease: Lease) -> ModelFire | None:
        """The fire of a lease, if it is still held by it."""
        fire = self.model.fires.get(lease.fire.id)
        return fire if fire is not None and fire.status == "running" and fire.token == lease.token else None

    def all_held(self) -> list[Lease]:
        return [lease for lease in self.leases if self.held(lease) is not None]

    def woken(self) -> list[ModelFire]:
        """Who is to have a slot that was freed, and has not been taken."""
        return [fire for fire in self.model.fires.values() if fire.woken is not None]

    def undecided(self) -> list[ModelPrompt]:
        return [known for known in self.model.prompts.values() if known.status == "pending_approval"]

    def turn_of(self, fire_id: str) -> int:
        """As the store says it."""
        turn, due = self.lab.inspector.hmget(f"{self.space.prefix}fire:{fire_id}", "turn", "due")
        return int(turn or due or 0)


def _either(found: list[Found], is_preferred: Callable[[Found], bool], pick: int) -> Found:
    """One of all, or, for an odd number, of those that are preferred, if there are any."""
    preferred = [one for one in found if is_preferred(one)] if pick % 2 else []
    return (preferred or found)[pick // 2 % len(preferred or found)]
