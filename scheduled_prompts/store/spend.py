"""What was spent, as it is counted: sums of micro-units and tokens, in all and on the latest day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.transport import Transport, as_text
from scheduled_prompts.stored import counter

_DAY = "day_"


class Sums(NamedTuple):
    """Of one scope, by name: spent, reserved (micro-units), tokens_in, tokens_out. What is missing is 0."""

    total: dict[str, int]
    day: str
    """The latest day on which anything changed, as `2026-12-01`; '' where nothing ever did."""
    latest: dict[str, int]
    """Of that day."""


class Spend:
    transport: Transport
    keys: Keys

    async def sums(self, scopes: Sequence[str]) -> list[Sums]:
        """Of each scope: `all`, `owner:<owner>` or `prompt:<id>`."""
        client = self.transport.client

        async def read() -> list[Any]:
            async with client.pipeline(transaction=True) as pipe:
                for scope in scopes:
                    pipe.hgetall(self.keys.spend(scope))
                return list(await pipe.execute())

        return [_sums(as_text(stored)) for stored in await self.transport.ask(read)]


def _sums(stored: dict[str, str]) -> Sums:
    numbers = {name: counter(value) for name, value in stored.items() if name != "day"}
    latest = {name.removeprefix(_DAY): value for name, value in numbers.items() if name.startswith(_DAY)}
    total = {name: value for name, value in numbers.items() if not name.startswith(_DAY)}
    return Sums(total, stored.get("day", ""), latest)
