"""The checker of chaos runs, on books that are made up."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.checker import judge
from tests.chaos.evidence import Evidence

FIRE = "01M7ZY1E5200ZR1FRBM4CK4SGM@1795294282330"
PROMPT = FIRE[:26]


def line(what: str, at: float, attempt: int = 1, who: str = "d1.1", **more: Any) -> dict[str, Any]:
    facts = {"what": what, "fire": FIRE, "attempt": attempt, "who": who, "pid": 7, "wall": at, "runner": "python"}
    return facts | more


ASKED = {"what": "asks", "deed": "once", "tag": "c1-1", "prompt": "", "wall": 1.0}
LONG_AFTER = 300_000.0
"""When the keys are read."""


def findings(
    book: list[dict[str, Any]],
    faults: list[dict[str, Any]] | None = None,
    attempt: int = 1,
    text: str | None = None,
    clients: list[dict[str, Any]] | None = None,
    fire: dict[str, str] | None = None,
    prompt: dict[str, str] | None = None,
    **doc: Any,
) -> list[str]:
    """What the checker says of one one-shot, and nothing else on the server."""
    definition = {"name": "c1-1", "schedule": {"kind": "once"}, "on_crash": "rerun", "retries": 3} | doc
    stored = {"status": "executed", "ended_at": "9000", "created_at": "1", "version": "1", "next_at": ""}
    stored |= {"doc": json.dumps(definition)} | (prompt or {})
    result = json.dumps({"text": text or f"{FIRE}#{attempt}"})
    fired = {"status": "succeeded", "due": "5000", "queued_at": "4000", "ended_at": "9000", "attempt": str(attempt)}
    keys = {
        f"prompt:{PROMPT}": stored,
        f"fire:{FIRE}": fired | {"result": result, "reason": ""} | (fire or {}),
        f"history:{PROMPT}": [(FIRE, 5000.0)],
        f"by:status:{stored['status']}": [(PROMPT, 1.0)],
        "by:platform:default": [(PROMPT, 1.0)],
    }
    done = ASKED | {"what": "done", "prompt": PROMPT}
    evidence = Evidence(book, [ASKED, done, *(clients or [])], faults or [], [], {}, keys, {}, LONG_AFTER)
    return judge(evidence).findings


def fault(kind: str, who: str, since: float, until: float) -> dict[str, Any]:
    return {"kind": kind, "who": who, "since": since, "until": until}


def asks(deed: str, at: float, **more: Any) -> list[dict[str, Any]]:
    """A client asks for something, and is told at once that it is done."""
    facts = {"deed": deed, "tag": "c1-1", "prompt": PROMPT, "wall": at}
    return [facts | {"what": "asks"}, facts | {"what": "done"} | more]


def once(attempt: int, since: float, until: float | None, who: str = "d1.1", how: str = "ok") -> list[dict[str, Any]]:
    begun = line("begin", since, attempt, who)
    return [begun] if until is None else [begun, line("end", until, attempt, who, how=how)]


KILLED = [fault("kill_daemon", "d1.1", 5_500, 6_000)]
SERVER_KILLED = [fault("kill_server", "server", 5_500, 6_000)]


def test_nothing_is_found_where_all_went_well() -> None:
    assert findings(once(1, 5_000, 5_010)) == []


def test_a_second_run_is_explained_by_what_was_done_to_its_holder_and_by_nothing_else() -> None:
    book = once(1, 5_000, None) + once(2, 8_000, 8_010, "d2.1")
    assert findings(book, KILLED, attempt=2) == []
    assert any("ran at once, and d1.1 was well" in finding for finding in findings(book, SERVER_KILLED, attempt=2))
    assert any("ran at once, and d1.1 was well" in finding for finding in findings(book, attempt=2))


def test_an_attempt_that_begins_twice_is_a_double_claim() -> None:
    [finding] = findings(once(1, 5_000, 5_010) + once(1, 6_000, 6_010, "d2.1"), KILLED)
    assert "began 2 times" in finding


def test_a_fire_that_may_run_once_and_ran_twice_is_found_whatever_happened() -> None:
    book = once(1, 5_000, None) + once(2, 8_000, 8_010, "d2.1")
    [finding] = findings(book, KILLED, attempt=2, on_crash="interrupt", retries=0)
    assert "at most once" in finding


def test_a_result_of_a_stale_holder_is_found() -> None:
    book = once(1, 5_000, None) + once(2, 8_000, 8_010, "d2.1")
    [finding] = findings(book, KILLED, attempt=2, text=f"{FIRE}#1")
    assert "stale holder" in finding


def test_what_was_acknowledged_and_is_not_there_is_found() -> None:
    lost = {"what": "done", "deed": "once", "tag": "c1-2", "prompt": "0" * 26, "wall": 1.0}
    [finding] = findings(once(1, 5_000, 5_010), clients=[lost])
    assert "is nowhere" in finding


# How it ended


def test_a_one_shot_that_nobody_touched_is_not_skipped_nor_cancelled() -> None:
    skipped = {"status": "skipped", "reason": "busy", "attempt": "0"}
    assert len(findings([], fire=skipped)) == 1
    assert len(findings([], fire=skipped | {"reason": "paused"})) == 1
    assert findings([], fire=skipped | {"reason": "paused"}, clients=asks("pause", 4_500)) == []
    assert len(findings([], fire=skipped | {"reason": "replaced"}, clients=asks("pause", 4_500))) == 1
    cancelled = {"status": "cancelled", "reason": "prompt_cancelled", "attempt": "0"}
    assert len(findings([], fire=cancelled)) == 1
    gone = {"status": "cancelled"}
    assert findings([], fire=cancelled, prompt=gone, clients=asks("cancel", 4_500)) == []


def test_a_prompt_is_paused_or_cancelled_where_a_client_asked_for_it() -> None:
    book = once(1, 5_000, 5_010)
    for status, deed in (("paused", "pause"), ("cancelled", "cancel")):
        stored = {"status": status, "paused_at": "6000"} if status == "paused" else {"status": status}
        [finding] = findings(book, prompt=stored)
        assert f"is {status}" in finding
        assert findings(book, prompt=stored, clients=asks(deed, 6_000)) == []


def test_a_fire_fails_when_its_retries_are_used_up() -> None:
    failed = {"status": "failed", "error": "Failed", "result": ""}
    book = once(1, 5_000, 5_010, how="raised")
    [finding] = findings(book, fire=failed)
    assert "1 of its attempts failed, where 3 are tried again" in finding
    assert findings(book, fire=failed, retries=0) == []


def test_a_failure_that_no_attempt_had_is_not_counted() -> None:
    [finding] = findings(once(1, 5_000, 5_010), fire={"failures": "1"})
    assert "counts 1 failures" in finding


def test_an_attempt_that_never_ended_was_killed_with_its_daemon() -> None:
    failed = {"status": "failed", "error": "Failed", "result": ""}
    assert any("never ended" in finding for finding in findings(once(1, 5_000, None), fire=failed))
    crashed = failed | {"reason": "crashed"}
    book = once(1, 5_000, None) + once(2, 6_000, None, "d2.1") + once(3, 7_000, None, "d3.1")
    killed = [fault("kill_daemon", f"d{number}.1", 4_500.0 + number * 1_000, 8_000) for number in (1, 2, 3)]
    assert findings(book, killed, attempt=3, fire=crashed) == []


def test_what_befalls_all_daemons_at_once_costs_a_fire_one_holder() -> None:
    crashed = {"status": "failed", "reason": "crashed", "result": ""}
    all_killed = [fault("kill_all", "d1.1 d2.1 d3.1 server", 5_500, 6_000)]
    [finding] = findings(once(1, 5_000, None), all_killed, attempt=1, fire=crashed)
    assert "harmed 1 times" in finding
    book = once(1, 5_000, None) + once(4, 8_000, 8_010, "d2.2")
    assert any("2 attempts" in finding for finding in findings(book, all_killed, attempt=4))
    assert findings(once(1, 5_000, None) + once(2, 8_000, 8_010, "d2.2"), all_killed, attempt=2) == []


def test_what_was_done_to_others_does_not_explain_a_crash() -> None:
    crashed = {"status": "failed", "reason": "crashed", "result": ""}
    others = [fault("kill_daemon", f"d9.{number}", 5_000, 8_000) for number in (1, 2, 3)]
    book = once(1, 5_000, 5_010, how="raised") + once(2, 6_000, 6_010, "d2.1", how="raised")
    book += once(3, 7_000, 7_010, "d3.1", how="raised")
    assert any("harmed 0 times" in finding for finding in findings(book, others, attempt=3, fire=crashed))


# Two at once


def test_two_run_at_once_where_the_first_was_stopped_or_killed_and_not_where_it_was_to_end() -> None:
    book = once(1, 5_000, 9_000) + once(2, 8_000, 8_010, "d2.1")
    assert findings(book, [fault("stop_daemon", "d1.1", 5_500, 8_500)], attempt=2) == []
    [finding] = findings(book, [fault("term_daemon", "d1.1", 5_500, 9_500)], attempt=2)
    assert "ran at once" in finding


# After a cancel


def test_what_was_cancelled_begins_no_more_whatever_happens_later() -> None:
    cancelled = asks("cancel", 4_500)
    book = once(1, 65_000, 65_010)
    later = [fault("kill_server", "server", 60_000, 61_000), fault("stop_daemon", "d1.1", 50_000, 54_000)]
    gone = {"status": "cancelled"}
    ran = {"ended_at": "66000"}
    assert any(
        "was cancelled" in finding for finding in findings(book, later, clients=cancelled, prompt=gone, fire=ran)
    )


def test_who_could_not_hear_of_a_cancel_may_begin_what_it_held() -> None:
    cancelled, gone = asks("cancel", 4_500), {"status": "cancelled"}
    book = once(1, 10_000, 10_010)
    ran = {"ended_at": "11000"}
    for hindrance in (fault("stop_daemon", "d1.1", 4_400, 9_000), fault("stall_server", "server", 4_600, 9_000)):
        assert findings(book, [hindrance], clients=cancelled, prompt=gone, fire=ran) == []
    assert len(findings(book, clients=cancelled, prompt=gone, fire=ran)) == 1
