"""Retries, and a prompt that gave up, as the command line takes them and tells of them, on a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from scheduled_prompts.fire import Fire
from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


def test_a_prompt_that_gave_up_says_so_and_what_lets_it_go_on(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "every 1s", "--retries", "0", "--pause-after", "2")
    ended: list[str] = []

    def break_down(fire: Fire) -> str:
        ended.append(fire.id)
        raise ValueError("it broke")

    cli.serve(break_down, lambda: cli.json("show", prompt_id)["status"] == "paused")
    assert len(ended) == 2
    assert "after 2 failures in a row: ValueError: it broke" in " ".join(cli("list").out.split())
    shown = " ".join(cli("show", prompt_id).out.split())
    assert "why it paused itself after 2 failures in a row; the last error: ValueError: it broke;" in shown
    assert f"`resume {prompt_id[-8:]}` lets it go on" in shown
    assert "pause after 2 failed fires in a row" in shown
    document = cli.json("show", prompt_id)
    assert (document["pause_reason"], document["pause_note"]) == ("failures", "ValueError: it broke")
    assert document["spans"][-1]["by"] == "scheduled-prompts"
    assert cli.json("resume", prompt_id)["prompt"]["failures"] == 0


def test_retries_are_told_as_they_were_said(cli: CommandLine) -> None:
    words = ("--retries", "6", "--retry-factor", "3", "--retry-jitter", "0.5", "--retry-on", "timeout, ConnectionError")
    prompt_id = add(cli, "x", "every 2h", *words)
    prompt = cli.json("show", prompt_id)
    assert (prompt["retry_factor"], prompt["retry_jitter"], prompt["pause_after"]) == (3, 0.5, 5)
    assert prompt["retry_on"] == ["timeout", "ConnectionError"]
    told = "6, after 2 min, 10 min, 30 min, 2 h, and then each time 3 times as long, ±50 %; only on timeout and"
    assert f"{told} ConnectionError" in " ".join(cli("show", prompt_id).out.split())
    edited = cli("edit", prompt_id, "--force", "--clear", "retry-on", "--retry-jitter", "0", "--pause-after", "0").out
    assert "and then each time 3 times as long, to the second" in " ".join(edited.split())
    assert "pause after 5 failed fires in a row → never" in " ".join(edited.split())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--retry-factor", "0.5"),
        ("--retry-jitter", "2"),
        ("--retry-on", "no such"),
        ("--pause-after", "-1"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_value(cli: CommandLine, option: str, value: str) -> None:
    told = refused(cli("add", "x", "--when", "in 1h", option, value), 2)
    assert option.removeprefix("--").replace("-", "_") in told
    assert value in told


def test_an_empty_list_of_what_to_try_again_is_refused(cli: CommandLine) -> None:
    assert "error,timeout" in refused(cli("add", "x", "--when", "in 1h", "--retry-on", ","), 2)


SAID = (["timeout"], 2, 0.5, 1)


def said(prompt: dict[str, Any]) -> tuple[object, ...]:
    return tuple(prompt[name] for name in ("retry_on", "retry_factor", "retry_jitter", "pause_after"))


def test_the_settings_say_what_holds_where_nobody_does(cli: CommandLine, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[policies]\nretry_on = ['timeout']\nretry_factor = 2\nretry_jitter = 0.5\npause_after = 1\n")
    assert said(cli.json("add", "x", "--when", "in 1h", "--config", str(config))["prompt"]) == SAID


def test_a_file_says_the_same_and_an_export_keeps_it(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    fields = 'retry_on = ["timeout"]\nretry_factor = 2\nretry_jitter = 0.5\npause_after = 1\n'
    file.write_text('[prompts.a]\ntext = "x"\nwhen = "@daily"\n' + fields)
    cli.json("apply", str(file))
    [prompt] = cli.json("list")["items"]
    assert said(prompt) == SAID
    out = tmp_path / "all.json"
    out.write_text(cli("export").out)
    with redis.Redis.from_url(cli.store) as client:
        client.flushall()
    assert cli("import", str(out)).code == 0
    brought = cli.json("show", prompt["id"])
    assert said(brought) == SAID
    assert brought["created_by"] == prompt["created_by"]
    [span] = brought["spans"]
    assert (span["kind"], span["by"]) == ("imported", prompt["created_by"])
