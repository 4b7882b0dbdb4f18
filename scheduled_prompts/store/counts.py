"""What is counted: how many prompts and fires stand where, and what ended when, in windows of five minutes.

All of it is read from the sizes of indexes and from small hashes: it costs the same with ten prompts and with a
million.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from scheduled_prompts.fire import FireStatus
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.transport import Transport, as_text
from scheduled_prompts.stored import counter, score

WINDOW_MS = 300_000
LATE = "late:"
ENDS = tuple(status.value for status in FireStatus if status.has_ended)


class Window(NamedTuple):
    """What ended in five minutes. `ended`: fires by status; `late`: how many first started how late, by bucket."""

    start: int
    ended: dict[str, int]
    late: dict[int, int]


class Counted(NamedTuple):
    by_status: dict[str, int]
    due: int
    first_due: tuple[str, int] | None
    """Of all that is armed, what is due first: a prompt's id and when (ms UTC). It may lie in the past."""
    ready: int
    """Those that wait for a limit included."""
    running: int
    retrying: int
    windows: list[Window]


class Counts:
    transport: Transport
    keys: Keys

    async def counts(self, *, due_by: int, windows: Sequence[int], with_lateness: int) -> Counted:
        """All counts, of one instant. `due_by` (ms UTC): up to when a prompt counts as due; `windows`: which (start, ms
        UTC), and how many of the last of them `with_lateness`."""
        client, keys = self.transport.client, self.keys
        without = len(windows) - with_lateness

        async def names() -> list[Any]:
            async with client.pipeline(transaction=True) as pipe:
                pipe.smembers(keys.platforms)
                pipe.smembers(keys.queues)
                pipe.smembers(keys.parked_limits)
                return list(await pipe.execute())

        platforms, queues, limits = (sorted(as_text(list(found))) for found in await self.transport.ask(names))

        async def read() -> list[Any]:
            async with client.pipeline(transaction=True) as pipe:
                for status in PromptStatus:
                    pipe.zcard(keys.by("status", status))
                for queue in queues:
                    pipe.zcard(keys.ready(queue))
                for limit in limits:
                    pipe.zcard(keys.parked(limit))
                pipe.zcard(keys.leases)
                pipe.zcard(keys.retries)
                for platform in platforms:
                    pipe.zcount(keys.due(platform), "-inf", due_by)
                for platform in platforms:
                    pipe.zrange(keys.due(platform), 0, 0, withscores=True)
                for start in windows[:without]:
                    pipe.hmget(keys.ended(start // WINDOW_MS), ENDS)
                for start in windows[without:]:
                    pipe.hgetall(keys.ended(start // WINDOW_MS))
                return list(await pipe.execute())

        answers = iter(await self.transport.ask(read))
        by_status = {status.value: int(next(answers)) for status in PromptStatus}
        ready = sum(int(next(answers)) for _ in [*queues, *limits])
        running, retrying = int(next(answers)), int(next(answers))
        due = sum(int(next(answers)) for _ in platforms)
        firsts = [(score(at), str(as_text(prompt))) for _ in platforms for prompt, at in next(answers)]
        first = min(firsts, default=None)
        return Counted(
            by_status,
            due,
            None if first is None else (first[1], first[0]),
            ready,
            running,
            retrying,
            [
                *(_window(start, dict(zip(ENDS, next(answers), strict=True))) for start in windows[:without]),
                *(_window(start, as_text(next(answers))) for start in windows[without:]),
            ],
        )


def _window(start: int, stored: dict[str, Any]) -> Window:
    ended = {status: counter(stored[status]) for status in ENDS if stored.get(status)}
    late = {
        counter(name.removeprefix(LATE)): counter(number) for name, number in stored.items() if name.startswith(LATE)
    }
    return Window(start, ended, late)
