"""`apply`, `export`, `import` as they are typed, for people and for programs."""

from __future__ import annotations

import json
import os
import stat
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from scheduled_prompts.cli import progress
from tests.cli.cli_driver import CommandLine

TEAM = """
    set = "team-digest"
    owner = "ops"

    [defaults]
    timezone = "Europe/Berlin"
    timeout = "10m"
    labels = {team = "ops"}

    [prompts.morning-digest]
    text = "Summarise the night"
    when = "every weekday at 9:00"
    labels = {kind = "digest"}

    [prompts.tick]
    text_file = "texts/tick.md"
    when = "every 2h"
    retries = "10s,1m"
    jitter = 30
    misfire = "all"
    grace = "1h30m"
"""
SAME_IN_YAML = """
    set: team-digest
    owner: ops
    defaults: &defaults
      timezone: Europe/Berlin
      timeout: 10m
      labels: {team: ops}
    prompts:
      morning-digest:
        text: Summarise the night
        when: every weekday at 9:00
        labels: {kind: digest}
      tick:
        text_file: texts/tick.md
        when: every 2h
        retries: 2
        retry_delays: [10, 1m]
        jitter: 30s
        misfire: all
        grace: 5400
"""


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "tick.md").write_text("tick — tock\n")
    return write(tmp_path / "team.toml", TEAM)


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text))
    return path


def prompts(cli: CommandLine) -> dict[str, Any]:
    return {prompt["key"]: prompt for prompt in cli.json("list")["items"]}


# apply


def test_apply_creates_what_the_file_says(cli: CommandLine, team: Path) -> None:
    answer = cli.json("apply", str(team))
    assert [created["key"] for created in answer["created"]] == ["morning-digest", "tick"]
    assert {name: answer[name] for name in ("changed", "unchanged", "cancelled", "conflicts", "dry_run")} == {
        "changed": [],
        "unchanged": [],
        "cancelled": [],
        "conflicts": [],
        "dry_run": False,
    }
    found = prompts(cli)
    assert [created["id"] for created in answer["created"]] == [found[key]["id"] for key in ("morning-digest", "tick")]
    expected = {
        "text": "tick — tock",
        "owner": "ops",
        "timezone": "Europe/Berlin",
        "timeout": 600.0,
        "retries": 2,
        "retry_delays": [10.0, 60.0],
        "jitter": 30.0,
        "misfire": "all",
        "grace": 5400.0,
        "labels": {"team": "ops", "applied-from": "team-digest"},
    }
    assert {name: found["tick"][name] for name in expected} == expected
    assert found["morning-digest"]["labels"] == {"team": "ops", "kind": "digest", "applied-from": "team-digest"}


@pytest.mark.parametrize("name", ["same.yaml", "same.yml"])
def test_yaml_says_the_same_as_toml(cli: CommandLine, team: Path, name: str) -> None:
    cli("apply", str(team))
    answer = cli.json("apply", str(write(team.parent / name, SAME_IN_YAML)), "--prune")
    assert [unchanged["key"] for unchanged in answer["unchanged"]] == ["morning-digest", "tick"]


def test_people_see_one_line_a_prompt_and_a_sum(cli: CommandLine, team: Path) -> None:
    created = cli("apply", str(team)).out.splitlines()
    assert created[0].startswith("+ morning-digest  every weekday at 09:00 Europe/Berlin; next ")
    assert created[1].startswith("+ tick            every 2 hours Europe/Berlin; next ")
    assert created[2] == "2 created, 0 changed, 0 unchanged"
    assert cli("apply", str(team)).out == "= morning-digest\n= tick\n0 created, 0 changed, 2 unchanged\n"
    text = TEAM.split("    [prompts.tick]")[0].replace("9:00", "10:00").replace("night", "whole night")
    write(team, text.replace('kind = "digest"', 'kind = "report"'))
    planned = cli("apply", str(team), "--prune", "--dry-run")
    done = cli("apply", str(team), "--prune")
    assert planned.out.splitlines() == [
        "~ morning-digest  text: “Summarise the night” → “Summarise the whole night”; when: every weekday at 09:00 "
        "Europe/Berlin → every weekday at 10:00 Europe/Berlin; labels.kind: “digest” → “report”",
        "- tick            cancelled",
        "it would be 0 created, 1 changed, 0 unchanged, 1 cancelled (--dry-run: nothing was written)",
    ]
    assert done.out.splitlines()[:2] == planned.out.splitlines()[:2]
    assert done.out.splitlines()[2] == "0 created, 1 changed, 0 unchanged, 1 cancelled"


def test_a_change_tells_from_what_to_what(cli: CommandLine, team: Path) -> None:
    cli("apply", str(team))
    write(team, TEAM.replace("jitter = 30", 'name = "Tick"'))
    [change] = cli.json("apply", str(team), "--dry-run")["changed"]
    assert change["key"] == "tick"
    assert change["fields"] == {"name": {"from": None, "to": "Tick"}, "jitter": {"from": 30.0, "to": 0.0}}


def test_of_long_texts_the_part_that_differs_is_shown(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "long.toml"
    for end in ("old", "new"):
        file.write_text(f'[prompts.a]\ntext = "{"x" * 500} {end}"\nwhen = "@daily"\n')
        said = cli("apply", str(file)).out.splitlines()[0]
    assert "… " not in said[:12]
    assert "old” → …" in said
    assert said.endswith("new”")


def test_without_a_set_the_files_name_names_it(cli: CommandLine, tmp_path: Path) -> None:
    cli("apply", str(write(tmp_path / "mine.toml", '[prompts.a]\ntext = "x"\nwhen = "@daily"\n')))
    assert prompts(cli)["a"]["labels"] == {"applied-from": "mine"}
    write(tmp_path / "mine.toml", "[prompts]\n")
    assert cli.json("apply", str(tmp_path / "mine.toml"))["cancelled"] == []
    assert [gone["key"] for gone in cli.json("apply", str(tmp_path / "mine.toml"), "--prune")["cancelled"]] == ["a"]


def test_the_settings_name_what_the_file_does_not(cli: CommandLine, tmp_path: Path) -> None:
    config = write(tmp_path / "own.toml", 'runner = "echo"\nplatform = "slack"\ntimezone = "Asia/Tokyo"\n')
    file = write(
        tmp_path / "a.yaml", "prompts:\n  a: {text: x, when: '@daily'}\n  b: {text: x, when: '@daily', runner: r}\n"
    )
    cli("apply", str(file), "--config", str(config))
    found = prompts(cli)
    assert [found[key][name] for key in "ab" for name in ("runner", "platform", "timezone")] == [
        *("echo", "slack", "Asia/Tokyo"),
        *("r", "slack", "Asia/Tokyo"),
    ]


def test_dates_of_toml_and_yaml_are_instants_and_wall_times(cli: CommandLine, tmp_path: Path) -> None:
    cli("apply", str(write(tmp_path / "a.toml", '[prompts.a]\ntext = "x"\nwhen = 2100-06-01T09:00:00+05:00\n')))
    cli("apply", str(write(tmp_path / "b.yaml", "prompts: {b: {text: x, when: 2100-06-01 09:00:00}}\n")))
    found = prompts(cli)
    assert found["a"]["next_at"] == "2100-06-01T06:00:00.000+02:00"
    assert found["b"]["next_at"] == "2100-06-01T09:00:00.000+02:00"


def test_a_store_that_is_forgotten_is_warned_about(cli: CommandLine, team: Path) -> None:
    assert "forgotten" in cli.json("apply", str(team))["warnings"][0]
    write(team, TEAM.replace("night", "day"))
    assert "forgotten" in cli("apply", str(team)).err


PROMPT = "[prompts.a]\ntext = 'x'\nwhen = '@daily'\n"
WRONG_FILES = [
    # the file's name, what it holds, words in the message or hint
    ("a.toml", "= nonsense", "a.toml is not valid TOML: Invalid statement (at line 1, column 1)"),
    ("a.toml", "[prompts.a]\n[prompts.a]\n", "line 2"),
    ("a.toml", "", "prompts: it is missing"),
    ("a.toml", "prompts = 5", "prompts: it is a table, not 5"),
    ("a.toml", "[prompts]\na = 5", "prompts.a: a prompt is a table with text and when, not 5"),
    ("a.toml", "[prompt.a]\ntext = 'x'\n[prompts]", "did you mean 'prompts'?"),
    ("a.toml", PROMPT + "prio = 5", "prompts.a.prio: a prompt has no such field"),
    ("a.toml", PROMPT + "prioritty = 5", "did you mean 'priority'?"),
    ("a.toml", PROMPT + "schedule = 'x'", "did you mean 'when'?"),
    ("a.toml", PROMPT + "tz = 'UTC'", "did you mean 'timezone'?"),
    ("a.toml", PROMPT + "owner = 'x'", "at the top of the file"),
    ("a.toml", PROMPT + "key = 'x'", "the key is the table's name"),
    ("a.toml", PROMPT + "id = 'x'", "there are: text, "),
    ("a.toml", "[defaults]\nwhen = '@daily'\n" + PROMPT, "defaults.when: [defaults] has no such field"),
    ("a.toml", "owner = 5\n" + PROMPT, "owner: it is a name, not 5"),
    ("a.toml", "owner = 'a b'\n" + PROMPT, "owner: 'a b' may not contain blanks"),
    ("a.toml", "set = ''\n" + PROMPT, "set: it is a name, not ''"),
    ("a.toml", PROMPT + "timeout = 'soon'", "prompts.a.timeout: 'soon' is not a duration such as 90s"),
    ("a.toml", PROMPT + "timeout = true", "prompts.a.timeout: it is a duration"),
    ("a.toml", PROMPT + "timeout = nan", "prompts.a.timeout: "),
    ("a.toml", PROMPT + "priority = true", "prompts.a.priority: it should be a valid integer (it is True)"),
    ("a.toml", PROMPT + "timezone = 5", "prompts.a.timezone: a time zone is a name, not 5"),
    ("a.toml", PROMPT + "timezone.x = 5", "prompts.a.timezone: a time zone is a name, not {'x': 5}"),
    ("a.toml", PROMPT + "timezone = ''", "prompts.a.timezone: there is no time zone called ''"),
    ("a.toml", PROMPT + "priority = '5'", "prompts.a.priority: it should be a valid integer (it is '5')"),
    ("a.toml", PROMPT + "retries = 'often'", "prompts.a.retries: 'often' is neither a count"),
    ("a.toml", PROMPT + "retries = '1s'\nretry_delays = [1]", "prompts.a.retry_delays: `retries` gives the delays"),
    ("a.toml", PROMPT + "retry_delays = ['x']", "prompts.a.retry_delays[0]: 'x' is not a duration"),
    ("a.toml", PROMPT + "on_crash = 'explode'", "prompts.a.on_crash: "),
    ("a.toml", PROMPT + "labels = {a = 5}", "prompts.a.labels.a: it should be a valid string"),
    ("a.toml", PROMPT + "labels = 5", "prompts.a.labels: "),
    ("a.toml", PROMPT + "text_file = 'x'", "prompts.a.text_file: it has a text, too"),
    ("a.toml", "[prompts.a]\nwhen = '@daily'\ntext_file = 'none.md'", "prompts.a.text_file: there is no file"),
    ("a.toml", "[prompts.a]\nwhen = '@daily'\ntext_file = '.'", "cannot be read: Is a directory"),
    ("a.toml", "[prompts.a]\nwhen = '@daily'\ntext_file = 'big.md'", "at most 32,768 are kept"),
    ("a.toml", "[prompts.a]\nwhen = '@daily'", "prompts.a.text: it is missing"),
    ("a.toml", "[prompts.a]\ntext = 'x'", "prompts.a.when: it is missing"),
    ("a.toml", "[prompts.a]\ntext = 'x'\nwhen = 9:00", "not valid TOML"),
    (
        "a.toml",
        "[prompts.a]\ntext = 'x'\nwhen = 09:00:00",
        "prompts.a.when: it is a text such as “every day at 9am”, not 09",
    ),
    ("a.toml", "[prompts.a]\ntext = 'x'\nwhen = 'in 20m'", "prompts.a.when: “in 20m” means another time each time"),
    ("a.toml", "[prompts.a]\ntext = 'x'\nwhen = 'at 2020-01-01 09:00'", "prompts.a.when: its time has passed"),
    ("a.toml", PROMPT.replace("prompts.a", "prompts.'a b'"), "prompts.a b: a key like this cannot be"),
    ("a.yaml", "", "a.yaml holds no prompts"),
    ("a.yaml", "- a", "a.yaml holds no prompts"),
    ("a.yaml", "prompts: [", "a.yaml is not valid YAML"),
    ("a.yaml", "prompts: {a: {text: x}, a: {text: y}}", "the key 'a' is there twice (at line 1, column 25)"),
    ("a.yaml", "prompts: {a: {text: x, when: 19:00}}", "in YAML, put it into quotes"),
    ("a.yaml", "prompts: {yes: {text: x, when: '@daily'}}", "a key is text, not True"),
    ("a.yaml", "prompts: !!python/object:os.system {}", "not valid YAML"),
    ("a.yaml", "a: 1\n---\nb: 2", "not valid YAML"),
    ("a.yaml", "[" * 1000, "a.yaml is not valid YAML: brackets more than 100 deep (at line 1, column 101)"),
    ("a.yaml", "- " * 1000, "a.yaml cannot be read"),
    ("a.yaml", "prompts: \x01", "not valid YAML"),
    ("a.json", "{}", "a.json is neither TOML nor YAML"),
    ("a", "", "a is neither TOML nor YAML"),
]


@pytest.mark.parametrize(("name", "text", "said"), WRONG_FILES, ids=[said[:50] for _, _, said in WRONG_FILES])
def test_a_wrong_file_is_told_in_one_line_and_nothing_is_written(
    cli: CommandLine, tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "big.md").write_text("x" * 40_000)
    told = cli("apply", name)
    first, *rest = told.err.splitlines()
    assert (told.code, told.out) == (2, "")
    assert first.startswith("error: ")
    assert all(line.startswith("hint: ") for line in rest)
    assert len(rest) <= 1
    assert said in told.err
    document = cli("apply", name, "--json")
    assert (document.code, document.document["error"]["code"]) == (2, "invalid_input")
    assert document.err == ""
    assert cli.json("list")["items"] == []


def test_all_that_is_wrong_is_told_at_once_in_the_files_order(cli: CommandLine, tmp_path: Path) -> None:
    text = "sett = 'x'\n[prompts.a]\ntext = 'x'\nwhen = '30m'\nprio = 1\n[prompts.b]\nwhen = '@daily'\n"
    write(tmp_path / "a.toml", text)
    told = cli("apply", "a.toml")
    assert [line.split(":")[1].strip() for line in told.err.splitlines() if line.startswith("error")] == [
        "sett",
        "prompts.a.prio",
        "prompts.a.when",
        "prompts.b.text",
        "a.toml",
    ]
    assert told.err.splitlines()[-1] == "error: a.toml: 4 problems; nothing was written"
    document = cli("apply", "a.toml", "--json").document
    assert document["problems"][0] == {
        "place": "sett",
        "message": "a file has no such field",
        "hint": "did you mean 'set'?",
    }
    assert len(document["problems"]) == 4


@pytest.mark.parametrize("command", ["apply", "import"])
def test_a_file_that_is_not_there_or_not_text_is_told(cli: CommandLine, tmp_path: Path, command: str) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.toml").mkdir()
    assert cli(command, "none.toml").err == "error: there is no file 'none.toml'\n"
    assert cli(command, "binary.toml").err == "error: binary.toml cannot be read: it is not UTF-8 text\n"
    assert cli(command, "folder.toml").err == "error: folder.toml cannot be read: Is a directory\n"
    assert cli(command).code == 2


# export, import


def test_what_is_exported_can_be_imported_elsewhere(cli: CommandLine, team: Path, tmp_path: Path) -> None:
    cli("apply", str(team))
    before = prompts(cli)
    cli("pause", before["tick"]["id"])
    said = cli("export", "--output", "all.json")
    assert (said.code, said.out) == (0, "exported 2 prompts to all.json\n")
    assert cli.json("export", "--output", "all.json") == {"exported": 2, "output": "all.json", "unreadable": []}
    assert json.loads((tmp_path / "all.json").read_text()) | {"exported_at": ""} == cli("export").document | {
        "exported_at": ""
    }
    there = ("--store", f"{cli.store}-there")
    planned = cli("import", "all.json", "--dry-run", *there)
    assert planned.out == "it would have imported 2 prompts (--dry-run: nothing was written)\n"
    assert cli.json("list", *there)["items"] == []
    assert cli("import", "all.json", *there).out == "imported 2 prompts\n"
    after = {prompt["key"]: prompt for prompt in cli.json("list", *there)["items"]}
    assert {key: prompt["id"] for key, prompt in after.items()} == {key: p["id"] for key, p in before.items()}
    assert (after["tick"]["status"], after["tick"]["next_at"]) == ("paused", None)
    assert after["morning-digest"]["next_at"] == before["morning-digest"]["next_at"]
    again = cli("import", "all.json", *there).out
    assert again == "imported 0 prompts\n  2 existed already: left as they are\n"


def test_an_export_goes_through_a_pipe(cli: CommandLine, team: Path) -> None:
    cli("apply", str(team))
    exported = cli("export", "--json")
    assert exported.document["schema"] == 1
    answer = cli.json("import", "-", "--store", f"{cli.store}-pipe", stdin=exported.out.encode())
    assert answer == {
        "created": 2,
        "existing": 0,
        "ended": 0,
        "quarantined": 0,
        "passed": 0,
        "overdue": [],
        "conflicts": [],
        "limited": [],
        "dry_run": False,
    }


def test_an_export_is_narrowed_and_widened(cli: CommandLine, team: Path) -> None:
    cli("apply", str(team))
    cli("add", "other", "--when", "@daily", "--platform", "slack")
    cli("cancel", prompts(cli)["tick"]["id"])
    count = {
        words: len(cli("export", *words).document["prompts"])
        for words in ((), ("--all",), ("--owner", "ops"), ("--platform", "slack"), ("--agent", "x"))
    }
    assert list(count.values()) == [2, 3, 1, 1, 0]


def test_a_key_that_is_taken_ends_with_4_and_the_others_are_imported(cli: CommandLine, team: Path) -> None:
    cli("apply", str(team))
    cli("export", "--output", "all.json")
    there = ("--store", f"{cli.store}-conflict")
    cli("add", "mine", "--when", "@daily", "--key", "tick", "--owner", "ops", *there)
    told = cli("import", "all.json", *there, "--json")
    assert (told.code, told.document["error"]["code"], told.document["created"]) == (4, "conflict", 1)
    assert told.document["conflicts"][0]["key"] == "tick"
    people = cli("import", "all.json", *there)
    assert (people.code, people.out.splitlines()[0]) == (4, "imported 0 prompts")
    assert "has the key 'tick'" in people.err


def test_what_is_overdue_is_told_and_fires_where_asked_for(cli: CommandLine, tmp_path: Path) -> None:
    cli("add", "once", "--when", "in 1h")
    document = cli("export").document
    [entry] = document["prompts"]
    entry["definition"]["schedule"]["at"] -= 2 * 3_600_000
    entry["created_at"] = entry["next_nominal"] = "2020-01-01T00:00:00.000+00:00"
    (tmp_path / "all.json").write_text(json.dumps(document))
    there = ("--store", f"{cli.store}-overdue")
    assert cli("import", "all.json", *there).out.splitlines() == [
        "imported 0 prompts",
        "  1 one-shot whose time has passed: left out; --overdue fire imports them, to fire late",
    ]
    assert cli("import", "all.json", "--overdue", "fire", *there).out == "imported 1 prompt\n"
    assert cli("import", "all.json", "--overdue", "later", *there).code == 2


WRONG_EXPORTS = [
    ("", "is not valid JSON: Expecting value (at line 1, column 1)"),
    ('{"schema": 1, "prompts": [{"id": "01', "it ends too early: is the file whole?"),
    ("{}", "it has no list `prompts`"),
    ("[]", "it has no list `prompts`"),
    ('{"prompts": []}', "it has no `schema`"),
    ('{"schema": 2, "prompts": []}', "its schema is 2; this release reads 1"),
    ("[" * 100_000, "cannot be read"),
]


@pytest.mark.parametrize(("text", "said"), WRONG_EXPORTS, ids=[said[:40] for _, said in WRONG_EXPORTS])
def test_what_is_no_export_is_told_in_one_line(cli: CommandLine, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.json").write_text(text)
    for told in (cli("import", "x.json"), cli("import", "-", stdin=text.encode())):
        assert (told.code, told.out) == (2, "")
        assert said in told.err
        assert len(told.err.splitlines()) <= 2
    assert cli("import", "x.json", "--json").document["error"]["code"] == "invalid_input"


def test_many_problems_of_an_export_are_cut_for_people_and_whole_for_programs(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"schema": 1, "prompts": [5] * 50}))
    told = cli("import", "x.json")
    assert len(told.err.splitlines()) == 21
    assert told.err.splitlines()[0] == "error: prompts[0]: an entry is an object, not 5"
    assert told.err.splitlines()[-1] == "error: x.json: 50 problems; nothing was written"
    assert len(cli("import", "x.json", "--json").document["problems"]) == 50


def test_an_export_that_cannot_be_written_leaves_what_was_there(cli: CommandLine, team: Path, tmp_path: Path) -> None:
    cli("apply", str(team))
    assert cli("export", "--output", "none/all.json").err.startswith("error: none/all.json cannot be written: No such")
    assert cli("export", "--output", "texts").err.startswith("error: texts is a directory")
    target = write(tmp_path / "all.json", "before")
    told = cli("export", "--output", "all.json", "--store", "unix:///nowhere/redis.sock", "--json")
    assert told.code == 5
    assert target.read_text() == "before"
    assert list(tmp_path.glob(".export-*")) == []


def test_a_new_export_is_its_owners_and_one_that_is_there_keeps_its_mode(
    cli: CommandLine, tmp_path: Path, team: Path
) -> None:
    cli("export", "--output", "new.json")
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o600
    (tmp_path / "new.json").chmod(0o644)
    (tmp_path / "link.json").symlink_to("new.json")
    cli("apply", str(team))
    assert cli("export", "--output", "link.json").code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o644
    assert len(json.loads((tmp_path / "new.json").read_text())["prompts"]) == 2
    assert cli("export", "--output", os.devnull).code == 0


def test_a_bar_is_shown_on_a_terminal_where_it_takes_long(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for _ in range(3):
        cli("add", "x", "--when", "@daily")
    monkeypatch.setattr("scheduled_prompts.cli.transferring.STEP", 1)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    assert cli("export", "--output", "all.json").err == ""
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    assert "exporting" in cli("export", "--output", "all.json").err
    assert "importing" in cli("import", "all.json", "--store", f"{cli.store}-bar").err
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    assert "exporting" not in cli("export", "--output", "all.json").err
