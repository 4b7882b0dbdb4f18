"""From what Redis holds to records. Whatever is wrong with one record must harm that record alone."""

from __future__ import annotations

from pydantic import ValidationError

from scheduled_prompts.fire import MAX_ERROR_CHARACTERS, Fire, read_fire
from scheduled_prompts.prompt import NewerSchema, ScheduledPrompt, read_definition, read_prompt
from scheduled_prompts.store.records import Lease, Unreadable


def pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def prompt_from(prompt_id: str, stored: dict[str, str]) -> ScheduledPrompt | Unreadable | None:
    if not stored:
        return None
    if "unreadable" in stored and "doc" not in stored:
        return Unreadable(prompt_id, stored["unreadable"], newer=False)
    try:
        return read_prompt(prompt_id, stored)
    except Exception as error:
        found = unreadable(prompt_id, error)
        return found._replace(
            status=stored.get("status", ""), version=stored.get("version", ""), seq=stored.get("seq", "")
        )


def fire_from(fire_id: str, stored: dict[str, str]) -> Fire | Unreadable | None:
    if not stored:
        return None
    try:
        return read_fire(fire_id, stored)
    except Exception as error:
        return unreadable(fire_id, error)


def unreadable(record_id: str, error: Exception) -> Unreadable:
    newer = isinstance(error, NewerSchema)
    words = str(error) if newer else f"{type(error).__name__}: {_said(error)}"
    return Unreadable(record_id, words[:MAX_ERROR_CHARACTERS], newer=newer)


def _said(error: Exception) -> str:
    """In one line, and without what is for those who write programs."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    found = [f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in problems]
    return "; ".join(found)


def lease_from(token: str, fire_id: str, stored: dict[str, str], document: str) -> Lease | Unreadable:
    """A taken fire with the definition it runs."""
    try:
        return Lease(read_fire(fire_id, stored, read_definition(document)), token)
    except Exception as error:
        return unreadable(fire_id, error)
