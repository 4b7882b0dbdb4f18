"""The short form of `make chaos`, and proof that its checker can find something."""

from __future__ import annotations

import shutil

import pytest

from tests.chaos.mutations import is_found
from tests.chaos.run import Wanted, run
from tests.chaos.soak import Line, grows

KINDS = ("kill_daemon", "stop_daemon", "term_daemon", "cut", "kill_server", "out_of_memory")


@pytest.mark.timeout(170)
def test_daemons_and_their_server_are_killed_stopped_and_cut_off_and_nothing_is_lost_nor_claimed_twice() -> None:
    wanted = Wanted(150, 6, seed=4, daemons=2, clients=1, ops_per_second=20, kinds=KINDS, gap=0.5, repeat_for=3)
    told = run(wanted)
    assert told.findings == [], told.folder
    shutil.rmtree(told.folder)
    assert told.verdict.counted["fires"] >= 150
    assert told.verdict.counted["second runs"] > 0
    assert set(told.faults) == set(KINDS)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["settle ignores the token", "what was acknowledged is not on disk"])
def test_a_guard_that_is_taken_away_is_missed(name: str) -> None:
    assert any(is_found(name, seed) for seed in (1, 2, 3))


def test_a_line_that_rises_grows_and_one_that_sways_does_not() -> None:
    swaying = Line.through([(float(at), 50e6 + 1e6 * (at % 3)) for at in range(300)])
    rising = Line.through([(float(at), 50e6 + 20e3 * at) for at in range(300)])
    assert not grows("d1 resident", swaying)
    assert grows("d1 resident", rising)
