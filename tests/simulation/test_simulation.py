"""Ten short simulations; the same seed is the same to the byte; guards that are missing are found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.run import Job, simulate

SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_promises_are_kept_in_a_simulation(seed: int) -> None:
    outcome = simulate(Job("brief", seed))
    assert not outcome.findings, "\n".join([*outcome.findings, *outcome.lines[-60:]])
    assert outcome.counted["attempts"] > 10, "next to nothing happened: a simulation that cannot fail"


def test_the_same_seed_is_the_same_simulation_to_the_byte() -> None:
    here = simulate(Job("brief", 3)).digest
    said = "from tests.simulation.run import *; print(simulate(Job('brief', 3)).digest)"
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == here


@pytest.mark.parametrize(("mutation", "seed"), [("settle ignores the token", 0)])
def test_a_guard_that_is_missing_is_found(mutation: str, seed: int) -> None:
    assert simulate(Job("brief", seed, mutation)).findings
