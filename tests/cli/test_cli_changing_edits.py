"""`edit`, on a real server: what it says, what it refuses, and on which version."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from scheduled_prompts.scheduler import Edited, Scheduler
from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused, refused_as, set_field


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


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
    answer = cli.json(
        "edit", prompt_id, "--version", "1", "--text", "say bye", "--timeout", "5m", "--on-crash", "rerun"
    )
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
        *("--misfire", "skip", "--grace", "5m", "--catch-up-limit", "3"),
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
        "misfire": "skip",
        "grace": 300.0,
        "catch_up_limit": 3,
    }
    assert {name: prompt[name] for name in expected} == expected
    cleared = [
        w for option in ("name", "tz", "runner", "platform", "agent", "conversation") for w in ("--clear", option)
    ]
    cleared += [w for option in ("labels", "priority", "timeout", "retries", "on-crash") for w in ("--clear", option)]
    prompt = cli.json("edit", prompt_id, "--force", *cleared, "--clear", "jitter", "--clear", "grace")["prompt"]
    assert (prompt["timezone"], prompt["runner"], prompt["platform"]) == ("Europe/Berlin", "log", "default")
    assert (prompt["name"], prompt["agent"], prompt["labels"]) == (None, None, {})
    assert (prompt["retries"], prompt["retry_delays"][0], prompt["on_crash"], prompt["jitter"]) == (4, 120, "rerun", 0)
    assert (prompt["misfire"], prompt["grace"]) == ("skip", None)


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
    assert "has version 2" in refused(cli("edit", prompt_id, "--version", "1", "--text", "mine"), 4)
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


def test_a_skip_that_the_new_schedule_does_not_name_is_told_to_have_fallen_away(cli: CommandLine) -> None:
    made = cli.json("add", "x", "--when", "every day at 9:00", "--tz", "UTC")["prompt"]["id"]
    nominal = cli.json("skip", made, "next")["nominal"]
    kept = cli.json("edit", made, "--force", "--when", "every day at 9:00 and 10:00")
    assert (kept["changed"], kept["skips_dropped"]) == (["schedule"], [])
    told = cli("edit", made, "--force", "--when", "every day at 11:00").out
    assert f"{nominal[:10]} 09:00" in next(line for line in told.splitlines() if "skip dropped" in line)
    cli.json("skip", made, "next")
    gone = cli.json("edit", made, "--force", "--when", "every day at 12:00")["skips_dropped"]
    assert [instant[10:] for instant in gone] == ["T11:00:00.000+00:00"]
