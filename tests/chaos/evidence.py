"""What a run left behind, and what follows from it at once: which attempts there were, and who was harmed when."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.accounting import of_kind, prompt_of

LOSES_LEASES = ("kill_daemon", "stop_daemon", "term_daemon", "kill_all", "stood still")
AHEAD_MS = 4_000
"""What is in hand before it is due, with what a fault may delay its end."""
RECOVERS_WITHIN_MS = 15_000
"""After the last fault: daemons start again, find the server, sweep (every 5 s) and run what piled up."""


@dataclass
class Evidence:
    """All that a run left behind."""

    book: list[dict[str, Any]]
    clients: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    lives: list[dict[str, Any]]
    logs: dict[str, str]
    """What each life of a daemon or client wrote to stderr."""
    keys: dict[str, Any]
    lifetimes: dict[str, int]
    ended_at: float
    """When the keys were read, ms UTC."""


@dataclass
class Run:
    """What a runner did."""

    fire: str
    attempt: int
    who: str
    pid: int
    runner: str
    began: float
    ended: float = float("inf")
    how: str = "never ended"


@dataclass
class Verdict:
    findings: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)


def nominal_of(fire: str) -> float:
    """When it was due at the earliest, ms UTC; infinite for a manual run."""
    return float(fire[27:]) if "@" in fire else float("inf")


class Facts:
    """The evidence, in order; and what is found against it."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.verdict = Verdict()
        self.counted = self.verdict.counted
        self.prompts = of_kind(evidence.keys, "prompt")
        self.docs = {prompt: json.loads(stored["doc"]) for prompt, stored in self.prompts.items()}
        self.fires = of_kind(evidence.keys, "fire")
        self.fires_of: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        """By prompt."""
        for fire, stored in self.fires.items():
            self.fires_of[prompt_of(fire)][fire] = stored
        self.runs = _runs(evidence.book)
        self.harm: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
        """To whom, what, from when until when: what may cost its victim a lease."""
        self.losses: list[tuple[float, float]] = []
        """From when until when each of them was that may cost a daemon its leases."""
        for fault in evidence.faults:
            if fault["kind"] in LOSES_LEASES:
                self.losses.append((fault["since"], fault["until"]))
            for who in fault["who"].split():
                self.harm[who].append((fault["kind"], fault["since"], fault["until"]))
        for line in evidence.book:
            if line["what"] == "stood still":
                since, until = line["wall"] - line["ms"], line["wall"]
                if not self.hindered(line["who"], since, until, ("stop_daemon",)):  # which is counted as such
                    self.counted["times that a daemon stood still"] += 1
                    self.losses.append((since, until))
                self.harm[line["who"]].append(("stood still", since, until))
        self.asked: dict[str, set[str]] = defaultdict(set)
        """By prompt: what clients would do to it."""
        self.asked_at: dict[tuple[str, str], float] = {}
        """When the first of them would."""
        for line in evidence.clients:
            self.asked[line["prompt"]].add(line["deed"])
            self.asked_at.setdefault((line["prompt"], line["deed"]), line["wall"])
        self._count()

    def find(self, finding: str) -> None:
        self.verdict.findings.append(finding)

    def _count(self) -> None:
        runs = [run for of_fire in self.runs.values() for run in of_fire]
        counted = self.counted
        counted["prompts"], counted["fires"] = len(self.prompts), len(self.fires)
        counted["fires that began"], counted["attempts that began"] = len(self.runs), len(runs)
        for stored in self.fires.values():
            counted[f"fires {stored['status']}"] += 1
        for line in self.evidence.clients:
            if line["what"] != "asks":
                counted[f"clients: {line['what']}"] += 1

    # Who was hindered

    def hindered(self, who: str, since: float, until: float, kinds: tuple[str, ...] = LOSES_LEASES) -> bool:
        """Whether something was done to a daemon that may cost it a lease."""
        return any(kind in kinds and began <= until and ended >= since for kind, began, ended in self.harm.get(who, ()))

    def hindrances(self, since: float, until: float) -> int:
        """How often daemons lost what they held; what befell all of them at once cost a fire one holder."""
        return sum(began <= until and ended >= since for began, ended in self.losses)

    def anything_wrong(self, since: float, until: float) -> bool:
        return any(began <= until and ended >= since for faults in self.harm.values() for _, began, ended in faults)

    def lost_holds(self, runs: list[Run], attempts: int, since: float, until: float) -> int:
        """How many of a fire's attempts may have been lost with their daemon, which held them until their end was
        written. Who held one that never began is not known: it may be anybody."""
        ends = [*(run.began for run in runs[1:]), until]
        seen = sum(self.hindered(run.who, run.began - AHEAD_MS, end) for run, end in zip(runs, ends, strict=False))
        return seen + min(attempts - len(runs), self.hindrances(since, until))

    def command_was_killed(self, run: Run) -> bool:
        return any(kind == "kill_command" for kind, _, _ in self.harm.get(f"pid:{run.pid}", ()))

    def away(self, since: float, until: float) -> bool:
        """Whether the server could not be reached, or took no writes."""
        return any(began <= until and ended >= since for _, began, ended in self.harm.get("server", ()))


def _runs(book: list[dict[str, Any]]) -> dict[str, list[Run]]:
    """By fire, in the order in which they began."""
    runs: dict[str, list[Run]] = defaultdict(list)
    open_runs: dict[tuple[str, int, str, int], Run] = {}
    for line in book:
        if line["what"] == "begin":
            run = Run(line["fire"], line["attempt"], line["who"], line["pid"], line["runner"], line["wall"])
            runs[run.fire].append(run)
            open_runs[run.fire, run.attempt, run.who, run.pid] = run
        elif line["what"] == "end":
            ended = open_runs.pop((line["fire"], line["attempt"], line["who"], line["pid"]))
            ended.ended, ended.how = line["wall"], line["how"]
    for of_fire in runs.values():
        of_fire.sort(key=lambda run: run.began)
    return runs
