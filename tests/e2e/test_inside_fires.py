"""A command whose daemon, store and command line are those that people use."""

from __future__ import annotations

import json
import subprocess

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


def test_a_command_that_books_two_of_itself_is_stopped_at_the_depth_that_is_set(household: Household) -> None:
    again = f"{COMMAND} add twin --when 'in 1h' --json || true"
    twins = f'[limits]\nmax_depth = 1\n\n[runners.twins]\nkind = "command"\nargv = ["sh", "-c", "{again}; {again}"]\n'
    with (household.folder / "scheduled-prompts.toml").open("a") as config:
        config.write(twins)
    household.start_daemon()
    words = ["--runner", "twins", "--owner", "ann", "--agent", "planner", "--wait"]
    root = household.command("add", "two of me", "--when", "in 1s", *words)["prompt"]["id"]
    children = [item for item in household.command("list")["items"] if item["id"] != root]
    assert [(child["depth"], child["runner"], child["created_by"]) for child in children] == [
        (1, "twins", "agent:planner")
    ] * 2
    household.command("run", children[0]["id"], "--wait")
    assert len(household.command("list")["items"]) == 3, "what a child books is too deep"
    assert " made 2 prompts: " in told(household, "explain", root)
    explained = told(household, "explain", children[0]["id"])
    assert "tried 2 times to schedule a prompt; refused: " in explained
    assert "depth 1 is the most ([limits] max_depth = 1)" in explained
    done = household.command("cancel", root, "--tree")
    assert sorted(done["cancelled_with_it"]) == sorted(child["id"] for child in children)


def told(household: Household, *words: str) -> str:
    """What a person reads."""
    done = subprocess.run(
        [COMMAND, *words],
        cwd=household.folder,
        env={**household.environment, "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return " ".join(done.stdout.split())
