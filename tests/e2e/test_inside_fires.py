"""A command whose daemon, store and command line are those that people use."""

from __future__ import annotations

import json

from tests.e2e.household import COMMAND, Household

CHILD = f"""
[runners.child]
kind = "command"
argv = ["sh", "-c", "{COMMAND} list --json; {COMMAND} stop-all --json || true"]
cwd = "elsewhere"
"""


def test_a_command_acts_as_its_fires_agent_from_any_directory(household: Household) -> None:
    (household.folder / "elsewhere").mkdir()
    with (household.folder / "scheduled-prompts.toml").open("a") as config:
        config.write(CHILD)
    household.start_daemon()
    household.command("add", "of bob", "--when", "in 1h", "--owner", "bob")
    words = ["--runner", "child", "--owner", "ann", "--agent", "planner", "--wait"]
    done = household.command("add", "of ann", "--when", "in 1s", *words)
    listed, stopped = [json.loads(line) for line in done["fire"]["result"]["text"].replace("}\n{", "}\0{").split("\0")]
    assert [item["text"] for item in listed["items"]] == ["of ann"]
    assert stopped["error"]["code"] == "forbidden"
    assert household.command("list")["halted"] is None
