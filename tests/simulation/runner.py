"""The runner of the simulation: it does what an outside world could make a runner do, and writes down that it did.

What it writes is the other half of what the checker knows. What an attempt does is drawn from its own name, so that it
does not depend on what happened before.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.money import Usage
from scheduled_prompts.runners.contract import Permanent, Retry

COST = Decimal("0.01")
POISON = 0.02
"""The share of fires that kill their daemon at every attempt."""
DIFFICULT = {
    "slow": 20,
    "fail": 22,
    "ask for a retry": 6,
    "give up": 4,
    "hang": 8,
    "swallow": 8,
    "raise when cancelled": 4,
    "crash": 5,
    "cancel itself": 3,
    "nonsense": 3,
    "odd error": 3,
}


class Mortal(Exception):
    """What an attempt fails with."""


class Odd(BaseException):
    """No Exception at all."""


class SimRunner:
    """`note` writes down what happens here; `die` kills the process that this runs in; `difficult` is the share of
    attempts that do not simply succeed, at this time."""

    def __init__(
        self, seed: int, note: Callable[..., None], die: Callable[[], None], difficult: Callable[[], float]
    ) -> None:
        self._seed = seed
        self._note = note
        self._die = die
        self._difficult = difficult

    async def run(self, fire: Fire) -> Any:
        chance = random.Random(f"{self._seed} {fire.id} {fire.attempt}")
        mood = "succeed"
        is_poison = random.Random(f"{self._seed} {fire.id}").random() < POISON and self._difficult() > 0
        if is_poison:
            mood = "crash"
        elif chance.random() < self._difficult():
            mood = chance.choices(list(DIFFICULT), list(DIFFICULT.values()))[0]
        assert fire.prompt is not None
        self._note(
            "begins",
            fire=fire.id,
            attempt=fire.attempt,
            due=fire.due,
            nominal=fire.nominal,
            trigger=fire.trigger,
            text=fire.text,
            on_crash=fire.prompt.on_crash,
            timeout=fire.prompt.timeout,
            mood=mood,
        )
        how, cost = "died", 0
        try:
            answer = await self._behave(mood, fire, chance)
            how = "ok"
            cost = _cost(answer)
            return answer
        except asyncio.CancelledError:
            how = "cancelled"
            raise
        except BaseException as problem:
            how = "raised"
            cost = _cost(problem)
            raise
        finally:
            self._note("ends", fire=fire.id, attempt=fire.attempt, how=how, cost=cost)

    async def _behave(self, mood: str, fire: Fire, chance: random.Random) -> Any:
        usage = Usage(cost=COST) if chance.random() < 0.7 else None
        done = Result(text=f"{fire.id}#{fire.attempt}", usage=usage)
        if mood == "slow":
            await asyncio.sleep(chance.uniform(3, 30))
        elif mood == "hang":
            await asyncio.Event().wait()
        elif mood == "swallow":
            await self._swallow(chance.uniform(2, 20), chance.uniform(1, 10))
        elif mood == "raise when cancelled":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise Mortal("not like that") from None
        elif mood != "succeed" or chance.random() < 0.8:
            await asyncio.sleep(chance.uniform(0, 2))
        if mood == "crash":
            self._die()
            await asyncio.Event().wait()
        elif mood == "fail":
            raise Mortal("no")
        elif mood == "ask for a retry":
            raise Retry("later", after=chance.uniform(0, 12), usage=usage)
        elif mood == "give up":
            raise Permanent("never", usage=usage)
        elif mood == "cancel itself":
            raise asyncio.CancelledError
        elif mood == "odd error":
            raise Odd("oh")
        elif mood == "nonsense":
            return 17
        return done

    async def _swallow(self, seconds: float, after: float) -> None:
        """Work on through a cancellation."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(after)


def _cost(answer: object) -> int:
    """In micro-units."""
    usage = getattr(answer, "usage", None)
    return 0 if usage is None else int(usage.cost * 1_000_000)
