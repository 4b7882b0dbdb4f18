"""From what a model gave to a handler's arguments: read generously where the meaning is certain, else refused with the
form that is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.tools.spec import ToolSpec


class Given(NamedTuple):
    """Arguments as a handler takes them; `notes`: what was read otherwise than it was said."""

    values: dict[str, Any]
    notes: list[str]


def read_arguments(spec: ToolSpec, said: Mapping[str, Any] | str | None) -> Given:
    """Raises InvalidInput."""
    given = json.loads(said) if isinstance(said, str) else dict(said or {})
    unknown = [name for name in given if name not in {a.name for a in spec.arguments}]
    if unknown:
        raise InvalidInput(f"{spec.name} has no argument {unknown[0]!r}")
    return Given({name: value for name, value in given.items() if value is not None}, [])
