"""The tools as providers take them. Each form is plain data, to be handed to the provider's client as it is.

The schemas are flat everywhere. Where a provider's strict mode is on, every argument is required, and what may be left
out may be null; elsewhere it is simply not required, which weak models and other providers understand better. Null is
read as left out in either case.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scheduled_prompts.tools.spec import ToolSpec

Exported = list[dict[str, Any]]


def openai_chat(specs: Iterable[ToolSpec], *, strict: bool = False) -> Exported:
    """For `tools=` of chat completions, of OpenAI and of the many servers that speak the same. Not strict unless asked
    for: most of those know no strict mode."""
    return [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.description,
                "parameters": spec.input_schema_where(all_required=strict),
                "strict": strict,
            },
        }
        for spec in specs
    ]


def openai_responses(specs: Iterable[ToolSpec], *, strict: bool = True) -> Exported:
    """For `tools=` of the Responses API, which is strict unless it is told not to be."""
    return [
        {
            "type": "function",
            "name": spec.name,
            "description": spec.description,
            "parameters": spec.input_schema_where(all_required=strict),
            "strict": strict,
        }
        for spec in specs
    ]


def anthropic(specs: Iterable[ToolSpec]) -> Exported:
    """For `tools=` of Anthropic's messages."""
    return [
        {"name": spec.name, "description": spec.description, "input_schema": spec.input_schema_where()}
        for spec in specs
    ]


def json_schema(specs: Iterable[ToolSpec]) -> Exported:
    """For everybody else: names, descriptions, and JSON Schema (2020-12) of what goes in and comes out."""
    return [
        {
            "name": spec.name,
            "description": spec.description,
            "input_schema": spec.input_schema_where(),
            "output_schema": spec.output_schema,
            "read_only": spec.read_only,
            "destructive": spec.destructive,
            "idempotent": spec.idempotent,
        }
        for spec in specs
    ]
