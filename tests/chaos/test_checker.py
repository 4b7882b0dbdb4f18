"""The checker of chaos runs, on books that are made up."""

from __future__ import annotations

from typing import Any

from tests.chaos.checker import judge
from tests.chaos.evidence import Evidence

FIRE = "01M7ZY1E5200ZR1FRBM4CK4SGM@1795294282330"
PROMPT = FIRE[:26]


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
