"""Do hosts do what they are called for? What they promise is less than what daemons do: they hear of nothing, and look
when they tick."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.accounting import prompt_of
from tests.simulation.books import Books, Hold, Tick
from tests.simulation.excuses import Contact, Spans, Wellness, clock_was_set
from tests.simulation.judging import Checks
from tests.simulation.lateness import PASSED_OVER_MS, PUNCTUAL_MS, Lateness
from tests.simulation.plan import HOST, JOB, KEYS, START_MS

if TYPE_CHECKING:
    from tests.simulation.world import World

PATIENCE_MS = 30_000
"""So long a tick waits for what it has begun."""
SPREAD_MS = 10_000
"""So long a tick spreads what is very late."""
AHEAD_MS = 3_500
"""So long before a prompt is due somebody may claim it."""
ARMED_FOR_MS = 110_000
"""A tick arms what is due within two minutes."""
MOMENT_MS = 500
"""So long a command may be under way, where all is well."""
ROUNDING_MS = 2_200
"""A server tells its uptime in seconds, and a clock may be ahead by one."""
WOKEN_MS = 3_000
"""So soon after an end what waited for it is taken, in the loop of the host whose fire ended."""


class Hosts(Lateness):
    """Of what hosts claim and take, and of their calls."""

    def __init__(self, world: World, books: Books) -> None:
        super().__init__(world, books)
        self._wellness = Wellness(world, books)
        self._contact = Contact(world)
        self._halts = Spans([(since, until) for since, until in books.halts])
        self._calls: dict[str, list[Tick]] = {}
        """By process."""
        for tick in books.ticks:
            self._calls.setdefault(tick.who, []).append(tick)

    def checks(self) -> Checks:
        return (
            self.a_tick_begins_all_that_is_due,
            self.what_a_tick_has_armed_is_on_time,
            self.a_tick_takes_back_what_was_lost,
            self.what_waits_for_an_end_begins_with_it,
            self.ticks_return_when_all_has_ended,
            self.hydration_keeps_to_what_was_asked,
            self.nothing_begins_where_nobody_does_the_work,
        )

    def a_tick_begins_all_that_is_due(self) -> None:
        """Whatever befalls the others: one host that ticks undisturbed is enough."""
        counted = 0
        for fire, due, began in self._first_attempts:
            touched = max((at for at in self.books.touched[prompt_of(fire)] if at <= began), default=0.0)
            tick = self._first_good_tick(max(due, touched + MOMENT_MS), began)
            if tick is None or self._is_held_up(fire, due, began) or self._was_tried(fire, tick.at, began):
                continue
            if not self._wellness.lasts(self.books.runs[fire][0].who, tick.at, began):
                continue
            counted += 1
            if began > tick.at + SPREAD_MS + PUNCTUAL_MS:
                self.find(f"{fire} began {began - due:.0f} ms late, {began - tick.at:.0f} ms after {tick.who} ticked")
        self.books.answered["judged for a tick"] = counted

    def _was_tried(self, fire: str, start: float, end: float) -> bool:
        """In vain: who tries leaves the prompt alone for a while."""
        claimed = {self.books.claims[one].at for one in self.books.claims_of(prompt_of(fire))}
        tried = (at for at in self.books.tried[prompt_of(fire)] if start - PASSED_OVER_MS <= at <= end)
        return not claimed.issuperset(tried)

    def _first_good_tick(self, due: float, began: float) -> Tick | None:
        """After `due`, of one who could do all that it was for."""
        first = bisect_left(self.books.ticks, due, key=lambda tick: tick.at)
        for tick in self.books.ticks[first:]:
            if tick.at >= began:
                return None
            until = min(began, tick.at + SPREAD_MS + PUNCTUAL_MS, tick.over if tick.who.startswith(JOB) else began)
            if self._wellness.lasts(tick.who, tick.at, until) and not self._halts.touch(tick.at - MOMENT_MS, began):
                return tick
        return None

    def a_tick_takes_back_what_was_lost(self) -> None:
        """Leases that are over, where the server has been up for as long as one."""
        lease = self.world.plan.settings.lease_ms
        counted = 0
        for hold in self.books.all_holds:
            over = hold.renewed_at + lease + ROUNDING_MS
            first = bisect_left(self.books.ticks, over, key=lambda tick: tick.at)
            tick = next((tick for tick in self.books.ticks[first:] if self._can_reap(tick)), None)
            if tick is None or hold.until < over or clock_was_set(self.world, hold.since, tick.at):
                continue
            counted += 1
            if hold.until > tick.at + PUNCTUAL_MS:
                self.find(
                    f"{hold.fire} of {hold.who} was lost, and was left so by {tick.who}, which ticked at {tick.at}"
                )
        self.books.answered["judged for being taken back"] = counted

    def _can_reap(self, tick: Tick) -> bool:
        up_since = tick.at - self.world.plan.settings.lease_ms - ROUNDING_MS
        if up_since < START_MS or self._contact.server_was_away(up_since, tick.at):
            return False
        return self._wellness.lasts(tick.who, tick.at, min(tick.at + PUNCTUAL_MS, tick.over))

    def what_a_tick_has_armed_is_on_time(self) -> None:
        counted = 0
        for fire, due, began in self._first_attempts:
            if self._is_held_up(fire, due, began):
                continue
            claim, run = self.books.claims[fire], self.books.runs[fire][0]
            both_well = all(self._wellness.lasts(who, claim.at - MOMENT_MS, began) for who in (claim.who, run.who))
            if not both_well or not any(self._had_armed(who, fire, due) for who in self._calls):
                continue
            counted += 1
            if began - due > PUNCTUAL_MS:
                self.find(f"{fire} began {began - due:.0f} ms late, and a host had armed it")
        self.books.answered["judged for being armed"] = counted

    def _had_armed(self, who: str, fire: str, due: float) -> bool:
        """Whether its last tick before saw what is due, and nothing came in between."""
        if not who.startswith(HOST):
            return False
        ticks, prompt = self._calls[who], prompt_of(fire)
        before = bisect_left(ticks, due - AHEAD_MS, key=lambda tick: tick.at) - 1
        if before < 0 or ticks[before].at < due - ARMED_FOR_MS:
            return False
        since, until = ticks[before].at, due + PUNCTUAL_MS
        if self._was_touched(fire, since - MOMENT_MS, until) or self._halts.touch(since - MOMENT_MS, until):
            return False
        own = {claim.at for claim in map(self.books.claims.__getitem__, self._others_of(fire)) if claim.who == who}
        tried = [at for at in self.books.tried[prompt] if since - PASSED_OVER_MS <= at < due - AHEAD_MS]
        return own.issuperset(tried) and self._wellness.lasts(who, since, until)

    def _others_of(self, fire: str) -> list[str]:
        return [other for other in self.books.claims_of(prompt_of(fire)) if other != fire]

    def _was_touched(self, fire: str, start: float, end: float) -> bool:
        return any(start <= at <= end for at in self.books.touched[prompt_of(fire)])

    def what_waits_for_an_end_begins_with_it(self) -> None:
        """Where a concurrency key alone holds it up: whose fire it was that ended looks for what may run now."""
        at_once = self.world.plan.limits.concurrency
        if at_once.owner is not None or at_once.platform is not None:
            return
        counted = 0
        for key in KEYS:
            holds = [hold for hold in self.books.all_holds if self._key_of(hold) == key]
            moments = sorted([(h.since, True, h) for h in holds] + [(h.until, False, h) for h in holds], key=_when)
            for (left_at, is_take, ended), (taken_at, takes, hold) in pairwise(moments):
                if is_take or not takes or hold.attempt != 1 or not self._would_look(ended):
                    continue
                claim = self.books.claims[hold.fire]
                due = claim.due + hold.since - hold.renewed  # both clocks at its take, if it was never renewed
                if claim.at > left_at - MOMENT_MS or due > left_at or self._halts.touch(left_at - 70_000, taken_at):
                    continue
                counted += 1
                if taken_at - left_at > WOKEN_MS:
                    self.find(f"{hold.fire} was taken {taken_at - left_at:.0f} ms after {ended.fire} had made room")
        self.books.answered["judged for being woken"] = counted

    def _key_of(self, hold: Hold) -> str:
        claim = self.books.claims.get(hold.fire)
        return str(claim.item["concurrency_key"]) if claim else ""

    def _would_look(self, ended: Hold) -> bool:
        """Whether a host ended a fire, and went on."""
        if ended.who not in self._calls or ended.end == "reaped":
            return False
        until = ended.until + WOKEN_MS
        if ended.who.startswith(JOB):  # it ends when its tick returns
            tick = self._calls[ended.who][0]
            until = min(until, tick.over)
            if until > tick.at + PATIENCE_MS - WOKEN_MS:
                return False
        return self._wellness.lasts(ended.who, ended.since, until)

    def ticks_return_when_all_has_ended(self) -> None:
        """Or after their patience, whatever goes on."""
        for tick in self.books.ticks:
            judged_until = min(tick.over, tick.at + PATIENCE_MS + PUNCTUAL_MS)
            if not self._wellness.lasts(tick.who, tick.at, judged_until):
                continue
            took = tick.over - tick.at
            if took > PATIENCE_MS + PUNCTUAL_MS:
                self.find(f"{tick.who} ticked for {took:.0f} ms")
            at = tick.over - MOMENT_MS
            left = [
                hold.fire for hold in self._of_hosts.get(tick.who, []) if hold.since < at and hold.until > tick.over
            ]
            if left and took < PATIENCE_MS:
                self.find(f"the tick of {tick.who} returned after {took:.0f} ms, and it held {left} still")

    @cached_property
    def _of_hosts(self) -> dict[str, list[Hold]]:
        holds: dict[str, list[Hold]] = {}
        for hold in self.books.all_holds:
            holds.setdefault(hold.who, []).append(hold)
        return holds

    def hydration_keeps_to_what_was_asked(self) -> None:
        """Until its first tick a host fires what it has armed when it began, and nothing else."""
        for asked in self.books.hydrations:
            until = self._calls[asked.who][0].at if asked.who in self._calls else float("inf")
            claims = {f: c for f, c in self.books.claims.items() if c.who == asked.who and c.at < until}
            elsewhere = [fire for fire, claim in claims.items() if claim.item["platform"] not in asked.platforms]
            if elsewhere:
                self.find(f"{asked.who} was asked for {asked.platforms}, and claimed {elsewhere}")
            prompts = {prompt_of(fire) for fire in claims}
            if len(prompts) > asked.limit:
                self.find(f"{asked.who} was asked for {asked.limit} prompts, and claimed of {len(prompts)}")

    def nothing_begins_where_nobody_does_the_work(self) -> None:
        for who, spans in self.books.without_runner.items():
            line = Spans(self.world.lines[who].hampered)
            for since, until in spans:
                if line.touch(since - MOMENT_MS, since + MOMENT_MS):
                    continue
                claims = [f for f, c in self.books.claims.items() if c.who == who and since + MOMENT_MS < c.at < until]
                takes = [h.fire for h in self._of_hosts.get(who, []) if since + MOMENT_MS < h.since < until]
                for did, fires in (("claimed", claims), ("took", takes)):
                    if fires:
                        self.find(f"{who} {did} {fires}, and had nobody to do the work")


def _when(moment: tuple[float, bool, Hold]) -> tuple[float, bool]:
    return moment[0], moment[1]
