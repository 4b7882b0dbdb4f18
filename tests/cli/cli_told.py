"""What tests of the command line have in common: a prompt, and how a refusal reads."""

from __future__ import annotations

import redis

from tests.cli.cli_driver import Answer, CommandLine

BERLIN = ("--tz", "Europe/Berlin")


def add(cli: CommandLine, text: str = "say hello", when: str = "every day at 9:00", *more: str) -> str:
    return str(cli.json("add", text, "--when", when, *BERLIN, *more)["prompt"]["id"])


def refused(told: Answer, code: int) -> str:
    """The one line (and its hint) that a person is told."""
    assert told.code == code
    assert told.out == ""
    lines = told.err.splitlines()
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2
    assert all(line.startswith("hint: ") for line in lines[1:])
    return told.err


def refused_as(told: Answer, code: int) -> str:
    """The error code that a program is told."""
    assert told.code == code
    assert "error" not in told.err
    return str(told.document["error"]["code"])


def set_field(cli: CommandLine, prompt_id: str, **fields: str) -> None:
    """Change a stored prompt behind everybody's back."""
    with redis.Redis.from_url(cli.store) as client:
        client.hset("{sp:0}:prompt:" + prompt_id, mapping=fields)
