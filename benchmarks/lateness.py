"""How late do prompts start? Prints lateness (handler's start minus due, ms by the handler's own clock) for two loads:

    spread     1,000 one-shots, spread over 20 s
    burst      10,000 one-shots due at one instant, empty handler: when has the last one started?

    python benchmarks/lateness.py [spread|burst] [--store URL] [--prompts N]

The store is a fresh embedded one unless another is named.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time

import structlog

from scheduled_prompts import Daemon, EngineSettings, Fire, Once, Scheduler, Store

WRITERS = 50


class Handler:
    def __init__(self, store: Store, expected: int) -> None:
        self.clock = store.clock
        self.expected = expected
        self.late: list[float] = []
        self.all_started = asyncio.Event()

    async def run(self, fire: Fire) -> None:
        self.late.append(self.clock.exactly_now() - fire.due)
        if len(self.late) == self.expected:
            self.all_started.set()


async def book(scheduler: Scheduler, dues: list[int]) -> float:
    """Schedule one-shots, fifty at a time. Returns the seconds it took."""
    began = time.perf_counter()
    queue = iter(dues)

    async def writer() -> None:
        for due in queue:
            await scheduler.schedule("ping", Once(at=due), runner="handler")

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(writer())
    return time.perf_counter() - began


async def measure(url: str, load: str, prompts: int, slots: int) -> None:
    async with Store(url) as store:
        handler = Handler(store, prompts)
        scheduler = Scheduler(store)
        async with Daemon(store, runners={"handler": handler}, settings=EngineSettings(slots=slots)) as daemon:
            if load == "spread":
                first = store.clock.now() + 6_000
                dues = [first + round(20_000 * number / prompts) for number in range(prompts)]
            else:
                first = store.clock.now() + 4_000 + 3 * prompts
                dues = [first] * prompts
            took = await book(scheduler, dues)
            print(f"{load}: {prompts} prompts booked in {took:.2f} s ({prompts / took:.0f}/s), {slots} slots")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((max(dues) - store.clock.now()) / 1000 + 60):
                    await handler.all_started.wait()
            late = sorted(handler.late)
            print(f"  started {len(late)} of {prompts}; claims lost {daemon.claimer.lost} of {daemon.claimer.won}")
            quantiles = statistics.quantiles(late, n=1000)
            print(
                f"  lateness ms: min {late[0]:.2f}  p50 {statistics.median(late):.2f}  p99 {quantiles[989]:.2f}"
                f"  max {late[-1]:.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("load", nargs="?", choices=["spread", "burst"], help="default: both")
    parser.add_argument("--store", help="default: a fresh embedded one")
    parser.add_argument("--prompts", type=int)
    parser.add_argument("--slots", type=int, default=EngineSettings().slots)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    for load in [arguments.load] if arguments.load else ["spread", "burst"]:
        prompts = arguments.prompts or {"spread": 1_000, "burst": 10_000}[load]
        with tempfile.TemporaryDirectory() as directory:
            asyncio.run(measure(arguments.store or f"embedded:{directory}", load, prompts, arguments.slots))


if __name__ == "__main__":
    main()
