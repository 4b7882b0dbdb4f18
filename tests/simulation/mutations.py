"""Guards that are taken away, one at a time, to see whether the checker would notice. Each is a change of a script's
text, or of a function, as somebody might make it by mistake.

A change of a script must still find the text that it replaces: when the script is rewritten, the mutation is, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scheduled_prompts import clock
from scheduled_prompts.clock import Clock
from scheduled_prompts.engine import attempt, host
from scheduled_prompts.engine.attempt import Attempt
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.engine.host import HostEngine
from scheduled_prompts.engine.watch import Contact, Watch
from scheduled_prompts.engine.worker import Worker
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store, script, transport

if TYPE_CHECKING:
    from scheduled_prompts.prompt import ScheduledPrompt
    from scheduled_prompts.store.records import Created
    from tests.simulation.world import World

Mutation = Callable[["World"], None]
SOURCES = {one.name: one.source for one in script.ALL}
AHEAD = "if ahead > 1000 then"


def of_script(name: str, guard: str, instead: str) -> Mutation:
    """In one script, this text in the place of that."""

    def mutate(world: World) -> None:
        source = world.server.rewrite.get(name, SOURCES[name])
        if guard not in source:
            raise LookupError(f"{name}.lua no longer says {guard!r}: this mutation must follow it")
        world.server.rewrite[name] = source.replace(guard, instead)

    return mutate


def of_method(owner: Any, name: str, instead: Callable[[Any], Any]) -> Mutation:
    """A method in the place of another; `instead` is given the one that it replaces."""

    def mutate(world: World) -> None:
        before = getattr(owner, name)
        setattr(owner, name, instead(before))
        world.undo.append(lambda: setattr(owner, name, before))

    return mutate


def all_of(*mutations: Mutation) -> Mutation:
    """Several guards of one promise, where each would do, or is seldom needed."""

    def mutate(world: World) -> None:
        for mutation in mutations:
            mutation(world)

    return mutate


def _answers(value: Any) -> Callable[[Any], Any]:
    async def answer(*_: object, **__: object) -> Any:
        return value

    return lambda _before: answer


def _sees_nothing_overdue(look: Any) -> Any:
    async def mutated(self: Store, **asked: Any) -> Any:
        seen = await look(self, **asked)
        return seen._replace(overdue=[])

    return mutated


def _never_hears_of(kept_back: str) -> Any:
    def mutation(extend: Any) -> Any:
        async def mutated(self: Store, items: Any, **options: Any) -> Any:
            return ["ok" if state == kept_back else state for state in await extend(self, items, **options)]

        return mutated

    return mutation


def _measures_once(measure: Any) -> Any:
    measured: set[Clock] = set()

    async def mutated(self: Clock, server_time: Any) -> float:
        if self in measured:
            return 0.0
        measured.add(self)
        return float(await measure(self, server_time))

    return mutated


def _leaves_with_a_lost_answer(_once: Any) -> Any:
    async def mutated(self: Daemon, action: Any) -> None:
        try:
            await action()
        except (StoreUnreachable, StoreUnusable):
            self.stop()

    return mutated


def _stores_and_then_arms(create_for: Any) -> Any:
    async def mutated(self: Store, by: Any, prompt: ScheduledPrompt, **options: Any) -> Created:
        made: Created = await create_for(self, by, prompt, **options)
        if made.outcome == "created":
            await self.retime(prompt, prompt.next_nominal, prompt.next_at)
        return made

    return mutated


def _renews_until_an_answer_fails(renew: Any) -> Any:
    done: set[Worker] = set()

    async def mutated(self: Worker) -> None:
        if self not in done:
            try:
                await renew(self)
            except (StoreUnreachable, StoreUnusable):
                done.add(self)

    return mutated


def _lets_go_of_what_is_not_written(settle: Any) -> Any:
    async def mutated(self: Store, items: Any, **options: Any) -> Any:
        try:
            return await settle(self, items, **options)
        except (StoreUnreachable, StoreUnusable):
            return ["settled"] * len(items)

    return mutated


def _is_in_no_hurry(_stop: Any) -> Any:
    def mutated(self: Daemon) -> None:
        self._stop_asked.set()

    return mutated


def _listens_once(listen: Any) -> Any:
    async def mutated(self: Daemon) -> None:
        with suppress(StoreUnreachable, StoreUnusable):
            await listen(self)
        await asyncio.Event().wait()

    return mutated


def _hears_of_no_start(hear: Any) -> Any:
    """Who looks around."""

    async def mutated(self: Watch) -> None:
        before, worker = self._worker.hear_of_halt, self._worker
        worker.hear_of_halt = lambda halt, **_: None if halt is None else before(halt)  # type: ignore[method-assign]
        try:
            await hear(self)
        finally:
            worker.hear_of_halt = before  # type: ignore[method-assign]

    return mutated


def _breaks_with_the_server_alone(_keep: Any) -> Any:
    async def mutated(self: Contact) -> None:
        self._failures = self._store.transport.failures
        self._kept_at = self._store.clock.now()
        self._run = await self._store.server_run()

    return mutated


def _goes_by_the_wall(_now: Any) -> Any:
    return lambda self: time.time() * 1000 + self._offset_ms - self._local_offset_ms


def _waits_by_the_wall(_call_at: Any) -> Any:
    def mutated(self: Clock, instant: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later((instant - self.exactly_now()) / 1000, callback)

    return mutated


def _explains_nothing(_explain: Any) -> Any:
    async def mutated(self: Scheduler, *_: object, **__: object) -> Any:
        raise StoreUnusable("it cannot be told")

    return mutated


def _asks_nobody(make: Any) -> Any:
    def mutated(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options | {"wanted": lambda: True})

    return mutated


def _ticks_without(part: str, answer: object = None) -> Any:
    """A tick in which one thing is not done: a method of the engine, or of one of its parts."""
    *path, name = part.split(".")

    def mutation(tick: Any) -> Any:
        async def mutated(self: HostEngine) -> None:
            owner: Any = self
            for step in path:
                owner = getattr(owner, step)
            before = getattr(owner, name)
            setattr(owner, name, _answers(answer)(before))
            try:
                await tick(self)
            finally:
                setattr(owner, name, before)

        return mutated

    return mutation


def _lasts_for_hosts(lasts: Any) -> Any:
    async def mutated(self: Contact, lease_ms: int) -> bool:
        return self._by_uptime or bool(await lasts(self, lease_ms))

    return mutated


def _counts_at_the_end(_fire_ended: Any) -> Any:
    return lambda self, prompt: self._claimer.fire_ended(prompt)


def _hydrates(**asked: Any) -> Any:
    """Whatever it was asked for."""

    def mutation(hydrate: Any) -> Any:
        async def mutated(self: HostEngine, platforms: tuple[str, ...], limit: int) -> int:
            return int(await hydrate(self, asked.get("platforms", platforms), asked.get("limit", limit)))

        return mutated

    return mutation


MUTATIONS: dict[str, Mutation] = {
    # Claims
    "claim compares nothing": all_of(
        of_script(
            "claim",
            "local unchanged = stored[1] == item.version and stored[2] == item.seq and stored[3] == item.status",
            "local unchanged = true",
        ),
        of_script("claim", "redis.call('EXISTS', fire_key(item.fire)) == 1", "false"),
    ),
    "claim ignores a halt": of_script("claim", "if halted() then", "if false then"),
    "claim ignores overlap": of_script("claim", "item.skip = judge_overlap(item)", ""),
    "claim notes down nothing that was missed": of_script("claim", "if item.missed_from ~= '' then", "if false then"),
    "what is to be skipped runs": of_script(
        "claim", "  if item.skip ~= '' then\n", "  if item.skip ~= '' and item.skip ~= 'requested' then\n"
    ),
    # Takes
    "take and the daemons ignore a halt": all_of(
        of_script("take", "if halted() then return {'0'} end", ""),
        of_method(Worker, "hear_of_halt", lambda _before: lambda *_, **__: None),
    ),
    "take ignores the deadline": of_script("take", "if not deadline or ", "if true or not deadline or "),
    "take does not raise the attempt": of_script(
        "take", "local attempt = (tonumber(stored.attempt) or 0) + 1", "local attempt = tonumber(stored.attempt) or 0"
    ),
    "take lets one more run": of_script(
        "take", "slots_taken(limit[1]) >= limit[2]", "slots_taken(limit[1]) > limit[2]"
    ),
    "take ignores budgets": of_script("take", "if taken + wants <= limit and", "if true or taken + wants <= limit and"),
    "a fire begins before it is due": of_method(Attempt, "_wait_until_due", _answers(None)),
    # Leases
    "settle ignores the token": of_script("settle", "if stored[2] ~= item.token then", "if false then"),
    "extend ignores the token": of_script(
        "extend", "if stored[1] ~= 'running' or stored[2] ~= item[2] then", "if stored[1] ~= 'running' then"
    ),
    "reap takes leases that are not over": of_script(
        "reap",
        "redis.call('ZRANGEBYSCORE', leases_key, '-inf', now,",
        "redis.call('ZRANGEBYSCORE', leases_key, '-inf', '+inf',",
    ),
    "reap needs no contact": of_method(Contact, "lasts", _answers(True)),
    "reap leaves the slots taken": of_script("reap", "  release(fire)\n", ""),
    "a fire that kills its daemons goes on for ever": of_script(
        "reap", "elseif crashes >= tonumber(ARGV[5]) then", "elseif false then"
    ),
    "the first crash ends a fire": of_script(
        "reap", "elseif crashes >= tonumber(ARGV[5]) then", "elseif crashes >= 1 then"
    ),
    "what was to be run again is interrupted": of_script(
        "reap", "elseif stored[3] == 'interrupt' and stored[4] then", "elseif stored[4] then"
    ),
    "leases are not renewed": of_method(Worker, "renew", _answers(None)),
    "renewal ends with the first failed answer": of_method(Worker, "renew", _renews_until_an_answer_fails),
    "refused writes are no break of contact": of_method(transport, "_TAKES_NO_WRITES", lambda _before: ()),
    "at most once: the start is not written": of_method(Attempt, "_mark_started", _answers(True)),
    # Ends
    "a retry does not wait": of_script(
        "settle",
        "redis.call('ZADD', retries_key, retry_at, item.fire)",
        "redis.call('ZADD', retries_key, now, item.fire)",
    ),
    "a retry is forgotten": of_script("settle", "redis.call('ZADD', retries_key, retry_at, item.fire)", ""),
    "nothing is ever retried": of_method(attempt, "retry_delay", lambda _before: lambda *_: None),
    # Changes
    "cancel leaves the prompt due": of_script(
        "cancel",
        "redis.call('HDEL', quarantine_key, id)\nremove_from_due(id)",
        "redis.call('HDEL', quarantine_key, id)",
    ),
    "cancel leaves its fires": of_script(
        "cancel", "  ended, asked = stop_fires(fires, 'prompt_cancelled')\nend", "  ended, asked = 0, {}\nend"
    ),
    "pause takes nothing back": of_script(
        "pause", "local ended, asked = take_back(id, 'paused', false)", "local ended, asked = 0, {}"
    ),
    "what is repeated is refused": all_of(
        *(
            of_script(name, "if prior then return prior end", "")
            for name in ("pause", "resume", "cancel", "edit", "skip", "save", "cancel_fire")
        )
    ),
    "save takes two commands": all_of(
        of_script("save", "if armed then redis.call('ZADD', due_key(prompt.platform), prompt.next_at, id) end", ""),
        of_script("save", "if armed then announce('armed', ", "if false then announce('armed', "),
        of_method(Store, "create_for", _stores_and_then_arms),
    ),
    "renewals do not tell of cancellations": of_method(Store, "extend", _never_hears_of("cancel")),
    "renewals do not tell of pauses": of_method(Store, "extend", _never_hears_of("take_back")),
    "nothing can be explained": of_method(Scheduler, "explain", _explains_nothing),
    # Looking around
    "nobody looks for what is overdue": of_method(Store, "look", _sees_nothing_overdue),
    "nobody takes over what was lost": of_method(Store, "reap", _answers([])),
    "a daemon leaves with the first lost answer": of_method(Daemon, "_once", _leaves_with_a_lost_answer),
    "looks do not tell that all goes on": of_method(Watch, "look", _hears_of_no_start),
    "who is cut off listens no more": of_method(Daemon, "_listen", _listens_once),
    "failed answers are no break of contact": of_method(Contact, "keep", _breaks_with_the_server_alone),
    "an end that could not be written is let go": of_method(Store, "settle", _lets_go_of_what_is_not_written),
    # Stopping
    "a daemon that is stopped leaves what it holds": of_method(Worker, "stop", _answers(None)),
    "a second stop is no hurry": of_method(Daemon, "stop", _is_in_no_hurry),
    # Clocks
    "who slept does not notice": of_method(Clock, "stepped", lambda _before: lambda *_: False),
    "the wall clock is believed": all_of(
        of_method(Clock, "exactly_now", _goes_by_the_wall),
        of_method(Clock, "call_at", _waits_by_the_wall),
        of_method(Clock, "stepped", lambda _before: lambda *_: False),
    ),
    "clocks that are ahead are believed": all_of(
        *(of_script(name, AHEAD, "if false then") for name, source in SOURCES.items() if AHEAD in source)
    ),
    "the faster of two answers tells the time": of_method(clock, "MEASURE_ROUNDS", lambda _before: 2),
    "the server's clock is asked for once": of_method(Clock, "measure", _measures_once),
    # Hosts
    "a tick arms nothing": of_method(HostEngine, "tick", _ticks_without("_sweep", 0)),
    "a tick does not look": of_method(HostEngine, "tick", _ticks_without("_watch.look")),
    "a tick does not ask for the time": of_method(HostEngine, "tick", _ticks_without("_store.measure_clock")),
    "a tick does not wait": of_method(host, "TICK_PATIENCE", lambda _before: 0.0),
    "a tick waits as long as it takes": of_method(host, "TICK_PATIENCE", lambda _before: 600.0),
    "what woke is not counted": of_method(HostEngine, "_count_what_woke", _answers(None)),
    "what an end woke waits for all that runs": of_method(HostEngine, "_fire_ended", _counts_at_the_end),
    "the pump ends while something runs": of_method(Worker, "busy", lambda _before: property(lambda _: False)),
    "nobody does the work, and timers ring": of_method(HostEngine, "__init__", _asks_nobody),
    "nobody does the work, and what is in hand begins": all_of(
        of_method(HostEngine, "_heed_wanted", lambda _before: lambda _: None),
        of_method(Attempt, "__init__", _asks_nobody),
    ),
    "hydration arms what is elsewhere": of_method(HostEngine, "hydrate", _hydrates(platforms=("*",))),
    "hydration arms more than was asked for": of_method(HostEngine, "hydrate", _hydrates(limit=500)),
    "hosts do not ask how long the server is up": of_method(Contact, "lasts", _lasts_for_hosts),
}
IN_FORM = {
    "a tick arms nothing": "hosts",
    "a tick does not look": "hosts",
    "a tick does not ask for the time": "hosts",
    "a tick does not wait": "hosts",
    "a tick waits as long as it takes": "hosts",
    "what woke is not counted": "hosts",
    "what an end woke waits for all that runs": "hosts",
    "the pump ends while something runs": "hosts",
    "nobody does the work, and timers ring": "hosts",
    "nobody does the work, and what is in hand begins": "hosts",
    "hydration arms what is elsewhere": "hosts",
    "hydration arms more than was asked for": "hosts",
    "hosts do not ask how long the server is up": "hosts",
}
"""The form in which a mutation is hunted, where that is not the short one. There it finds nothing."""
ALONE = {
    "refused writes are no break of contact": "full_disk",
    "clocks that are ahead are believed": "server_step",
    "nobody looks for what is overdue": "kill",
    "who is cut off listens no more": "break_off",
    "looks do not tell that all goes on": "unheard",
    "failed answers are no break of contact": "server_away",
    "an end that could not be written is let go": "server_away",
    "a daemon that is stopped leaves what it holds": "deploy",
    "a second stop is no hurry": "hurry",
    "who slept does not notice": "suspend",
    "the wall clock is believed": "step",
    "the faster of two answers tells the time": "slow",
    "save takes two commands": "kill_client",
    "pause takes nothing back": "",
    "renewals do not tell of pauses": "unheard",
    "a tick does not ask for the time": "suspend",
}
"""Mutations that one kind of fault must bring out, and seldom does among the others: they are hunted where none else
comes; '': where none comes at all."""
AMONG = {
    "refused writes are no break of contact": ("add",),
    "pause takes nothing back": ("pause", "resume"),
    "renewals do not tell of cancellations": ("cancel fire", "run"),
    "renewals do not tell of pauses": ("pause", "resume"),
    "looks do not tell that all goes on": ("halt",),
    "save takes two commands": ("add",),
    "who is cut off listens no more": ("add", "when"),
    "what is repeated is refused": ("pause", "resume", "cancel"),
}
"""Mutations that some kinds of change bring out, at the right instant: they are hunted where no other comes."""
FOUND_BY = {
    "kill": "nobody takes over what was lost",
    "kill_all": "nobody takes over what was lost",
    "deploy": "a daemon that is stopped leaves what it holds",
    "hurry": "a second stop is no hurry",
    "freeze": "settle ignores the token",
    "suspend": "who slept does not notice",
    "cut": "a daemon leaves with the first lost answer",
    "unheard": "looks do not tell that all goes on",
    "break_off": "who is cut off listens no more",
    "lid": "reap needs no contact",
    "server_away": "failed answers are no break of contact",
    "step": "the wall clock is believed",
    "lose": "what is repeated is refused",
    "slow": "the faster of two answers tells the time",
    "stall": "failed answers are no break of contact",
    "full_disk": "refused writes are no break of contact",
    "server_step": "clocks that are ahead are believed",
    "kill_client": "save takes two commands",
}
"""By kind of fault: what it finds alone, where no other kind comes and no runner is difficult, and what is not found
without it."""
