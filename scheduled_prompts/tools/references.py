"""Which prompt a model means: by its id or a part of it, its key, its name, or, in a fire, by “self”."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from difflib import SequenceMatcher

from scheduled_prompts import ids
from scheduled_prompts.caller import Caller
from scheduled_prompts.errors import InvalidInput, NotFound
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.tools import words

SELF = ("self", "this", "me", "current", "itself")
PAGE = 500
MOST = 5_000
"""So many of the caller's newest prompts are looked through for a key or a name."""
LEAST_PART = 4
"""Less of an id is rather the number of a line in a list."""
SHOWN = 5
LONGEST_TITLE = 40
LONGEST_SAID = 300
"""Longer than any id, key or name. What is most like it takes as long to find as it is, while nobody else is served."""
_QUOTED_ID = re.compile(r"\(id ([0-9A-Z]{8,26})\)\s*\Z", re.IGNORECASE)
_URI = re.compile(r"\A(?:prompt|fire)://", re.IGNORECASE)


class NotYours(NotFound):
    """The caller has no prompt that goes by what was said; somebody else's reads so, too."""

    def __init__(self, said: str) -> None:
        super().__init__(f"you have no scheduled prompt {said!r}")
        self.said = said


async def meant(scheduler: Scheduler, caller: Caller, said: str) -> ScheduledPrompt:
    """Raises NotFound; InvalidInput where several go by it."""
    text = said.strip()
    if caller.prompt is not None and text.lower() in SELF:
        return await scheduler.get(caller.prompt)
    if len(text) > LONGEST_SAID:
        raise NotYours(text[:LONGEST_SAID] + "…")
    quoted = _QUOTED_ID.search(text)  # as messages call a prompt
    text = _URI.sub("", quoted[1] if quoted else text).strip("#\"'“”` ")
    whole = re.split("[@+]", text.upper())[0]  # the id of a fire begins with that of its prompt
    if len(whole) in (ids.ID_LENGTH, ids.SHORT_LENGTH) and ids.could_be_part_of_an_id(whole):
        # By far the most; no record but that one is read.
        try:
            return await scheduler.get(whole)
        except NotFound as error:
            if len(whole) == ids.ID_LENGTH:
                raise NotYours(said) from error
    found = await _named(scheduler, text)
    if len(found) > 1:
        raise InvalidInput(
            f"{said!r} could be {len(found)} of your scheduled prompts: {', '.join(map(listed, found[:SHOWN]))}",
            hint="say which one by its id",
        )
    if not found:
        raise NotYours(said)
    return found[0]


async def _named(scheduler: Scheduler, text: str) -> list[ScheduledPrompt]:
    """The prompts that go by a text: by what is most certain, and the living ones before those that have ended."""
    keys: list[ScheduledPrompt] = []
    names: list[ScheduledPrompt] = []
    parts: list[ScheduledPrompt] = []
    texts: list[ScheduledPrompt] = []
    is_part = len(text) >= LEAST_PART and ids.could_be_part_of_an_id(text.upper())
    part = text.upper() if is_part else None
    async for prompt in newest(scheduler, MOST):
        if prompt.key == text:
            keys.append(prompt)
        elif prompt.name is not None and prompt.name.casefold() == text.casefold():
            names.append(prompt)
        elif part is not None and (
            prompt.id.startswith(part) or prompt.id.endswith(part) or ids.short(prompt.id).startswith(part)
        ):
            parts.append(prompt)
        elif text and " ".join(text.split()).casefold() in called(prompt):
            texts.append(prompt)
    for found in (keys, names, parts, texts):
        living = [prompt for prompt in found if not prompt.status.has_ended]
        if found is keys and found:  # of those that had it one after the other the last is meant
            return (living or found)[:1]
        if found:
            return living or found
    return []


def called(prompt: ScheduledPrompt) -> set[str]:
    """What answers call a prompt that has neither a name nor a key: its text, cut short where that is long."""
    if prompt.name or prompt.key:
        return set()
    return {" ".join(prompt.text.split()).casefold(), words.called(prompt).casefold()}


async def newest(scheduler: Scheduler, most: int) -> AsyncIterator[ScheduledPrompt]:
    """The caller's prompts, newest first."""
    cursor: str | None = None
    read = 0
    while read < most:
        page = await scheduler.list(limit=PAGE, cursor=cursor)
        for prompt in page.items:
            yield prompt
        read += len(page.items)
        cursor = page.cursor
        if cursor is None:
            return


async def living(scheduler: Scheduler) -> list[ScheduledPrompt]:
    """The newest of the caller's prompts that have not ended: what may have been meant, or be given up."""
    return [prompt async for prompt in newest(scheduler, PAGE) if not prompt.status.has_ended]


def nearest(prompts: list[ScheduledPrompt], said: str) -> list[ScheduledPrompt]:
    """Those first that are called most like what was said."""

    def likeness(prompt: ScheduledPrompt) -> float:
        names = (prompt.name, prompt.key, ids.short(prompt.id))
        return max(SequenceMatcher(None, said.casefold(), name.casefold()).ratio() for name in names if name)

    return sorted(prompts, key=likeness, reverse=True)


def listed(prompt: ScheduledPrompt) -> str:
    """A prompt as a hint names it: by the end of its id, and its name, its key or the beginning of its text."""
    keyed = f" key {prompt.key}" if prompt.key else ""
    words = prompt.name or ("" if prompt.key else " ".join(prompt.text.split()))
    cut = words if len(words) <= LONGEST_TITLE else words[: LONGEST_TITLE - 1].rstrip() + "…"
    return f"{ids.short(prompt.id)}{f' “{cut}”' if cut else ''}{keyed}"
