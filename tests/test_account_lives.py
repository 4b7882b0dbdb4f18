"""However a prompt's life goes, the account tells every occurrence exactly once.

A life is drawn at random and lived on the virtual clock, with the real engine: edits, pauses, skips, downtime, failing
and slow runners, halts, policies. An oracle enumerates what the schedules named from what the test did, not from what
was noted down, and knows from the runner what ran.

`LIVES=1000 pytest tests/test_account_lives.py` lives more of them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduled_prompts.approval import Approval
from scheduled_prompts.caller import Caller
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.engine.retention import cleanup
from scheduled_prompts.errors import Conflict, InvalidInput, NotFound
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, Schedule, next_after
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.account import Row
from scheduled_prompts.scheduler.explaining import Explained
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.testing import RecordingRunner, VirtualClock, run_virtual
from tests.engine.faults import vanish

LIVES = int(os.environ.get("LIVES", "12"))
MINUTE = 60_000
START = 1_767_225_620_000  # 2026-01-01 00:00:20: whoever acts in whole minutes acts between two occurrences
AHEAD_MS = 3_100
"""How long before its time an occurrence may be claimed."""
AFTERWARDS = 40 * MINUTE
LOOKS = EngineSettings(watch_period=20, heartbeat_period=3600, sweep_period=3600, keep_fires=1000)

_stores = itertools.count()


class Mortal(Exception):
    """What a runner fails with."""


@dataclass
class Era:
    """What the schedule was from a time on."""

    since: int
    definition: Definition
    until: int | None = None
    ahead: set[int] = field(default_factory=set)
    """What it had claimed ahead when it was replaced."""


class Life:
    """One prompt, what somebody did to it, and what its runner saw."""

    def __init__(self, url: str, store: Store, scheduler: Scheduler) -> None:
        self.url = url
        self.store = store
        self.scheduler = scheduler
        self.runner = RecordingRunner(self._answer)
        self.mode = "succeed"
        self.succeeded: set[int] = set()
        self.failed = 0
        self.daemon: AsyncExitStack | None = None
        self.serving: Daemon | None = None
        self.crashed = False
        self.away = False
        self.eras: list[Era] = []
        self.prompt = ""
        self.done: list[str] = []
        self.halted = False
        self.purged = False
        self.pauses: list[list[int | None]] = []
        self.waits: list[list[int | None]] = []
        """For approval."""
        self.edits: list[int] = []
        self.cancelled: int | None = None

    @property
    def now(self) -> int:
        return self.store.clock.now()

    async def _answer(self, fire: Fire) -> str:
        mode = self.mode
        if mode == "slow":
            await asyncio.sleep(150)
        if mode == "fail" or (mode == "stumble" and fire.attempt == 1):
            self.failed += 1
            raise Mortal("no")
        if fire.trigger == "schedule":
            self.succeeded.add(fire.nominal)
        return "yes"

    async def begin(self, when: Schedule, policies: dict[str, Any]) -> None:
        answer = await self.scheduler.schedule("hello", when, timezone="UTC", **policies)
        self.prompt = answer.prompt.id
        self.eras.append(Era(answer.prompt.created_at, answer.prompt))

    async def wait(self, minutes: float) -> None:
        await self.store.clock.sleep(minutes * 60)

    async def edit(self, by: Scheduler | None = None, **changes: Any) -> None:
        before = await self.scheduler.get(self.prompt)
        at = self.now
        edited = await (by or self.scheduler).edit(self.prompt, force=True, **changes)
        if edited.prompt.seq == before.seq:
            return  # the schedule stayed
        self.edits.append(at)
        era = self.eras[-1]
        era.until = at
        fires = await self.store.fires_between(self.prompt, at + 1, at + AHEAD_MS)
        era.ahead = {int(fire.partition("@")[2]) for fire in fires if "@" in fire}
        self.eras.append(Era(at, edited.prompt))
        era.ahead -= set(self._of(edited.prompt, at, at + AHEAD_MS + 1))

    async def ask(self, **changes: Any) -> None:
        """An edit by an agent: it is to be approved."""
        await self.edit(self.scheduler.as_caller(Caller(agent="bot")), **changes)
        prompt = await self.scheduler.get(self.prompt)
        if prompt.pending_since is not None and (not self.waits or self.waits[-1][1] is not None):
            self.waits.append([self.now, None])
            if self.pauses and self.pauses[-1][1] is None:
                self.pauses[-1][1] = self.now

    async def approve(self) -> None:
        await self.scheduler.approve(self.prompt, "fine")
        self.waits[-1][1] = self.now

    async def reject(self) -> None:
        await self.scheduler.reject(self.prompt)
        self.waits[-1][1] = self.cancelled = self.now

    async def pause(self) -> None:
        await self.scheduler.pause(self.prompt, "rest")
        self.pauses.append([self.now, None])

    async def resume(self) -> None:
        await self.scheduler.resume(self.prompt)
        if self.pauses and self.pauses[-1][1] is None:  # else it had paused itself
            self.pauses[-1][1] = self.now

    async def cancel(self) -> None:
        await self.scheduler.cancel(self.prompt)
        self.cancelled = self.now

    async def up(self) -> None:
        if self.daemon is None:
            self.daemon = AsyncExitStack()
            its_own = await self.daemon.enter_async_context(Store(self.url, clock=self.store.clock))
            daemon = Daemon(its_own, runners={"log": self.runner}, settings=LOOKS)
            self.serving = await self.daemon.enter_async_context(daemon)

    async def down(self) -> None:
        if self.daemon is not None:
            await self.daemon.aclose()
            self.daemon = None

    async def crash(self) -> None:
        if self.daemon is not None and self.serving is not None:
            await vanish(self.serving)
            self.crashed = True
            await self.down()

    async def move(self) -> None:
        """To a platform that nobody serves, or back."""
        self.away = not self.away
        await self.edit(platform="mail" if self.away else "default")

    async def halt(self) -> None:
        await (self.scheduler.start_all() if self.halted else self.scheduler.stop_all("enough"))
        self.halted = not self.halted

    async def outage(self, minutes: float) -> None:
        await self.down()
        await self.wait(minutes)
        await self.up()

    async def rest(self, minutes: float) -> None:
        await self.pause()
        await self.wait(minutes)
        await self.resume()

    async def stop(self, minutes: float) -> None:
        await self.halt()
        await self.wait(minutes)
        await self.halt()

    async def purge(self) -> None:
        await cleanup(self.store, 10 / 1440)
        self.purged = True

    async def step(self, step: tuple[Any, ...]) -> None:
        name, *arguments = step
        calls: dict[str, Callable[..., Any]] = {
            "wait": self.wait,
            "when": lambda when: self.edit(when=when),
            "policies": lambda changes: self.edit(**changes),
            "text": lambda: self.edit(text=f"text {self.now}"),
            "pause": self.pause,
            "resume": self.resume,
            "ask": lambda: self.ask(text=f"asked {self.now}"),
            "ask when": lambda when: self.ask(when=when),
            "approve": self.approve,
            "reject": self.reject,
            "skip": lambda: self.scheduler.skip(self.prompt, "next"),
            "unskip": lambda: self.scheduler.unskip(self.prompt, "next"),
            "run": lambda: self.scheduler.run_now(self.prompt),
            "up": self.up,
            "down": self.down,
            "halt": self.halt,
            "purge": self.purge,
            "cancel": self.cancel,
            "outage": self.outage,
            "crash": self.crash,
            "move": self.move,
            "break": self.rest,
            "stop": self.stop,
        }
        if name == "mode":
            self.mode = arguments[0]
            return
        try:
            await calls[name](*arguments)
            self.done.append(f"{self.now}: {step}")
        except (Conflict, InvalidInput, NotFound) as refused:
            self.done.append(f"{self.now}: {step} refused: {refused}")

    # The oracle

    def named(self, until: int) -> Iterator[tuple[int, Era]]:
        """Every occurrence from creation up to `until`, by the schedule of its time."""
        for era in self.eras:
            end = until if era.until is None else min(until, era.until + 1)
            for nominal in self._of(era.definition, era.since, end):
                yield nominal, era
            for nominal in sorted(era.ahead):
                yield nominal, era

    def _of(self, definition: Definition, after: int, end: int) -> Iterator[int]:
        nominal = next_after(definition.schedule, after, timezone="UTC", seed=self.prompt)
        while nominal is not None and nominal < end:
            yield nominal
            nominal = next_after(definition.schedule, nominal, timezone="UTC", seed=self.prompt)

    def check(self, answer: Explained) -> None:
        named = list(self.named(answer.until))
        rows = [row for row in answer.rows if row.fire is None or row.fire.trigger == "schedule"]
        ran = {fire.nominal for fire in self.runner.fires if fire.trigger == "schedule"}
        for nominal, era in named:
            covering = [row for row in rows if row.first <= nominal <= row.last]
            assert len(covering) == 1, f"{nominal} is told {len(covering)} times: {covering}"
            self._plausible(nominal, era, covering[0], ran, answer.prompt)
        assert sum(row.number for row in rows) == len(named), "the account tells what no schedule named"
        manual = sum(fire.trigger == "manual" and fire.attempt == 1 for fire in self.runner.fires)
        assert self.purged or sum(len(answer.rows) - len(rows) for _ in [0]) >= manual

    def _plausible(self, nominal: int, era: Era, row: Row, ran: set[int], prompt: ScheduledPrompt) -> None:
        said = f"{nominal} is told as {row}"
        assert row.outcome not in ("unaccounted", "unknown", "imported", "before_creation", "quarantined"), said
        assert self.purged or row.outcome != "forgotten", said
        if row.outcome == "forgotten":
            return
        if nominal in ran:
            assert row.fire is not None, said
            assert row.fire.attempt >= 1, said
        else:
            assert row.outcome not in ("succeeded", "timed_out"), said
            assert row.outcome != "failed" or self.crashed, said
        assert row.outcome != "succeeded" or nominal in self.succeeded, said
        assert self.crashed or row.outcome == "succeeded" or nominal not in self.succeeded, said
        now, slack = self.now, AHEAD_MS + era.definition.jitter_ms
        if era.definition.quiet_hours is not None:
            slack += 15 * MINUTE
        match row.outcome:
            case "upcoming":
                assert nominal > now - slack, said
                assert prompt.status.is_armed, said
            case "overdue":
                assert nominal <= now, said
                idle = self.daemon is None or self.halted or self.away
                # One at a time, and slowly; but one after the other.
                began = self.runner.fires[-1].started_at if self.runner.fires else None
                in_turn = prompt.misfire == "all" and began is not None and now - began < 3 * MINUTE
                assert idle or in_turn or now - nominal < 2 * MINUTE + slack, said
            case "paused":
                gave_up = row.reason == "failures" and self.failed >= 2
                assert gave_up or any(end is None or nominal <= end for _, end in self.pauses), said
            case "pending_approval":
                assert any(end is None or nominal <= end for _, end in self.waits), said
            case "edited":
                assert any(nominal <= at + AHEAD_MS for at in self.edits), said
            case "cancelled" if row.fire is None:
                assert self.cancelled is not None, said
            case "outside":
                assert era.definition.start_at is not None or era.definition.end_at is not None, said


MODES = st.sampled_from(["succeed", "fail", "stumble", "slow"])
"""How the runner answers."""


def schedules() -> st.SearchStrategy[Schedule]:
    crons = st.sampled_from(["* * * * *", "*/3 * * * *", "*/7 * * * *", "5,6,7,40 * * * *"])
    return st.one_of(
        crons.map(lambda expression: Cron(expression=expression)),
        st.sampled_from([90_000, 150_000, 420_000]).map(lambda ms: Interval(every_ms=ms, anchor=START - 7_000)),
        st.integers(1, 90).map(lambda minutes: Once(at=START - 20_000 + minutes * MINUTE)),
        st.just(RandomWindow(times=20, start=0, end=120)),
    )


def windows() -> st.SearchStrategy[dict[str, Any]]:
    minutes = st.integers(1, 90).map(lambda minute: START + minute * MINUTE + 10_000)
    return st.fixed_dictionaries(
        {},
        optional={
            "max_fires": st.sampled_from([None, 1, 4]),
            "start_at": st.one_of(st.none(), minutes),
            "end_at": st.one_of(st.none(), minutes),
            "quiet": st.sampled_from([None, "00:20-00:35"]),
            "quiet_policy": st.sampled_from(["skip", "defer"]),
        },
    )


def policies() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "jitter": st.sampled_from([0.0, 20.0, 100.0]),
            "misfire": st.sampled_from(["once", "skip", "all"]),
            "grace": st.sampled_from([None, 30.0, 200.0]),
            "catch_up_limit": st.sampled_from([1, 3]),
            "overlap": st.sampled_from(["skip", "queue", "replace", "allow"]),
            "retries": st.integers(0, 2),
            "retry_delays": st.sampled_from([(20.0,), (90.0,)]),
            "pause_after": st.sampled_from([0, 2]),
        },
    )


def steps() -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Changes, each with the time that passes after it: often none, or up to an instant before a full minute."""
    wait = st.one_of(st.sampled_from([0, 39 / 60, 38.5 / 60]), st.integers(1, 12), st.integers(1, 12))
    change = st.one_of(
        schedules().map(lambda when: ("when", when)),
        policies().map(lambda changes: ("policies", changes)),
        windows().map(lambda changes: ("policies", changes)),
        st.sampled_from([(name,) for name in ("text", "skip", "unskip", "run", "purge", "cancel", "move")]),
        st.sampled_from([(name,) for name in ("up", "down", "crash", "halt", "pause", "resume")]),
        st.sampled_from([("ask",), ("approve",), ("approve",), ("reject",)]),
        schedules().map(lambda when: ("ask when", when)),
        st.integers(1, 20).map(lambda minutes: ("outage", minutes)),
        st.sampled_from([("break", 1), ("break", 7), ("stop", 5)]),
        MODES.map(lambda mode: ("mode", mode)),
    )
    lived = st.tuples(change, wait.map(lambda minutes: ("wait", minutes)))
    return st.lists(lived, min_size=3, max_size=10).map(lambda pairs: [step for pair in pairs for step in pair])


async def live(when: Schedule, chosen: dict[str, Any], life: list[tuple[Any, ...]], mode: str, seed: int) -> None:
    clock = VirtualClock("2026-01-01T00:00:20Z", seed=seed)
    url = f"memory:lives{next(_stores)}"
    async with Store(url, clock=clock) as store:
        approval = Approval(agents=("*",), expires_after=30 * 60)
        lived = Life(url, store, Scheduler(store, timezone="UTC", approval=approval))
        lived.mode = mode
        try:
            await lived.begin(when, chosen)
        except InvalidInput:
            return  # an end before the start, or nothing to come
        try:
            await lived.up()
            for step in life:
                await lived.step(step)
            await lived.wait(2)
            if lived.purged and (await store.read_prompts([lived.prompt])) == [None]:
                return  # nothing is left to be explained
            answer = await lived.scheduler.explain(
                lived.prompt, since=lived.eras[0].since, until=lived.now + AFTERWARDS
            )
            if answer.prompt.decision == "expired":
                lived.cancelled = answer.prompt.decided_at
            try:
                lived.check(answer)
            except AssertionError as error:
                error.add_note("\n".join([f"began {lived.eras[0].since} {when} {chosen}", *lived.done]))
                error.add_note("\n".join(str(span) for span in await store.spans(lived.prompt)))
                raise
            for row in answer.rows[:: max(1, len(answer.rows) // 3)]:
                why = await lived.scheduler.why(lived.prompt, row.first)
                assert why.row is not None
                assert "cannot be told" not in why.sentence
        finally:
            await lived.down()


@settings(max_examples=LIVES)
@example(
    when=Interval(every_ms=150_000, anchor=START - 7000),
    chosen={"misfire": "all"},
    life=[("outage", 20), ("wait", 12)],
    mode="slow",
    seed=162,
)
@given(schedules(), policies(), steps(), MODES, st.integers(0, 1000))
def test_every_occurrence_of_a_life_is_told_once(
    when: Schedule, chosen: dict[str, Any], life: list[tuple[Any, ...]], mode: str, seed: int
) -> None:
    run_virtual(live(when, chosen, life, mode, seed))
