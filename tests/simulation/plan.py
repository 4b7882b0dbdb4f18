"""What one simulation is: drawn from its seed, before anything happens."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.limits import Concurrency, Limits
from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.settings import EngineSettings
from tests.simulation.loop import EPOCH

MINUTE = 60.0
HOUR = 3_600.0
START_MS = round(EPOCH * 1000)
KEYS = {"gpu": 1, "model": 3}
"""Concurrency keys, and how many fires may run under each at once."""
MINUTES = ("brief", "short", "hosts")
"""The forms that last for minutes: everything in them follows quickly."""
OWNERS = ("ann", "bob", "cyd")
PLATFORMS = ("default", "chat")
TICK = 60.0
"""So often a host ticks, in seconds."""
HOST, JOB = "h", "j"
"""How the processes of hosts are called: with a loop, and started by cron for each tick."""


def is_host(process: str) -> bool:
    return process.startswith((HOST, JOB))


@dataclass
class Plan:
    """Durations are in seconds."""

    seed: int
    form: str
    daemons: int
    prompts: int
    clients: int
    lasts: float
    """So long there are faults, changes, and difficult runners."""
    calm: float
    """So long there are none, afterwards: what is left over then is lost."""
    fault_every: float
    """On average."""
    change_every: float
    settings: EngineSettings
    busy: list[tuple[float, float]] = field(default_factory=list)
    """When daemons have the periods of real life, from when on and how long."""
    limits: Limits = field(default_factory=Limits)
    budgets: Budgets = field(default_factory=Budgets)
    hosts: int = 0
    """Programs that tick in a loop of their own."""
    jobs: int = 0
    """Programs that are started for each tick."""
    difficult: float = 0.35
    """The share of attempts that do not simply succeed."""
    only: str | None = None
    """The one kind of fault that there is; empty: none; None: all kinds."""
    changes: tuple[str, ...] = ()
    """The only kinds of change that there are, each to what is due next, just before or after it; empty: all kinds, to
    any."""

    @property
    def keeps_all(self) -> bool:
        """Whether retention deletes nothing of what happens."""
        return self.settings.retention_days * 24 * HOUR > self.lasts


def plan_of(form: str, seed: int) -> Plan:
    return FORMS[form](seed, random.Random(f"plan of {form} {seed}"))


def _brief(seed: int, chance: random.Random) -> Plan:
    """What `make test` can pay for."""
    plan = _short(seed, chance)
    plan.form, plan.prompts, plan.daemons = "brief", 10, 2
    plan.lasts, plan.calm, plan.fault_every, plan.change_every = 3 * MINUTE, 2.5 * MINUTE, 12.0, 9.0
    return plan


def _short(seed: int, chance: random.Random) -> Plan:
    """Minutes of two or three daemons, with everything in them."""
    return Plan(
        seed=seed,
        form="short",
        daemons=chance.choice([2, 3]),
        prompts=14,
        clients=2,
        lasts=7 * MINUTE,
        calm=3 * MINUTE,
        fault_every=16.0,
        change_every=10.0,
        settings=EngineSettings(
            slots=chance.choice([1, 2, 5, 20]),
            lease=chance.choice([5.0, 12.0]),
            watch_period=2.0,
            heartbeat_period=5.0,
            sweep_period=chance.choice([20.0, 60.0]),
            drain=chance.choice([1.0, 8.0]),
            late_spread=chance.choice([0.0, 30.0]),
            cleanup_period=3600.0,
        ),
        limits=_limits(chance),
        budgets=_budgets(chance),
    )


def _day(seed: int, chance: random.Random) -> Plan:
    """A day of three daemons and 200 prompts. They look around every 20 s, so that it can be paid for; in some spells
    as often as in life."""
    return Plan(
        seed=seed,
        form="day",
        daemons=3,
        prompts=200,
        clients=2,
        lasts=24 * HOUR,
        calm=40 * MINUTE,
        fault_every=15 * MINUTE,
        change_every=4 * MINUTE,
        settings=EngineSettings(
            slots=chance.choice([5, 20, 100]),
            watch_period=20.0,
            heartbeat_period=12.0,
            sweep_period=chance.choice([60.0, 300.0]),
            cleanup_period=3 * HOUR,
            retention_days=chance.choice([30.0, 0.25]),
            late_spread=chance.choice([0.0, 30.0]),
        ),
        busy=[(chance.uniform(1, 22) * HOUR, 4 * MINUTE) for _ in range(2)],
        limits=_limits(chance),
        budgets=_budgets(chance),
        difficult=0.25,
    )


def _year(seed: int, chance: random.Random) -> Plan:
    """A year of 500 daily prompts, with slow periods."""
    return Plan(
        seed=seed,
        form="year",
        daemons=2,
        prompts=500,
        clients=1,
        lasts=365 * 24 * HOUR,
        calm=26 * HOUR,
        fault_every=48 * HOUR,
        change_every=24 * HOUR,
        settings=EngineSettings(
            slots=50, watch_period=HOUR, heartbeat_period=HOUR, sweep_period=HOUR, cleanup_period=24 * HOUR
        ),
        difficult=0.1,
    )


def _hosts(seed: int, chance: random.Random) -> Plan:
    """Minutes of hosts that run the sweep and the cleanup themselves, beside daemons or alone. A host has the settings
    that there are without a configuration, so its leases last for a minute."""
    plan = _short(seed, chance)
    plan.form = "hosts"
    plan.daemons, plan.hosts, plan.jobs = chance.choice(FLEETS)
    plan.lasts, plan.calm, plan.fault_every, plan.change_every = 12 * MINUTE, 6 * MINUTE, 40.0, 14.0
    plan.limits = plan.limits if chance.random() < 0.3 else Limits()
    plan.settings = plan.settings.model_copy(
        update={
            "lease": 60.0,
            "sweep_period": TICK,
            "retention_days": chance.choice([30.0, 30.0, 0.0]),
            "cleanup_period": 200.0,
        }
    )
    return plan


FORMS = {"brief": _brief, "short": _short, "day": _day, "year": _year, "hosts": _hosts}
FLEETS = [(0, 2, 0), (0, 1, 1), (0, 3, 0), (0, 0, 2), (1, 1, 1), (1, 2, 0), (2, 1, 0)]
"""Of hosts: so many daemons, hosts with a loop, and jobs."""


def _limits(chance: random.Random) -> Limits:
    at_once: dict[str, int] = {}
    if chance.random() < 0.4:
        at_once["owner"] = chance.choice([1, 2, 4])
    if chance.random() < 0.2:
        at_once["platform"] = chance.choice([3, 6])
    return Limits(concurrency=Concurrency(**at_once))


def _budgets(chance: random.Random) -> Budgets:
    if chance.random() < 0.6:
        return Budgets()
    return Budgets(timezone="UTC", owner_per_day=Decimal(chance.choice(["0.10", "2.00"])), reserve=Decimal("0.03"))


def draw_schedule(plan: Plan, chance: random.Random, now: int) -> Schedule:
    """`now`: ms UTC."""
    if plan.form in MINUTES:
        return _frequent(chance, now)
    if plan.form == "year":
        return Cron(expression=f"{chance.randrange(60)} {chance.randrange(24)} * * *")
    drawn = chance.random()
    minute, hour = chance.randrange(60), chance.randrange(24)
    if drawn < 0.35:
        return Cron(expression=f"{minute} {hour} * * *")
    if drawn < 0.55:
        return Cron(expression=f"{minute} * * * *")
    if drawn < 0.65:
        return Cron(expression=f"*/{chance.choice([15, 20, 30])} * * * *")
    if drawn < 0.75:
        return Interval(every_ms=chance.choice([600_000, 1_500_000, 5_400_000]), anchor=now - chance.randrange(600_000))
    if drawn < 0.9:
        return Once(at=now + chance.randrange(60_000, 20 * 3_600_000))
    return RandomWindow(times=chance.choice([3, 20]), start=0, end=1440)


def _frequent(chance: random.Random, now: int) -> Schedule:
    drawn = chance.random()
    if drawn < 0.45:
        return Cron(expression=chance.choice(["* * * * *", "*/2 * * * *", "*/3 * * * *", "1,2,5,6,8 * * * *"]))
    if drawn < 0.75:
        return Interval(every_ms=chance.choice([15_000, 40_000, 95_000]), anchor=now - chance.randrange(20_000))
    if drawn < 0.92:
        return Once(at=now + chance.randrange(2_000, 300_000))
    return RandomWindow(times=40, start=0, end=60)


def draw_platform(plan: Plan, chance: random.Random) -> dict[str, str]:
    """Where a prompt is, if not where all are."""
    return {"platform": chance.choice(PLATFORMS)} if plan.form == "hosts" else {}


def draw_policies(plan: Plan, chance: random.Random) -> dict[str, Any]:
    """Most prompts differ from the defaults in a few things."""
    if plan.form == "year":
        return {
            "retry_delays": (600.0,),
            "retries": 2,
            "timeout": 60.0,
            "jitter": chance.choice([0.0, 300.0]),
            "pause_after": 0,
        }
    slow = 1.0 if plan.form in MINUTES else 6.0
    policies: dict[str, Any] = {
        "retries": chance.choice([0, 1, 3]),
        "retry_delays": chance.choice([(4.0,), (3.0, 25.0), (10.0 * slow,)]),
        "timeout": chance.choice([6.0, 25.0, 90.0] if plan.form == "hosts" else [6.0, 15.0, 25.0]) * slow,
        "pause_after": chance.choice([0, 0, 3]),
    }
    some: dict[str, list[Any]] = {
        "overlap": ["skip", "queue", "replace", "allow"],
        "on_crash": ["rerun", "interrupt"],
        "misfire": ["once", "skip", "all"],
        "grace": [2.0, 2.0, 8.0, 600.0],
        "catch_up_limit": [1, 4],
        "jitter": [3.0 * slow, 20.0 * slow],
        "owner": list(OWNERS),
        "priority": [0, 20, 90],
        "queue_limit": [1, 3],
        "max_fires": [2, 5],
    }
    for name, choices in some.items():
        if chance.random() < 0.4:
            policies[name] = chance.choice(choices)
    if chance.random() < (0.5 if plan.form == "hosts" else 0.25):
        key = chance.choice(sorted(KEYS))
        policies |= {"concurrency_key": key, "concurrency": KEYS[key]}
    if chance.random() < 0.15:
        policies |= {"quiet": "00:02-00:04,06:00-06:30", "quiet_policy": chance.choice(["skip", "defer"])}
    if chance.random() < 0.2:
        policies |= {"max_cost": Decimal("0.05"), "budget_day": Decimal(chance.choice(["0.10", "1.00"]))}
    return policies
