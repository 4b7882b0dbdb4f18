"""The machine, and how it is set going."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings
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


ACTS = acts_of(DaemonActs)


class StoreMachine(DaemonActs, Checks):
    chosen: frozenset[str] = frozenset()

    @initialize(
        first=st.lists(definitions, min_size=2, max_size=4),
        limits=st.sampled_from(LIMITS),
        budgets=st.sampled_from(BUDGETS),
        chosen=st.frozensets(st.sampled_from([act.name for act in ACTS if act.is_optional]), min_size=2, max_size=6),
    )
    def begin(self, first: list[dict[str, Any]], limits: Limits, budgets: Budgets, chosen: frozenset[str]) -> None:
        self.limits, self.budgets, self.chosen = limits, budgets, chosen
        for definition in first:
            self.save(definition)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        possible = [act for act in ACTS if (act.name in self.chosen or not act.is_optional) and act.is_possible(self)]
        act = data.draw(st.sampled_from([act for act in possible for _ in range(act.weight)]), label="act")
        getattr(self, act.name)(**{name: data.draw(value, label=name) for name, value in act.arguments.items()})


def drive(lab: Lab, examples: int, *, fixed: bool = False) -> None:
    """`fixed`: the same steps each time, and a failure as it was found first."""
    machine = type("Machine", (StoreMachine,), {"lab": lab})
    phases = [Phase.generate] if fixed else [Phase.generate, Phase.shrink]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=fixed,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
