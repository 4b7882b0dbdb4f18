"""What a tool is, said once: its name, its words for a model, its arguments and its answer.

A handler's signature is the one source: its parameters are the arguments, and what they are annotated with is what a
model is told of them. Arguments are flat: texts, numbers, truths and choices, never objects or lists.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import EnumType
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from scheduled_prompts.caller import Scope

Kind = Literal["string", "integer", "number", "boolean"]
KINDS: Mapping[type, Kind] = {str: "string", int: "integer", Decimal: "number", bool: "boolean"}
Handler = Callable[..., Awaitable[Mapping[str, Any]]]


class Between(NamedTuple):
    """The bounds of a number."""

    least: int
    most: int


@dataclass(frozen=True)
class Argument:
    """One argument, as a model is told of it."""

    name: str
    kind: Kind
    description: str
    required: bool
    choices: tuple[str, ...] = ()
    between: Between | None = None

    def schema(self, *, nullable: bool = False) -> dict[str, Any]:
        """As JSON Schema; `nullable`: null says that it is left out."""
        found: dict[str, Any] = {"type": [self.kind, "null"] if nullable else self.kind}
        if self.choices:
            found["enum"] = [*self.choices, None] if nullable else list(self.choices)
        if self.between is not None:
            found |= {"minimum": self.between.least, "maximum": self.between.most}
        return {**found, "description": self.description}


@dataclass(frozen=True)
class ToolSpec:
    """A tool, for whoever offers it to a model. `read_only`, `destructive` and `idempotent` are MCP's hints."""

    name: str
    summary: str
    arguments: tuple[Argument, ...]
    example: Mapping[str, Any]
    """Arguments that are right."""
    answer: type
    """What it answers with: a TypedDict."""
    scope: Scope
    """What a caller needs, to use it."""
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False

    @property
    def description(self) -> str:
        """What a model is told of it."""
        return f"{self.summary} Example: {json.dumps(self.example, ensure_ascii=False)}"

    @property
    def input_schema(self) -> dict[str, Any]:
        """What arguments are like, as JSON Schema: an object, flat, with nothing else in it."""
        return self.input_schema_where()

    def input_schema_where(self, *, all_required: bool = False) -> dict[str, Any]:
        """`all_required`: what may be left out is null instead, as the strict modes of some providers want it."""
        return {
            "type": "object",
            "properties": {a.name: a.schema(nullable=all_required and not a.required) for a in self.arguments},
            "required": [a.name for a in self.arguments if a.required or all_required],
            "additionalProperties": False,
        }

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        """What answers are like, as JSON Schema: those that say `"ok": true`, and those that say what was wrong."""
        schema: dict[str, Any] = json.loads(_schema_of(self.answer))
        return schema

    def without(self, *names: str) -> ToolSpec:
        """The same without some of its arguments."""
        return replace(self, arguments=tuple(a for a in self.arguments if a.name not in names))

    def with_more_on(self, name: str, words: str) -> ToolSpec:
        """The same with more said of one of its arguments, where it has that."""
        told = (replace(a, description=f"{a.description} {words}") if a.name == name else a for a in self.arguments)
        return replace(self, arguments=tuple(told))


@cache
def _schema_of(answer: type) -> str:
    """As text: it takes 14 ms to find out, and a server is asked by many for all its tools."""
    schema = TypeAdapter(answer).json_schema()
    schema.pop("description", None)
    return json.dumps(schema)


class Tool(NamedTuple):
    spec: ToolSpec
    handler: Handler


def tool(
    summary: str,
    *,
    example: Mapping[str, Any],
    answer: type,
    scope: Scope,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
) -> Callable[[Handler], Tool]:
    """The tool that a handler is: named like it, with its parameters (but the first, the call) as arguments."""

    def made(handler: Handler) -> Tool:
        name = handler.__name__
        spec = ToolSpec(name, summary, _arguments(handler), example, answer, scope, read_only, destructive, idempotent)
        return Tool(spec, handler)

    return made


def _arguments(handler: Handler) -> tuple[Argument, ...]:
    hints = get_type_hints(handler, include_extras=True)
    parameters = list(inspect.signature(handler).parameters.values())[1:]
    return tuple(_argument(p.name, hints[p.name], required=p.default is p.empty) for p in parameters)


def _argument(name: str, hint: Any, *, required: bool) -> Argument:
    """From `Annotated[<type>, <what a model is told>, <bounds>]`."""
    if get_origin(hint) is not Annotated:
        raise TypeError(f"the argument {name!r} says nothing of itself: Annotated[…, 'what it is'] is expected")
    of_type, description, *more = get_args(hint)
    if get_origin(of_type) in (Union, UnionType):
        [of_type] = [each for each in get_args(of_type) if each is not NoneType]
    choices = get_args(of_type) if get_origin(of_type) is Literal else ()
    if isinstance(of_type, EnumType):
        choices = tuple(each.value for each in of_type)  # type: ignore[var-annotated]
    between = next((each for each in more if isinstance(each, Between)), None)
    return Argument(name, "string" if choices else KINDS[of_type], description, required, choices, between)
