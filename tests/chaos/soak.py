"""A soak: steady work and gentle faults for half an hour, in which nothing may grow.

Memory and descriptors of the daemons that live throughout, and the server's memory and keys, are sampled all the while.
After a warm-up (the stream of events fills, retention begins to delete) a line is laid through each of them by least
squares; what it rises until the end may be no more than a twentieth of the mean, or what is lost in the noise.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.chaos.checker import IN_A_SOAK, judge
from tests.chaos.ending import calm_down, collect
from tests.chaos.evidence import Evidence, Verdict
from tests.chaos.faults import Faults
from tests.chaos.house import House

EVERY = 5.0
"""Seconds between two samples."""
RETENTION = 60
"""Seconds that an ended prompt is kept."""
ENGINE = f"retention_days = {RETENTION / 86_400:.8f}\ncleanup_period = 5\n"
WARM_UP = 0.3
"""Of the run."""
SHORTEST = 20.0
"""Minutes; in less it has hardly warmed up, and what grows is shown, not judged."""
GROWTH = 0.05
NOISE = {"resident": 1.5e6, "used_memory": 1.0e6, "descriptors": 8, "keys": 1_000}
"""What sways with how much the machine has to do besides. Of keys: if one in fourteen prompts left one behind, it would
be found."""
RESTART_EVERY = 45.0
FEWEST = 60
"""Fires in a minute, at least: a twelfth of what clients ask for."""
CALM = 240.0
"""Seconds that everything may take to end, once clients ask for nothing more: the last cron goes on for a minute."""
FAULTS = ("cut", "kill_client", "kill_command")


@dataclass
class Line:
    """Least squares through samples: where it begins and ends, and their mean."""

    begins: float
    ends: float
    mean: float

    @classmethod
    def through(cls, samples: list[tuple[float, float]]) -> Line:
        middle = sum(at for at, _ in samples) / len(samples)
        mean = sum(value for _, value in samples) / len(samples)
        spread = sum((at - middle) ** 2 for at, _ in samples) or 1.0
        slope = sum((at - middle) * (value - mean) for at, value in samples) / spread
        return cls(mean + slope * (samples[0][0] - middle), mean + slope * (samples[-1][0] - middle), mean)

    @property
    def rise(self) -> float:
        return self.ends - self.begins


def grows(what: str, line: Line) -> bool:
    noise = next(size for name, size in NOISE.items() if name in what)
    return line.rise > max(GROWTH * line.mean, noise)


class Samples:
    def __init__(self, house: House, steady: list[str]) -> None:
        self.house = house
        self.steady = steady
        """The daemons that live throughout."""
        self.taken: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def take(self) -> None:
        now = time.monotonic()
        for member in self.house.daemons:
            if member.name in self.steady and member.process is not None:
                self._note(now, f"{member.name} resident", resident(member.process.pid))
                self._note(now, f"{member.name} descriptors", descriptors(member.process.pid))
        with contextlib.suppress(redis.ConnectionError), self.house.server.client() as client:  # it may be cut off
            self._note(now, "server used_memory", float(client.info("memory")["used_memory"]))
            self._note(now, "server keys", float(client.dbsize()))
        if self.house.server.process is not None:
            self._note(now, "server resident", resident(self.house.server.process.pid))
            self._note(now, "server descriptors", descriptors(self.house.server.process.pid))

    def _note(self, now: float, what: str, value: float | None) -> None:
        if value is not None:
            self.taken[what].append((now, value))

    def lines(self) -> dict[str, Line]:
        return {what: Line.through(some[int(len(some) * WARM_UP) :]) for what, some in self.taken.items()}


def resident(pid: int) -> float | None:
    """Bytes."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))
    except OSError:
        said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
        return float(said) * 1024 if said.strip() else None


def descriptors(pid: int) -> float | None:
    """None where the system does not tell (it has no /proc)."""
    try:
        return float(len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208  (its entries vanish while they are read)
    except OSError:
        return None


def soak(minutes: float, seed: int, ops_per_second: float = 12.0) -> bool:
    """Whether nothing grew, and every promise was kept that can be judged once ended prompts are deleted. Prints the
    figures."""
    folder = Path(tempfile.mkdtemp(prefix="sp-soak-", dir="/tmp"))
    house = House(folder, seed=seed, lease=5.0, ops_per_second=ops_per_second, engine=ENGINE)
    faults = Faults(house, seed, FAULTS, gap=20.0)
    restarts = 0
    try:
        house.start(daemons=4, clients=2)
        *steady, restarted = house.daemons
        samples = Samples(house, [member.name for member in steady])
        faults.begin()
        end, restart_at = time.monotonic() + 60 * minutes, time.monotonic() + RESTART_EVERY
        while time.monotonic() < end:
            time.sleep(EVERY)
            samples.take()
            if time.monotonic() > restart_at:
                restart_at += RESTART_EVERY
                restarts += 1
                faults.restart(restarted, (signal.SIGTERM, signal.SIGKILL)[restarts % 2])
        faults.end()
        house.stop_clients()
        calm_down(house, CALM)
        house.stop_daemons()
        evidence = collect(house, faults)
    finally:
        faults.end()
        house.close()
    verdict = judge_soak(evidence, minutes)
    problems = [*house.troubles, *verdict.findings]
    fires = verdict.counted["fires that began"]
    did = f"{fires:,} fires, {faults.injected - restarts} faults, {restarts} restarts of {restarted.name}"
    print(f"soak, seed {seed}: {minutes:g} min, {did}")
    for what, line in sorted(samples.lines().items()):
        is_too_much = minutes >= SHORTEST and grows(what, line)
        print(f"  {what}: {_shown(what, line.begins)} to {_shown(what, line.ends)}{' GROWS' if is_too_much else ''}")
        if is_too_much:
            problems.append(f"{what} rose by {_shown(what, line.rise)}")
    if minutes < SHORTEST:
        print(f"  growth is not judged in less than {SHORTEST:g} minutes")
    for problem in problems:
        print(f"  FOUND {problem}")
    (folder / "samples.json").write_text(json.dumps(samples.taken))
    print(f"{len(problems)} findings" + (f"; all samples and logs are in {folder}" if problems else ""), flush=True)
    if not problems:
        shutil.rmtree(folder, ignore_errors=True)
    return not problems


def judge_soak(evidence: Evidence, minutes: float) -> Verdict:
    verdict = judge(evidence, IN_A_SOAK)
    fires = verdict.counted["fires that began"]
    if fires < minutes * FEWEST:
        verdict.findings.append(f"{fires} fires began in {minutes:g} minutes, and {FEWEST} in each is little")
    return verdict


def _shown(what: str, value: float) -> str:
    return f"{value / 1e6:.2f} MB" if "resident" in what or "memory" in what else f"{value:.1f}"
