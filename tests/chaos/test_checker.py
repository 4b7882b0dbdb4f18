"""The checker of chaos runs, on books that are made up."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.checker import IN_A_SOAK, judge
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
    account: tuple[str | dict[str, str], ...] = (),
    manual: tuple[str, ...] = (),
    doc: dict[str, Any] | None = None,
    life: dict[str, Any] | None = None,
    log: str = "",
) -> list[str]:
    """What the checker says of one one-shot, and nothing else on the server."""
    definition = {
        "name": "c1-1",
        "schedule": {"kind": "once"},
        "on_crash": "rerun",
        "retries": 3,
        "text": "quick 1",
    } | (doc or {})
    stored = {"status": "executed", "ended_at": "9000", "created_at": "1", "version": "1", "next_at": ""}
    stored |= {"doc": json.dumps(definition)} | (prompt or {})
    result = json.dumps({"text": text or f"{FIRE}#{attempt}"})
    fired = {"status": "succeeded", "due": "5000", "queued_at": "4000", "ended_at": "9000", "attempt": str(attempt)}
    keys: dict[str, Any] = {
        f"prompt:{PROMPT}": stored,
        f"fire:{FIRE}": fired | {"result": result, "reason": ""} | (fire or {}),
        f"history:{PROMPT}": [(FIRE, 5000.0)],
        f"by:status:{stored['status']}": [(PROMPT, 1.0)],
        "by:platform:default": [(PROMPT, 1.0)],
    }
    for number, run in enumerate(manual):
        keys[f"fire:{run}"] = fired | {"status": "succeeded", "reason": "", "result": json.dumps({"text": f"{run}#1"})}
        keys[f"history:{PROMPT}"].append((run, 6000.0))
        book = [*book, *(one | {"fire": run, "pid": 8 + number} for one in once(1, 6_000, 6_010))]
    if account:
        entries = [{"kind": entry} if isinstance(entry, str) else entry for entry in account]
        keys[f"spans:{PROMPT}"] = [json.dumps({"at": "4600"} | entry) for entry in entries]
    done = ASKED | {"what": "done", "prompt": PROMPT}
    evidence = Evidence(
        book,
        [ASKED, done, *(clients or [])],
        faults or [],
        [life] if life else [],
        {"d1.1": log} if life else {},
        keys,
        {},
        LONG_AFTER,
    )
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
    [finding] = findings(book, KILLED, attempt=2, doc={"on_crash": "interrupt", "retries": 0})
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
    assert (
        findings(
            [],
            fire=skipped | {"reason": "paused"},
            clients=asks("pause", 4_500) + asks("resume", 4_700),
            account=("paused", "resumed"),
        )
        == []
    )
    assert len(findings([], fire=skipped | {"reason": "replaced"})) == 1
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
        assert findings(book, prompt=stored, clients=asks(deed, 6_000), account=(status,)) == []


def test_a_fire_fails_when_its_retries_are_used_up() -> None:
    failed = {"status": "failed", "error": "Failed", "result": ""}
    book = once(1, 5_000, 5_010, how="raised")
    [finding] = findings(book, fire=failed)
    assert "1 of its attempts failed, where 3 are tried again" in finding
    assert findings(book, fire=failed, doc={"retries": 0}) == []


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


# What clients were told


def test_a_cancel_that_was_acknowledged_and_lost_is_found() -> None:
    [finding] = findings(once(1, 5_000, 5_010), clients=asks("cancel", 5_100))
    assert finding == f"cancel of {PROMPT} was acknowledged, and it is executed"


def test_an_edit_that_was_acknowledged_and_lost_is_found() -> None:
    book = once(1, 5_000, 5_010)
    edited = asks("edit", 4_500, version=2, text="quick 2")
    assert findings(book, clients=edited, prompt={"version": "2"}, doc={"text": "quick 2"}) == []
    assert len(findings(book, clients=edited, prompt={"version": "1"})) == 1
    assert len(findings(book, clients=edited, prompt={"version": "2"})) == 1
    two = edited + asks("edit", 4_600, version=2, text="quick 3")
    assert any("another change" in finding for finding in findings(book, clients=two, prompt={"version": "2"}))


def test_a_pause_that_was_acknowledged_and_lost_is_found() -> None:
    book = once(1, 5_000, 5_010)
    paused = asks("pause", 4_500)
    assert any("its account tells of 0" in finding for finding in findings(book, clients=paused))
    assert any("nobody resumed" in finding for finding in findings(book, clients=paused, account=("paused",)))
    resumed = paused + asks("resume", 4_700)
    assert findings(book, clients=resumed, account=("paused", "resumed")) == []
    assert len(findings(book, clients=resumed, account=("paused",))) == 1


def test_a_manual_run_that_was_acknowledged_is_there_once() -> None:
    book = once(1, 5_000, 5_010)
    run = f"{PROMPT}+6000"
    assert len(findings(book, clients=asks("run", 6_000, fire=run))) == 1
    assert findings(book, clients=asks("run", 6_000, fire=run), manual=(run,)) == []
    twice = findings(book, clients=asks("run", 6_000, fire=run), manual=(run, f"{PROMPT}+6001"))
    assert any("there are 2 such fires" in finding for finding in twice)


# When it began


def test_what_begins_before_it_is_due_is_found() -> None:
    [finding] = findings(once(1, 4_900, 4_910))
    assert "100 ms before it was due" in finding


def test_what_still_waits_when_all_has_been_well_for_long_is_found() -> None:
    book = once(1, 40_000, 40_010)
    ran = {"ended_at": "41000"}
    [finding] = findings(book, [fault("cut", "server", 5_000, 20_000)], fire=ran)
    assert "35000 ms late" in finding
    assert findings(book, [fault("cut", "server", 5_000, 30_000)], fire=ran) == []


# Who ended, and how


SERVING = json.dumps({"event": "serving", "level": "info"})


def test_who_gives_up_starting_is_excused_by_the_fault_that_it_met_and_by_none_before() -> None:
    book = once(1, 5_000, 5_010, "d2.1")
    life = {"who": "d1.1", "began": 10_000.0, "ended": 40_000.0, "code": 1, "told": ""}
    said = "error: the server does not answer"
    assert findings(book, [fault("cut", "server", 38_000, 39_000)], life=life, log=said) == []
    assert len(findings(book, [fault("cut", "server", 11_000, 12_000)], life=life, log=said)) == 2


def test_fires_are_left_behind_only_where_the_server_is_away_to_the_last() -> None:
    book = once(1, 5_000, 5_010, "d2.1")
    left = {"event": "fires_left_behind", "level": "error", "timestamp": "1970-01-01T00:00:40.000+00:00"}
    told: dict[str, Any] = {"life": {"who": "d1.1", "began": 1.0, "ended": 41_000.0, "code": 0, "told": "term"}}
    told["log"] = f"{SERVING}\n{json.dumps(left)}"
    assert findings(book, [fault("kill_server", "server", 30_000, 35_000)], **told) == []
    assert len(findings(book, [fault("kill_server", "server", 20_000, 25_000)], **told)) == 1


def test_who_serves_and_ends_by_itself_is_found() -> None:
    life = {"who": "d1.1", "began": 1.0, "ended": 41_000.0, "code": 1, "told": ""}
    outage = [fault("kill_server", "server", 35_000, 41_000)]
    assert len(findings(once(1, 5_000, 5_010, "d2.1"), outage, life=life, log=SERVING)) == 1


# What did not fire


NOMINAL = int(FIRE[27:])
EVERY_SECOND = {"schedule": {"kind": "interval", "anchor": NOMINAL - 1000, "every_ms": 1000}, "end_at": NOMINAL + 2000}
"""It is to fire twice, and has once."""


def test_what_was_missed_is_believed_where_something_was_wrong() -> None:
    book = once(1, 5_000, 5_010)
    missed = ({"kind": "missed", "from": str(NOMINAL + 1000), "until": str(NOMINAL + 2000), "at": str(NOMINAL + 1500)},)
    outage = [fault("kill_server", "server", NOMINAL + 500, NOMINAL + 1200)]
    assert findings(book, outage, doc=EVERY_SECOND, account=missed) == []
    [finding] = findings(book, doc=EVERY_SECOND, account=missed)
    assert "neither fired nor accounted for" in finding
    assert len(findings(book, outage, doc=EVERY_SECOND)) == 1


def test_a_pause_explains_what_did_not_fire_from_then_on() -> None:
    book = once(1, 5_000, 5_010)
    span = {"from": str(NOMINAL + 1000), "until": str(NOMINAL + 2000), "at": str(NOMINAL + 1900)}
    account = ("paused", {"kind": "resumed"} | span)
    in_time = asks("pause", NOMINAL + 900) + asks("resume", NOMINAL + 1900)
    assert findings(book, doc=EVERY_SECOND, account=account, clients=in_time) == []
    later = asks("pause", NOMINAL + 90_000) + asks("resume", NOMINAL + 91_000)
    assert len(findings(book, doc=EVERY_SECOND, account=account, clients=later)) == 1


def of_what_is_deleted(book: list[dict[str, Any]], faults: list[dict[str, Any]]) -> list[str]:
    """As in a soak, after whose prompts nothing is left."""
    return judge(Evidence(book, [], faults, [], {}, {}, {}, LONG_AFTER), IN_A_SOAK).findings


def test_whose_daemon_was_killed_before_it_was_due_is_known_when_its_record_is_deleted() -> None:
    due = float(FIRE[27:])
    late = once(2, due + 5_000, due + 5_100)
    killed = fault("kill_daemon", "d4.1", due - 50, due + 500)
    assert of_what_is_deleted(late, [killed]) == []
    [finding] = of_what_is_deleted(late, [])
    assert "never began" in finding


def test_a_command_whose_prompt_is_deleted_may_have_been_replaced() -> None:
    [begun] = once(1, 5_000, None)
    assert of_what_is_deleted([begun | {"runner": "command"}], []) == []
    [finding] = of_what_is_deleted([begun], [])
    assert "never ended" in finding
