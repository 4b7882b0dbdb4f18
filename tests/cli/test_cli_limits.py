"""What a limit of the settings refuses: exit code 6, and what would help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.cli_driver import CommandLine

MINE = ("--agent", "bot", "--owner", "ann", "--conversation", "chat-1")


@pytest.fixture(autouse=True)
def limits(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SCHEDULED_PROMPTS_LIMITS__ACTIVE_PER_OWNER", "2")
    return monkeypatch


def new(cli: CommandLine, *words: str) -> str:
    return str(cli.json("add", "hello", "--when", "every 2h", *MINE, *words)["prompt"]["id"])


def refused(cli: CommandLine, *words: str) -> str:
    answer = cli(*words, "--json")
    assert answer.code == 6
    error = answer.document["error"]
    assert error["code"] == "limit_reached"
    return str(error["message"])


def test_a_prompt_too_many_is_refused_until_there_is_room(cli: CommandLine) -> None:
    first, second = new(cli), new(cli)
    add = ("add", "hello", "--when", "every 2h", *MINE)
    assert refused(cli, *add) == (
        "owner 'ann' has the 2 active prompts made by agents that it may have ([limits] active_per_owner = 2)"
    )
    people = cli(*add)
    assert people.code == 6
    assert "cancel or pause one of them" in people.err
    assert cli("pause", first).code == 0
    new(cli)
    assert "active_per_owner" in refused(cli, "resume", first)
    assert cli("cancel", second).code == 0
    assert cli("resume", first).code == 0


def test_what_people_make_is_not_limited(cli: CommandLine) -> None:
    for _ in range(3):
        assert cli("add", "hello", "--when", "every 1s", "--owner", "ann").code == 0


def test_ten_is_the_limit_where_nothing_is_said(cli: CommandLine, limits: pytest.MonkeyPatch) -> None:
    limits.delenv("SCHEDULED_PROMPTS_LIMITS__ACTIVE_PER_OWNER")
    for _ in range(10):
        new(cli)
    assert "10 active prompts" in refused(cli, "add", "hello", "--when", "in 1h", *MINE)
    limits.setenv("SCHEDULED_PROMPTS_LIMITS__ACTIVE_PER_OWNER", "0")
    limits.setenv("SCHEDULED_PROMPTS_LIMITS__ACTIVE_PER_CONVERSATION", "0")
    new(cli)


def test_an_agent_s_schedule_that_comes_too_often_is_refused(cli: CommandLine, limits: pytest.MonkeyPatch) -> None:
    limits.setenv("SCHEDULED_PROMPTS_LIMITS__PROFILE", "agents")
    said = refused(cli, "add", "hello", "--when", "every 30s", *MINE)
    assert said.startswith("occurrences of this schedule are 30 s apart; what agents make may come every 60 s")
    prompt = new(cli)
    assert "30 s apart" in refused(cli, "edit", prompt, "--version", "1", "--when", "every 30s")
    limits.setenv("SCHEDULED_PROMPTS_LIMITS__MIN_INTERVAL", "20")  # what is said goes before the profile
    assert cli("edit", prompt, "--version", "1", "--when", "every 30s").code == 0
    limits.setenv("SCHEDULED_PROMPTS_LIMITS__MIN_INTERVAL", "3600")
    assert cli("edit", prompt, "--version", "2", "--text", "as often as before").code == 0


def test_a_file_applies_as_far_as_there_is_room(cli: CommandLine, tmp_path: Path, limits: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    prompts = "\n".join(f'[prompts.p{n}]\ntext = "x"\nwhen = "every 1h"\nagent = "bot"' for n in range(3))
    file.write_text(f'owner = "ann"\n{prompts}\n')
    answer = cli("apply", str(file), "--json")
    assert answer.code == 4
    assert len(answer.document["created"]) == 2
    assert "active_per_owner = 2" in json.dumps(answer.document["conflicts"])
    limits.setenv("SCHEDULED_PROMPTS_LIMITS__MIN_INTERVAL", "7200")
    limits.setenv("SCHEDULED_PROMPTS_LIMITS__ACTIVE_PER_OWNER", "0")
    too_often = cli("apply", str(file), "--json")
    assert too_often.code == 2
    assert "prompts.p2.when" in too_often.document["error"]["message"]


def test_a_file_that_prunes_makes_room_for_what_it_brings(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    for names in ("ab", "cd"):
        prompts = "\n".join(f'[prompts.{n}]\ntext = "x"\nwhen = "every 1h"\nagent = "bot"' for n in names)
        file.write_text(f'owner = "ann"\n{prompts}\n')
        assert cli("apply", str(file), "--prune").code == 0


def test_an_import_leaves_out_what_there_is_no_room_for(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    for _ in range(2):
        new(cli)
    cli("export", "--output", str(file))
    for prompt in cli.json("list")["items"]:
        cli("cancel", prompt["id"])
    entries = json.loads(file.read_text())
    for entry in entries["prompts"]:
        entry["id"] = entry["id"][:-1] + ("0" if entry["id"][-1] != "0" else "1")  # ids that nobody has
    file.write_text(json.dumps(entries))
    new(cli)
    answer = cli("import", str(file), "--json")
    assert answer.code == 6
    assert (answer.document["created"], len(answer.document["limited"])) == (1, 1)
    assert "active_per_owner = 2" in answer.document["limited"][0]["message"]
