"""The server in this process: a store that is away and comes back, what is told of each tool, and signs of life."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from mcp import Client
from structlog.testing import capture_logs

from scheduled_prompts import Caller, Scheduler, Scope, Store
from scheduled_prompts.mcp.desk import Desk
from scheduled_prompts.mcp.door import PATH, Door
from scheduled_prompts.mcp.identity import agent_name
from scheduled_prompts.mcp.seat import Context, Seat
from scheduled_prompts.mcp.serving import build_server
from scheduled_prompts.tools import specs
from tests.mcp.conftest import Place, told

pytestmark = pytest.mark.real_time
ALL = Caller(owner="ann", agent="aide", scopes=frozenset(Scope))


def client_at(desk: Desk, caller: Caller = ALL, mode: str = "auto") -> Client:
    async def seated(_: Context) -> Seat:
        return Seat(caller, desk.scheduler)

    return Client(build_server(seated), mode=mode)


async def test_a_store_that_is_away_is_an_answer_and_one_that_is_back_is_used(place: Place) -> None:
    urls = ["unix:///nowhere/at/all", place.url]
    made: list[Store] = []

    def make() -> Scheduler:
        made.append(Store(urls.pop(0), namespace=place.namespace, patience=0.1))
        return Opening(made[-1])

    desk = Desk(make)
    async with client_at(desk) as client:
        assert len((await client.list_tools()).tools) == len(specs(ALL))
        assert made == []  # what there is can be told without it
        away = told(await client.call_tool("list_scheduled_prompts"))
        assert away["error"]["code"] == "store_unreachable"
        back = await asyncio.gather(*(client.call_tool("list_scheduled_prompts") for _ in range(3)))
        assert [told(answer)["ok"] for answer in back] == [True] * 3
        assert len(made) == 2
    await desk.close()


class Opening(Scheduler):
    """Opens and closes a store that was made with another patience."""

    async def open(self) -> Opening:
        await self.store.open()
        return self

    async def close(self) -> None:
        await self.store.close()


async def test_a_client_is_told_what_each_tool_does_and_answers(place: Place) -> None:
    async with client_at(Desk(lambda: Scheduler(place.url))) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {spec.name for spec in specs(ALL)}
    for spec in specs(ALL):
        tool = tools[spec.name]
        assert (tool.input_schema, tool.output_schema) == (spec.input_schema, spec.output_schema)
        assert tool.annotations is not None
        hints = tool.annotations
        assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (
            spec.read_only,
            spec.destructive,
            spec.idempotent,
        )
        assert (tool.title, hints.open_world_hint) == (hints.title, False)
    cancel = tools["cancel_scheduled_prompt"]
    assert cancel.title == "Cancel scheduled prompt"
    assert cancel.annotations is not None
    assert cancel.annotations.destructive_hint is True


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_what_takes_long_shows_that_it_lives(place: Place, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr("scheduled_prompts.mcp.progress.PERIOD", 0.02)
    told_of: list[tuple[float, str | None]] = []

    async def slow(_: Seat, name: str, arguments: Mapping[str, Any] | None, context: Context) -> dict[str, Any]:
        await asyncio.sleep(0.15)
        return {"ok": False, "error": {"code": "late", "message": name, "hint": None}}

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        told_of.append((progress, message))

    monkeypatch.setattr(Seat, "call", slow)
    async with client_at(Desk(lambda: Scheduler(place.url)), mode=mode) as client:
        await client.call_tool("explain_scheduled_prompt", {"id": "x"}, progress_callback=hear)
        assert len(told_of) >= 3
        assert told_of == sorted(told_of)
        assert "explain_scheduled_prompt" in str(told_of[0][1])
        told_of.clear()
        await client.call_tool("explain_scheduled_prompt", {"id": "x"})
    assert told_of == []


async def test_a_tool_call_that_is_made_again_is_answered_as_it_was(place: Place) -> None:
    desk = Desk(lambda: Scheduler(place.url, namespace=place.namespace))
    said = {"prompt": "once", "when": "every day at 9am"}
    async with client_at(desk) as client:
        first, again, other = [
            told(await client.call_tool("schedule_prompt", said, meta={"claudecode/toolUseId": call}))
            for call in ("toolu_1", "toolu_1", "toolu_2")
        ]
        ids = [answer["scheduled_prompt"]["id"] for answer in (first, again, other)]
        assert ids[0] == ids[1] != ids[2]
        assert len(told(await client.call_tool("list_scheduled_prompts"))["scheduled_prompts"]) == 2
    await desk.close()


async def test_many_resources_come_in_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduled_prompts.mcp.resources.PAGE", 2)
    desk = Desk(lambda: Scheduler(place.url, namespace=place.namespace))
    async with client_at(desk) as client:
        whens = ["every day at 9am", "in 1h", "in 2h", "every day at 10am", "every day at 11am"]
        made = [told(await client.call_tool("schedule_prompt", {"prompt": "x", "when": when})) for when in whens]
        last = made[-1]["scheduled_prompt"]["id"]
        told(await client.call_tool("pause_scheduled_prompt", {"id": last}))
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await client.list_resources(cursor=cursor)
            assert len(page.resources) <= 2
            found += [resource.uri.removeprefix("prompt://") for resource in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sorted(found) == sorted(answer["scheduled_prompt"]["id"] for answer in made)
    await desk.close()


@pytest.mark.parametrize(
    ("client", "agent"),
    [
        ("Claude Code", "Claude-Code"),
        ("cursor-vscode", "cursor-vscode"),
        ("a/b:{c}\n\u0007", "a-b-c"),
        ("", "mcp"),
        (None, "mcp"),
        ("//", "mcp"),
        ("x" * 500, "x" * 128),
    ],
)
def test_a_clients_name_becomes_an_agents(client: str | None, agent: str) -> None:
    assert agent_name(client) == agent
    Caller(agent=agent_name(client))


async def test_a_resource_tells_nothing_of_the_house(place: Place) -> None:
    desk = Desk(lambda: Scheduler(place.url, namespace=place.namespace))
    async with client_at(desk) as client:
        made = told(await client.call_tool("schedule_prompt", {"prompt": "x", "when": "in 2h"}))
        read = await client.read_resource(f"prompt://{made['scheduled_prompt']['id']}")
        document = json.loads(read.contents[0].text)  # type: ignore[union-attr]
        assert document["unserved"] == "no daemon is running"
    await desk.close()


async def test_who_is_not_let_in_is_not_told_where_the_store_is() -> None:
    desk = Desk(lambda: Opening(Store("unix:///nowhere/at/all", patience=0.1)))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def nothing(*_: Any) -> None:
        raise AssertionError("nobody is let in")

    headers = [(b"authorization", b"Bearer sp1.e30.x")]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}
    await Door(nothing, desk)(scope, nothing, send)
    assert sent[0]["status"] == 503
    assert b"nowhere" not in sent[1]["body"]


async def test_a_token_that_is_refused_at_the_door_is_logged_and_not_told() -> None:
    desk = Desk(lambda: Scheduler("memory:"))
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def nobody(*_: Any) -> None:
        raise AssertionError("it was let in")

    request = {"type": "http", "method": "POST", "path": PATH, "headers": [(b"authorization", b"Bearer sp1.my-secret")]}
    with capture_logs() as logs:
        await Door(nobody, desk)(request, nobody, send)
    await desk.close()
    assert answers[0]["status"] == 401
    [line] = logs
    assert (line["event"], line["log_level"]) == ("token_refused", "info")
    assert line["error"]
    assert "my-secret" not in str(line)
