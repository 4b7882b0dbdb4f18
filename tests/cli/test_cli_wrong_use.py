"""Whatever is typed wrong: one clear line, the right exit code, the same for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduled_prompts.store import Store
from tests.cli.cli_driver import CommandLine

ADD = ("add", "x", "--when", "in 1h")

WRONG = [
    # what is typed, exit code, error code, words in the message or hint
    (("bogus",), 2, "usage", "bogus"),
    (("lst",), 2, "usage", "'list'"),
    (("--bogus", "list"), 2, "usage", "--bogus"),
    (("list", "--bogus"), 2, "usage", "--bogus"),
    (("list", "extra"), 2, "usage", "extra"),
    (("list", "--limit", "many"), 2, "usage", "--limit"),
    (("list", "--limit", "0"), 2, "invalid_input", "1 to 1000"),
    (("list", "--limit", "1001"), 2, "invalid_input", "1 to 1000"),
    (("list", "--limit"), 2, "usage", "--limit"),
    (("list", "--cursor", "nonsense"), 2, "invalid_input", "cursor"),
    (("list", "--status", "asleep"), 2, "usage", "'paused'"),
    (("show",), 2, "usage", "ID"),
    (("show", "ZZZZZZZZ"), 3, "not_found", "ZZZZZZZZ"),
    (("show", "not an id"), 3, "not_found", "not an id"),
    (("show", ""), 3, "not_found", "id"),
    (("history", "ZZZZZZZZ"), 3, "not_found", "ZZZZZZZZ"),
    (("cancel", "ZZZZZZZZ"), 3, "not_found", "ZZZZZZZZ"),
    (("run", "ZZZZZZZZ"), 3, "not_found", "ZZZZZZZZ"),
    (("run", "ZZZZZZZZ", "--wait-timeout", "1s"), 2, "usage", "--wait"),
    (("add",), 2, "usage", "TEXT"),
    (("add", "x"), 2, "usage", "every weekday at 9:00"),
    (("add", "say", "hello", "--when", "in 1h"), 2, "usage", "quotes"),
    (("add", "x", "--when", "30m"), 2, "invalid_schedule", "in 30m"),
    (("add", "x", "--when", ""), 2, "invalid_schedule", "empty"),
    (("add", "x", "--when", "0 0 30 2 *"), 2, "invalid_schedule", "February"),
    (("add", "x", "--when", "2020-01-01T00:00Z"), 2, "invalid_schedule", "past"),
    (("add", "", "--when", "in 1h"), 2, "invalid_input", "text"),
    (("add", "  ", "--when", "in 1h"), 2, "invalid_input", "blank"),
    ((*ADD, "--tz", "Mars/Olympus"), 2, "unknown_timezone", "Mars/Olympus"),
    ((*ADD, "--tz", "europe/berlin"), 2, "unknown_timezone", "Europe/Berlin"),
    ((*ADD, "--runner", "a b"), 2, "invalid_input", "runner"),
    ((*ADD, "--owner", "a:b"), 2, "invalid_input", "owner"),
    ((*ADD, "--platform", ""), 2, "invalid_input", "platform"),
    ((*ADD, "--key", "{k}"), 2, "invalid_input", "key"),
    ((*ADD, "--label", "team"), 2, "usage", "team=ops"),
    ((*ADD, "--label", "=v"), 2, "usage", "team=ops"),
    ((*ADD, "--label", "a b=v"), 2, "invalid_input", "labels"),
    ((*ADD, "--priority", "101"), 2, "invalid_input", "priority"),
    ((*ADD, "--priority", "high"), 2, "usage", "--priority"),
    ((*ADD, "--timeout", "soon"), 2, "usage", "90s"),
    ((*ADD, "--timeout", "0"), 2, "invalid_input", "timeout"),
    ((*ADD, "--timeout", "-5"), 2, "usage", "--timeout"),
    ((*ADD, "--timeout", "8d"), 2, "invalid_input", "timeout"),
    ((*ADD, "--timeout", "nan"), 2, "usage", "--timeout"),
    ((*ADD, "--retries", "often"), 2, "usage", "10s,1m,5m"),
    ((*ADD, "--retries", "10s,,5m"), 2, "usage", "10s,1m,5m"),
    ((*ADD, "--retries", "-1"), 2, "usage", "--retries"),
    ((*ADD, "--retries", "101"), 2, "invalid_input", "retries"),
    ((*ADD, "--on-crash", "explode"), 2, "usage", "'interrupt'"),
    ((*ADD, "--jitter", "2d"), 2, "invalid_input", "jitter"),
    ((*ADD, "--wait-timeout", "1s"), 2, "usage", "--wait"),
    ((*ADD, "--config", "none.toml"), 2, "invalid_config", "none.toml"),
    ((*ADD, "--store", "postgres://x"), 2, "invalid_input", "embedded:"),
    ((*ADD, "--store", ""), 2, "invalid_input", "embedded:"),
    ((*ADD, "--store", "redis://127.0.0.1:notaport"), 2, "invalid_input", "notaport"),
    ((*ADD, "--store", "redis+cluster://x"), 2, "invalid_input", "redis://"),
    (("preview",), 2, "usage", "WHEN"),
    (("preview", "whenever"), 2, "invalid_schedule", "whenever"),
    (("preview", "in 1h", "--count", "0"), 2, "invalid_input", "1 to 1000"),
    (("preview", "in 1h", "--from", "yesterday"), 2, "invalid_input", "2026-12-01"),
    (("preview", "in 1h", "--from", "9999-12-31T23:59-23:00"), 2, "invalid_input", "--from"),
    (("doctor", "--quick", "--repair"), 2, "usage", "--repair"),
    (("serve", "--slots", "0"), 2, "usage", "--slots"),
    (("serve", "--platform", "a b"), 2, "invalid_input", "a b"),
    (("serve", "--store", "postgres://x"), 2, "invalid_input", "embedded:"),
    (("serve", "--config", "none.toml"), 2, "invalid_config", "none.toml"),
]


@pytest.mark.parametrize(("words", "code", "kind", "said"), WRONG, ids=[" ".join(row[0])[:50] for row in WRONG])
def test_wrong_use_is_told_in_one_line(
    cli: CommandLine, words: tuple[str, ...], code: int, kind: str, said: str
) -> None:
    told = cli(*words)
    assert told.code == code
    first, *rest = told.err.splitlines()
    assert first.startswith("error: ")
    assert len(rest) <= 1
    assert all(line.startswith("hint: ") for line in rest)
    assert said in told.err
    assert told.out == ""

    document = cli(*words, "--json")
    assert document.code == code
    assert document.document["error"]["code"] == kind
    assert said in document.out
    assert "error" not in document.err


def test_the_command_alone_shows_what_there_is(cli: CommandLine) -> None:
    told = cli()
    assert told.code == 2
    assert "preview" in told.out
    document = cli("--json")
    assert (document.code, document.document["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize("group", ["fire", "token"])
def test_a_group_alone_asks_for_a_command(cli: CommandLine, group: str) -> None:
    told = cli(group)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("error: missing command\nhint: ")
    document = cli("--json", group).document
    assert (document["error"]["code"], document["error"]["message"]) == ("usage", "missing command")


def test_a_store_that_does_not_answer_ends_with_5(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Store.__init__.__kwdefaults__, "patience", 0.0)
    told = cli("list", "--store", "unix:///nowhere/redis.sock", "--json")
    assert (told.code, told.document["error"]["code"]) == (5, "store_unreachable")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("stor = 'x'", "stor"),
        ("[engine]\nslots = 0", "engine.slots"),
        ("log_level = 'loud'", "log_level"),
        ("= nonsense", "TOML"),
        ("timezone = 'Mars'", "Mars"),
    ],
)
def test_a_wrong_configuration_is_named(cli: CommandLine, tmp_path: Path, config: str, said: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(config)
    told = cli("list", "--config", str(file))
    assert told.code == 2
    assert said in told.err
    assert len(told.err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("runner", "said"),
    [('kind = "nothing"', "command"), ('argv = ["cat"]', "kind"), ('kind = "command"', "argv")],
)
def test_a_runner_that_cannot_be_made_stops_the_start(cli: CommandLine, tmp_path: Path, runner: str, said: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(f"[runners.echo]\n{runner}\n")
    told = cli("serve", "--config", str(file), "--json")
    assert told.code == 2
    assert said in told.out
    assert "echo" in told.document["error"]["message"]


def test_what_is_not_utf8_is_refused(cli: CommandLine) -> None:
    told = cli("add", "-", "--when", "in 1h", stdin=b"\xff\xfe")
    assert (told.code, told.err.splitlines()[0]) == (2, "error: standard input is not UTF-8 text")


def test_a_text_that_is_too_long_is_refused(cli: CommandLine) -> None:
    told = cli("add", "-", "--when", "in 1h", stdin=("ü" * 40_000).encode())
    assert told.code == 2
    assert "bytes" in told.err


def test_what_the_shell_could_not_decode_is_refused_and_shown(cli: CommandLine) -> None:
    told = cli("add", "x\udcff", "--when", "in 1h", "--json")
    assert (told.code, told.document["error"]["code"]) == (2, "invalid_input")
    named = cli("add", "x", "--when", "in 1h", "--name", "x\udcff", "--json")
    assert (named.code, named.document["error"]["code"]) == (2, "invalid_input")


def test_control_characters_in_an_error_are_shown_not_obeyed(cli: CommandLine) -> None:
    assert "\x1b" not in cli("show", "\x1b[31mred").err
