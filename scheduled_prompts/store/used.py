"""How much of a limit is used: what its scripts count, read without changing anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from scheduled_prompts.clock import Clock
from scheduled_prompts.schedule.spacing import DAY_MS
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.transport import Transport


class Use(NamedTuple):
    active: int
    """Prompts made by agents that are scheduled or active."""
    began: int
    """Attempts that began in the last 24 h, where their number is limited; of `made`, what agents made then."""


class Used:
    transport: Transport
    keys: Keys
    clock: Clock

    async def used(self, caps: Sequence[tuple[str, str | None]]) -> list[Use]:
        """Of each of these: `owner`, `conversation`, `tree` or `made`, and which."""
        client, keys, since = self.transport.client, self.keys, self.clock.now() - DAY_MS

        async def read() -> list[Any]:
            async with client.pipeline(transaction=True) as pipe:
                for kind, name in caps:
                    pipe.scard(keys.active(kind, name))
                    pipe.zcount(keys.rate(kind, name), f"({since}", "+inf")
                return list(await pipe.execute())

        answers = [int(answer) for answer in await self.transport.ask(read)]
        return [Use(*pair) for pair in zip(answers[::2], answers[1::2], strict=True)]
