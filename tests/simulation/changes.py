"""What clients do to prompts, often at the worst instant: just before or after something is due."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from scheduled_prompts.scheduler import Scheduler
from tests.accounting import prompt_of
from tests.simulation.loop import EPOCH
from tests.simulation.plan import draw_platform, draw_policies, draw_schedule

if TYPE_CHECKING:
    from tests.simulation.world import Member, World

INSTANTS = (-3.2, -2.9, -1.0, -0.25, -0.21, -0.19, -0.1, -0.02, -0.004, 0.0, 0.003, 0.03, 0.2, 0.3, 1.2)
"""When something happens, in seconds after something was due."""
CHANGES = {
    "text": 14, "when": 12, "policies": 10, "pause": 10, "resume": 12, "skip": 8, "unskip": 2, "cancel": 8, "run": 10,
    "cancel fire": 8, "rerun": 3, "add": 10, "halt": 7,
}  # fmt: skip


class Changes:
    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers = 0
        self.paused: set[str] = set()
        self.halted = False
        self.first_ms = round(EPOCH * 1000)
        self._running: set[asyncio.Task[None]] = set()

    async def go_on(self) -> None:
        world = self._world
        while True:
            await asyncio.sleep(world.chance.expovariate(1 / world.plan.change_every))
            idle = [member for member in world.clients if not member.is_up]
            if idle:
                aim = await self.worst_instant()
                task = asyncio.create_task(self._change(idle[0], aim))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    @property
    def _may_be_unheard(self) -> bool:
        return self._world.plan.only in (None, "unheard")

    async def worst_instant(self) -> str | None:
        """Half of the time, and always where only some changes are made to what is due: until just before or just after
        something is due. Returns what was due next when the wait began."""
        world, chance = self._world, self._world.chance
        if not world.plan.changes and chance.random() < 0.5:
            return None
        aim, due = world.server.next_due_prompt(), world.server.next_due()
        if due is not None:
            wait = (due - world.server.now_ms) / 1000 + chance.choice(INSTANTS)
            await asyncio.sleep(max(0.0, min(wait, world.plan.change_every)))
        return aim

    async def end(self) -> None:
        """Let what was asked for be answered, and all go on."""
        if self._running:
            await asyncio.wait(self._running)
        while self.halted:
            await self._start_all()

    def _text(self) -> str:
        self._numbers += 1
        return f"text {self._numbers}"

    async def add(self, member: Member) -> None:
        world = self._world
        chance = world.chance
        now = round(world.server.now_ms)
        when, policies, text = draw_schedule(world.plan, chance, now), draw_policies(world.plan, chance), self._text()
        policies |= draw_platform(world.plan, chance)

        async def act(scheduler: Scheduler) -> str:
            return (await scheduler.schedule(text, when, runner="sim", **policies)).prompt.id

        prompt = await world.call(member, "add", act, text=text, when=when, policies=policies)
        if prompt is not None:
            world.prompts.append(prompt)

    async def _change(self, member: Member, aim: str | None) -> None:
        world, chance = self._world, self._world.chance
        kinds = world.plan.changes or tuple(CHANGES)
        kind = chance.choices(kinds, [CHANGES[kind] for kind in kinds])[0]
        if kind == "add":
            await self.add(member)
            return
        if kind == "halt":
            await self._halt(member)
            return
        soon = world.server.next_due_prompt() if chance.random() < 0.4 else None
        prompt = soon or chance.choice(world.prompts)
        if world.plan.changes and aim is not None:
            prompt = aim
        if kind == "resume" and self.paused:
            prompt = chance.choice(sorted(self.paused))
        running = world.server.some_running(chance) if chance.random() < 0.5 else None
        if running is not None and not world.plan.changes and kind in ("cancel", "cancel fire", "pause", "text"):
            prompt = prompt_of(running)
        fire = running or world.server.some_fire(prompt, chance)
        change = self._drawn(kind, prompt, fire)
        if change is not None:
            loses = 0.5 if chance.random() < 0.3 and world.plan.only is None else 0.0
            kinds = ("pause", "cancel fire") if world.plan.changes else ("cancel", "cancel fire")
            unheard = kind in kinds and chance.random() < 0.5 and self._may_be_unheard
            async with world.faults.nobody_hears() if unheard else nullcontext():
                await world.call(member, kind, change[0], loses=loses, prompt=prompt, **change[1])
                await asyncio.sleep(1.0 if unheard else 0.0)
            if kind == "pause":
                self.paused.add(prompt)
            elif kind == "resume":
                self.paused.discard(prompt)

    def _drawn(self, kind: str, prompt: str, fire: str | None) -> tuple[Any, dict[str, Any]] | None:
        """What is called, and what of it is noted."""
        world, chance = self._world, self._world.chance
        text = self._text()
        when = draw_schedule(world.plan, chance, round(world.server.now_ms))
        policies = draw_policies(world.plan, chance)
        policies.pop("owner", None)
        match kind:
            case "text":
                return (lambda s: s.edit(prompt, force=True, text=text)), {"text": text}
            case "when":
                return (lambda s: s.edit(prompt, force=True, when=when)), {"when": when}
            case "policies":
                return (lambda s: s.edit(prompt, force=True, **policies)), {"policies": policies}
            case "pause":
                return (lambda s: s.pause(prompt)), {}
            case "resume":
                return (lambda s: s.resume(prompt)), {}
            case "skip" | "unskip":
                return (lambda s: getattr(s, kind)(prompt, "next")), {}
            case "cancel":
                return (lambda s: s.cancel(prompt)), {}
            case "run":
                return (lambda s: s.run_now(prompt)), {}
            case "cancel fire" if fire is not None:
                return (lambda s: s.cancel_fire(fire)), {"fire": fire}
            case "rerun" if fire is not None:
                return (lambda s: s.rerun(fire)), {"fire": fire}
        return None

    async def _halt(self, member: Member) -> None:
        world, chance = self._world, self._world.chance
        self.halted = True
        cancels = chance.random() < 0.4
        is_unheard = chance.random() < 0.5 and self._may_be_unheard
        async with world.faults.nobody_hears() if is_unheard else nullcontext():
            await world.call(member, "halt", lambda s: s.stop_all("enough", cancel_running=cancels))
            self.halted = True  # whoever had stopped all before may have let it go on meanwhile
            await asyncio.sleep(world.plan.settings.watch_period)
        await asyncio.sleep(chance.choice([0.1, 3.0, 20.0, 90.0]))
        is_unheard = bool(world.plan.changes) and chance.random() < 0.5 and self._may_be_unheard
        async with world.faults.nobody_hears() if is_unheard else nullcontext():
            while self.halted:
                await self._start_all()

    async def _start_all(self) -> None:
        world = self._world
        member = next((member for member in world.clients if not member.is_up), None)
        if member is not None:
            done: list[bool] = []

            async def act(scheduler: Scheduler) -> None:
                await scheduler.start_all()
                done.append(True)

            await world.call(member, "start", act)
            self.halted = not done
        if self.halted:
            await asyncio.sleep(1.0)
