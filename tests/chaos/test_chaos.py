"""The short form of `make chaos`, and proof that its checker can find something."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.chaos.checker import Evidence, judge
from tests.chaos.mutations import is_found
from tests.chaos.run import Wanted, run
from tests.chaos.soak import Line, grows

FIRE = "01M7ZY1E5200ZR1FRBM4CK4SGM@1795294282330"
PROMPT = FIRE[:26]
KINDS = ("kill_daemon", "stop_daemon", "term_daemon", "cut", "kill_server", "out_of_memory")


@pytest.mark.timeout(170)
def test_daemons_and_their_server_are_killed_stopped_and_cut_off_and_nothing_is_lost_nor_claimed_twice() -> None:
    wanted = Wanted(150, 6, seed=4, daemons=2, clients=1, ops_per_second=20, kinds=KINDS, gap=0.5, repeat_for=3)
    told = run(wanted)
    assert told.findings == [], told.folder
    shutil.rmtree(told.folder)
    assert told.verdict.counted["fires"] >= 150
    assert set(told.faults) >= set(KINDS) - {"kill_daemon", "term_daemon", "stop_daemon"}


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["settle ignores the token", "what was acknowledged is not on disk"])
def test_a_guard_that_is_taken_away_is_missed(name: str) -> None:
    assert any(is_found(name, seed) for seed in (1, 2, 3))


# The checker, on books that are made up


def line(what: str, at: float, attempt: int = 1, who: str = "d1.1", **more: Any) -> dict[str, Any]:
    facts = {"what": what, "fire": FIRE, "attempt": attempt, "who": who, "pid": 7, "wall": at, "runner": "python"}
    return facts | more


def findings(
    book: list[dict[str, Any]],
    faults: list[dict[str, Any]] | None = None,
    attempt: int = 1,
    text: str | None = None,
    clients: list[dict[str, Any]] | None = None,
    on_crash: str = "rerun",
) -> list[str]:
    """What the checker says of one one-shot, and nothing else on the server."""
    doc = f'{{"name": "c1-1", "schedule": {{"kind": "once"}}, "on_crash": "{on_crash}"}}'
    prompt = {"status": "executed", "ended_at": "9000", "created_at": "1", "doc": doc, "version": "1", "next_at": ""}
    result = f'{{"text": "{text or f"{FIRE}#{attempt}"}"}}'
    fire = {"status": "succeeded", "due": "5000", "ended_at": "9000", "attempt": str(attempt), "result": result}
    keys = {
        f"prompt:{PROMPT}": prompt,
        f"fire:{FIRE}": fire,
        f"history:{PROMPT}": [(FIRE, 5000.0)],
        "by:status:executed": [(PROMPT, 1.0)],
        "by:platform:default": [(PROMPT, 1.0)],
    }
    asked = {"what": "asks", "deed": "once", "tag": "c1-1", "prompt": "", "wall": 1.0}
    done = asked | {"what": "done", "prompt": PROMPT}
    evidence = Evidence(book, [asked, done, *(clients or [])], faults or [], [], {}, keys, {}, 10_000.0)
    return judge(evidence).findings


def once(attempt: int, since: float, until: float | None, who: str = "d1.1") -> list[dict[str, Any]]:
    begun = line("begin", since, attempt, who)
    return [begun] if until is None else [begun, line("end", until, attempt, who, how="ok")]


KILLED = [{"kind": "kill_daemon", "who": "d1.1", "since": 5_500.0, "until": 6_000.0}]
SERVER_KILLED = [{"kind": "kill_server", "who": "server", "since": 5_500.0, "until": 6_000.0}]


def test_nothing_is_found_where_all_went_well() -> None:
    assert findings(once(1, 5_000, 5_010)) == []


def test_a_second_run_is_explained_by_what_was_done_to_its_holder_and_by_nothing_else() -> None:
    book = once(1, 5_000, None) + once(2, 8_000, 8_010, "d2.1")
    assert findings(book, KILLED, attempt=2) == []
    assert len(findings(book, SERVER_KILLED, attempt=2)) == 1
    assert len(findings(book, attempt=2)) == 1


def test_an_attempt_that_begins_twice_is_a_double_claim() -> None:
    [finding] = findings(once(1, 5_000, 5_010) + once(1, 6_000, 6_010, "d2.1"), KILLED)
    assert "began 2 times" in finding


def test_a_fire_that_may_run_once_and_ran_twice_is_found_whatever_happened() -> None:
    book = once(1, 5_000, None) + once(2, 8_000, 8_010, "d2.1")
    [finding] = findings(book, KILLED, attempt=2, on_crash="interrupt")
    assert "at most once" in finding


def test_a_result_of_a_stale_holder_is_found() -> None:
    book = once(1, 5_000, None) + once(2, 8_000, 8_010, "d2.1")
    [finding] = findings(book, KILLED, attempt=2, text=f"{FIRE}#1")
    assert "stale holder" in finding


def test_what_was_acknowledged_and_is_not_there_is_found() -> None:
    lost = {"what": "done", "deed": "once", "tag": "c1-2", "prompt": "0" * 26, "wall": 1.0}
    [finding] = findings(once(1, 5_000, 5_010), clients=[lost])
    assert "is nowhere" in finding


def test_a_line_that_rises_grows_and_one_that_sways_does_not() -> None:
    swaying = Line.through([(float(at), 50e6 + 1e6 * (at % 3)) for at in range(300)])
    rising = Line.through([(float(at), 50e6 + 20e3 * at) for at in range(300)])
    assert not grows("d1 resident", swaying)
    assert grows("d1 resident", rising)
