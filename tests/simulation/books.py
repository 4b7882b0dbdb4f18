"""What happened: who held which fire when, what ran, what was asked for. `reading.py` fills it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.accounting import prompt_of
from tests.simulation.plan import Plan
from tests.simulation.trace import Event

Instant = float
"""True ms UTC, if not said otherwise."""


@dataclass
class Run:
    """What a runner did."""

    fire: str
    attempt: int
    who: str
    began: Event
    ended: Instant = float("inf")
    how: str = "never ended"
    cost: int = 0
    """What it said that it used, in micro-units."""


@dataclass
class Hold:
    """A lease, from its take to its end."""

    fire: str
    attempt: int
    token: str
    who: str
    since: Instant
    renewed: float
    """By the server's clock."""
    renewed_at: Instant
    asked_at: Instant
    """When its daemon asked for it, by its own clock."""
    until: Instant = float("inf")
    end: str = "held"
    """`reaped`, or what it was settled with."""
    reason: str = ""
    run: Run | None = None
    told_to_stop: Instant = float("inf")
    """When a renewal was answered so, and nothing had begun."""
    asked_to_begin: bool = False
    """Whether its daemon wrote down that it begins, before it did."""
    may_not_begin: Instant = float("inf")
    """When it was answered that it is to stop."""


@dataclass
class Claim:
    at: Instant
    who: str
    item: dict[str, Any]

    @property
    def due(self) -> int:
        return int(self.item["due"])


@dataclass
class Tick:
    """A call of a host."""

    who: str
    at: Instant
    over: Instant = float("inf")


@dataclass
class Hydration:
    """Of a host."""

    who: str
    at: Instant
    platforms: tuple[str, ...]
    limit: int


@dataclass
class Definition:
    """What a prompt was from a version on."""

    at: float
    """When it took effect, by the server's clock."""
    version: int
    doc: dict[str, Any]
    called: float
    """When whoever wrote it read the clock, by which it computed what is next."""
    was_rescheduled: bool = True


@dataclass
class Process:
    name: str
    started: Instant
    over: Instant = float("inf")
    died: bool = False


@dataclass
class Books:
    plan: Plan
    findings: list[str] = field(default_factory=list)
    holds: dict[str, list[Hold]] = field(default_factory=lambda: defaultdict(list))
    """By fire."""
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    claims: dict[str, Claim] = field(default_factory=dict)
    tried: dict[str, list[Instant]] = field(default_factory=lambda: defaultdict(list))
    """By prompt: when one of its fires was to be claimed, whatever was answered."""
    definitions: dict[str, list[Definition]] = field(default_factory=lambda: defaultdict(list))
    processes: dict[str, Process] = field(default_factory=dict)
    cancelled: dict[str, Instant] = field(default_factory=dict)
    """Prompts, by when."""
    fires_cancelled: dict[str, Instant] = field(default_factory=dict)
    pauses: dict[str, list[list[Instant]]] = field(default_factory=lambda: defaultdict(list))
    halts: list[list[Instant]] = field(default_factory=list)
    touched: dict[str, list[Instant]] = field(default_factory=lambda: defaultdict(list))
    """Prompts, and when a change to them took effect."""
    full: list[tuple[str, Instant, Instant]] = field(default_factory=list)
    """Daemons whose slots were all taken, from when to when."""
    answered: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    """What clients were told who were refused something."""
    done_by: dict[str, str] = field(default_factory=dict)
    """What a client had changed."""
    ticks: list[Tick] = field(default_factory=list)
    """Of all hosts, in their order."""
    hydrations: list[Hydration] = field(default_factory=list)
    without_runner: dict[str, list[list[Instant]]] = field(default_factory=lambda: defaultdict(list))
    """From when to when a host had nobody to do its work."""
    _by_prompt: dict[str, list[str]] | None = None

    def definition(self, prompt: str, version: int) -> Definition | None:
        """What a fire that was claimed with a version runs."""
        known = [one for one in self.definitions[prompt] if one.version <= version]
        return known[-1] if known else None

    def claims_of(self, prompt: str) -> list[str]:
        """Its fires."""
        if self._by_prompt is None:
            self._by_prompt = defaultdict(list)
            for fire in self.claims:
                self._by_prompt[prompt_of(fire)].append(fire)
        return self._by_prompt[prompt]

    @property
    def all_runs(self) -> Iterable[Run]:
        return (run for runs in self.runs.values() for run in runs)

    @property
    def all_holds(self) -> Iterable[Hold]:
        return (hold for holds in self.holds.values() for hold in holds)
