"""Errors as answers, in the language of the tools: what was wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from scheduled_prompts.errors import ScheduledPromptsError


def refusal(error: ScheduledPromptsError) -> dict[str, Any]:
    return answer(error.code, error.message, error.hint)


def no_such_tool(name: str, known: Iterable[str]) -> dict[str, Any]:
    names = list(known)
    near = get_close_matches(name, names, 1, 0.4)
    hint = f"did you mean {near[0]}?" if near else "the tools are: " + ", ".join(names)
    return answer("unknown_tool", f"there is no tool {name!r}", hint)


def unexpected(name: str) -> dict[str, Any]:
    return answer(
        "internal_error",
        f"{name} failed for a reason that is not yours",
        "look with list_scheduled_prompts whether it took effect before you try again",
    )


def answer(code: str, message: str, hint: str | None) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message, "hint": hint}}
