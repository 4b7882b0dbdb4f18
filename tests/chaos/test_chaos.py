"""The short form of `make chaos`, and proof that its checker can find something."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import mutations
from tests.chaos.evidence import Evidence
from tests.chaos.house import House, Life, Member
from tests.chaos.mutations import findings_of, hunt, is_found
from tests.chaos.run import Wanted, run
from tests.chaos.soak import Line, grows, judge_soak

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
@pytest.mark.parametrize("kind", ["stop_daemon", "kill_server"])
def test_nothing_is_missed_where_all_guards_are_in_place(kind: str) -> None:
    assert findings_of("", (kind,), 1) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["settle ignores the token", "what was acknowledged is not on disk"])
def test_a_guard_that_is_taken_away_is_missed(name: str) -> None:
    assert any(is_found(name, seed) for seed in (1, 2, 3))


def test_a_line_that_rises_grows_and_one_that_sways_does_not() -> None:
    swaying = Line.through([(float(at), 50e6 + 1e6 * (at % 3)) for at in range(300)])
    rising = Line.through([(float(at), 50e6 + 20e3 * at) for at in range(300)])
    assert not grows("d1 resident", swaying)
    assert grows("d1 resident", rising)


def test_a_hunt_first_looks_whether_something_is_found_with_all_guards_in_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[tuple[str, tuple[str, ...]]] = []

    def found(name: str, kinds: tuple[str, ...], *_: object) -> list[str]:
        looked.append((name, kinds))
        return ["a finding"] if name or "cut" in kinds else []

    monkeypatch.setattr(mutations, "findings_of", found)
    assert hunt(["settle ignores the token"], 1) == 0
    assert looked == [("", ("stop_daemon",)), ("settle ignores the token", ("stop_daemon",))]
    assert hunt(["a take whose answer was lost takes more"], 1) == 1
    assert looked[-1] == ("", ("cut",))


def test_a_soak_in_which_little_ran_or_something_is_left_over_is_none() -> None:
    def left(keys: dict[str, object]) -> Evidence:
        return Evidence([], [], [], [], {}, keys, {}, 1.0)

    assert judge_soak(left({}), 0).findings == []
    assert len(judge_soak(left({}), 1).findings) == 1
    assert len(judge_soak(left({"live:nobody": {"a fire"}}), 0).findings) == 1


def test_who_ended_by_itself_just_before_it_was_to_be_killed_is_on_record(tmp_path: Path) -> None:
    house = House(tmp_path, seed=1, lease=2.0, ops_per_second=1.0)
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    daemon = Member("d1", [Life("d1.1", process.pid, 1.0)], process)
    process.wait()
    house.log_of("d1.1").touch()
    os.utime(house.log_of("d1.1"), (2.0, 2.0))
    house.end(daemon, signal.SIGKILL)
    [life] = daemon.lives
    assert (life.code, life.told) == (3, "")
    assert life.ended == 2_000.0
