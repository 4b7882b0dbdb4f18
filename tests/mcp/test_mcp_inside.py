"""`scheduled-prompts mcp`, started inside a fire: a model that speaks MCP acts as the agent whose fire it is."""

from __future__ import annotations

from typing import Any

import pytest

from scheduled_prompts import Daemon, Fire, Scheduler
from tests.mcp.conftest import Place, told, until

pytestmark = pytest.mark.real_time


async def test_a_server_inside_a_fire_books_its_next_turn_and_is_of_no_use_when_the_fire_is_over(place: Place) -> None:
    seen: list[dict[str, Any]] = []

    async def runner(fire: Fire) -> None:
        place.more = await fire.environment()
        async with place.client() as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            seen.append({"tools": tools})
            seen.append(told(await client.call_tool("list_scheduled_prompts")))
            again = {"prompt": "turn 2", "when": "in 1h", "key": "turns"}
            seen.append(told(await client.call_tool("schedule_prompt", again)))
            seen.append(told(await client.call_tool("schedule_prompt", {**again, "key": "others"})))

    async with Scheduler(place.url, namespace=place.namespace) as scheduler:
        await scheduler.schedule("of bob", "in 1h", owner="bob")
        who = {"owner": "ann", "agent": "planner", "key": "turns"}
        prompt = (await scheduler.schedule("turn 1", "in 1s", **who)).prompt
        async with Daemon(scheduler.store, runners={"log": runner}):
            await until(lambda: len(seen) == 4)
        offered, listed, booked, refused = seen
        assert not {"run_scheduled_prompt_now", "cleanup_expired_prompts"} & offered["tools"]
        assert [record["prompt"] for record in listed["scheduled_prompts"]] == ["turn 1"]
        assert (booked["ok"], booked["scheduled_prompt"]["id"]) == (True, prompt.id)
        assert refused["error"]["code"] == "limit_reached"
        assert (await scheduler.get(prompt.id)).text == "turn 2"
    async with place.client() as client:
        late = told(await client.call_tool("list_scheduled_prompts"))
        assert (late["ok"], late["error"]["code"]) == (False, "token_refused")
