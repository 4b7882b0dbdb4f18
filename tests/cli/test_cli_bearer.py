"""With a token in the environment the command line acts on behalf of whoever it was made for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import typer

from scheduled_prompts import Caller, Scheduler, Scope
from scheduled_prompts.cli import commands  # noqa: F401  (makes them known)
from scheduled_prompts.cli.app import app
from scheduled_prompts.cli.bearer import FOR_BEARERS, OF_OPERATORS, VARIABLE
from tests.cli.cli_driver import CommandLine

ANN = Caller(owner="ann", agent="planner", runners=("claude",))


def token_for(cli: CommandLine, caller: Caller) -> str:
    async def make() -> str:
        async with Scheduler(cli.store) as scheduler:
            return (await scheduler.store.new_token(caller, lifetime=60)).token

    return asyncio.run(make())


@pytest.fixture
def ann(server_cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    server_cli.json("add", "of bob", "--when", "in 1h", "--owner", "bob")
    monkeypatch.setenv(VARIABLE, token_for(server_cli, ANN))
    return server_cli


def error(answer: Any) -> dict[str, str]:
    document: dict[str, str] = answer.document["error"]
    return document


def test_every_command_is_for_bearers_or_for_operators() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a group
    assert known == FOR_BEARERS | set(OF_OPERATORS)
    assert not FOR_BEARERS & set(OF_OPERATORS)


def test_what_a_bearer_adds_is_the_callers(ann: CommandLine) -> None:
    prompt = ann.json("add", "hello", "--when", "in 1h")["prompt"]
    assert (prompt["owner"], prompt["agent"], prompt["runner"]) == ("ann", "planner", "claude")
    assert prompt["created_by"] == "agent:planner"
    assert [item["text"] for item in ann.json("list")["items"]] == ["hello"]
    shown = ann("show", prompt["id"])
    assert shown.code == 0, shown
    for words in (["history", prompt["id"]], ["explain", prompt["id"]], ["events", "--prompt", prompt["id"]]):
        assert ann(*words).code == 0, words
    assert ann.json("pause", prompt["id"])["prompt"]["status"] == "paused"
    assert ann.json("resume", prompt["id"])["prompt"]["status"] == "scheduled"
    assert ann.json("run", prompt["id"])["prompt_id"] == prompt["id"]
    assert ann.json("cancel", prompt["id"])["prompt"]["status"] == "cancelled"


@pytest.mark.parametrize("command", sorted(OF_OPERATORS))
def test_what_is_an_operators_is_refused_before_anything_else(ann: CommandLine, command: str) -> None:
    answer = ann("--json", command)
    assert (answer.code, error(answer)["code"]) == (6, "forbidden")
    assert error(answer)["message"].startswith(f"with a token this is not allowed: `{command}` ")
    assert VARIABLE in error(answer)["hint"]


def test_an_error_says_on_whose_behalf_it_was_tried(ann: CommandLine) -> None:
    answer = ann("add", "x", "--when", "in 1h", "--runner", "root")
    assert answer.code == 6
    assert f"{VARIABLE} is set: you act as agent:planner of ann" in answer.err


def test_a_scope_that_was_not_given_is_missed(server_cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ANN.model_copy(update={"scopes": frozenset({Scope.READ})})
    monkeypatch.setenv(VARIABLE, token_for(server_cli, reader))
    assert server_cli.json("list")["items"] == []
    assert error(server_cli("add", "x", "--when", "in 1h", "--json"))["code"] == "forbidden"


def test_a_token_that_is_none_is_refused_and_an_empty_one_is_none(
    server_cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_cli.json("add", "of bob", "--when", "in 1h", "--owner", "bob")
    for wrong in ("x", "sp1.e30.x"):
        monkeypatch.setenv(VARIABLE, wrong)
        answer = server_cli("list", "--json")
        assert (answer.code, error(answer)["code"]) == (6, "token_refused")
        assert wrong not in answer.out
    monkeypatch.setenv(VARIABLE, "")
    assert len(server_cli.json("list")["items"]) == 1
