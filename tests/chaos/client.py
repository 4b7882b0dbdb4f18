"""A client, a process of its own: it schedules, edits, cancels, pauses, resumes and runs prompts, as its seed says.

It writes what it asks for before it asks, and what it was answered, to a log outside of the store. It may be killed at
any line; its next life goes on with what is to be done from then on.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import deque
from typing import Any, NamedTuple

from scheduled_prompts import Cron, Interval, Once, Scheduler
from scheduled_prompts.errors import ScheduledPromptsError, StoreUnreachable, StoreUnusable
from scheduled_prompts.fire import Fire
from scheduled_prompts.store.records import Cancelled
from tests.chaos.work import MUTATION, write

AT_ONCE = 64
LATE_MS = 5_000
"""What a client could not ask for in time it leaves."""
CHANGES = {"edit": 4, "cancel": 4, "pause": 2, "run": 4}
DEEDS = {"once": 80, "repeat": 2, "minutely": 0.2, **CHANGES}
"""What is asked for, and how often."""


class Orders(NamedTuple):
    """What a client is started with."""

    store: str
    seed: int
    name: str
    """Which client: the same in each of its lives."""
    who: str
    log: str
    period_ms: float
    began: float
    lease_ms: int
    repeat_for_ms: int
    """How long what recurs goes on, at most."""


class Client:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.stop = asyncio.Event()
        self.scheduler = Scheduler(orders.store, timezone="UTC", actor=orders.who)
        self.known: deque[str] = deque(maxlen=40)
        self.room = asyncio.Semaphore(AT_ONCE)

    async def live(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop.set)
        await self._open()
        number = max(0, int((time.time() * 1000 - self.orders.began) / self.orders.period_ms) + 1)
        async with asyncio.TaskGroup() as group:
            while not self.stop.is_set():
                at = self.orders.began + number * self.orders.period_ms
                wait = at / 1000 - time.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                if wait > -LATE_MS / 1000:
                    await self.room.acquire()
                    group.create_task(self._act(number))
                number += 1
        await self.scheduler.close()

    async def _open(self) -> None:
        while not self.stop.is_set():
            try:
                await self.scheduler.open()
                return
            except (StoreUnreachable, StoreUnusable):
                await asyncio.sleep(0.2)

    async def _act(self, number: int) -> None:
        chance = random.Random(f"{self.orders.seed} {self.orders.name} {number}")
        [deed] = chance.choices([*DEEDS], [*DEEDS.values()])
        if deed in CHANGES and not self.known:
            deed = "once"
        try:
            await self._do(deed, f"{self.orders.name}-{number}", chance)
        finally:
            self.room.release()

    async def _do(self, deed: str, tag: str, chance: random.Random) -> None:
        if deed == "once":
            at = self.scheduler.clock.now() + chance.randrange(300, 6_000)
            await self._schedule(deed, tag, Once(at=at), chance, {})
        elif deed == "repeat":
            now = self.scheduler.clock.now()
            every = Interval(every_ms=chance.randrange(1_000, 3_000), anchor=now)
            overlap = chance.choice(("skip", "queue", "replace", "allow"))
            until = now + chance.randrange(self.orders.repeat_for_ms // 2, self.orders.repeat_for_ms)
            await self._schedule(deed, tag, every, chance, {"end_at": until, "overlap": overlap, "pause_after": 0})
        elif deed == "minutely":
            until = self.scheduler.clock.now() + 3 * self.orders.repeat_for_ms
            await self._schedule(deed, tag, Cron(expression="* * * * *"), chance, {"end_at": until})
        else:
            await self._change(deed, tag, chance.choice(self.known), chance)

    async def _schedule(self, deed: str, tag: str, when: Any, chance: random.Random, more: dict[str, Any]) -> None:
        text, runner = self._work(chance)
        if chance.random() < 0.1:
            more |= {"on_crash": "interrupt", "retries": 0}
        more |= {"runner": runner, "name": tag, "timeout": 60.0}
        more = {"retries": 3, "retry_delays": (0.3,)} | more
        made = await self._ask(deed, tag, "", lambda: self.scheduler.schedule(text, when, **more))
        if made is not None:
            self.known.append(made.prompt.id)

    def _work(self, chance: random.Random) -> tuple[str, str]:
        """Most are quick; a few outlive their lease, so that it must be renewed."""
        draw = chance.random()
        if draw < 0.03:
            lease = self.orders.lease_ms
            return f"long {chance.randrange(lease, 2 * lease)}", chance.choice(("work", "work", "command"))
        if draw < 0.10:
            return f"flaky {chance.randrange(60)}", chance.choice(("work", "work", "command"))
        if draw < 0.13:
            return f"quick {chance.randrange(400)}", "command"
        return f"quick {chance.randrange(1, 400)}", "work"

    async def _change(self, deed: str, tag: str, prompt: str, chance: random.Random) -> None:
        scheduler = self.scheduler
        if deed == "edit":
            text = f"quick {chance.randrange(1, 200)}"

            async def edit() -> Any:
                seen = await scheduler.get(prompt)
                return await scheduler.edit(prompt, version=seen.version, text=text)

            await self._ask(deed, tag, prompt, edit)
        elif deed == "cancel":
            await self._ask(deed, tag, prompt, lambda: scheduler.cancel(prompt))
        elif deed == "pause":
            if await self._ask(deed, tag, prompt, lambda: scheduler.pause(prompt)) is not None:
                await asyncio.sleep(chance.uniform(0.2, 3))
                await self._ask("resume", tag, prompt, lambda: scheduler.resume(prompt))
        else:
            await self._ask(deed, tag, prompt, lambda: scheduler.run_now(prompt))

    async def _ask(self, deed: str, tag: str, prompt: str, call: Any) -> Any:
        """The answer; None where there was none, or a refusal."""
        facts = {"who": self.orders.who, "deed": deed, "tag": tag, "prompt": prompt}
        write(self.orders.log, what="asks", **facts)
        try:
            answer = await call()
        except (StoreUnreachable, StoreUnusable) as error:
            write(self.orders.log, what="unknown", error=error.code, **facts)
            return None
        except ScheduledPromptsError as error:
            write(self.orders.log, what="refused", error=error.code, **facts)
            return None
        write(self.orders.log, what="done", **facts | acknowledged(answer))
        return answer


def acknowledged(answer: Any) -> dict[str, Any]:
    """What is to be true from then on: there was this version of the prompt, with this text; or there is this fire."""
    if isinstance(answer, Fire):
        return {"fire": answer.id}
    if isinstance(answer, Cancelled):
        return {"stood": answer.before}
    return {"prompt": answer.prompt.id, "version": int(answer.prompt.version), "text": answer.prompt.text}


def main() -> None:
    if wanted := os.environ.get(MUTATION):
        from tests.chaos.mutations import mutate

        mutate(wanted)
    asyncio.run(Client(Orders(**json.loads(sys.argv[1]))).live())
    os._exit(0)


if __name__ == "__main__":
    main()
