"""Brief simulations in `make test`; days, a year and all mutations in `make nightly`. See `docs/simulation.md`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import Hunt, Job, Outcome, about, hunt, simulate

SEEDS_FOR_A_MUTATION = list(range(15))
"""Within so many short simulations each mutation is found."""
QUICKLY_FOUND = [("settle ignores the token", 0)]
"""Mutations that are found by the first brief seed that is tried."""


def keeps_all_promises(job: Job) -> Outcome:
    outcome = simulate(job)
    if outcome.findings:
        lines = about(outcome.findings[0], simulate(job._replace(trace=True)).lines)
        raise AssertionError("\n".join([*outcome.findings, f"{job.form} {job.seed}:", *lines]))
    assert outcome.counted["attempts"] > 10, "next to nothing happened: a simulation that cannot fail"
    return outcome


@pytest.mark.parametrize("seed", range(10))
def test_all_promises_are_kept_in_a_brief_simulation(seed: int) -> None:
    keeps_all_promises(Job("brief", seed))


def test_the_same_seed_is_the_same_simulation_to_the_byte() -> None:
    here = simulate(Job("brief", 3)).digest
    said = "from tests.simulation.run import *; print(simulate(Job('brief', 3)).digest)"
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == here


@pytest.mark.parametrize(("mutation", "seed"), QUICKLY_FOUND)
def test_a_guard_that_is_missing_is_found(mutation: str, seed: int) -> None:
    assert simulate(Job("brief", seed, mutation)).findings


@pytest.mark.nightly
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_whichever_guard_is_missing_is_found(mutation: str) -> None:
    assert hunt(Hunt(mutation, SEEDS_FOR_A_MUTATION)), "the checker is blind to this"


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(300))
def test_all_promises_are_kept_on_a_simulated_day(seed: int) -> None:
    keeps_all_promises(Job("day", seed))


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_all_promises_are_kept_in_a_simulated_year() -> None:
    keeps_all_promises(Job("year", 0))
