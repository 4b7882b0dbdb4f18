"""`explain`: the account of a prompt, for people and for programs."""

from __future__ import annotations

import json

import pytest

from scheduled_prompts.cli import account_screen
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.scheduler.account import Row
from tests.cli.cli_driver import CommandLine


@pytest.fixture
def prompt(cli: CommandLine) -> str:
    answer = cli.json("add", "say hello", "--when", "0 9 1 1 *", "--tz", "Europe/Berlin")
    return str(answer["prompt"]["id"])


def test_every_row_is_a_line_in_plain_words(cli: CommandLine, prompt: str) -> None:
    cli.json("skip", prompt, "next")
    shown = cli("explain", prompt)
    assert shown.code == 0
    head, schedule, skipped, *coming, foot = shown.out.splitlines()
    assert head == f"{prompt[-8:]}: say hello"
    assert "Europe/Berlin" in schedule
    assert skipped.split()[2:] == ["09:00", "skipped", "somebody", "asked", "to", "leave", "it", "out"]
    assert [line.split()[-1] for line in coming] == ["upcoming"] * 4
    assert foot.strip() == "1 skipped and 4 upcoming"


def test_what_did_not_run_for_one_reason_is_one_line() -> None:
    clock, nominals = 1_767_225_600_000, range(0, 6 * 60_000, 60_000)
    ends = ["skipped", "skipped", "skipped", "succeeded", "skipped", "skipped"]
    rows = [_row(clock + nominal, end) for nominal, end in zip(nominals, ends, strict=True)]
    folded = account_screen._folded(rows)
    assert [(row.outcome, row.number) for row in folded] == [("skipped", 3), ("succeeded", 1), ("skipped", 2)]
    assert folded[0].last == rows[2].first


def _row(nominal: int, end: str) -> Row:
    fire = Fire(
        id=f"P@{nominal}",
        prompt_id="P",
        version=1,
        status=FireStatus(end),
        reason="busy" if end == "skipped" else None,
        attempt=0 if end == "skipped" else 1,
        nominal=nominal,
        due=nominal,
        runner="log",
        platform="default",
    )
    return Row(end, nominal, nominal, fire=fire)


def test_a_program_gets_all_of_a_row(cli: CommandLine, prompt: str) -> None:
    cli.json("pause", prompt, "--note", "holiday")
    document = cli.json("explain", prompt, "--until", "2100-01-01")
    assert set(document["outcomes"]) == {"paused"}
    [row] = document["rows"]
    assert row["number"] == document["outcomes"]["paused"] > 50
    assert (row["outcome"], row["note"], row["exact"], row["fire"]) == ("paused", "holiday", True, None)
    assert row["from"].endswith("-01-01T09:00:00.000+01:00")
    assert row["actor"].startswith("cli")


def test_of_what_was_cancelled_it_is_told_when_and_by_whom(cli: CommandLine, prompt: str) -> None:
    assert cli.json("explain", prompt)["ended"] is None
    cli.json("cancel", prompt)
    lines = cli("explain", prompt).out.splitlines()
    assert lines[-2] == "  the schedule names nothing in this time"
    document = cli.json("explain", prompt)
    ended = document["ended"]
    assert lines[-1] == f"  {ended['words']}"
    assert ended["words"].startswith("the prompt was cancelled ")
    assert ended["words"].endswith(f" by {ended['actor']}")
    assert (ended["outcome"], ended["reason"], ended["note"]) == ("cancelled", None, None)
    assert ended["at"] <= document["now"]


def test_of_what_is_executed_it_is_told_that_nothing_more_was_to_come(cli: CommandLine) -> None:
    made = cli.json("add", "x", "--when", "in 1s")["prompt"]["id"]
    cli.serve(lambda _: None, until=lambda: "succeeded" in cli("history", made).out)
    *_, over, totals = cli("explain", made).out.splitlines()
    assert (over.startswith("  nothing more was to come after "), totals) == (True, "  1 succeeded")
    assert cli.json("explain", made)["ended"]["outcome"] == "ended"


def test_one_question_is_answered_in_one_sentence(cli: CommandLine, prompt: str) -> None:
    named = cli("explain", prompt, "--at", "2000-01-01T09:00")
    assert named.out.startswith("It did not run: the prompt did not exist before ")
    unnamed = cli.json("explain", prompt, "--at", "2090-03-01T12:00")
    assert unnamed["sentence"] == (
        "The schedule names nothing at Wed 2090-03-01 12:00 +01:00; "
        "the nearest are Sun 2090-01-01 09:00 +01:00 and Mon 2091-01-01 09:00 +01:00."
    )
    assert unnamed["row"] is None
    assert unnamed["nearest"] == ["2090-01-01T09:00:00.000+01:00", "2091-01-01T09:00:00.000+01:00"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "2026-01-01", "--since", "2026-01-01"), "--at goes without --since and --until"),
        (("--since", "2027-01-01", "--until", "2026-01-01"), "nothing lies between"),
        (("--at", "nine"), "is not a date or time"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    cli: CommandLine, prompt: str, words: tuple[str, ...], said: str
) -> None:
    answer = cli("explain", prompt, *words, "--json")
    assert answer.code == 2
    assert said in json.loads(answer.out)["error"]["message"]
