"""`scheduled-prompts mcp`: a real client, a real process, a real store."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from mcp.shared.exceptions import MCPError

from scheduled_prompts import Daemon, Fire
from tests.e2e.household import COMMAND
from tests.mcp.conftest import Place, told, until

pytestmark = pytest.mark.real_time


async def test_a_client_plans_its_future_and_the_daemon_fires_it(place: Place) -> None:
    fired: list[str] = []

    async def runner(fire: Fire) -> str:
        fired.append(fire.text)
        return "done"

    async with place.client() as client:
        made = told(await client.call_tool("schedule_prompt", {"prompt": "look at CI", "when": "in 1s", "key": "ci"}))
        assert made["created"] is True
        assert "daemon" in made["unserved"]
        prompt = made["scheduled_prompt"]
        assert prompt["created_by"] == "agent:Test-Client"
        again = told(
            await client.call_tool("schedule_prompt", {"prompt": "x", "when": "every day at 9am", "key": "ci"})
        )
        assert again["created"] is False
        async with Daemon(place.url, namespace=place.namespace, runners={"log": runner}):
            await until(lambda: bool(fired))
        fires = told(await client.call_tool("list_fires", {"id": "ci"}))["fires"]
        assert fired == ["look at CI"]
        fire = await client.read_resource(f"fire://{fires[0]['id']}")
        assert json.loads(fire.contents[0].text)["status"] == "succeeded"  # type: ignore[union-attr]
        daily = told(await client.call_tool("schedule_prompt", {"prompt": "news", "when": "every day at 9am"}))
        which = {"id": daily["scheduled_prompt"]["id"]}
        assert [r.uri for r in (await client.list_resources()).resources] == [f"prompt://{which['id']}"]
        told(await client.call_tool("update_scheduled_prompt", {**which, "when": "every day at 10am"}))
        listed = told(await client.call_tool("list_scheduled_prompts", {"status": "active"}))["scheduled_prompts"]
        assert [(p["id"], p["when"]) for p in listed] == [(which["id"], "every day at 10:00")]
        assert len(told(await client.call_tool("preview_schedule", {"when": "every day at 9am"}))["upcoming"]) == 5
        assert told(await client.call_tool("cancel_scheduled_prompt", which))["ok"]
        read = await client.read_resource(f"prompt://{which['id'][-8:]}")
        assert json.loads(read.contents[0].text)["status"] == "cancelled"  # type: ignore[union-attr]
        assert (await client.list_resources()).resources == []
    assert prompt["id"] != which["id"]


async def test_what_is_wrong_is_an_answer_and_the_server_goes_on(place: Place) -> None:
    async with place.client(mode="auto") as client:  # as from 2026-07-28 on: without the handshake
        assert client.protocol_version == "2026-07-28"
        for tool, arguments, code in [
            ("schedule_prompt", {"prompt": "x", "when": "whenever"}, "invalid_schedule"),
            ("schedule_prompt", {}, "invalid_input"),
            ("cancel_scheduled_prompt", {"id": "nothing"}, "not_found"),
            ("schedule_promt", {}, "unknown_tool"),
            ("cleanup_expired_prompts", {}, "forbidden"),  # it was not given that scope
        ]:
            answer = told(await client.call_tool(tool, arguments))
            assert (answer["ok"], answer["error"]["code"]) == (False, code), answer
            assert answer["error"]["hint"]
        for uri in ("prompt://nothing", "fire://nothing", "file:///etc/passwd", "prompt://"):
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            assert refused.value.error.code == -32602
        assert told(await client.call_tool("list_scheduled_prompts"))["scheduled_prompts"] == []


async def test_a_client_of_another_owner_sees_nothing_of_it(place: Place) -> None:
    async with place.client("--owner", "ann") as ann, place.client("--owner", "bob", "--agent", "spy") as bob:
        made = told(await ann.call_tool("schedule_prompt", {"prompt": "x", "when": "every day at 9am", "key": "k"}))
        prompt_id = made["scheduled_prompt"]["id"]
        nobody = told(await bob.call_tool("get_scheduled_prompt", {"id": prompt_id[:-1] + "0"}))
        for said in (prompt_id, prompt_id[-8:], "k"):
            answer = told(await bob.call_tool("get_scheduled_prompt", {"id": said}))
            assert answer["error"]["code"] == nobody["error"]["code"] == "not_found"
        assert told(await bob.call_tool("list_scheduled_prompts"))["scheduled_prompts"] == []
        assert (await bob.list_resources()).resources == []
        with pytest.raises(MCPError, match="no prompt"):
            await bob.read_resource(f"prompt://{prompt_id}")
        mine = told(await bob.call_tool("schedule_prompt", {"prompt": "y", "when": "every day at 9am", "key": "k"}))
        assert mine["created"] is True
        assert mine["scheduled_prompt"]["created_by"] == "agent:spy"
        assert [r.uri for r in (await ann.list_resources()).resources] == [f"prompt://{prompt_id}"]


def test_what_was_asked_before_stdin_ended_is_answered_and_nonsense_is_named(place: Place) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        "{nonsense",
        "",
        '"text"',
        "\udcff\udcfe",
        "x" * 5_000_000,
        json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": 7}}),
        json.dumps({"jsonrpc": "2.0", "id": 3, "method": "no/such"}),
        json.dumps({"jsonrpc": "2.0", "id": 4, "method": "tools/list"}),
        json.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "list_scheduled_prompts"}}),
    ]
    server = place.start()
    out, err = server.communicate("\n".join(lines).encode(errors="surrogateescape"), timeout=60)
    answers = [json.loads(line) for line in out.splitlines()]
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[1]["result"]["serverInfo"]["name"] == "scheduled-prompts"
    assert "when" in by_id[1]["result"]["instructions"]
    assert [answer["error"]["code"] for answer in answers if answer["id"] is None] == [-32700] * 4
    assert by_id[2]["error"]["code"] == -32602
    assert by_id[3]["error"]["code"] == -32601
    assert len(by_id[4]["result"]["tools"]) == 12
    assert by_id[5]["result"]["structuredContent"]["ok"] is True
    assert (server.returncode, err) == (0, b"")


def test_a_broken_configuration_is_an_answer_until_it_is_mended(place: Place, tmp_path) -> None:  # type: ignore[no-untyped-def]
    config = tmp_path / "c.toml"
    config.write_text("slots = [")
    server = place.start("--config", str(config))
    assert server.stdin is not None
    assert server.stdout is not None

    def ask(number: int, method: str, **params: object) -> dict[str, object]:
        assert server.stdin is not None
        assert server.stdout is not None
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        server.stdin.write(json.dumps(message).encode() + b"\n")
        server.stdin.flush()
        answer: dict[str, object] = json.loads(server.stdout.readline())["result"]
        return answer

    ask(1, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t", "version": "1"})
    refused = ask(2, "tools/call", name="list_scheduled_prompts", arguments={})
    assert refused["isError"] is True
    assert refused["structuredContent"]["error"]["code"] == "invalid_config"  # type: ignore[index]
    config.write_text("")
    assert ask(3, "tools/call", name="list_scheduled_prompts", arguments={})["isError"] is False
    began = time.monotonic()
    _, logged = server.communicate(timeout=20)
    assert server.returncode == 0
    assert time.monotonic() - began < 2
    assert logged == b""


async def test_what_names_no_runner_and_no_platform_gets_those_of_the_settings(place: Place) -> None:
    usual = {"SCHEDULED_PROMPTS_RUNNER": "claude", "SCHEDULED_PROMPTS_PLATFORM": "slack"}
    place.more |= usual
    async with place.client("--allow-runner", "claude", "--allow-runner", "log") as client:
        for said, runner in (({}, "claude"), ({"runner": "log"}, "log")):
            made = told(await client.call_tool("schedule_prompt", {"prompt": "x", "when": "in 1h", **said}))
            read = await client.read_resource(f"prompt://{made['scheduled_prompt']['id']}")
            stored = json.loads(read.contents[0].text)  # type: ignore[union-attr]
            assert (stored["runner"], stored["platform"]) == (runner, "slack")
        refused = told(await client.call_tool("schedule_prompt", {"prompt": "x", "when": "in 1h", "runner": "other"}))
        assert refused["error"]["code"] == "forbidden"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells there what other processes have")
@pytest.mark.parametrize(("above", "code"), [("sp1.x.y", 6), ("", 0)])
def test_a_client_inside_a_fire_that_hands_on_no_token_is_given_no_server(place: Place, above: str, code: int) -> None:
    """Many clients start servers with an environment of their own choice."""
    mine = {name: value for name, value in place.environment.items() if not name.startswith("SCHEDULED_PROMPTS_")}
    client = (
        "import subprocess, sys; sys.exit(subprocess.run(sys.argv[2:], env=eval(sys.argv[1]), input=b'').returncode)"
    )
    words = [sys.executable, "-c", client, repr(mine), COMMAND, "mcp"]
    environment = place.environment | {"SCHEDULED_PROMPTS_TOKEN": above}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done
    assert ("did not hand it on" in done.stderr) is bool(above)


def test_nothing_but_the_sdk_is_loaded_before_the_first_answer() -> None:
    """It would cost as much again, while a client waits; `benchmarks/mcp_start.py` says how long."""
    loaded = (
        "import scheduled_prompts.cli.entry, scheduled_prompts.cli.mcp_serving, scheduled_prompts.mcp.stdio, sys;"
        "print(*{name.split('.')[0] for name in sys.modules}, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, timeout=60, check=True)
    ours = {
        "scheduled_prompts.scheduler",
        "scheduled_prompts.store",
        "scheduled_prompts.tools",
        "scheduled_prompts.settings",
    }
    assert not {"redis", "structlog", "croniter", "pydantic_settings", *ours} & set(done.stdout.split())
