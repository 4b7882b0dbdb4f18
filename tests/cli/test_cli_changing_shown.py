"""How `list`, `show` and `history` tell why a prompt fires, or does not, on a real server."""

from __future__ import annotations

import json
import shlex
import time

import pytest
import redis

from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.contract import Permanent
from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused, refused_as, set_field


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


def test_records_that_cannot_be_read_are_listed_too(cli: CommandLine) -> None:
    good, bad = add(cli, "good"), add(cli, "bad")
    set_field(cli, bad, doc="{")
    lines = cli("list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [bad[-8:], good[-8:]]
    assert "(cannot be read)" in lines[1]
    assert "JSONDecodeError" in lines[1]
    document = cli.json("list")
    assert [item["id"] for item in document["items"]] == [good]
    [broken] = document["unreadable"]
    assert (broken["id"], broken["newer"]) == (bad, False)
    for words in (("show",), ("pause",), ("resume",), ("skip", "next"), ("run",), ("history",)):
        told = (words[0], bad, *words[1:])
        assert "`edit` with a text and a time repairs it" in refused(cli(*told), 1)
        assert refused_as(cli(*told, "--json"), 1) == "store_unusable"


def test_a_record_that_cannot_be_read_can_be_cancelled_and_has_a_history(cli: CommandLine) -> None:
    bad, worse = add(cli), add(cli)
    fire_id = cli.json("run", bad)["id"]
    for prompt_id in (bad, worse):
        set_field(cli, prompt_id, doc="{")
    assert cli.json("history", bad)["items"][0]["id"] == fire_id
    assert bad[-8:] in cli("history", bad).out
    assert cli("cancel", bad).out == f"cancelled {bad[-8:]}\n  1 waiting fire ended\n"
    assert {"prompt": None, "ended": 0, "asked_to_stop": 0}.items() <= cli.json("cancel", worse).items()


def test_a_quarantined_prompt_shows_its_error(cli: CommandLine) -> None:
    prompt_id = add(cli)
    set_field(cli, prompt_id, status="quarantined")
    with redis.Redis.from_url(cli.store) as client:
        client.hset("{sp:0}:quarantine", prompt_id, '{"at": "1764576000000", "error": "it is broken", "was": "active"}')
        client.zrem("{sp:0}:by:status:active", prompt_id)
        client.zadd("{sp:0}:by:status:quarantined", {prompt_id: 1764576000000})
    assert "it is broken" in cli("list", "--status", "quarantined").out
    [item] = cli.json("list", "--status", "quarantined")["items"]
    assert (item["quarantined"]["error"], item["quarantined"]["was"]) == ("it is broken", "active")
    shown = cli("show", prompt_id).out
    assert "  status    quarantined" in shown
    assert "  error     it is broken (set aside " in shown
    assert cli.json("show", prompt_id)["quarantined"]["error"] == "it is broken"


@pytest.mark.parametrize("status", ["scheduled", "active", "paused", "executed", "cancelled", "quarantined"])
def test_every_status_can_be_listed(cli: CommandLine, status: str) -> None:
    assert cli.json("list", "--status", status)["items"] == []


def test_more_of_a_list_is_shown_in_pages_of_the_same_size(cli: CommandLine) -> None:
    for _ in range(3):
        add(cli)
    _, *words = shlex.split(cli("list", "--limit", "1", "--status", "active").out.splitlines()[-1].partition(": ")[2])
    assert words[:5] == ["list", "--status", "active", "--limit", "1"]
    assert "--cursor" in words
    _, *again = shlex.split(cli(*words).out.splitlines()[-1].partition(": ")[2])
    assert "there are more" not in cli(*again).out


def test_overdue_prompts_are_warned_of_where_nobody_serves_them(cli: CommandLine) -> None:
    ids = [add(cli, "x", "in 1s"), add(cli, "y", "in 1s"), add(cli, "z", "in 1h")]
    time.sleep(2.1)
    listed = cli("list")
    [warning, hint] = listed.err.splitlines()
    assert warning.startswith("warning: 2 of these are overdue: no daemon is running on unix://")
    assert " serve" in hint
    assert "no daemon is running" in cli.json("list")["warning"]
    assert "warning: it is overdue: no daemon is running" in cli("history", ids[0]).err
    assert cli("history", ids[2]).err == ""
    assert "warning" not in cli.json("history", ids[2])


def test_failures_in_a_row_are_counted(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "every 1s", "--retries", "0")
    ended: list[str] = []

    def break_down(fire: Fire) -> str:
        ended.append(fire.id)
        raise Permanent("it broke")

    cli.serve(break_down, lambda: len(ended) >= 3)
    failures = cli.json("show", prompt_id)["failures"]
    assert failures >= 2
    assert f"failed ×{failures} " in cli("list").out
    shown = cli("show", prompt_id).out
    assert f"{failures} failures in a row" in shown
    assert shown.count("it broke") >= 2


def test_a_one_shot_that_still_runs_reads_as_running(cli: CommandLine) -> None:
    started: list[str] = []

    def work(fire: Fire) -> str:
        started.append(fire.id)
        time.sleep(1.5)
        return "done"

    prompt_id = add(cli, "x", "in 1s")
    with cli.serving(log=work):
        while not started:
            time.sleep(0.02)
        listed, shown = cli("list").out, cli("show", prompt_id).out
        document = cli.json("show", prompt_id)
        time.sleep(1.6)
        after = cli("list").out
    assert "running" in listed
    assert "executed" not in listed
    assert "  status    running, and nothing more to come" in shown
    assert (document["status"], document["fires"][0]["status"]) == ("executed", "running")
    assert "executed" in after


def test_show_tells_what_was_missed_beside_the_fires(cli: CommandLine) -> None:
    prompt_id = add(cli, "tick", "every 2h")
    for _ in range(6):
        cli("run", prompt_id)
    missed = {
        "kind": "missed",
        "at": "4102444800000",
        "from": "1764576000000",
        "until": "1764583200000",
        "reason": "late",
    }
    with redis.Redis.from_url(cli.store) as client:
        client.rpush("{sp:0}:spans:" + prompt_id, json.dumps(missed))
    lines = cli("show", prompt_id).out.splitlines()
    assert lines[-7] == (
        "  lately    2100-01-01 01:00:00 +01:00  missed  2025-12-01 09:00 +01:00 until 2025-12-01 11:00 +01:00, late"
    )
    assert lines[-1] == f"            … history {prompt_id[-8:]} tells the rest"
    document = cli.json("show", prompt_id)
    assert document["missed"] == document["spans"]
    assert (document["missed"][0]["from"], document["missed"][0]["reason"]) == ("2025-12-01T09:00:00.000+01:00", "late")
    assert len(document["fires"]) == 5


def test_every_change_has_words(cli: CommandLine) -> None:
    prompt_id = add(cli, "tick", "every 2h")
    words = ("--retries", "0", "--on-crash", "interrupt", "--jitter", "5m", "--name", "T", "--priority", "9")
    lines = cli("edit", prompt_id, "--force", *words, "--grace", "10m", "--misfire", "skip").out.splitlines()
    assert lines[1:8] == [
        "  name      none → T",
        "  priority  50 → 9",
        "  retries   4, after 2 min, 10 min, 30 min, 2 h → none",
        "  on crash  rerun → interrupt",
        "  jitter    none → up to 5 min",
        "  misfire   once → skip",
        "  grace     default → 10 min",
    ]
