"""`--wait`, and what is said where nobody would fire a prompt. A daemon runs beside, in a thread."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from scheduled_prompts.cli import waiting
from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.store.connection import Connection
from tests.cli.cli_driver import CommandLine


@pytest.fixture(autouse=True)
def a_store_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`memory:` servers of this process outlive a command here."""
    real = Connection.__init__

    def lasting(self: Connection, *args: object, **more: object) -> None:
        real(self, *args, **{**more, "remembers": True})  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "__init__", lasting)


def echo(fire: Fire) -> str:
    return f"{fire.text}\nand more"


def break_down(fire: Fire) -> str:
    raise Permanent("it broke")


def test_people_see_the_outcome_and_all_of_the_output(cli: CommandLine) -> None:
    with cli.serving(log=echo):
        answer = cli("add", "hello", "--when", "in 1s", "--wait")
    assert answer.code == 0
    *_, outcome, first, second = answer.out.splitlines()
    assert outcome.startswith("succeeded, ")
    assert "late, took" in outcome
    assert (first, second) == ("hello", "and more")
    assert answer.err == ""


def test_the_readme_shows_what_is_said(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "write_note", print)  # as on a terminal
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    shown = next(part for part in readme.split("```\n") if part.startswith("scheduled "))
    with cli.serving(log=lambda fire: fire.text):
        told = cli("add", "say hello", "--when", "in 3s", "--wait").out
    assert _without_what_differs(told) == _without_what_differs(shown)


def _without_what_differs(text: str) -> list[str]:
    """Lines without ids, times and lengths of time."""
    text = re.sub(r"\b[0-9A-Z]{8}\b", "ID", text)
    text = re.sub(r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d", "TIME", text)
    return re.sub(r"\d+ m?s", "LENGTH", text).splitlines()


def test_programs_get_the_fire_beside_the_prompt(cli: CommandLine) -> None:
    with cli.serving(log=echo):
        answer = cli.json("add", "hello", "--when", "every 1s", "--wait")
    assert answer["fire"]["prompt_id"] == answer["prompt"]["id"]
    assert answer["fire"]["nominal"] == answer["upcoming"][0]["nominal"]
    assert "warning" not in answer


def test_a_failed_fire_is_a_failed_command(cli: CommandLine) -> None:
    with cli.serving(log=break_down):
        added = cli("add", "hello", "--when", "in 1s", "--wait")
        run = cli("run", cli.json("list")["items"][0]["id"], "--wait", "--json")
    assert (added.code, run.code) == (1, 1)
    assert added.out.splitlines()[-2].startswith("failed (permanent), ")
    assert added.out.splitlines()[-1] == "it broke"
    assert (run.document["status"], run.document["error"]) == ("failed", "it broke")


def test_a_run_is_waited_for_through_its_retries(cli: CommandLine) -> None:
    def second_time(fire: Fire) -> str:
        if fire.attempt == 1:
            raise Retry("not yet", after=0.1)
        return "now"

    prompt_id = cli.json("add", "x", "--when", "in 1h")["prompt"]["id"]
    with cli.serving(log=second_time):
        answer = cli("run", prompt_id, "--wait", "--wait-timeout", "5")
    assert answer.code == 0
    assert "attempt 2" in answer.out
    assert answer.out.splitlines()[-1] == "now"


def test_a_run_that_nobody_waits_for_says_where_to_look(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "x", "--when", "in 1h")["prompt"]["id"]
    answer = cli("run", prompt_id)
    assert (answer.code, answer.out.splitlines()[0]) == (0, f"queued {prompt_id[-8:]}: x")
    assert f"fire show {prompt_id[-8:]}+" in answer.out
    assert "warning: no daemon is running" in answer.err


def test_nothing_is_left_to_wait_for(cli: CommandLine) -> None:
    with cli.serving(log=echo):
        cli("add", "x", "--when", "in 1s", "--wait")
        shown = cli("show", cli.json("list")["items"][0]["id"])
    assert "executed" in shown.out
    assert "succeeded, " in shown.out


def test_whoever_would_not_be_served_is_told_what_to_do(cli: CommandLine) -> None:
    alone = cli("add", "x", "--when", "in 1h", "--runner", "ehco", "--store", cli.store)
    assert "no daemon is running" in alone.err
    assert "no runner 'ehco'" in alone.err
    assert f"serve --store {cli.store}" in alone.err
    with cli.serving(log=echo):
        assert cli("add", "x", "--when", "in 1h").err == ""
        other = cli("add", "x", "--when", "in 1h", "--runner", "ehco")
    assert "no running daemon has a runner 'ehco' (there are: log)" in other.err
    assert "[runners.ehco]" in other.err


def test_a_prompt_that_is_overdue_says_so(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "x", "--when", "in 1s")["prompt"]["id"]
    time.sleep(2.1)
    assert "due " in cli("list").out
    assert " ago, " in cli("history", prompt_id).out
