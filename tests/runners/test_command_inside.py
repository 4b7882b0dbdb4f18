"""Real children of real fires: what `scheduled-prompts` does for them, and what it does not."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from structlog.testing import capture_logs

from scheduled_prompts import CommandRunner, Daemon, Fire, Limits, Once, Scheduler
from scheduled_prompts.approval import Approval
from scheduled_prompts.cli import main
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.tokens import PREFIX
from tests.conftest import RealServer

pytestmark = pytest.mark.real_time

QUICK = EngineSettings(watch_period=0.05)
CHILD = """
import contextlib, io, json, os, sys
from scheduled_prompts.approval import Approval
from scheduled_prompts.cli import main

def call(words):
    out, before = io.StringIO(), dict(os.environ)
    os.environ.update(word.split("=", 1) for word in words if word.startswith("SCHEDULED_PROMPTS_"))
    with contextlib.redirect_stdout(out):
        code = main([*(word for word in words if not word.startswith("SCHEDULED_PROMPTS_")), "--json"])
    os.environ.update(before)
    return [code, json.loads(out.getvalue())]

fire = os.environ["SCHEDULED_PROMPTS_PROMPT_ID"]
print(json.dumps([call([word.replace("ITSELF", fire) for word in words]) for words in json.loads(sys.argv[1])]))
"""
"""Calls the command line as a shell script would (`NAME=value scheduled-prompts …`), but in one process: an interpreter
takes its time to start."""
ANN: dict[str, Any] = {"owner": "ann", "agent": "planner", "runner": "child"}


class Said(NamedTuple):
    code: int
    document: Any

    @property
    def error(self) -> str:
        return f"{self.document['error']['code']}: {self.document['error']['message']}"


class House:
    """A daemon whose one runner is a child process, on a store that others can reach."""

    def __init__(self, url: str, namespace: str = "sp", **rules: Any) -> None:
        self.url = url
        self.namespace = namespace
        self.rules = rules

    async def someone_elses(self) -> str:
        """The id of a prompt of bob's."""
        async with Scheduler(self.url, namespace=self.namespace) as scheduler:
            await scheduler.schedule("of nobody", "in 1h")
            return (await scheduler.schedule("of bob", "in 1h", owner="bob")).prompt.id

    async def fired(self, runner: CommandRunner, **fields: Any) -> Fire:
        """One fire of a new prompt, when it has ended."""
        async with Scheduler(self.url, namespace=self.namespace, timezone="Europe/Berlin") as scheduler:
            rules = {"timezone": "Europe/Berlin", **self.rules}
            daemon = Daemon(scheduler.store, runners={"child": runner}, settings=QUICK, **rules)
            async with daemon:
                said: dict[str, Any] = {"retries": 0, "text": "do it", **ANN, **fields}
                at = Once(at=scheduler.clock.now() + 50)
                prompt = (await scheduler.schedule(said.pop("text"), at, **said)).prompt
                async with asyncio.timeout(20):
                    while True:
                        items = (await scheduler.history(prompt.id)).items
                        if items and items[-1].status.has_ended:
                            return items[-1]
                        await asyncio.sleep(0.02)

    async def says(self, *calls: list[str], env: dict[str, str] | None = None, **more: Any) -> list[Said]:
        """What the command line answered to a child that called it."""
        runner = CommandRunner([sys.executable, "-c", CHILD, json.dumps(calls)], env=env)
        fire = await self.fired(runner, **more)
        assert fire.status == "succeeded", fire.error
        assert fire.result is not None
        return [Said(*said) for said in json.loads(fire.result.text or "")]


@pytest.fixture
def house(real_server: RealServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[House]:
    for name in [name for name in os.environ if name.startswith("SCHEDULED_PROMPTS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    url = f"{real_server.url}?db=6"
    yield House(url, "inside")
    for db in (5, 6):
        with redis.Redis(unix_socket_path=str(real_server.socket), db=db) as client:
            client.flushdb()


async def test_a_child_sees_and_does_what_its_fire_may(house: House) -> None:
    bobs = await house.someone_elses()
    listed, shown, unknown, known, foreign, other, *operators = await house.says(
        ["list"],
        ["show", "ITSELF"],
        ["show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
        ["show", bobs],
        ["list", "--owner", "bob"],
        ["add", "x", "--when", "in 1h", "--owner", "bob"],
        *(["doctor"], ["stats"], ["stop-all"], ["start-all"], ["serve"], ["cleanup"], ["export"], ["apply", "x.toml"]),
    )
    assert (listed.code, [item["text"] for item in listed.document["items"]]) == (0, ["do it"])
    assert (shown.code, shown.document["owner"]) == (0, "ann")
    assert (unknown.code, known.code) == (3, 3)
    assert known.error.replace(bobs, "01ARZ3NDEKTSV4RRFFQ69G5FAV") == unknown.error, "it reads as not there"
    assert (foreign.code, foreign.document["items"]) == (0, [])
    assert (other.code, other.document["error"]["code"]) == (6, "forbidden")
    assert "you act as agent:planner of ann, in the fire" in other.document["error"]["hint"]
    for said in operators:
        assert said.code == 6
        assert said.error.startswith("forbidden: inside a fire this is not allowed: `")


async def test_a_child_books_its_own_next_turn_and_no_other(house: House) -> None:
    bobs = await house.someone_elses()
    edited, retimed, new, again, others, run = await house.says(
        ["edit", "ITSELF", "--when", "in 2h", "--version", "1"],
        ["add", "and then this", "--when", "in 3h", "--key", "turn"],
        ["add", "another", "--when", "in 1h"],
        ["add", "another", "--when", "in 1h", "--key", "other"],
        ["cancel", bobs],
        ["run", "ITSELF"],
        key="turn",
    )
    assert edited.code == 0, edited
    assert (retimed.code, retimed.document["created"]) == (0, False), retimed
    assert retimed.document["prompt"]["text"] == "and then this"
    for said in (new, again):
        assert said.code == 6
        assert said.error.startswith("limit_reached: a fire makes no prompts ([limits] max_depth = 0)")
    assert (others.code, others.document["error"]["code"]) == (3, "not_found")
    assert (run.code, run.document["error"]["code"]) == (6, "forbidden")
    async with Scheduler(house.url, namespace=house.namespace) as scheduler:
        prompts = {prompt.text: prompt for prompt in (await scheduler.list()).items}
        assert set(prompts) == {"and then this", "of bob", "of nobody"}
        mine = prompts["and then this"]
        assert mine.status == "scheduled"
        assert mine.next_at is not None
        assert abs(mine.next_at - scheduler.clock.now() - 3 * 3_600_000) < 60_000
        spans = await scheduler.spans(mine.id)
        assert {span.by for span in spans if span.kind == "edited"} == {"agent:planner"}


async def test_a_child_has_the_limits_of_the_daemon_whatever_its_own_settings_say(house: House) -> None:
    house.rules = {"limits": Limits(max_depth=1, active_per_owner=2)}
    looser = {
        "SCHEDULED_PROMPTS_LIMITS": '{"max_depth": 9, "active_per_owner": 0, "profile": "none"}',
        "SCHEDULED_PROMPTS_RUNNER": "root",
    }
    add = ["add", "child", "--when", "in 1h"]
    root = [*add, "--runner", "root"]
    first, second, zoned, other = await house.says(add, add, ["preview", "every day at 9am"], root, env=looser)
    assert (first.code, first.document["prompt"]["depth"]) == (0, 1), first
    assert first.document["prompt"]["runner"] == "child", "as that of the fire it was made in"
    assert first.document["prompt"]["agent"] == "planner"
    assert second.code == 0, "what is executing is over"
    assert zoned.document["timezone"] == "Europe/Berlin"
    assert (other.code, other.error) == (6, "forbidden: agent:planner may not use the runner 'root'")
    [third] = await house.says(add, env=looser)
    assert third.code == 6
    assert "active_per_owner = 2" in third.error


async def test_a_child_cannot_choose_its_own_rules_for_approval(house: House) -> None:
    house.rules = {"limits": Limits(max_depth=1), "approval": Approval(agents=("planner",))}
    looser = {"SCHEDULED_PROMPTS_APPROVAL": '{"agents": []}'}
    made, approved = await house.says(["add", "child", "--when", "in 1h"], ["approve", "ITSELF"], env=looser)
    assert made.document["prompt"]["status"] == "pending_approval"
    assert approved.error.startswith("forbidden: inside a fire this is not allowed: `approve`")


async def test_a_token_is_good_as_long_as_its_fire_runs(house: House, monkeypatch: pytest.MonkeyPatch,
                                                        capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    fire = await house.fired(CommandRunner(["env"]))
    assert fire.result is not None
    lines = [line.partition("=") for line in (fire.result.text or "").splitlines()]
    found = {name: value for name, _, value in lines if name.startswith("SCHEDULED_PROMPTS_")}
    assert found["SCHEDULED_PROMPTS_STORE"] == house.url
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    code = await asyncio.to_thread(main, ["list", "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (code, error["code"]) == (6, "token_refused")
    assert error["message"] == f"the token is of fire {fire.id}, attempt 1, which is over"


async def test_a_child_can_neither_make_up_a_token_nor_use_its_own_elsewhere(house: House) -> None:
    none, forged, store, namespace = await house.says(
        ["SCHEDULED_PROMPTS_TOKEN=none", "list"],
        [f"SCHEDULED_PROMPTS_TOKEN={PREFIX}e30.x", "list"],
        ["list", "--store", house.url.replace("db=6", "db=5")],
        ["SCHEDULED_PROMPTS_NAMESPACE=elsewhere", "list"],
    )
    assert none.error == f"token_refused: that is no token: one begins with {PREFIX}"
    assert forged.error.startswith("token_refused: the token was not made by this store")
    assert store.error == namespace.error == "token_refused: this store has no secret: no token of it is good"
    assert {said.code for said in (none, forged, store, namespace)} == {6}


async def test_a_command_that_the_operator_trusts_acts_as_the_operator(house: House) -> None:
    await house.someone_elses()
    listed, halted = await house.says(["list"], ["stop-all"], env={"SCHEDULED_PROMPTS_TOKEN": ""})
    assert len(listed.document["items"]) == 3
    assert halted.code == 0


async def test_the_token_is_nowhere_but_in_the_environment(house: House, tmp_path: Path) -> None:
    script = f'cat "$SCHEDULED_PROMPTS_FIRE_FILE" > {tmp_path}/file; cat /proc/self/cmdline /proc/$$/cmdline'
    with capture_logs() as logs:
        fire = await house.fired(CommandRunner(["sh", "-c", script]))
    assert fire.status == "succeeded", fire.error
    assert PREFIX not in (tmp_path / "file").read_text()
    assert PREFIX not in str(fire)
    assert PREFIX not in str(logs)
