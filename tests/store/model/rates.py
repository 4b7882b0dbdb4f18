"""How many attempts began within a day, by what limits count them for, and who waits for a turn of its own."""

from __future__ import annotations

from collections import defaultdict

from scheduled_prompts.limits import Limits
from tests.store.model.records import ModelFire

DAY = 86_400_000


class Rates:
    def __init__(self) -> None:
        super().__init__()
        self.began: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.turns: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def began_lately(self, cap: str, now: int) -> dict[str, int]:
        return {attempt: at for attempt, at in self.began[cap].items() if at > now - DAY}

    def may_begin_at(self, fire: ModelFire, limits: Limits, now: int) -> dict[str, int]:
        """At each limit that is full, when there is room: a day after enough of those before it have begun."""
        found = {}
        for cap, most in rates_of(fire, limits):
            mine = self.turns[cap].get(fire.id)
            ahead = [
                (at, other) for other, at in self.turns[cap].items() if mine is None or (at, other) < (mine, fire.id)
            ]
            before = sorted(self.began_lately(cap, now).values()) + [max(at, now) for at, _ in sorted(ahead)]
            if len(before) >= most:
                found[cap] = before[len(before) - most] + DAY
        return found

    def wait_for_turn(self, fire: ModelFire, full: dict[str, int]) -> None:
        self.give_up_turns(fire)
        fire.status, fire.reason, fire.retry_at = "retrying", "rate_limit", max(full.values())
        fire.turns = tuple(full)
        for cap in full:
            self.turns[cap][fire.id] = fire.retry_at

    def give_up_turns(self, fire: ModelFire) -> None:
        for cap in fire.turns:
            del self.turns[cap][fire.id]
        fire.turns = ()

    def count_attempt(self, fire: ModelFire, limits: Limits, now: int) -> None:
        for cap, _ in rates_of(fire, limits):
            self.began[cap][fire.attempt_id] = now
        if fire.turns:
            self.give_up_turns(fire)
            fire.reason = ""

    def uncount_attempt(self, fire: ModelFire) -> None:
        for counted in self.began.values():
            counted.pop(fire.attempt_id, None)


def rates_of(fire: ModelFire, limits: Limits) -> list[tuple[str, int]]:
    """Those that count a fire, each with how many may begin in a day."""
    counts_for = {"owner": fire.owner or "", "conversation": fire.conversation}
    if fire.agent is not None:
        counts_for["tree"] = fire.prompt
    rates = limits.rates
    return [(f"{kind}:{name}", rates[kind]) for kind, name in counts_for.items() if name is not None and kind in rates]
