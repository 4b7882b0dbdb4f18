"""What goes wrong: with processes, lines, messages, the server, clocks. Each fault leaves a window behind, in which the
checker forgives what it explains, and nothing else.

A fault is a method named in `KINDS`: it harms, waits, and heals. To add one, add a method and its name there, say in
`checker.py` what it excuses, and a mutation that only it would find.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.line import Weather
from tests.simulation.plan import MINUTES

if TYPE_CHECKING:
    from tests.simulation.line import Line
    from tests.simulation.loop import Process
    from tests.simulation.world import Member, World

KINDS = {
    "kill": 20, "kill_all": 2, "deploy": 8, "hurry": 3, "freeze": 14, "suspend": 7, "cut": 6, "lose": 8, "slow": 6,
    "unheard": 8, "break_off": 4, "stall": 4, "lid": 3, "server_away": 4, "full_disk": 2, "step": 4, "server_step": 2,
    "kill_client": 4,
}  # fmt: skip
"""By how often, relative to the others."""


@dataclass
class Window:
    kind: str
    who: str
    """A process; `d2.` for all lives of a daemon, or `h2.` of a host; `*` for all."""
    start: float
    """True ms UTC."""
    end: float

    def is_of(self, process: str) -> bool:
        return self.who in ("*", process) or (self.who.endswith(".") and process.startswith(self.who))


class Faults:
    def __init__(self, world: World) -> None:
        self._world = world
        self.windows: list[Window] = []
        self.is_ending = False
        self.is_busy = False
        self.is_awake = asyncio.Event()
        """The machine of the daemons and the server does not sleep."""
        self.is_awake.set()
        self._rest: dict[str, float] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._client_dies_in: int | None = None

    # When

    async def go_on(self) -> None:
        world, chance, only = self._world, self._world.chance, self._world.plan.only
        busy = asyncio.create_task(self._busy_spells())
        try:
            while True:
                await asyncio.sleep(chance.expovariate(1 / world.plan.fault_every))
                await world.changes.worst_instant()
                kind = chance.choices(list(KINDS), list(KINDS.values()))[0] if only is None else only
                if not kind:
                    continue
                task = asyncio.create_task(getattr(self, f"_{kind}")())
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        finally:
            self.is_ending = True
            busy.cancel()

    async def _busy_spells(self) -> None:
        """Daemons are started again with the periods of real life, and later without."""
        began = self._world.loop.now
        for start, length in sorted(self._world.plan.busy):
            await asyncio.sleep(max(0.0, began + start - self._world.loop.now))
            for is_busy, wait in ((True, length), (False, 0.0)):
                self.is_busy = is_busy
                for member in self._world.engines:
                    member.stop()
                await asyncio.sleep(wait)

    async def heal_all(self) -> None:
        """What goes wrong ends by itself; wait for it."""
        while self._running:
            await asyncio.wait(self._running)

    def rest_of(self, member: Member) -> float:
        """How long, in seconds, a daemon is away before it is started again."""
        return self._rest.pop(member.name, 0.5 + 2 * self._world.chance.random())

    @asynccontextmanager
    async def _window(self, kind: str, who: str) -> Any:
        world = self._world
        window = Window(kind, who, world.now_ms, float("inf"))
        self.windows.append(window)
        world.note("world", "fault", kind=kind, of=who)
        try:
            yield
        finally:
            window.end = world.now_ms
            world.note("world", "healed", kind=kind, of=who)

    def _some_engine(self) -> Member | None:
        up = [member for member in self._world.engines if member.is_up]
        return self._world.chance.choice(up) if up else None

    def _busy_engine(self) -> Member | None:
        """One with something in hand, if there is one."""
        busy = [member for member in self._world.engines if member.is_busy]
        return self._world.chance.choice(busy) if busy else self._some_engine()

    def _for_long(self) -> float:
        """Seconds: often more than a lease."""
        chance, lease = self._world.chance, self._world.plan.settings.lease
        return chance.choice([0.3, 2.0, 0.4 * lease, 1.1 * lease, 2.5 * lease]) * chance.uniform(0.8, 1.2)

    # Processes

    async def _kill(self) -> None:
        member = self._some_engine()
        if member is not None:
            await self._kill_one(member, self._for_long() if self._world.chance.random() < 0.4 else 1.0)

    async def _kill_one(self, member: Member, rest: float) -> None:
        assert member.process is not None
        process = member.process
        async with self._window("kill", process.name):
            self._rest[member.name] = rest
            process.dies_in = self._world.chance.choice([0, 1, 3, 10, 30, 100, 300])
            await process.ended.wait()
            while not member.is_ready:
                await asyncio.sleep(0.2)
                if self._world.is_calm:
                    return

    async def _kill_all(self) -> None:
        """The power fails; the server comes back with the daemons."""
        async with self._window("kill_all", "*"):
            for member in self._world.engines:
                if member.process is not None and member.is_up:
                    self._rest[member.name] = 5.0
                    self._world.loop.kill(member.process)
            self._world.server.go_down()
            await asyncio.sleep(4.0)
            self._world.server.come_up()
            await asyncio.sleep(8.0)

    async def _deploy(self, *, hurried: bool = False) -> None:
        member = self._busy_engine() if hurried else self._some_engine()
        if member is None or member.engine is None or member.process is None:
            return
        process = member.process
        async with self._window("deploy", process.name):
            member.stop()
            if hurried:
                await asyncio.sleep(self._world.chance.uniform(0, 2))
                await self._press(member, process)
            await process.ended.wait()
            await asyncio.sleep(4.0)

    async def _press(self, member: Member, process: Process) -> None:
        """It is told a second time, if it is there still."""
        if not process.dead:
            async with self._window("hurry", process.name):
                member.stop()
                await process.ended.wait()

    async def _hurry(self) -> None:
        await self._deploy(hurried=True)

    async def _freeze(self, *, clock_too: bool = False) -> None:
        member = self._busy_engine()
        if member is None or member.process is None:
            return
        loop, process = self._world.loop, member.process
        if process.stopped:
            return
        async with self._window("suspend" if clock_too else "freeze", process.name):
            began, seconds = loop.now, self._for_long()
            if clock_too and self._world.chance.random() < 0.3 and self._world.plan.form not in MINUTES:
                seconds += self._world.chance.choice([0.5, 4.0]) * 3600
            loop.stop_process(process)
            await asyncio.sleep(seconds)
            loop.go_on(process, suspended_for=loop.now - began if clock_too else 0.0)
            await asyncio.sleep(2.0)

    async def _suspend(self) -> None:
        """As when a machine sleeps: its monotonic clock stands still, its wall clock does not."""
        await self._freeze(clock_too=True)

    async def _lid(self) -> None:
        """All daemons and the server live on one machine, and that sleeps."""
        world = self._world
        if not self.is_awake.is_set():
            return
        async with self._window("lid", "*"):
            self.is_awake.clear()
            seconds = world.chance.choice([self._for_long(), 600.0, 4 * 3600.0])
            if world.plan.form in MINUTES:
                seconds = min(seconds, 90.0)
            began = world.loop.now
            asleep = [m.process for m in world.engines if m.process is not None and m.is_up and not m.process.stopped]
            for process in asleep:
                world.loop.stop_process(process)
            world.server.stalled_until = began + seconds
            await asyncio.sleep(seconds)
            for process in asleep:
                world.loop.go_on(process, suspended_for=world.loop.now - began)
            self.is_awake.set()
            await asyncio.sleep(2.0)

    async def _kill_client(self) -> None:
        """In the middle of the next change that one makes."""
        self._client_dies_in = self._world.chance.choice([0, 0, 1, 2])

    def befall(self, client: Line) -> None:
        """Whoever begins to ask something may be the one that dies."""
        client.dies_in, self._client_dies_in = self._client_dies_in, None

    # Lines

    async def _worsen(self, kind: str, seconds: float, **weather: Any) -> None:
        """Of one daemon or host, of a client, or of all."""
        world = self._world
        members: list[Member] = world.chance.choice([[m] for m in [*world.engines, *world.clients]] + [world.engines])
        who = members[0].name + "." if len(members) == 1 else "*"
        async with self._window(kind, who):
            self._let_it_be(members, Weather(**weather))
            await asyncio.sleep(seconds)
            self._let_it_be(members, Weather())
            await asyncio.sleep(2.0)

    def _let_it_be(self, members: list[Member], weather: Weather) -> None:
        for member in members:
            member.weather = weather
            if member.line is not None:
                member.line.weather = weather
                if weather.refused:
                    member.line.break_connections()

    async def _cut(self) -> None:
        await self._worsen("cut", self._for_long(), refused=True)

    async def _lose(self) -> None:
        chance = self._world.chance
        before, after = chance.choice([(0.3, 0.0), (0.0, 0.3), (0.2, 0.2), (0.0, 0.9)])
        await self._worsen("lose", self._for_long(), lost_before=before, lost_after=after)

    async def _slow(self) -> None:
        chance = self._world.chance
        share, by = chance.choice([(0.3, 0.2), (0.3, 2.0), (0.1, 8.0), (0.9, 0.4)])
        await self._worsen("slow", self._for_long(), slow=share, slow_by=by)

    async def _unheard(self) -> None:
        chance = self._world.chance
        unheard, doubled, late = chance.choice([(1.0, 0.0, 0.0), (0.5, 0.3, 0.0), (0.0, 0.5, 0.5), (0.0, 0.0, 1.0)])
        seconds = self._for_long() * 2
        await self._worsen("unheard", seconds, unheard=unheard, doubled=doubled, late=late)

    @asynccontextmanager
    async def nobody_hears(self) -> Any:
        """For whoever wants to see what becomes of what is said once."""
        async with self._window("unheard", "*"):
            self._let_it_be(self._world.engines, Weather(unheard=1.0))
            try:
                yield
            finally:
                self._let_it_be(self._world.engines, Weather())

    async def _break_off(self) -> None:
        async with self._window("break_off", "*"):
            for member in self._world.engines:
                if member.line is not None:
                    member.line.break_connections()
            await asyncio.sleep(2.0)

    # The server

    async def _stall(self) -> None:
        """It does nothing for a while; what arrives meanwhile is done afterwards, whoever waits for it still."""
        async with self._window("stall", "*"):
            seconds = self._for_long()
            self._world.server.stalled_until = self._world.loop.now + seconds
            await asyncio.sleep(seconds + 2.0)

    async def _server_away(self) -> None:
        async with self._window("server_away", "*"):
            self._world.server.go_down()
            await asyncio.sleep(self._for_long())
            self._world.server.come_up()
            await asyncio.sleep(3.0)

    async def _full_disk(self) -> None:
        """While something is leased, if that comes soon; most often for longer than a lease."""
        server, lease = self._world.server, self._world.plan.settings.lease
        for _ in range(100):
            if server.is_anything_leased:
                break
            await asyncio.sleep(0.1)
        if server.refuses_writes:
            return
        async with self._window("full_disk", "*"):
            server.refuses_writes = True
            await asyncio.sleep(lease * self._world.chance.choice([0.3, 1.1, 1.3, 1.8, 2.5]))
            server.refuses_writes = False
            await asyncio.sleep(3.0)

    # Clocks

    async def _step(self) -> None:
        """The wall clock of one machine is set."""
        member = self._some_engine()
        if member is not None and member.process is not None:
            async with self._window("step", member.process.name):
                member.process.wall_ahead += self._world.chance.choice([-7200.0, -3.0, -0.1, 0.1, 2.0, 3600.0])
                await asyncio.sleep(2.0)

    async def _server_step(self) -> None:
        """That of the machine of the server, and of the first daemon."""
        world = self._world
        async with self._window("server_step", "*"):
            by = world.chance.choice([-2.0, -0.3, 0.3, 2.0, 5.0])
            world.server.process.wall_ahead += by
            first = world.engines[0].process
            if first is not None:
                first.wall_ahead += by
            await asyncio.sleep(world.plan.settings.sweep_period + 6.0)
