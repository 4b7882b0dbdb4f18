"""Brief simulations in `make test`; days, a year and all mutations in `make nightly`. See `docs/simulation.md`."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.simulation.faults import KINDS
from tests.simulation.mutations import ALONE, FOUND_BY, IN_FORM, MUTATIONS
from tests.simulation.run import Hunt, Job, Outcome, about, hunt, job_to_find, simulate

SEEDS_FOR_A_MUTATION = list(range(20))
"""Within so many short simulations each mutation is found."""
HOSTS = [1, 2, 5]
"""Seeds of hosts alone, started by cron or not, and of all beside one another."""
OFTEN_FOUND = ["claim compares nothing", "claim notes down nothing that was missed", "take does not raise the attempt"]
"""Mutations that a few brief ones find."""


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


@pytest.mark.parametrize("seed", HOSTS)
def test_all_promises_are_kept_where_hosts_tick(seed: int) -> None:
    assert keeps_all_promises(Job("hosts", seed)).counted["ticks"] > 10


def test_the_same_seed_is_the_same_simulation_to_the_byte() -> None:
    here = simulate(Job("brief", 3)).digest
    said = "from tests.simulation.run import *; print(simulate(Job('brief', 3)).digest)"
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == here


def test_punctuality_is_judged_where_nothing_goes_wrong() -> None:
    assert keeps_all_promises(Job("brief", 6, only="")).counted["punctual"] >= 10


def test_what_is_taken_over_is_judged_where_daemons_only_die() -> None:
    assert keeps_all_promises(Job("brief", 5, only="kill")).counted["taken_over"] >= 10


@pytest.mark.parametrize("mutation", OFTEN_FOUND)
def test_a_guard_that_is_missing_is_found(mutation: str) -> None:
    assert any(simulate(Job("brief", seed, mutation)).findings for seed in range(20))


def test_what_a_host_does_not_do_is_found() -> None:
    assert simulate(Job("hosts", 1, "the pump ends while something runs")).findings


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_mutation_still_finds_what_it_takes_away(mutation: str) -> None:
    world = SimpleNamespace(server=SimpleNamespace(rewrite={}), undo=[])
    MUTATIONS[mutation](world)  # type: ignore[arg-type]
    for put_right in world.undo:
        put_right()
    assert world.server.rewrite or world.undo


@pytest.mark.nightly
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_whichever_guard_is_missing_is_found(mutation: str) -> None:
    assert hunt(Hunt(mutation, SEEDS_FOR_A_MUTATION)), "the checker is blind to this"


@pytest.mark.nightly
@pytest.mark.parametrize("mutation", IN_FORM)
def test_a_mutation_of_another_form_is_found_by_no_other(mutation: str) -> None:
    for seed in range(6):
        assert not simulate(job_to_find(mutation, seed, ALONE.get(mutation))._replace(form="short")).findings


def test_each_kind_of_fault_has_something_to_find() -> None:
    assert FOUND_BY.keys() == KINDS.keys()


@pytest.mark.nightly
@pytest.mark.parametrize("kind", FOUND_BY)
def test_a_kind_of_fault_finds_something_alone(kind: str) -> None:
    jobs = (job_to_find(FOUND_BY[kind], seed, kind) for seed in range(6))
    job = next((job for job in jobs if simulate(job).findings), None)
    assert job is not None
    assert not simulate(job._replace(only="")).findings, "it is found without this kind of fault"
    assert not simulate(job._replace(mutation="")).findings, "there is something else to be found"


@pytest.mark.nightly
@pytest.mark.parametrize("seed", SEEDS_FOR_A_MUTATION)
def test_what_finds_mutations_finds_nothing_else(seed: int) -> None:
    keeps_all_promises(Job("short", seed))


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("only", [None, ""], ids=["all", "quiet"])
def test_all_promises_are_kept_by_hosts(seed: int, only: str | None) -> None:
    keeps_all_promises(Job("hosts", seed, only=only))


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(300))
def test_all_promises_are_kept_on_a_simulated_day(seed: int) -> None:
    keeps_all_promises(Job("day", seed))


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_all_promises_are_kept_in_a_simulated_year() -> None:
    keeps_all_promises(Job("year", 0))
