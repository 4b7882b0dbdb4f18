"""The server: what a client asks for, as questions to the desk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.server.lowlevel import Server

from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.mcp import prompts, resources
from scheduled_prompts.mcp.instructions import DESCRIPTION, INSTRUCTIONS, TITLE
from scheduled_prompts.mcp.problems import as_protocol_error
from scheduled_prompts.mcp.progress import telling
from scheduled_prompts.mcp.seat import Context, Seat, Seating
from scheduled_prompts.version import VERSION

if TYPE_CHECKING:  # see `desk`
    from scheduled_prompts.tools import ToolSpec

NAME = "scheduled-prompts"


def build_server(seating: Seating) -> Server[Any]:
    """A server whose requests are made by whom `seating` says."""

    async def list_tools(context: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(spec) for spec in (await seated(context)).specs()])

    async def call_tool(context: Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            seat = await seating(context)
        except ScheduledPromptsError as error:
            return _result(_refusal(error))
        async with telling(context, asked.name):
            answer = await seat.call(asked.name, asked.arguments, context)
        _note(asked.name, seat, answer)
        return _result(answer)

    async def list_resources(context: Context, asked: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        return await resources.living(await seated(context), asked.cursor if asked else None)

    async def list_templates(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=resources.TEMPLATES)

    async def read_resource(context: Context, asked: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await resources.read(await seated(context), asked.uri)

    async def list_prompts(_: Context, __: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=prompts.PROMPTS)

    async def get_prompt(_: Context, asked: types.GetPromptRequestParams) -> types.GetPromptResult:
        return prompts.said(asked.name, asked.arguments or {})

    async def seated(context: Context) -> Seat:
        try:
            return await seating(context)
        except ScheduledPromptsError as error:
            raise as_protocol_error(error) from error

    return Server(
        NAME,
        version=VERSION,
        title=TITLE,
        description=DESCRIPTION,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )


def _tool(spec: ToolSpec) -> types.Tool:
    title = spec.name.replace("_", " ").capitalize()
    return types.Tool(
        name=spec.name,
        title=title,
        description=spec.description,
        input_schema=spec.input_schema,
        output_schema=spec.output_schema,
        annotations=types.ToolAnnotations(
            title=title,
            read_only_hint=spec.read_only,
            destructive_hint=spec.destructive,
            idempotent_hint=spec.idempotent,
            open_world_hint=False,
        ),
    )


def _result(answer: Mapping[str, Any]) -> types.CallToolResult:
    """An answer, as data and, for clients that hand on nothing else, as text."""
    return types.CallToolResult(
        content=[types.TextContent(text=json.dumps(answer, ensure_ascii=False))],
        structured_content=dict(answer),
        is_error=not answer["ok"],
    )


def _refusal(error: ScheduledPromptsError) -> Mapping[str, Any]:
    from scheduled_prompts.tools.refusals import refusal

    return refusal(error)


def _note(tool: str, seat: Seat, answer: Mapping[str, Any]) -> None:
    import structlog  # see `desk`

    problem = {} if answer["ok"] else {"error": answer["error"]["code"]}
    structlog.get_logger().info("tool_called", tool=tool, by=seat.caller.actor, owner=seat.caller.owner, **problem)
