"""`edit`, `pause`, `resume`, `skip`, `unskip`, and how `list` and `show` tell of it, on a real server."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest
import redis

from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.contract import Permanent
from scheduled_prompts.scheduler import Edited, Scheduler
from tests.cli.cli_driver import Answer, CommandLine

BERLIN = ("--tz", "Europe/Berlin")


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


def add(cli: CommandLine, text: str = "say hello", when: str = "every day at 9:00", *more: str) -> str:
    return str(cli.json("add", text, "--when", when, *BERLIN, *more)["prompt"]["id"])


def refused(told: Answer, code: int) -> str:
    """The one line (and its hint) that a person is told."""
    assert told.code == code
    assert told.out == ""
    lines = told.err.splitlines()
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2
    assert all(line.startswith("hint: ") for line in lines[1:])
    return told.err


def refused_as(told: Answer, code: int) -> str:
    """The error code that a program is told."""
    assert told.code == code
    assert "error" not in told.err
    return str(told.document["error"]["code"])


def set_field(cli: CommandLine, prompt_id: str, **fields: str) -> None:
    """Change a stored prompt behind everybody's back."""
    with redis.Redis.from_url(cli.store) as client:
        client.hset("{sp:0}:prompt:" + prompt_id, mapping=fields)


# edit


def test_an_edit_says_what_changed_and_what_comes_next(cli: CommandLine) -> None:
    prompt_id = add(cli)
    answer = cli("edit", prompt_id, "--version", "1", "--text", "say bye", "--when", "every day at 10:00")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == f"edited {prompt_id[-8:]}: say bye"
    assert "  text     say hello → say bye" in lines
    assert "  when     every day at 09:00 Europe/Berlin → every day at 10:00 Europe/Berlin" in lines
    assert lines[-1] == "  version  2"
    assert answer.out.count(" 10:00 +0") == 5
    assert "warning: no daemon is running" in answer.err


def test_programs_are_told_the_names_of_what_changed(cli: CommandLine) -> None:
    prompt_id = add(cli)
    answer = cli.json("edit", prompt_id, "--version", "1", "--text", "say bye", "--timeout", "5m", "--priority", "50")
    assert answer["changed"] == ["text", "timeout"]
    assert (answer["prompt"]["text"], answer["prompt"]["timeout"], answer["prompt"]["version"]) == ("say bye", 300, 2)
    assert len(answer["upcoming"]) == 5
    assert "no daemon" in answer["warning"]


def test_every_field_can_be_edited(cli: CommandLine) -> None:
    prompt_id = add(cli)
    prompt = cli.json(
        *("edit", prompt_id, "--force", "--tz", "Asia/Tokyo", "--runner", "echo", "--platform", "slack", "--name", "N"),
        *("--agent", "a1", "--conversation", "c1", "--label", "team=ops", "--priority", "70", "--timeout", "10m"),
        *("--retries", "10s,1m", "--on-crash", "interrupt", "--jitter", "90s"),
    )["prompt"]
    expected = {
        "timezone": "Asia/Tokyo",
        "runner": "echo",
        "platform": "slack",
        "name": "N",
        "agent": "a1",
        "conversation": "c1",
        "labels": {"team": "ops"},
        "priority": 70,
        "timeout": 600.0,
        "retries": 2,
        "retry_delays": [10.0, 60.0],
        "on_crash": "interrupt",
        "jitter": 90.0,
    }
    assert {name: prompt[name] for name in expected} == expected
    cleared = [
        w for option in ("name", "tz", "runner", "platform", "agent", "conversation") for w in ("--clear", option)
    ]
    cleared += [w for option in ("labels", "priority", "timeout", "retries", "on-crash") for w in ("--clear", option)]
    prompt = cli.json("edit", prompt_id, "--force", *cleared, "--clear", "jitter")["prompt"]
    assert (prompt["timezone"], prompt["runner"], prompt["platform"]) == ("Europe/Berlin", "log", "default")
    assert (prompt["name"], prompt["agent"], prompt["labels"]) == (None, None, {})
    assert (prompt["retries"], prompt["retry_delays"][0], prompt["on_crash"], prompt["jitter"]) == (4, 120, "rerun", 0)


def test_what_is_cleared_is_what_add_would_have_given(cli: CommandLine, tmp_path: Any) -> None:
    config = tmp_path / "own.toml"
    config.write_text('runner = "echo"\nplatform = "slack"\ntimezone = "Asia/Tokyo"\n')
    prompt_id = add(cli, "x", "every 2h", "--runner", "other")
    words = ("--clear", "runner", "--clear", "platform", "--clear", "tz", "--config", str(config))
    prompt = cli.json("edit", prompt_id, "--force", *words)["prompt"]
    assert (prompt["runner"], prompt["platform"], prompt["timezone"]) == ("echo", "slack", "Asia/Tokyo")


def test_labels_are_put_on_replaced_and_taken_off(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "every 2h", "--label", "team=ops", "--label", "env=test")
    words = ("--label", "env=live", "--label", "new=1", "--unlabel", "team", "--unlabel", "never-there")
    assert cli.json("edit", prompt_id, "--version", "1", *words)["prompt"]["labels"] == {"env": "live", "new": "1"}
    shown = cli("edit", prompt_id, "--version", "2", "--clear", "labels", "--label", "a=b").out
    assert "labels   env=live, new=1 → a=b" in shown


def test_a_count_of_retries_keeps_the_delays(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "every 2h", "--retries", "10s,1m,5m")
    prompt = cli.json("edit", prompt_id, "--force", "--retries", "2")["prompt"]
    assert (prompt["retries"], prompt["retry_delays"]) == (2, [10.0, 60.0, 300.0])


def test_the_new_text_is_read_from_standard_input(cli: CommandLine) -> None:
    prompt_id = add(cli)
    answer = cli("update", prompt_id, "--text", "-", "--force", stdin=b"first\nsecond\n")
    assert answer.out.splitlines()[1:4] == ["  text     say hello", "           → first", "           second"]
    assert cli.json("show", prompt_id)["text"] == "first\nsecond"


def test_an_edit_without_a_version_shows_how_it_goes(cli: CommandLine) -> None:
    prompt_id = add(cli)
    words = ("edit", prompt_id[-8:], "--text", "two words", "--store", cli.store)
    said = refused(cli(*words), 2)
    assert "it is 1 now" in said
    _, *exact = shlex.split(said.splitlines()[1].removeprefix("hint: "))
    assert exact == ["edit", prompt_id[-8:], "--text", "two words", "--version", "1", "--store", cli.store]
    told = cli(*words, "--json")
    assert (refused_as(told, 2), told.document["version"]) == ("usage", 1)
    assert cli.json(*exact)["prompt"]["text"] == "two words"


def test_a_long_command_is_not_said_again(cli: CommandLine) -> None:
    said = refused(cli("edit", add(cli), "--text", "long " * 100), 2)
    assert said.splitlines()[1] == "hint: the same with --version 1"


def test_words_behind_two_dashes_are_said_again_where_they_count(cli: CommandLine) -> None:
    prompt_id = add(cli)
    said = refused(cli("edit", "--text", "y", "--", prompt_id), 2)
    _, *exact = shlex.split(said.splitlines()[1].removeprefix("hint: "))
    assert exact == ["edit", "--version", "1", "--text", "y", "--", prompt_id]
    assert cli(*exact).code == 0


def test_an_edit_on_an_old_version_is_a_conflict(cli: CommandLine) -> None:
    prompt_id = add(cli)
    cli.json("edit", prompt_id, "--version", "1", "--text", "theirs")
    assert "has version 2 by now" in refused(cli("edit", prompt_id, "--version", "1", "--text", "mine"), 4)
    told = cli("edit", prompt_id, "--version", "1", "--text", "mine", "--json")
    assert refused_as(told, 4) == "version_conflict"
    assert cli.json("show", prompt_id)["text"] == "theirs"


class Interfering:
    """Another edit that comes first, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.times = times
        self.real = Scheduler.edit
        monkeypatch.setattr(Scheduler, "edit", lambda scheduler, *words, **more: self(scheduler, *words, **more))

    async def __call__(self, scheduler: Scheduler, prompt_id: str, **changes: Any) -> Edited:
        if self.times:
            self.times -= 1
            await self.real(scheduler, prompt_id, force=True, labels={"theirs": str(self.times)})
        return await self.real(scheduler, prompt_id, **changes)


def test_a_forced_edit_adds_its_label_to_those_that_came_meanwhile(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt_id = add(cli)
    Interfering(monkeypatch, times=2)
    answer = cli.json("edit", prompt_id, "--force", "--label", "mine=1")
    assert answer["prompt"]["labels"] == {"theirs": "0", "mine": "1"}
    Interfering(monkeypatch, times=100)
    assert "changes too fast" in refused(cli("edit", prompt_id, "--force", "--label", "mine=2"), 4)


def test_an_edit_that_changes_nothing_says_so(cli: CommandLine) -> None:
    prompt_id = add(cli)
    assert cli("edit", prompt_id, "--version", "1", "--text", "say hello").out.splitlines()[1] == (
        "  nothing changes: it is so already (version 1)"
    )
    answer = cli.json("edit", prompt_id, "--version", "1", "--text", "say hello")
    assert (answer["changed"], answer["prompt"]["version"]) == ([], 1)


def test_a_paused_prompt_stays_paused_when_it_is_edited(cli: CommandLine) -> None:
    prompt_id = add(cli)
    cli("pause", prompt_id)
    answer = cli("edit", prompt_id, "--force", "--when", "every day at 10:00")
    assert "  status   paused since " in answer.out
    assert answer.err == ""
    assert cli.json("show", prompt_id)["upcoming"] == []


def test_a_broken_record_is_repaired_by_an_edit(cli: CommandLine) -> None:
    prompt_id = add(cli)
    set_field(cli, prompt_id, doc="{")
    said = refused(cli("edit", prompt_id, "--text", "x", "--when", "every 2h"), 2)
    assert "--version 1" in said
    answer = cli("edit", prompt_id, "--text", "x", "--when", "every 2h", "--version", "1")
    assert answer.out.startswith(f"repaired {prompt_id[-8:]}: x\n")
    assert cli.json("show", prompt_id)["status"] == "active"


@pytest.mark.parametrize(
    ("words", "code", "kind", "said"),
    [
        ((), 2, "usage", "nothing is given to change"),
        (("--force", "--version", "1", "--text", "x"), 2, "usage", "not both"),
        (("--version", "one", "--text", "x"), 2, "usage", "--version"),
        (("--force", "--clear", "text"), 2, "usage", "'on-crash'"),
        (("--force", "--clear", "name", "--name", "x"), 2, "invalid_input", "--clear name"),
        (("--force", "--label", "a=1", "--label", "a=2"), 2, "invalid_input", "given twice"),
        (("--force", "--label", "a=1", "--unlabel", "a"), 2, "invalid_input", "taken off"),
        (("--force", "--label", "a"), 2, "usage", "team=ops"),
        (("--force", "--text", " "), 2, "invalid_input", "blank"),
        (("--force", "--when", "30m"), 2, "invalid_schedule", "in 30m"),
        (("--force", "--when", "at 2020-01-01 09:00"), 2, "invalid_schedule", "past"),
        (("--force", "--tz", "Mars/Olympus"), 2, "unknown_timezone", "Mars/Olympus"),
        (("--force", "--priority", "101"), 2, "invalid_input", "priority"),
        (("--force", "--owner", "me"), 2, "usage", "--owner"),
    ],
)
def test_a_wrong_edit_is_refused(cli: CommandLine, words: tuple[str, ...], code: int, kind: str, said: str) -> None:
    prompt_id = add(cli)
    assert said in refused(cli("edit", prompt_id, *words), code)
    assert refused_as(cli("edit", prompt_id, *words, "--json"), code) == kind
    assert cli.json("show", prompt_id)["version"] == 1


def test_a_label_given_twice_is_refused_by_add_too(cli: CommandLine) -> None:
    said = refused(cli("add", "x", "--when", "in 1h", "--label", "a=1", "--label", "a=2"), 2)
    assert "label 'a' is given twice: '1' and '2'" in said


# pause and resume


def test_a_pause_says_why_and_a_resume_what_passed(cli: CommandLine) -> None:
    prompt_id = add(cli, "tick", "every 1s")
    paused = cli("pause", prompt_id, "--note", "the holidays")
    assert paused.out.splitlines() == [
        f"paused {prompt_id[-8:]}: tick",
        "  note  the holidays",
        f"  resume {prompt_id[-8:]} lets it go on",
    ]
    document = cli.json("show", prompt_id)
    assert (document["status"], document["pause_reason"], document["pause_note"]) == (
        "paused",
        "requested",
        "the holidays",
    )
    time.sleep(1.2)
    lines = cli("show", prompt_id).out.splitlines()
    assert lines[1].startswith("  status    paused since ")
    assert lines[2] == "  why       the holidays"
    assert "the holidays" in cli("list").out
    resumed = cli("resume", prompt_id)
    assert resumed.out.splitlines()[0] == f"resumed {prompt_id[-8:]}: tick"
    assert " until " in resumed.out.splitlines()[1]
    assert "did not, and will not" in resumed.out
    assert "paused  for 1." in cli("show", prompt_id).out
    [span] = cli.json("show", prompt_id)["spans"]
    assert (span["kind"], span["note"]) == ("paused", "the holidays")


def test_programs_are_told_which_span_passed(cli: CommandLine) -> None:
    prompt_id = add(cli, "tick", "every 1s")
    answer = cli.json("pause", prompt_id, "--version", "1")
    assert (answer["prompt"]["status"], answer["taken_back"]) == ("paused", 0)
    time.sleep(1.2)
    answer = cli.json("resume", prompt_id)
    assert answer["passed"]["from"] < answer["passed"]["until"] == answer["upcoming"][0]["nominal"]
    cli("pause", prompt_id)
    cli("edit", prompt_id, "--force", "--when", "every day at 9:00")
    assert cli.json("resume", prompt_id)["passed"] is None


def test_what_cannot_be_paused_or_resumed_is_told_in_one_line(cli: CommandLine) -> None:
    prompt_id = add(cli)
    assert "only a paused one" in refused(cli("resume", prompt_id), 4)
    assert refused_as(cli("pause", prompt_id, "--version", "9", "--json"), 4) == "version_conflict"
    assert refused_as(cli("pause", prompt_id, "--note", "x" * 1001, "--json"), 2) == "invalid_input"
    cli("pause", prompt_id)
    assert "is paused already" in refused(cli("pause", prompt_id), 4)
    cli("cancel", prompt_id)
    edits = (("edit", "--force", "--text", "x"), ("edit", "--text", "x"))
    for words in (("pause",), ("resume",), *edits, ("skip", "next"), ("unskip", "next")):
        told = (words[0], prompt_id, *words[1:])
        assert "is cancelled" in refused(cli(*told), 4)
        assert refused_as(cli(*told, "--json"), 4) == "conflict"


def test_a_one_shot_whose_time_passed_while_it_was_paused_is_not_resumed(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "in 1s")
    cli("pause", prompt_id)
    time.sleep(1.1)
    said = refused(cli("resume", prompt_id), 4)
    assert "nothing left to come" in said
    assert "`edit --when`" in said


# skip and unskip


def test_the_next_occurrence_is_skipped_and_brought_back(cli: CommandLine) -> None:
    prompt_id = add(cli)
    [first, second, *_] = cli.json("show", prompt_id)["upcoming"]
    answer = cli.json("skip", prompt_id, "next")
    assert (answer["nominal"], answer["upcoming"][0]) == (first["nominal"], second)
    assert answer["prompt"]["skips"] == [first["nominal"]]
    assert f"skips {first['nominal'][:10]}" in cli("list").out
    assert f"  skips     {time_shown(first['nominal'])}" in without_weekdays(cli("show", prompt_id).out)
    answer = cli.json("unskip", prompt_id, first["nominal"])
    assert (answer["upcoming"][0], answer["prompt"]["skips"]) == (first, [])


def test_an_occurrence_is_named_in_any_zones_notation(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "0 9 1 7 *")
    year = cli.json("show", prompt_id)["upcoming"][0]["nominal"][:4]
    for named in (f"{year}-07-01T09:00", f"{year}-07-01 07:00Z", f"{year}-07-01T16:00 Asia/Tokyo"):
        skipped = cli("skip", prompt_id, named)
        assert skipped.out.splitlines()[0] == f"skipped one occurrence of {prompt_id[-8:]}: x"
        assert f"{year}-07-01 09:00 +02:00" in skipped.out
        back = cli("unskip", prompt_id, named)
        assert back.out.splitlines()[0] == f"brought back one occurrence of {prompt_id[-8:]}: x"


def test_what_is_no_occurrence_is_refused_with_the_next_ones(cli: CommandLine) -> None:
    prompt_id = add(cli)
    said = refused(cli("skip", prompt_id, "2031-01-01T09:30"), 2)
    assert "no occurrence" in said
    assert "the next ones: " in said
    assert refused_as(cli("skip", prompt_id, "whenever", "--json"), 2) == "invalid_input"
    assert "not to be skipped" in refused(cli("unskip", prompt_id, "next"), 4)
    cli("skip", prompt_id, "2031-01-01T09:00")
    assert "already" in refused(cli("skip", prompt_id, "2031-01-01T09:00"), 4)


def time_shown(instant: str) -> str:
    return f"{instant[:10]} {instant[11:16]} {instant[23:]}"


def without_weekdays(text: str) -> str:
    for name in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"):
        text = text.replace(f"{name} 20", "20")
    return text


# which prompt


@pytest.mark.parametrize(
    "words",
    [
        ("edit", "{}", "--force", "--text", "x"),
        ("edit", "{}", "--text", "x"),
        ("pause", "{}"),
        ("resume", "{}"),
        ("skip", "{}", "next"),
        ("unskip", "{}", "next"),
    ],
    ids=" ".join,
)
def test_an_id_that_is_unknown_or_could_be_two(cli: CommandLine, words: tuple[str, ...]) -> None:
    first, second = add(cli), add(cli)
    for part, code, kind in (("ZZZZZZZZ", 3, "not_found"), (first[:6], 2, "invalid_input"), ("n o", 3, "not_found")):
        told = [part if word == "{}" else word for word in words]
        refused(cli(*told), code)
        assert refused_as(cli(*told, "--json"), code) == kind
    assert second[-8:] in cli("pause", first[:6]).err


def test_a_store_that_does_not_answer_ends_with_5(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from scheduled_prompts.store import Store

    monkeypatch.setitem(Store.__init__.__kwdefaults__, "patience", 0.0)
    told = cli("pause", "01ABC", "--store", "unix:///nowhere/redis.sock", "--json")
    assert refused_as(told, 5) == "store_unreachable"


# list and show


def test_records_that_cannot_be_read_are_listed_too(cli: CommandLine) -> None:
    good, bad = add(cli, "good"), add(cli, "bad")
    set_field(cli, bad, doc="{")
    lines = cli("list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [bad[-8:], good[-8:]]
    assert "(cannot be read)" in lines[1]
    assert "JSONDecodeError" in lines[1]
    document = cli.json("list")
    assert [item["id"] for item in document["items"]] == [good]
    [broken] = document["unreadable"]
    assert (broken["id"], broken["newer"]) == (bad, False)
    for words in (("show",), ("pause",), ("resume",), ("skip", "next"), ("run",), ("history",)):
        told = (words[0], bad, *words[1:])
        assert "`edit` with a text and a time repairs it" in refused(cli(*told), 1)
        assert refused_as(cli(*told, "--json"), 1) == "store_unusable"


def test_a_record_that_cannot_be_read_can_be_cancelled_and_has_a_history(cli: CommandLine) -> None:
    bad, worse = add(cli), add(cli)
    fire_id = cli.json("run", bad)["id"]
    for prompt_id in (bad, worse):
        set_field(cli, prompt_id, doc="{")
    assert cli.json("history", bad)["items"][0]["id"] == fire_id
    assert bad[-8:] in cli("history", bad).out
    assert cli("cancel", bad).out == f"cancelled {bad[-8:]}\n  1 waiting fire ended\n"
    assert cli.json("cancel", worse) == {"prompt": None, "ended": 0, "asked_to_stop": 0}


def test_a_quarantined_prompt_shows_its_error(cli: CommandLine) -> None:
    prompt_id = add(cli)
    set_field(cli, prompt_id, status="quarantined")
    with redis.Redis.from_url(cli.store) as client:
        client.hset("{sp:0}:quarantine", prompt_id, '{"at": "1764576000000", "error": "it is broken", "was": "active"}')
        client.zrem("{sp:0}:by:status:active", prompt_id)
        client.zadd("{sp:0}:by:status:quarantined", {prompt_id: 1764576000000})
    assert "it is broken" in cli("list", "--status", "quarantined").out
    [item] = cli.json("list", "--status", "quarantined")["items"]
    assert (item["quarantined"]["error"], item["quarantined"]["was"]) == ("it is broken", "active")
    shown = cli("show", prompt_id).out
    assert "  status    quarantined" in shown
    assert "  error     it is broken (set aside " in shown
    assert cli.json("show", prompt_id)["quarantined"]["error"] == "it is broken"


@pytest.mark.parametrize("status", ["scheduled", "active", "paused", "executed", "cancelled", "quarantined"])
def test_every_status_can_be_listed(cli: CommandLine, status: str) -> None:
    assert cli.json("list", "--status", status)["items"] == []


def test_more_of_a_list_is_shown_in_pages_of_the_same_size(cli: CommandLine) -> None:
    for _ in range(3):
        add(cli)
    _, *words = shlex.split(cli("list", "--limit", "1", "--status", "active").out.splitlines()[-1].partition(": ")[2])
    assert words[:5] == ["list", "--status", "active", "--limit", "1"]
    assert "--cursor" in words
    _, *again = shlex.split(cli(*words).out.splitlines()[-1].partition(": ")[2])
    assert "there are more" not in cli(*again).out


def test_overdue_prompts_are_warned_of_where_nobody_serves_them(cli: CommandLine) -> None:
    ids = [add(cli, "x", "in 1s"), add(cli, "y", "in 1s"), add(cli, "z", "in 1h")]
    time.sleep(2.1)
    listed = cli("list")
    [warning, hint] = listed.err.splitlines()
    assert warning.startswith("warning: 2 of these are overdue: no daemon is running on unix://")
    assert " serve" in hint
    assert "no daemon is running" in cli.json("list")["warning"]
    assert "warning: it is overdue: no daemon is running" in cli("history", ids[0]).err
    assert cli("history", ids[2]).err == ""
    assert "warning" not in cli.json("history", ids[2])


def test_failures_in_a_row_are_counted(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "every 1s", "--retries", "0")
    ended: list[str] = []

    def break_down(fire: Fire) -> str:
        ended.append(fire.id)
        raise Permanent("it broke")

    cli.serve(break_down, lambda: len(ended) >= 3)
    failures = cli.json("show", prompt_id)["failures"]
    assert failures >= 2
    assert f"failed ×{failures} " in cli("list").out
    shown = cli("show", prompt_id).out
    assert f"{failures} failures in a row" in shown
    assert shown.count("it broke") >= 2


def test_a_one_shot_that_still_runs_reads_as_running(cli: CommandLine) -> None:
    started: list[str] = []

    def work(fire: Fire) -> str:
        started.append(fire.id)
        time.sleep(1.5)
        return "done"

    prompt_id = add(cli, "x", "in 1s")
    with cli.serving(log=work):
        while not started:
            time.sleep(0.02)
        listed, shown = cli("list").out, cli("show", prompt_id).out
        document = cli.json("show", prompt_id)
        time.sleep(1.6)
        after = cli("list").out
    assert "running" in listed
    assert "executed" not in listed
    assert "  status    running, and nothing more to come" in shown
    assert (document["status"], document["fires"][0]["status"]) == ("executed", "running")
    assert "executed" in after


def test_show_tells_what_was_missed_beside_the_fires(cli: CommandLine) -> None:
    prompt_id = add(cli, "tick", "every 2h")
    for _ in range(6):
        cli("run", prompt_id)
    missed = {
        "kind": "missed",
        "at": "4102444800000",
        "from": "1764576000000",
        "until": "1764583200000",
        "reason": "late",
    }
    with redis.Redis.from_url(cli.store) as client:
        client.rpush("{sp:0}:spans:" + prompt_id, json.dumps(missed))
    lines = cli("show", prompt_id).out.splitlines()
    assert lines[-7] == (
        "  lately    2100-01-01 01:00:00 +01:00  missed  2025-12-01 09:00 +01:00 until 2025-12-01 11:00 +01:00, late"
    )
    assert lines[-1] == f"            … history {prompt_id[-8:]} tells the rest"
    document = cli.json("show", prompt_id)
    assert document["missed"] == document["spans"]
    assert (document["missed"][0]["from"], document["missed"][0]["reason"]) == ("2025-12-01T09:00:00.000+01:00", "late")
    assert len(document["fires"]) == 5


def test_every_change_has_words(cli: CommandLine) -> None:
    prompt_id = add(cli, "tick", "every 2h")
    words = ("--retries", "0", "--on-crash", "interrupt", "--jitter", "5m", "--name", "T", "--priority", "9")
    lines = cli("edit", prompt_id, "--force", *words).out.splitlines()
    assert lines[1:6] == [
        "  name      none → T",
        "  priority  50 → 9",
        "  retries   4, after 2 min, 10 min, 30 min, 2 h → none",
        "  on crash  rerun → interrupt",
        "  jitter    none → up to 5 min",
    ]
