"""`pause`, `resume`, `skip`, `unskip`, and which prompt is meant, on a real server."""

from __future__ import annotations

import time

import pytest

from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused, refused_as


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


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
    lately = cli("show", prompt_id).out
    assert "paused   the holidays" in lately
    assert "resumed  after 1." in lately
    pause, resumption = cli.json("show", prompt_id)["spans"]
    assert (pause["kind"], pause["note"]) == ("paused", "the holidays")
    assert (resumption["kind"], resumption["until"]) > ("resumed", resumption["from"])
    assert pause["by"] == resumption["by"] == document["created_by"]
    assert document["created_by"].startswith("cli:")


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


def test_of_what_is_executed_nothing_can_be_skipped_and_that_is_said(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "in 1s")
    cli.serve(lambda _: None, until=lambda: "succeeded" in cli("history", prompt_id).out)
    for named in ("next", "2090-01-01 09:00"):
        said = refused(cli("skip", prompt_id, named), 2)
        assert f"prompt {prompt_id[-8:]} is executed: nothing is to come" in said
        assert "its account tells what became of it" in said


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
