"""Daemons and clients as processes on a real server, harmed in every way, until so many fires have run; then a verdict.

    make chaos                                      20,000 fires under 100 faults or more, then a soak of 30 minutes
    make chaos ARGS="--fires 2000 --seed 7 --no-soak"
    make chaos ARGS="--kinds kill_server,cut --no-soak"
    make chaos ARGS=--mutations                     take a guard away, one after the other: is each found?
    make chaos ARGS="--soak-only --minutes 30"

A seed gives the order and the kinds of the faults, and what clients ask for; the rest is real time. Prints what was
done and every finding; ends with 1 if there was one, and keeps the folder with all logs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.checker import judge
from tests.chaos.ending import calm_down, collect
from tests.chaos.evidence import Verdict
from tests.chaos.faults import KINDS, Faults
from tests.chaos.house import House


@dataclass
class Wanted:
    """One run."""

    fires: int = 20_000
    faults: int = 100
    seed: int = 1
    lease: float = 2.0
    daemons: int = 3
    clients: int = 4
    ops_per_second: float = 60.0
    kinds: tuple[str, ...] = KINDS
    gap: float = 3.0
    """Seconds of rest after each fault, at most."""
    repeat_for: float = 20.0
    """Seconds that what recurs goes on, at most."""
    mutation: str = ""
    calm: float = 150.0
    """Seconds that everything may take to end, once nothing goes wrong any more."""
    longest: float = 3600.0
    """Seconds; a run that has not come to its end by then is judged as it is."""
    tell: Callable[[str], None] = field(default=lambda _: None)


@dataclass
class Told:
    """What came of it."""

    wanted: Wanted
    verdict: Verdict
    troubles: list[str]
    """What went wrong with the run itself."""
    faults: Counter[str]
    not_here: dict[str, str]
    seconds: float
    folder: Path

    @property
    def findings(self) -> list[str]:
        return [*self.troubles, *self.verdict.findings]


def run(wanted: Wanted) -> Told:
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sp-chaos-", dir="/tmp"))  # a socket's path is short
    house = House(
        folder,
        seed=wanted.seed,
        lease=wanted.lease,
        ops_per_second=wanted.ops_per_second,
        repeat_for=wanted.repeat_for,
        mutation=wanted.mutation,
    )
    faults = Faults(house, wanted.seed, wanted.kinds, wanted.gap)
    try:
        house.start(wanted.daemons, wanted.clients)
        faults.begin()
        _until_enough(house, faults, wanted)
        faults.end()
        house.stop_clients()
        wanted.tell("calm")
        calm_down(house, wanted.calm)
        house.stop_daemons()
        evidence = collect(house, faults)
    finally:
        faults.end()
        house.close()
    verdict = judge(evidence)
    return Told(wanted, verdict, house.troubles, faults.by_kind, faults.not_here, time.monotonic() - began, folder)


def _until_enough(house: House, faults: Faults, wanted: Wanted) -> None:
    deadline = time.monotonic() + wanted.longest
    fires: set[str] = set()
    position, told_at = 0, time.monotonic()
    with house.book.open() as book:
        while len(fires) < wanted.fires or faults.injected < wanted.faults or faults.missing:
            if time.monotonic() > deadline:
                missing = f", and no {', '.join(sorted(faults.missing))}" if faults.missing else ""
                house.troubles.append(f"after {wanted.longest:g} s there were {len(fires)} fires{missing}")
                return
            time.sleep(0.2)
            book.seek(position)
            whole, _, _ = book.read().rpartition("\n")
            position += len(whole.encode()) + 1 if whole else 0
            fires.update(line["fire"] for line in map(json.loads, whole.splitlines()) if line["what"] == "begin")
            if time.monotonic() - told_at > 15:
                told_at = time.monotonic()
                wanted.tell(f"{len(fires):,} fires, {faults.injected} faults")


def tell(told: Told, findings: int = 40) -> None:
    counted = told.verdict.counted
    print(
        f"seed {told.wanted.seed}: {counted['fires']:,} fires, {sum(told.faults.values())} faults, {told.seconds:.0f} s"
    )
    print("faults: " + ", ".join(f"{number} {kind}" for kind, number in sorted(told.faults.items())))
    for kind, why in told.not_here.items():
        print(f"not on this machine: {kind}: {why}")
    print("counted: " + ", ".join(f"{number:,} {what}" for what, number in sorted(counted.items()) if number))
    for finding in told.findings[:findings]:
        print(f"  FOUND {finding}")
    where = f"; all logs are in {told.folder}" if told.findings else ""
    print(f"{len(told.findings)} findings{where}", flush=True)


def run_and_tell(wanted: Wanted) -> bool:
    """Whether all went well."""
    told = run(wanted)
    tell(told)
    if not told.findings:
        shutil.rmtree(told.folder, ignore_errors=True)
    return not told.findings


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--fires", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=100, help="at least so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=60.0, help="what clients ask for in a second")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of faults, with commas")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak")
    parser.add_argument("--no-soak", action="store_true")
    parser.add_argument("--soak-only", action="store_true")
    parser.add_argument("--mutations", nargs="*", metavar="NAME", help="take guards away: all, or these")
    chosen = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # whoever ends this ends its processes
        signal.signal(number, lambda *_: sys.exit(130))
    if chosen.mutations is not None:
        from tests.chaos.mutations import hunt

        return hunt(chosen.mutations, chosen.seed)
    well = True
    if not chosen.soak_only:
        kinds = tuple(chosen.kinds.split(","))
        well = run_and_tell(
            Wanted(
                chosen.fires,
                chosen.faults,
                chosen.seed,
                kinds=kinds,
                ops_per_second=chosen.rate,
                tell=lambda text: print(f"{time.strftime('%H:%M:%S')} {text}", flush=True),
            )
        )
    if not chosen.no_soak:
        from tests.chaos.soak import soak

        well = soak(chosen.minutes, chosen.seed) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
