"""What tests of the tools share: tools over a store, and calls whose answers are checked against their own schema."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema

from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.limits import Limits
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.tools import BoundTools, Tools
from scheduled_prompts.tools.catalogue import ALL

ANN = Caller(owner="ann", agent="secretary", scopes=frozenset(Scope))
BEN = Caller(owner="ben", agent="secretary", scopes=frozenset(Scope))


def tools_over(store: Store, *, timezone: str = "Europe/Berlin", limits: Limits | None = None) -> Tools:
    return Tools(Scheduler(store, timezone=timezone, limits=limits))


@cache
def _validator(name: str) -> Any:
    """That of a tool's answers, made once: to check a schema takes far longer than to check an answer by it."""
    schema = ALL[name].spec.output_schema
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def conforms(name: str, answer: dict[str, Any]) -> None:
    """An answer is as its tool's schema has it, holds nothing else, and says in words what it is about."""
    if name in ALL:
        validator = _validator(name)
        validator.validate(answer)
        assert answer.keys() <= validator.schema["properties"].keys()
    if answer["ok"]:
        assert answer["message"]
        assert "error" not in answer
    else:
        assert answer.keys() == {"ok", "error"}
        assert answer["error"]["code"]
        assert answer["error"]["message"]


class Checked:
    """Tools in the hands of a caller. `ask` is for what succeeds, `refused` for what does not."""

    def __init__(self, tools: BoundTools) -> None:
        self.tools = tools

    async def answer(self, name: str, arguments: Any = None) -> dict[str, Any]:
        answer = await self.tools.call(name, arguments)
        conforms(name, answer)
        return answer

    async def ask(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        answer = await self.answer(name, arguments)
        assert answer["ok"], answer
        return answer

    async def refused(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        answer = await self.answer(name, arguments)
        assert not answer["ok"], answer
        return dict(answer["error"])
