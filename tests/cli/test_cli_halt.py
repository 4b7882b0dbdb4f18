"""`stop-all` and `start-all`, as people type them, and where else they are told that all is stopped."""

from __future__ import annotations

from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused, refused_as


def test_stop_all_and_start_all(cli: CommandLine) -> None:
    add(cli)
    told = cli("stop-all", "--note", "too many messages")
    assert told.code == 0
    assert told.out.startswith("all is stopped: nothing is started\n")
    assert "start-all" in told.out
    assert "already, since" in cli("stop-all").out
    assert cli("start-all").out.startswith("all goes on, after")
    assert cli("start-all").out == "nothing was stopped\n"


def test_programs_are_told_since_when_and_why(cli: CommandLine) -> None:
    document = cli.json("stop-all", "--note", "why", "--cancel-running")
    assert document["stopped"] is True
    assert document["halted"]["note"] == "why"
    assert (document["running"], document["asked_to_stop"]) == (0, 0)
    assert cli.json("start-all")["was"] == document["halted"]
    assert cli.json("start-all") == {"started": False, "was": None}


def test_list_show_stats_and_doctor_say_that_all_is_stopped(cli: CommandLine) -> None:
    prompt = add(cli)
    for words in (("list",), ("show", prompt), ("stats",)):
        assert cli.json(*words)["halted"] is None
    cli("stop-all", "--note", "too many messages")
    for words in (("list",), ("show", prompt), ("stats",), ("doctor", "--quick")):
        told = cli(*words)
        assert "stopped" in (told.out + told.err).lower()
        assert "too many messages" in told.out + told.err
    for words in (("list",), ("show", prompt), ("stats",)):
        assert cli.json(*words)["halted"]["note"] == "too many messages"


def test_add_warns_and_run_is_refused(server_cli: CommandLine) -> None:
    prompt = add(server_cli)
    server_cli("stop-all")
    told = server_cli("add", "say hello", "--when", "in 1h")
    assert told.code == 0
    assert "warning: all is stopped, since" in told.err
    assert "all is stopped" in refused(server_cli("run", prompt), 4)
    assert refused_as(server_cli("run", prompt, "--json"), 4) == "all_stopped"
    events = server_cli.json("events")["items"]
    assert [event["prompt_id"] for event in events if event["type"] == "stopped_all"] == [None]
    assert "stopped all" in server_cli("events").out
