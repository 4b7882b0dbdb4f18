"""`scheduled-prompts mcp --http`: a real server process, real clients, and who is not let in."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import socket
import time
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from scheduled_prompts import Caller, Daemon, Fire, tokens
from scheduled_prompts.mcp.http import Address, _listening
from tests.mcp.conftest import HttpServer, Place, told, until

pytestmark = pytest.mark.real_time

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_scheduled_prompts"}}


async def post(server: HttpServer, token: str | None, body: Any = LIST, **headers: str) -> httpx2.Response:
    said = {"accept": "application/json, text/event-stream", "content-type": "application/json", **headers}
    if token is not None:
        said["authorization"] = f"Bearer {token}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx2.AsyncClient() as http:
        return await http.post(server.address, content=content, headers=said)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_plans_its_future_and_the_daemon_fires_it(http_server: HttpServer, mode: str) -> None:
    owner = f"ann-{mode}"
    fired: list[tuple[str, str | None, str | None]] = []

    async def runner(fire: Fire) -> str:
        assert fire.prompt is not None
        fired.append((fire.text, fire.prompt.owner, fire.prompt.agent))
        return "done"

    token = await http_server.token(owner=owner, agent="planner")
    async with http_server.let_in(token, mode) as client:
        made = told(await client.call_tool("schedule_prompt", {"prompt": "look at CI", "when": "in 1s", "key": "ci"}))
        assert made["scheduled_prompt"]["created_by"] == "agent:planner"
        async with Daemon(http_server.url, namespace=http_server.namespace, runners={"log": runner}):
            await until(lambda: bool(fired))
        assert fired == [("look at CI", owner, "planner")]
        daily = told(await client.call_tool("schedule_prompt", {"prompt": "news", "when": "every day at 9am"}))
        which = {"id": daily["scheduled_prompt"]["id"]}
        told(await client.call_tool("update_scheduled_prompt", {**which, "prompt": "other news"}))
        read = await client.read_resource(f"prompt://{which['id']}")
        assert json.loads(read.contents[0].text)["text"] == "other news"  # type: ignore[union-attr]
        assert len((await client.list_prompts()).prompts) == 4
        asked = await client.get_prompt("why_did_it_not_run", {"prompt": "ci"})
        assert "explain_scheduled_prompt" in asked.messages[0].content.text  # type: ignore[union-attr]
        with pytest.raises(MCPError, match="prompt"):
            await client.get_prompt("why_did_it_not_run", {})
        assert told(await client.call_tool("cancel_scheduled_prompt", which))["ok"]


async def test_a_token_sees_its_owners_prompts_alone_and_does_what_it_may(http_server: HttpServer) -> None:
    ann = await http_server.token(owner="ann", agent="a")
    bob = await http_server.token(owner="bob", agent="b", scopes=["read"])
    async with http_server.let_in(ann) as hers, http_server.let_in(bob) as his:
        made = told(await hers.call_tool("schedule_prompt", {"prompt": "x", "when": "every day at 9am"}))
        prompt_id = made["scheduled_prompt"]["id"]
        found = told(await his.call_tool("get_scheduled_prompt", {"id": prompt_id}))
        assert found["error"]["code"] == "not_found"
        assert (await his.list_resources()).resources == []
        assert {"schedule_prompt", "list_fires"} <= {tool.name for tool in (await hers.list_tools()).tools}
        offered = {tool.name for tool in (await his.list_tools()).tools}
        assert "list_fires" in offered
        assert "schedule_prompt" not in offered
        assert told(await his.call_tool("schedule_prompt", {"prompt": "x", "when": "in 1h"}))["ok"] is False


async def test_without_a_good_token_nobody_comes_in(http_server: HttpServer) -> None:
    good = await http_server.token(agent="a")
    assert (await post(http_server, good)).status_code == 200
    missing = await post(http_server, None)
    assert (missing.status_code, missing.headers["www-authenticate"]) == (401, "Bearer")
    expired = await http_server.token(lifetime=0.001, agent="a")
    forged = tokens.issue_caller(
        secrets.token_bytes(32),
        Caller(owner="ann"),
        token_id="0" * 16,
        expires_at=2**42,
        namespace=http_server.namespace,
    )
    for token in (expired, forged, good[:-1], good + "x", "nonsense"):
        refused = await post(http_server, token)
        assert refused.status_code == 401, token
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        assert "result" not in refused.text
    for scheme in (f"Basic {good}", good, "Bearer"):
        assert (await post(http_server, None, authorization=scheme)).status_code == 401
    async with http_server.store() as store:
        await store.revoke(good)
    assert (await post(http_server, good)).status_code == 401
    assert (await post(http_server, await http_server.token(agent="a"))).status_code == 200


async def test_a_token_that_is_revoked_is_out_in_the_midst_of_a_conversation(http_server: HttpServer) -> None:
    made = http_server.command("token", "make", "--agent", "a", "--owner", "eve", "--for", "1h", "--scope", "read")
    assert (made["caller"]["scopes"], made["caller"]["owner"]) == (["read"], "eve")
    async with http_server.let_in(made["token"]) as client:
        assert told(await client.call_tool("list_scheduled_prompts"))["ok"]
        assert http_server.command("token", "revoke", made["id"]) == {"revoked": made["id"]}
        with pytest.raises(Exception):  # noqa: B017, PT011  (the SDK's own, of whichever kind)
            await asyncio.wait_for(client.call_tool("list_scheduled_prompts"), 5)


async def test_a_fires_token_comes_in_as_long_as_the_fire_runs(http_server: HttpServer) -> None:
    seen: list[dict[str, Any]] = []
    used: list[str] = []

    async def runner(fire: Fire) -> None:
        assert fire.inside is not None
        used.append((await fire.inside.environment())["SCHEDULED_PROMPTS_TOKEN"])
        async with http_server.let_in(used[0]) as client:
            seen.append(told(await client.call_tool("list_scheduled_prompts")))

    async with http_server.let_in(await http_server.token(owner="tom", agent="t")) as client:
        told(await client.call_tool("schedule_prompt", {"prompt": "go", "when": "in 1s"}))
    async with Daemon(http_server.url, namespace=http_server.namespace, runners={"log": runner}):
        await until(lambda: bool(seen))
    assert [prompt["prompt"] for prompt in seen[0]["scheduled_prompts"]] == ["go"]
    assert (await post(http_server, used[0])).status_code == 401


async def test_a_page_of_another_site_a_flood_and_a_stream_are_turned_away(http_server: HttpServer) -> None:
    token = await http_server.token(agent="a")
    assert (await post(http_server, token, host="rebound.example.org")).status_code == 421
    assert (await post(http_server, token, host="mcp.example.com")).status_code == 200
    assert (await post(http_server, token, origin="https://elsewhere.example.org")).status_code == 403
    assert (await post(http_server, token, origin="https://mcp.example.com")).status_code == 200
    assert (await post(http_server, token, b" " * 1_100_000)).status_code == 413
    assert (await post(http_server, token, b"nonsense")).status_code == 400
    root = http_server.address.removesuffix("/mcp")
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}) as http:
        assert (await http.get(http_server.address)).status_code == 405
        assert (await http.get(root)).status_code == 404
        assert (await http.get(f"{root}/mcp/")).status_code == 404


async def test_whoever_asks_is_told_whether_it_is_well_and_nothing_else(http_server: HttpServer) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(http_server.address.removesuffix("/mcp") + "/health")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_no_part_of_an_answer_waits_until_the_part_before_is_acknowledged() -> None:
    """A client acknowledges up to 40 ms late, and an answer is sent in parts: its head, its body."""
    with _listening(Address("127.0.0.1", 0)) as (listener, bound), socket.create_connection(bound):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_stop_lets_what_runs_come_to_its_end(place: Place) -> None:
    server = HttpServer(place.url)
    token = await server.token(agent="a")
    asked = [asyncio.create_task(post(server, token)) for _ in range(10)]
    await asyncio.sleep(0.05)
    server.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert await asyncio.to_thread(server.process.wait, 20) == 0
    assert time.monotonic() - began < 5
    came_in = [answer for answer in answers if isinstance(answer, httpx2.Response)]
    assert all(answer.status_code == 200 for answer in came_in)
    assert all(isinstance(answer, httpx2.TransportError) for answer in answers if answer not in came_in)
    server.process.communicate()
