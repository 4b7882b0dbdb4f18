"""The machine, and how it is set going."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.limits import Limits
from tests.conftest import Lab
from tests.store.model.acts import acts_of
from tests.store.model.callers import definitions
from tests.store.model.checks import Checks
from tests.store.model.daemons import BUDGETS, LIMITS, DaemonActs

STEPS = 40
FRESH = 11
"""Examples a run: the simplest, and ten. Of further ones Hypothesis would draw one in six; the others repeat its parts,
with the topics that it had."""


ACTS = acts_of(DaemonActs)
TOPICS = sorted({topic for act in ACTS for topic in act.topics})


class StoreMachine(DaemonActs, Checks):
    topics: frozenset[str] = frozenset()

    @initialize(
        first=st.lists(definitions, min_size=2, max_size=4),
        limits=st.sampled_from(LIMITS),
        budgets=st.sampled_from(BUDGETS),
        topics=st.frozensets(st.sampled_from(TOPICS), min_size=1, max_size=3),
    )
    def begin(self, first: list[dict[str, Any]], limits: Limits, budgets: Budgets, topics: frozenset[str]) -> None:
        self.limits, self.budgets, self.topics = limits, budgets, topics
        for definition in first:
            self.save(definition)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        possible = [act for act in ACTS if act.topics & self.topics or not act.topics]
        possible = [act for act in possible if act.is_possible(self)]
        act = data.draw(st.sampled_from([act for act in possible for _ in range(act.weight)]), label="act")
        getattr(self, act.name)(**{name: data.draw(value, label=name) for name, value in act.arguments.items()})


def drive(lab: Lab, examples: int, *, fixed: bool = False) -> None:
    """`fixed`: by the same seeds each time, and a failure as it was found first."""
    began = 0 if fixed else random.getrandbits(64)
    for first in range(0, examples, FRESH):
        machine = type("Machine", (StoreMachine,), {"lab": lab})
        seed(began + first)(machine)
        _run(machine, min(FRESH, examples - first), [Phase.generate] if fixed else [Phase.generate, Phase.shrink])


def _run(machine: type[StoreMachine], examples: int, phases: list[Phase]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
