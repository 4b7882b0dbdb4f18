"""`doctor` and `cleanup` on real servers, in both forms."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from scheduled_prompts.limits import MOST_DAYS
from tests.cli.cli_driver import CommandLine
from tests.cli.test_cli_broken_stores import Start, start  # noqa: F401  (a fixture)


def checks(cli: CommandLine, *words: str, code: int) -> dict[str, dict[str, Any]]:
    answer = cli("doctor", *words, "--json")
    assert answer.code == code, answer
    assert answer.document["ok"] == (code == 0)
    return {check["check"]: check for check in answer.document["checks"]}


def test_a_server_that_forgets_is_told_so_plainly(start: Start, cli: CommandLine) -> None:  # noqa: F811
    server = start()
    store = ("--store", f"unix://{server.socket}")
    found = checks(cli, *store, code=1)
    assert found["persistence"]["message"] == "this Redis forgets everything on restart"
    told = cli("doctor", *store)
    assert told.code == 1
    assert "PROBLEM  persistence  this Redis forgets everything on restart" in told.out
    assert "→ CONFIG SET appendonly yes" in told.out


def test_a_server_that_throws_keys_away_is_a_problem(start: Start, cli: CommandLine) -> None:  # noqa: F811
    server = start("--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    found = checks(cli, "--store", f"unix://{server.socket}", code=1)
    assert found["memory"]["level"] == "problem"
    assert "allkeys-lru" in found["memory"]["message"]
    assert found["persistence"]["level"] == "ok"


def test_all_is_well_where_a_daemon_lives_and_everything_is_kept(start: Start, cli: CommandLine) -> None:  # noqa: F811
    server = start("--appendonly", "yes")
    cli.store = f"unix://{server.socket}"
    store = ("--store", cli.store)
    assert checks(cli, *store, "--quick", code=1)["daemons"]["level"] == "problem"
    with cli.serving(log=lambda fire: None):
        cli.json("add", "x", "--when", "in 1h", *store)
        found = checks(cli, *store, "--strict", code=0)
        assert {check["level"] for check in found.values()} == {"ok"}
        assert set(checks(cli, *store, "--quick", "--here", code=0)) < set(found)
        assert cli("doctor", *store).out.splitlines()[-1] == "all is well"


def test_a_server_that_only_makes_snapshots_is_a_warning_which_fails_where_that_is_asked_for(
    start: Start,  # noqa: F811
    cli: CommandLine,
) -> None:
    server = start("--save", "3600 1")
    cli.store = f"unix://{server.socket}"
    with cli.serving(log=lambda fire: None):
        assert checks(cli, "--store", cli.store, code=0)["persistence"]["level"] == "warning"
        assert checks(cli, "--store", cli.store, "--strict", code=1)["persistence"]["level"] == "warning"
        assert cli("doctor", "--store", cli.store).out.splitlines()[-1] == "no problem, 1 warning"


def test_of_a_server_that_refuses_to_tell_its_settings_nothing_is_claimed(start: Start, cli: CommandLine) -> None:  # noqa: F811
    server = start("--rename-command", "CONFIG", "")
    cli.store = f"unix://{server.socket}"
    with cli.serving(log=lambda fire: None):
        persistence = checks(cli, "--store", cli.store, code=0)["persistence"]
    assert persistence["level"] == "warning"
    assert "does not tell whether it makes snapshots" in persistence["message"]


def test_data_of_a_newer_release_is_said_and_left_alone(start: Start, cli: CommandLine) -> None:  # noqa: F811
    server = start()
    with server.client() as client:
        client.hset("{sp:0}:meta", mapping={"schema": 99, "shards": 1, "virtual": 0, "rules": "x"})
        answer = cli("doctor", "--repair", "--store", f"unix://{server.socket}", "--json")
        assert answer.code == 1
        assert "newer release" in answer.document["error"]["message"]
        assert client.keys() == ["{sp:0}:meta"]


def test_a_private_server_keeps_everything(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    found = checks(cli, "--store", f"embedded:{tmp_path / 'data'}", "--quick", code=1)
    assert found["persistence"]["message"] == "every write is on disk before it is answered"


def test_a_store_that_cannot_be_reached_ends_it_with_5(cli: CommandLine) -> None:
    assert cli("doctor", "--quick", "--store", "redis://127.0.0.1:1").code == 5


def test_damage_is_shown_and_repaired(server_cli: CommandLine) -> None:
    prompt = server_cli.json("add", "x", "--when", "in 1h")["prompt"]["id"]
    socket = server_cli.store.removeprefix("unix://").partition("?")[0]
    subprocess.run(["python3", "-c", _DELETE, socket], check=True, timeout=20)
    found = checks(server_cli, code=1)
    assert found["indexes"]["level"] == "problem"
    assert any(prompt in detail for detail in found["indexes"]["details"])
    assert checks(server_cli, "--repair", code=1)["indexes"]["level"] == "note"
    assert checks(server_cli, code=1)["indexes"]["level"] == "ok"  # no daemon lives: that stays a problem


_DELETE = """
import socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    server.sendall(b"SELECT 9\\r\\nDEL {sp:0}:due:default\\r\\n")
    assert server.recv(100)
"""


def test_what_has_ended_is_deleted_now(server_cli: CommandLine) -> None:
    prompt = server_cli.json("add", "x", "--when", "in 1h")["prompt"]["id"]
    server_cli.json("cancel", prompt)
    assert server_cli.json("cleanup", "--days", "1")["prompts"] == 0
    assert server_cli("cleanup", "--days", "0").out.startswith(
        "deleted 1 prompt and 0 fires that ended more than 0 days ago"
    )
    assert server_cli("show", prompt).code == 3


def test_the_help_of_cleanup_says_which_days_it_takes(cli: CommandLine) -> None:
    assert f"0 to {MOST_DAYS:,}" in " ".join(cli("cleanup", "--help").out.replace("│", " ").split())


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "1e305", "9" * 400])
def test_days_beyond_all_calendars_are_refused(cli: CommandLine, days: str) -> None:
    answer = cli("cleanup", "--days", days)
    assert answer.code == 2
    assert "unexpected" not in answer.err
