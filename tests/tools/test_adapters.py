"""The tools in the hands of pydantic-ai and LangChain, called as their agents call them. No network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scheduled_prompts.caller import Caller
from scheduled_prompts.tools.catalogue import ALL
from tests.conftest import Lab
from tests.lazily import Lazily
from tests.tools.scenes import ANN, BEN, Checked, conforms, tools_over

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models.function import AgentInfo, FunctionModel

for_pydantic_ai = Lazily("scheduled_prompts.tools.pydantic_ai")
pydantic_ai = Lazily("pydantic_ai")
parts = Lazily("pydantic_ai.messages")
function_model = Lazily("pydantic_ai.models.function")
test_model = Lazily("pydantic_ai.models.test")
for_langchain = Lazily("scheduled_prompts.tools.langchain")
chat_models = Lazily("langchain_core.language_models.fake_chat_models")
langchain = Lazily("langchain_core.messages")
function_calling = Lazily("langchain_core.utils.function_calling")

WEEKDAYS = {"prompt": "summarise the issues", "when": "every weekday at 9am", "key": "issues"}


def saying(calls: list[tuple[str, Any]]) -> tuple[FunctionModel, list[AgentInfo]]:
    """A model that makes these tool calls, one after the other, and then is done."""
    seen: list[AgentInfo] = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.append(info)
        number = len(seen) - 1
        if number < len(calls):
            name, arguments = calls[number]
            return parts.ModelResponse(parts=[parts.ToolCallPart(name, arguments, tool_call_id=f"call_{number}")])
        return parts.ModelResponse(parts=[parts.TextPart("done")])

    return function_model.FunctionModel(answer), seen


def returned(messages: list[ModelMessage]) -> list[dict[str, Any]]:
    found = [part for message in messages for part in message.parts if isinstance(part, parts.ToolReturnPart)]
    answers: list[dict[str, Any]] = [part.content for part in found]
    for part in found:
        conforms(part.tool_name, part.content)
    return answers


async def test_an_agent_of_pydantic_ai_schedules_and_reads_what_it_did_wrong(server_lab: Lab) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        model, seen = saying(
            [
                ("schedule_prompt", {"prompt": "summarise the issues", "when": "daily at 9"}),
                ("schedule_prompt", json.dumps(WEEKDAYS | {"max_fires": "3"})),
                ("schedule_prompt", '{"prompt": "broken'),
                ("get_scheduled_prompt", {"id": "issues"}),
            ]
        )
        agent = pydantic_ai.Agent(model, toolsets=[for_pydantic_ai.PromptToolset(tools, ANN)])
        result = await agent.run("remind me")
        assert result.output == "done"
        unclear, made, broken, shown = returned(result.all_messages())
        assert "“daily at 9am”" in unclear["error"]["hint"]
        assert made["scheduled_prompt"]["max_fires"] == 3
        assert made["scheduled_prompt"]["created_by"] == "agent:secretary"
        assert "not JSON" in broken["error"]["message"]
        assert shown["scheduled_prompt"]["id"] == made["scheduled_prompt"]["id"]
        assert [tool.name for tool in seen[0].function_tools] == list(ALL)
        assert seen[0].function_tools[0].parameters_json_schema == tools.specs(ANN)[0].input_schema


async def test_a_toolset_of_pydantic_ai_acts_for_whom_each_run_is(server_lab: Lab) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())

        def caller_of(ctx: RunContext[Caller]) -> Caller:
            return ctx.deps

        toolset = for_pydantic_ai.PromptToolset(tools, caller_of)
        for caller in (ANN, BEN):
            model, _ = saying([("schedule_prompt", WEEKDAYS), ("list_scheduled_prompts", {})])
            result = await pydantic_ai.Agent(model, deps_type=Caller, toolsets=[toolset]).run("go", deps=caller)
            made, listed = returned(result.all_messages())
            assert made["created"] is True
            assert len(listed["scheduled_prompts"]) == 1


async def test_pydantic_ais_own_test_model_calls_every_tool_by_its_schema_alone(server_lab: Lab) -> None:
    async with server_lab:
        agent = pydantic_ai.Agent(
            test_model.TestModel(), toolsets=[for_pydantic_ai.PromptToolset(tools_over(await server_lab.store()), ANN)]
        )
        result = await agent.run("go")
        assert len(returned(result.all_messages())) == len(ALL)


async def test_a_repeated_tool_call_of_pydantic_ai_makes_one_prompt(server_lab: Lab) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        once = {"prompt": "look", "when": "in 20m"}
        for _ in range(2):  # the same run again, as after a crash
            model, _ = saying([("schedule_prompt", once)])
            await pydantic_ai.Agent(model, toolsets=[for_pydantic_ai.PromptToolset(tools, ANN)]).run("go")
        listed = await Checked(tools.bound(ANN)).ask("list_scheduled_prompts")
        assert len(listed["scheduled_prompts"]) == 1


async def test_langchain_tools_are_called_with_tool_calls_of_a_model(server_lab: Lab) -> None:
    async with server_lab:
        found = {tool.name: tool for tool in for_langchain.langchain_tools(tools_over(await server_lab.store()), ANN)}
        assert list(found) == list(ALL)
        calls = [
            {"name": "schedule_prompt", "args": WEEKDAYS | {"max_fires": "3"}, "id": "call_1", "type": "tool_call"},
            {"name": "get_scheduled_prompt", "args": {"prompt_id": "issues"}, "id": "call_2", "type": "tool_call"},
            {"name": "schedule_prompt", "args": {"self": 1, "config": 2}, "id": "call_3", "type": "tool_call"},
        ]
        model = chat_models.GenericFakeChatModel(messages=iter([langchain.AIMessage(content="", tool_calls=calls)]))
        message = await model.ainvoke("remind me")
        answers = []
        for call in message.tool_calls:
            answer = await found[call["name"]].ainvoke(call)
            assert isinstance(answer, langchain.ToolMessage)
            assert answer.tool_call_id == call["id"]
            answers.append(json.loads(str(answer.content)))
            conforms(call["name"], answers[-1])
        made, shown, wrong = answers
        assert made["scheduled_prompt"]["max_fires"] == 3
        assert shown["scheduled_prompt"]["id"] == made["scheduled_prompt"]["id"]
        assert wrong["error"]["code"] == "invalid_input"


async def test_langchain_tools_act_for_whom_each_call_is_and_once_for_each_tool_call(server_lab: Lab) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        found = {
            tool.name: tool
            for tool in for_langchain.langchain_tools(tools, lambda config: Caller(**config["configurable"]["caller"]))
        }
        for owner in ("ann", "ben"):
            config: Any = {"configurable": {"caller": {"owner": owner, "agent": "secretary"}}}
            call: Any = {
                "name": "schedule_prompt",
                "args": {"prompt": "look", "when": "in 20m"},
                "id": "call_1",
                "type": "tool_call",
            }
            for _ in range(2):
                await found["schedule_prompt"].ainvoke(call, config)
            listed = await found["list_scheduled_prompts"].ainvoke({}, config)
            assert len(listed["scheduled_prompts"]) == 1


async def test_langchain_offers_models_the_schema_of_the_tools(server_lab: Lab) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        for tool, spec in zip(for_langchain.langchain_tools(tools, ANN), tools.specs(ANN), strict=True):
            function = function_calling.convert_to_openai_tool(tool)["function"]
            assert (function["name"], function["description"]) == (spec.name, spec.description)
            assert function["parameters"]["properties"] == spec.input_schema["properties"]
            assert function["parameters"].get("required", []) == spec.input_schema["required"]
