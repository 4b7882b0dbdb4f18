"""`history --changes`: what was done to a prompt, when, by whom, from what to what, on a real server."""

from __future__ import annotations

import os
import pwd

import pytest
import redis

from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused, set_field

ME = f"cli:{pwd.getpwuid(os.geteuid()).pw_name}"


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


def test_each_change_is_a_line_latest_first_with_who_made_it(cli: CommandLine) -> None:
    prompt_id = add(cli)
    cli("edit", prompt_id, "--force", "--when", "every day at 10:00", "--timeout", "5m", "--text", "say bye")
    cli("pause", prompt_id, "--note", "the holidays")
    cli("resume", prompt_id)
    cli("skip", prompt_id, "next")
    cli("unskip", prompt_id, "next")
    cli("cancel", prompt_id)
    lines = cli("history", prompt_id, "--changes").out.splitlines()
    assert lines[0].split() == ["TIME", "CHANGE", "BY", "WHAT"]
    told = [" ".join(line.split()[3:]) for line in lines[1:]]
    assert [line.split(f" {ME}")[0] for line in told] == [
        "cancelled",
        "not to skip",
        "to skip",
        "resumed",
        "paused",
        "edited",
        "created",
    ]
    assert told[0] == f"cancelled {ME} it was active"
    assert told[2].endswith("10:00 +01:00") or told[2].endswith("10:00 +02:00")
    assert told[4] == f"paused {ME} the holidays"
    assert told[5] == (
        f"edited {ME} text: say hello → say bye; schedule: every day at 09:00 Europe/Berlin → every day at 10:00 "
        "Europe/Berlin; timeout: 1 h → 5 min"
    )


def test_programs_are_told_the_same(cli: CommandLine) -> None:
    prompt_id = add(cli, "x" * 1000)
    cli("edit", prompt_id, "--force", "--text", "y", "--label", "a=b")
    document = cli.json("history", prompt_id, "--changes")
    edited, created = document["items"]
    assert (document["total"], created["kind"], created["by"]) == (2, "created", ME)
    assert (edited["kind"], edited["by"], edited["changed"]) == ("edited", ME, ["text", "labels"])
    assert edited["values"] == {
        "text": {"from": "x" * 199 + "…", "to": "y"},
        "labels": {"from": {}, "to": {"a": "b"}},
    }


def test_values_are_told_in_words(cli: CommandLine) -> None:
    prompt_id = add(cli)
    policies = ("--grace", "90s", "--retries", "10s,1m", "--start", "2026-12-01", "--label", "a=b")
    cli("edit", prompt_id, "--force", "--tz", "Europe/Berlin", *policies)
    told = " ".join(cli("history", prompt_id, "--changes").out.split())
    assert "labels: none → a=b" in told
    assert "2 min, 10 min, 30 min, 2 h → 10.0 s, 1 min" in told
    assert "grace: none → 1 min 30 s" in told
    assert "start at: none → Tue 2026-12-01 00:00 +01:00" in told


def test_a_limit_says_how_many_more_there_are(cli: CommandLine) -> None:
    prompt_id = add(cli)
    cli("pause", prompt_id)
    cli("resume", prompt_id)
    out = cli("history", prompt_id, "--changes", "--limit", "2").out
    assert f" history {prompt_id[-8:]} --changes --limit 1000" in out
    assert "there are 1 more: " in out
    assert "resumed" in out
    assert "created" not in out
    assert "--limit" in refused(cli("history", prompt_id, "--changes", "--cursor", "x"), 2)
    assert "limit=0" in refused(cli("history", prompt_id, "--changes", "--limit", "0"), 2)
    assert refused(cli("history", "nobody", "--changes"), 3)


def test_what_cannot_be_read_has_its_changes_all_the_same(cli: CommandLine) -> None:
    prompt_id = add(cli)
    cli("edit", prompt_id, "--force", "--when", "every 2h")
    with redis.Redis.from_url(cli.store) as client:
        key = "{sp:0}:spans:" + prompt_id
        client.lset(key, 0, client.lindex(key, 0).replace(b"cron", b"tide"))  # type: ignore[union-attr]
    set_field(cli, prompt_id, doc="{")
    assert '{"expression": "0 9 * * *", "kind": "tide"} → every 2 hours' in cli("history", prompt_id, "--changes").out
    assert len(cli.json("history", prompt_id, "--changes")["items"]) == 1


def test_what_is_not_kept_and_what_was_brought_are_told(cli: CommandLine) -> None:
    prompt_id = add(cli)
    with redis.Redis.from_url(cli.store) as client:
        for row in ('{"kind":"trimmed","at":"1764576000000","count":7}', '{"kind":"imported","at":"1764576000000"}'):
            client.rpush("{sp:0}:spans:" + prompt_id, row)
    out = cli("history", prompt_id, "--changes").out
    assert "7 before that are not kept" in out
    assert "imported" in out
