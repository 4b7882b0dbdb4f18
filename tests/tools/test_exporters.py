"""What is exported is what the vendors' own SDKs take, and what a strict mode asks for."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.tools import BoundTools, Tools
from scheduled_prompts.tools.catalogue import ALL
from scheduled_prompts.tools.reading import read_arguments
from tests.lazily import Lazily

anthropic = Lazily("anthropic.types")
openai_chat = Lazily("openai.types.chat")
openai_responses = Lazily("openai.types.responses")

STRICT_KEYWORDS = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "description",
    "enum",
    "minimum",
    "maximum",
}
"""Of those that OpenAI's strict mode knows."""
LONGEST_DESCRIPTION = 1_024
"""OpenAI's."""


@pytest.fixture
def tools() -> Tools:
    return Tools(Scheduler("memory:never-opened"))


def validated(of_type: Any, exported: list[dict[str, Any]]) -> None:
    """By the SDK's own type, strictly, and nothing is there that the type does not know."""
    adapter = TypeAdapter(list[of_type])
    assert json.loads(adapter.dump_json(adapter.validate_python(exported, strict=True))) == exported
    for tool in exported:
        assert tool.keys() <= of_type.__annotations__.keys() | {"type"}


@pytest.mark.parametrize("strict", [True, False])
def test_openai_takes_them_for_chat_completions(tools: Tools, strict: bool) -> None:
    exported = tools.openai_chat(strict=strict)
    validated(openai_chat.ChatCompletionFunctionToolParam, exported)
    assert [tool["function"]["name"] for tool in exported] == list(ALL)
    assert all(tool["function"]["strict"] is strict for tool in exported)
    for tool in exported:
        assert len(tool["function"]["description"]) <= LONGEST_DESCRIPTION


@pytest.mark.parametrize("strict", [True, False])
def test_openai_takes_them_for_responses(tools: Tools, strict: bool) -> None:
    exported = tools.openai_responses(strict=strict)
    validated(openai_responses.FunctionToolParam, exported)
    assert [tool["name"] for tool in exported] == list(ALL)


def test_anthropic_takes_them(tools: Tools) -> None:
    exported = tools.anthropic()
    validated(anthropic.ToolParam, exported)
    assert [tool["name"] for tool in exported] == list(ALL)


def test_where_it_is_strict_everything_is_required_and_what_may_be_left_out_may_be_null(tools: Tools) -> None:
    for tool in tools.openai_responses():
        schema = tool["parameters"]
        assert schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False
        required = [a.name for a in ALL[tool["name"]].spec.arguments if a.required]
        for name, said in schema["properties"].items():
            assert ("null" in said["type"]) is (name not in required)
            assert said.keys() <= STRICT_KEYWORDS
            if "enum" in said and name not in required:
                assert None in said["enum"]


def test_nothing_is_nested_and_nothing_is_either_or(tools: Tools) -> None:
    everything = [*tools.openai_chat(), *tools.openai_responses(), *tools.anthropic()]
    text = json.dumps(everything)
    for word in ("anyOf", "oneOf", "allOf", "$ref", "$defs", '"array"'):
        assert word not in text
    for tool in tools.json_schema():
        assert {p["type"] for p in tool["input_schema"]["properties"].values()} <= {
            "string",
            "integer",
            "number",
            "boolean",
        }


def test_both_schemas_are_json_schema_and_the_example_is_right_by_them(tools: Tools) -> None:
    for exported, strict in zip(tools.json_schema(), tools.openai_responses(), strict=True):
        spec = ALL[exported["name"]].spec
        jsonschema.Draft202012Validator.check_schema(exported["input_schema"])
        jsonschema.Draft202012Validator.check_schema(exported["output_schema"])
        assert exported["output_schema"]["type"] == "object"
        jsonschema.validate(spec.example, exported["input_schema"])
        whole = dict.fromkeys(strict["parameters"]["properties"]) | dict(spec.example)
        jsonschema.validate(whole, strict["parameters"])
        assert read_arguments(spec, whole) == read_arguments(spec, spec.example)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**spec.example, "owner": "ben"}, exported["input_schema"])


def test_what_one_caller_may_not_do_is_not_exported_for_it(tools: Tools) -> None:
    reader = tools.bound(Caller(scopes=frozenset({Scope.READ})))
    assert isinstance(reader, BoundTools)
    shown = {
        "list_scheduled_prompts",
        "get_scheduled_prompt",
        "preview_schedule",
        "list_fires",
        "explain_scheduled_prompt",
    }
    assert {tool["function"]["name"] for tool in reader.openai_chat()} == shown
    assert {tool["name"] for tool in reader.openai_responses()} == shown
    assert {tool["name"] for tool in reader.anthropic()} == shown
    assert {tool["name"] for tool in reader.json_schema()} == shown


def test_what_answers_are_like_is_found_out_once_and_each_has_its_own_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {name: tool.spec.without().output_schema for name, tool in ALL.items()}
    monkeypatch.setattr("scheduled_prompts.tools.spec.TypeAdapter", None)
    again = {name: tool.spec.without().output_schema for name, tool in ALL.items()}
    assert again == first
    again["get_scheduled_prompt"].clear()
    assert ALL["get_scheduled_prompt"].spec.without().output_schema == first["get_scheduled_prompt"]
