"""A day of 1,000 prompts in virtual time, with failures, downtime, limits and budgets; then its account.

    python benchmarks/simulated_day.py [--prompts N] [--hours H] [--seed N] [--store URL]

Everything is the real engine; only time is not real. The store is a private server without a file, or the one named
(`--store memory:` takes longer: it interprets the scripts anew each time). Prints how long it took, what became of all
occurrences, and the account of one prompt. Ends with 1 if one occurrence is not accounted for.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import nullcontext
from decimal import Decimal

import structlog

from benchmarks.private_server import private_server
from scheduled_prompts import Daemon, EngineSettings, Fire, Result, Scheduler, Store, testing
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.cli.account_screen import explained
from scheduled_prompts.cli.explaining import totals
from scheduled_prompts.limits import Limits
from scheduled_prompts.money import Usage
from scheduled_prompts.testing import VirtualClock, run_virtual

HOUR = 3_600
SETTINGS = EngineSettings(slots=20, watch_period=60, heartbeat_period=600, sweep_period=600)
LIMITS = Limits(fires_per_owner=60)
BUDGETS = Budgets(owner_per_day=Decimal("2.50"), reserve=Decimal("0.05"))
OUTAGES = ((3.0, 2.5), (15.2, 0.4))
"""After how many hours no daemon runs, and for how many."""
OWNERS = 25
AT_ONCE = 50


class Model:
    """Answers within half a minute, and costs something; one in twelve attempts fails."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    async def run(self, fire: Fire) -> Result:
        await asyncio.sleep(self.chance.uniform(0.2, 30))
        if self.chance.random() < 1 / 12 or fire.attempt > 9:
            raise ConnectionError("the model did not answer")
        return Result(text="done", usage=Usage(tokens_in=900, tokens_out=300, cost=Decimal("0.04")))


async def book(scheduler: Scheduler, prompts: int, chance: random.Random) -> list[str]:
    """Most are daily; some run all day long, some once."""
    ids = []
    for number in range(prompts):
        minute, hour = chance.randrange(60), chance.randrange(24)
        when, policies = chance.choice(
            [
                (f"{minute} {hour} * * *", {}),
                (f"{minute} {hour} * * *", {"quiet": "22:00-06:00", "quiet_policy": "defer"}),
                (
                    f"{minute} {hour}/12 * * *" if hour < 12 else f"{minute} {hour - 12},{hour} * * *",
                    {"misfire": "all"},
                ),
                (f"in {1 + chance.randrange(23 * 60)} min", {}),
                (f"{minute} {hour} * * *", {"jitter": 1_800.0, "retries": 0}),
            ]
        )
        if number % 50 == 0:
            when, policies = "*/30 * * * *", {"overlap": "queue", "grace": 600.0}
        answer = await scheduler.schedule(
            f"prompt {number}", when, owner=f"owner{number % OWNERS}", runner="model", retry_delays=(300.0,), **policies
        )
        ids.append(answer.prompt.id)
    return ids


async def main(url: str, prompts: int, hours: float, seed: int) -> int:
    chance = random.Random(seed)
    clock = VirtualClock("2026-11-24T00:00:30Z", seed=seed)
    async with Store(url, clock=clock) as store:
        scheduler = Scheduler(store, timezone="UTC", limits=LIMITS)
        began = time.perf_counter()
        ids = await book(scheduler, prompts, chance)
        booked = time.perf_counter()
        model, end = Model(chance), clock.now() + round(hours * HOUR * 1000)
        start = clock.now()
        for after, length in (*OUTAGES, (hours, 0.0)):
            async with Daemon(store, runners={"model": model}, settings=SETTINGS, limits=LIMITS, budgets=BUDGETS):
                await clock.sleep(max(0.0, min(start + after * HOUR * 1000, end) - clock.now()) / 1000)
            await clock.sleep(length * HOUR)
        lived = time.perf_counter()
        answers = [
            answer
            for first in range(0, len(ids), AT_ONCE)
            for answer in await asyncio.gather(
                *(scheduler.explain(one, since=start, until=clock.now()) for one in ids[first : first + AT_ONCE])
            )
        ]
        told = time.perf_counter()
    rows = [row for answer in answers for row in answer.rows]
    print(f"{prompts:,} prompts, {hours:g} h: booked in {booked - began:.1f} s, lived in {lived - booked:.1f} s,")
    print(f"accounted for in {told - lived:.1f} s; {told - began:.1f} s in all, {time.process_time():.1f} s at work")
    counted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counted[row.outcome, row.reason or ""] += row.number
    for (outcome, reason), number in sorted(counted.items(), key=lambda item: -item[1]):
        print(f"  {number:6,}  {outcome.replace('_', ' ')}{f' ({reason})' if reason and reason != outcome else ''}")
    print(f"  {sum(counted.values()):6,}  in all\n")
    shown = max(answers, key=lambda answer: (len({row.outcome for row in answer.rows}), -len(answer.rows)))
    print(explained(shown, totals(shown.rows), BUDGETS.currency))
    return 1 if any(outcome in ("unaccounted", "unknown") for outcome, _ in counted) else 0


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--prompts", type=int, default=1_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--store", metavar="URL")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    structlog.configure(processors=[_drop])
    testing.GRACE = 0.0  # there is one daemon, which hears its own messages a moment later, too
    with nullcontext(chosen.store) if chosen.store else private_server() as url:
        code = run_virtual(main(url, chosen.prompts, chosen.hours, chosen.seed))
    sys.exit(code)
