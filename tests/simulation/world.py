"""One simulation: a server, daemons that are started again whenever they die, clients that change things, faults.

It ends with a time of calm, in which all that was begun must come to its end; then the books are read.
"""

from __future__ import annotations

import asyncio
import random
import socket
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import structlog

from scheduled_prompts.clock import Clock
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.errors import NotFound, ScheduledPromptsError, StoreUnreachable, StoreUnusable
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import Connection
from tests.simulation.changes import Changes
from tests.simulation.faults import Faults
from tests.simulation.host import SimHost
from tests.simulation.line import Line, Weather
from tests.simulation.loop import EPOCH, Livelock, Process, SimLoop, clocks_of
from tests.simulation.plan import HOST, JOB, TICK, Plan
from tests.simulation.runner import SimRunner
from tests.simulation.server import SimServer
from tests.simulation.trace import Trace

NAMESPACE = "sim"
LONGEST = 12 * 3600.0
"""How much longer than planned a simulation may take, in its own seconds: until all faults have healed."""
TROUBLES = {
    "lease_lost", "store_away", "take_failed", "settle_failed", "renewal_failed", "fires_left_behind",
    "message_not_understood", "tick_failed", "hydration_failed",
}  # fmt: skip
"""What a daemon or a host may complain about when it is treated so, and at no other time."""
FELT_FOR_MS = 60_000
"""So long after a fault it may."""


class Member:
    """A daemon, a host or a client, through all its lives."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lives = 0
        self.process: Process | None = None
        self.line: Line | None = None
        self.weather = Weather()
        """That of its line, whichever process it is."""
        self.engine: Daemon | SimHost | None = None

    @property
    def is_up(self) -> bool:
        return self.process is not None and not self.process.dead

    @property
    def is_job(self) -> bool:
        return self.name.startswith(JOB)

    @property
    def is_ready(self) -> bool:
        """Whether what it is there for is done. Nobody waits for a job."""
        if self.is_job:
            return True
        ready = self.engine.ready.is_set() if isinstance(self.engine, Daemon) else self.engine and self.engine.is_ready
        return self.is_up and bool(ready)

    @property
    def is_busy(self) -> bool:
        """Whether it has something in hand."""
        if not self.is_up or self.engine is None:
            return False
        return bool(self.engine.worker.running if isinstance(self.engine, Daemon) else self.engine.running)

    def stop(self) -> None:
        """Tell it to leave, as a service manager does."""
        if self.engine is not None and self.process is not None:
            self.process.told_to_leave = True
            self.engine.stop()


class World:
    def __init__(self, plan: Plan, *, whole_trace: bool = False, mutate: Callable[[World], None] | None = None) -> None:
        self.plan = plan
        self.chance = random.Random(f"world {plan.form} {plan.seed}")
        self.trace = Trace(whole=whole_trace)
        self.loop = SimLoop(self.chance)
        self.loop.ends_by = plan.lasts + plan.calm + LONGEST
        self.server = SimServer(self.loop, self.trace, self.chance, NAMESPACE)
        self.daemons = [Member(f"d{number + 1}") for number in range(plan.daemons)]
        self.hosts = [Member(f"{HOST}{number + 1}") for number in range(plan.hosts)]
        self.jobs = [Member(f"{JOB}{number + 1}") for number in range(plan.jobs)]
        self.engines = [*self.daemons, *self.hosts, *self.jobs]
        """All that fire prompts."""
        self.clients = [Member(f"c{number + 1}") for number in range(plan.clients)]
        self.faults = Faults(self)
        self.changes = Changes(self)
        self.findings: list[str] = []
        self.is_calm = False
        self.is_closing = False
        self.is_over = False
        self.calm_from = 0.0
        self.prompts: list[str] = []
        """The ids of all prompts that clients know to exist."""
        self.explained: dict[str, Any] = {}
        self.keys: dict[str, Any] = {}
        """All that is stored in the end."""
        self.lifetimes: dict[str, int] = {}
        """In how many ms each key goes by itself; -1: never."""
        self.lines: dict[str, Line] = {}
        """By process."""
        self.undo: list[Callable[[], None]] = []
        """What a mutation has changed, to be put right."""
        self._mutate = mutate

    # Telling

    @property
    def now_ms(self) -> float:
        """True time, ms UTC: what no process can read."""
        return (EPOCH + self.loop.now) * 1000

    def note(self, who: str, what: str, **facts: Any) -> None:
        if self.is_over:
            return
        self.trace.note(self.now_ms, self.server.now_ms, who, what, facts)

    def find(self, finding: str) -> None:
        if self.is_over:
            return
        self.findings.append(finding)
        self.note("world", "FINDING", finding=finding)

    # Life

    def live(self) -> None:
        """All of it. What is wrong is in `findings`, so far as it shows before the checker looks."""
        before = structlog.get_config()
        structlog.configure(processors=[self._logged], cache_logger_on_first_use=False)
        self.loop.set_exception_handler(self._unhandled)
        try:
            with (
                clocks_of(self.loop),
                patch.object(socket, "gethostname", lambda: "here"),
                patch("os.getpid", lambda: 1),
            ):
                if self._mutate is not None:
                    self._mutate(self)
                try:
                    self.loop.run_until_complete(self._run())
                except Livelock as problem:
                    self.find(f"livelock: {problem}")
                self.is_over = True
                self.keys, self.lifetimes = self.server.keys(), self.server.lifetimes()
        finally:
            self.is_over = True
            for put_right in self.undo:
                put_right()
            self.loop.tidy_up()
            structlog.configure(**before)

    async def _run(self) -> None:
        plan = self.plan
        await self._first_prompts()
        keepers = [asyncio.create_task(self._keep(member)) for member in [*self.daemons, *self.hosts]]
        keepers += [asyncio.create_task(self._start_again_and_again(member)) for member in self.jobs]
        await asyncio.sleep(3)
        troubles = [asyncio.create_task(self.faults.go_on()), asyncio.create_task(self.changes.go_on())]
        await asyncio.sleep(plan.lasts)
        for task in troubles:
            task.cancel()
        for task in troubles:
            with suppress(asyncio.CancelledError):
                await task
        await self.faults.heal_all()
        await self.changes.end()
        self.is_calm = True
        self.calm_from = self.now_ms
        self.note("world", "calm")
        await asyncio.sleep(plan.calm)
        await self._explain()
        self.is_closing = True
        for member in self.engines:
            if member.is_up:
                member.stop()
        for task in keepers:
            await task

    # Daemons and hosts

    async def _keep(self, member: Member) -> None:
        """As a service manager does: whatever ends a daemon or a host, it is started again."""
        while not self.is_calm:
            await self.faults.is_awake.wait()
            process = self.spawn(member, self._serve(member) if member in self.daemons else self._host(member))
            await process.ended.wait()
            member.engine = None
            if self.is_calm:
                return
            await asyncio.sleep(self.faults.rest_of(member))
            assert process.dead

    async def _start_again_and_again(self, member: Member) -> None:
        """As cron does, once a minute, where the one before has ended."""
        await asyncio.sleep(self.chance.uniform(0, TICK))
        while not self.is_closing:
            await self.faults.is_awake.wait()
            if not member.is_up:
                self.spawn(member, self._host(member))
            await asyncio.sleep(TICK)

    def spawn(self, member: Member, main: Awaitable[None]) -> Process:
        """A new process of a member."""
        member.lives += 1
        process = Process(f"{member.name}.{member.lives}", wall_ahead=self.chance.uniform(-90, 90))
        member.process = process
        member.line = self.lines[process.name] = Line(self.server, process, self.chance)
        member.line.weather = member.weather
        process.on_death = lambda: self._died(process)
        self.note(process.name, "starts")
        self.loop.begin(process, self._live_through(member, process, main))
        return process

    async def _live_through(self, member: Member, process: Process, main: Awaitable[None]) -> None:
        try:
            await main
        except (StoreUnreachable, StoreUnusable) as problem:
            self.note(process.name, "gives_up", problem=problem.message)
        except Exception as problem:
            self.find(f"{process.name} was ended by {type(problem).__name__}: {problem}\n{traceback.format_exc()}")
        self.note(process.name, "leaves")
        self.loop.call_soon(self._left, process, context=self.loop.outside.context)

    def _left(self, process: Process) -> None:
        self.loop.bury(process)
        process.ended.set()

    def _died(self, process: Process) -> None:
        self.note(process.name, "dies")
        process.ended.set()

    def store_of(self, member: Member, patience: float = 5.0) -> Store:
        assert member.line is not None
        connection = Connection(member.line, description="the simulated server", owned=False)  # type: ignore[arg-type]
        seed = self.chance.getrandbits(64)
        return Store(connection, namespace=NAMESPACE, clock=Clock(seed=seed), patience=patience)

    async def _serve(self, member: Member) -> None:
        process = member.process
        assert process is not None
        async with self.store_of(member) as store:
            daemon = Daemon(
                store,
                runners={"sim": self.runner_of(process)},
                settings=self._settings(),
                limits=self.plan.limits,
                budgets=self.plan.budgets,
            )
            member.engine = daemon
            self.note(process.name, "serves", id=daemon.id)
            try:
                await daemon.run()
            finally:
                self._judge_leaving(process, was_ready=daemon.ready.is_set())

    async def _host(self, member: Member) -> None:
        assert member.process is not None
        member.engine = SimHost(self, member, member.process, is_job=member.is_job)
        await member.engine.live()

    def runner_of(self, process: Process) -> SimRunner:
        def note(what: str, **facts: Any) -> None:
            if not process.dead:
                self.note(process.name, what, **facts)

        return SimRunner(
            self.plan.seed,
            note,
            lambda: self.loop.kill(process),
            lambda: 0.0 if self.is_calm or self.faults.is_ending else self.plan.difficult,
        )

    def _judge_leaving(self, process: Process, *, was_ready: bool) -> None:
        """A daemon that has begun serves until it is told to leave. One that could not begin may give up."""
        if not process.told_to_leave and (was_ready or not self.lines[process.name].broke_at):
            self.find(f"{process.name} leaves, and nobody had told it to")

    def _settings(self) -> EngineSettings:
        if not self.faults.is_busy:
            return self.plan.settings
        return self.plan.settings.model_copy(
            update={"watch_period": 0.25, "heartbeat_period": 4.0, "sweep_period": 60.0}
        )

    # Clients

    def scheduler_of(self, member: Member, store: Store) -> Scheduler:
        return Scheduler(store, timezone="UTC", limits=self.plan.limits, budgets=self.plan.budgets, actor=member.name)

    async def call(
        self, member: Member, name: str, act: Callable[[Scheduler], Awaitable[Any]], *, loses: float = 0.0, **facts: Any
    ) -> Any:
        """What a client does, in a process of its own, noted down with what came of it. Returns its answer; None where
        there was none. `loses`: the share of answers that do not come through to it."""
        answers: list[Any] = []

        async def main() -> None:
            assert member.process is not None
            who = member.process.name
            async with self.store_of(member) as store:
                self.note(who, "calls", op=name, **facts)
                if loses and member.line is not None:
                    member.line.weather = Weather(lost_after=loses)
                try:
                    answers.append(await act(self.scheduler_of(member, store)))
                except (StoreUnreachable, StoreUnusable) as problem:
                    self.note(who, "no_answer", op=name, problem=problem.message)
                except ScheduledPromptsError as problem:
                    self.note(who, "refused", op=name, problem=problem.message)
                else:
                    self.note(who, "answered", op=name)

        process = self.spawn(member, main())
        self.faults.befall(self.lines[process.name])
        await process.ended.wait()
        return answers[0] if answers else None

    async def _first_prompts(self) -> None:
        for _ in range(self.plan.prompts):
            await self.changes.add(self.clients[0])

    async def _explain(self) -> None:
        """What the account says in the end, of each prompt."""

        async def ask(scheduler: Scheduler) -> None:
            for prompt in self.server.prompts():
                since = self.changes.first_ms
                with suppress(NotFound):  # forgotten meanwhile
                    self.explained[prompt] = await scheduler.explain(prompt, since=since, until=scheduler.clock.now())

        await self.call(self.clients[0], "explain", ask)

    # What nobody should say

    def _logged(self, _logger: Any, method: str, entry: Any) -> Any:
        if not self.is_over:
            what = entry.get("event", "")
            facts = {name: value for name, value in entry.items() if name not in ("event", "exc_info")}
            who = self.loop.current.name
            self.trace.line(self.now_ms, who, f"log_{method}", f"{what} {facts}")
            is_bad = method in ("exception", "error", "critical") and not self._has_no_runner(what)
            if not self.is_felt() if what in TROUBLES and method != "exception" else is_bad:
                told = traceback.format_exc() if method == "exception" else ""
                self.find(f"{who} logged {what}: {facts}\n{told}")
        raise structlog.DropEvent

    def _has_no_runner(self, what: str) -> bool:
        """Whether a host says that nobody does its work, and so it is."""
        process = self.loop.current
        host = next((member.engine for member in self.engines if member.process is process), None)
        return what == "no_bot_runner" and isinstance(host, SimHost) and not host.has_runner

    def is_felt(self) -> bool:
        """Whether there was a fault lately, or a daemon must leave whatever it has in hand."""
        is_told = self.loop.current.told_to_leave and not self.is_calm
        return is_told or any(window.end >= self.now_ms - FELT_FOR_MS for window in self.faults.windows)

    def _unhandled(self, _loop: Any, context: dict[str, Any]) -> None:
        if not self.is_over:
            problem = context.get("exception")
            told = "".join(traceback.format_exception(problem)) if problem is not None else ""
            self.find(f"in {self.loop.current.name}: {context.get('message')}\n{told}")
