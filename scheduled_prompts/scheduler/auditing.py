"""What the account keeps of a change: who made it, and what it changed, from what to what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.prompt import Definition

LONGEST_ACTOR = 256
LONGEST_VALUE = 200
"""Characters of a text, or of a list as JSON, that are kept of it."""


def actor_named(name: str) -> str:
    """The name, if it can be shown. Raises InvalidInput."""
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_ACTOR:
        raise InvalidInput(
            f"{name[:LONGEST_ACTOR]!r} names no actor", hint=f"1 to {LONGEST_ACTOR} printable characters, such as 'api'"
        )
    return name


def values_changed(before: Mapping[str, Any], after: Definition, changed: Sequence[str]) -> str:
    """JSON: each changed field, from what to what. `before` may be what could be read of a broken record."""
    return json.dumps({name: (_kept(before.get(name)), _kept(getattr(after, name))) for name in changed})


def _kept(value: Any) -> Any:
    plain = json.loads(json.dumps(value, default=_plain))
    if isinstance(plain, str):
        return _cut(plain)
    as_json = json.dumps(plain, ensure_ascii=False)
    return plain if len(as_json) <= LONGEST_VALUE else _cut(as_json)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _plain(value: Any) -> Any:
    """What JSON has no form for."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True) | {"kind": getattr(value, "kind", None)}
    return str(value)
