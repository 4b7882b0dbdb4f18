"""Finding prompts and fires: by id or a part of one, and page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from scheduled_prompts import ids
from scheduled_prompts.errors import InvalidInput, NotFound, quoted
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler.answers import FirePage, PromptPage
from scheduled_prompts.scheduler.moments import instant_from
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Unreadable

MOST_LISTED = 1000
MATCHES_SHOWN = 5
PAGE = 5_000
MINUTE_MS = 60_000
SEE_LIST = "`list` shows the prompts there are"
SEE_HISTORY = "`history` shows the fires of a prompt"


class Only(NamedTuple):
    """Whose prompts somebody may see; of all others nothing is to be noticed, not even that a look-up took longer."""

    owner: str | None
    """None: those that have none."""


async def full_id(store: Store, id_or_part: str, only: Only | None = None) -> str:
    """The id of the one prompt that has this beginning or end. A whole id is taken as it is, unless only some are to be
    found."""
    part = id_or_part.strip().upper()
    if not ids.could_be_part_of_an_id(part):
        said = f"{quoted(id_or_part)} is not an id, nor a part of one"
        raise NotFound(said, hint="`list` shows the ids there are; names are none")
    is_whole = len(part) == ids.ID_LENGTH
    if is_whole and only is None:
        return part
    matches = await _of(store, [part], only) if is_whole and only else await _matching(store, part, only)
    if not matches:
        no_such_prompt(id_or_part)
    if len(matches) > 1:
        shown = ", ".join(matches[:MATCHES_SHOWN]) + (", …" if len(matches) > MATCHES_SHOWN else "")
        raise InvalidInput(f"{quoted(id_or_part)} could be {len(matches)} prompts: {shown}", hint="give more of the id")
    return matches[0]


def no_such_prompt(id_or_part: str) -> NoReturn:
    raise NotFound(f"there is no prompt {quoted(id_or_part)}", hint=SEE_LIST)


def no_such_fire(reference: str) -> NoReturn:
    raise NotFound(f"there is no fire {quoted(reference)}", hint=SEE_HISTORY)


async def _of(store: Store, found: Sequence[str], only: Only) -> list[str]:
    """Those of an owner. What cannot be read is nobody's."""
    prompts = await store.read_prompts(found)
    return [prompt.id for prompt in prompts if isinstance(prompt, ScheduledPrompt) and prompt.owner == only.owner]


async def _matching(store: Store, part: str, only: Only | None) -> list[str]:
    """The prompts whose id begins or ends like this, or whose end, which people are shown, begins so."""
    found: list[str] = []
    position: tuple[int, str] | None = None
    index = None if only is None or only.owner is None else ("owner", only.owner)
    while len(found) <= MATCHES_SHOWN:
        rows = await store.newest_ids(index, position, PAGE)
        page = [i for i, _ in rows if i.startswith(part) or i.endswith(part) or ids.short(i).startswith(part)]
        if (
            only is not None and index is None
        ):  # there is no index of what has no owner; nor may it show that others have
            page = await _of(store, page or [part], only)
        found += page
        if len(rows) < PAGE:
            break
        position = (rows[-1][1], rows[-1][0])
    return sorted(found)


async def page_of_prompts(
    store: Store, filters: Mapping[str, str | None], limit: int, cursor: str | None
) -> PromptPage:
    """Prompts that all filters match, newest first. Where one asks for None, whether there are more is told by looking:
    what it leaves out must not be guessed from the cursor."""
    status = filters.get("status")
    if status is not None and status not in set(PromptStatus):
        raise InvalidInput(f"there is no status {quoted(status)}", hint="one of: " + ", ".join(PromptStatus))
    _check_limit(limit)
    named = [(f, value) for f in ("owner", "agent", "status", "platform") if (value := filters.get(f)) is not None]
    index = named[0] if named else None
    looks_on = None in filters.values()
    found: list[ScheduledPrompt] = []
    unreadable: list[Unreadable] = []
    position = _read_cursor(cursor)
    cut: tuple[int, str] | None = None
    wanted = limit + 1 if looks_on else limit
    while len(found) + len(unreadable) < wanted:
        rows = await store.newest_ids(index, position, limit)
        if not rows:
            return PromptPage(found, None, unreadable)
        for (prompt_id, created), prompt in zip(rows, await store.read_prompts([row[0] for row in rows]), strict=True):
            position = (created, prompt_id)
            if isinstance(prompt, ScheduledPrompt) and all(getattr(prompt, f) == v for f, v in filters.items()):
                found.append(prompt)
            elif isinstance(prompt, Unreadable) and filters.keys() <= {"status"} and status in (None, prompt.status):
                unreadable.append(prompt)
            if cut is None and len(found) + len(unreadable) == limit:
                cut = position
            if len(found) + len(unreadable) == wanted:
                break
    assert cut is not None
    more = looks_on or await store.newest_ids(index, cut, 1)
    return PromptPage(found[:limit], f"{cut[0]}.{cut[1]}" if more else None, unreadable)


async def page_of_fires(store: Store, prompt_id: str, limit: int, cursor: str | None) -> FirePage:
    """The fires of a prompt, latest nominal time first."""
    _check_limit(limit)
    position = _read_cursor(cursor)
    rows: list[tuple[str, int]] = []
    offset = 0
    while len(rows) <= limit:
        page = await store.history_page(prompt_id, position[0] if position else "+inf", offset, limit + 1)
        rows += [row for row in page if position is None or (row[1], row[0]) < position]
        offset += len(page)
        if len(page) <= limit:
            break
    if not rows and (await store.read_prompts([prompt_id]))[0] is None:
        no_such_prompt(prompt_id)
    fires = await store.read_fires([fire_id for fire_id, _ in rows[:limit]])
    last = rows[limit - 1] if len(rows) > limit else None
    return FirePage([fire for fire in fires if isinstance(fire, Fire)], f"{last[1]}.{last[0]}" if last else None)


async def full_fire_id(store: Store, reference: str, only: Only | None = None) -> str:
    """The id of the fire that a person means by `<prompt>@<nominal time>`, `<prompt>+<end of its id>` or, for the last
    one, `<prompt>`; the prompt may be any part of its id, the time ms UTC or a date and time (in the prompt's zone,
    unless it has an offset)."""
    said = reference.strip()
    part, sign, rest = said.partition("@") if "@" in said else said.partition("+")
    is_whole = rest.isdecimal() if sign == "@" else len(rest) == ids.ID_LENGTH
    if len(part) == ids.ID_LENGTH and sign and is_whole:
        if only is not None and not await _of(store, [part.upper()], only):
            no_such_fire(reference)
        return part.upper() + sign + rest.upper()
    prompt_id = await full_id(store, part, only)
    [prompt] = await store.read_prompts([prompt_id])
    if prompt is None:
        no_such_prompt(part)
    if not sign:
        return await _last_fire(store, prompt_id, prompt)
    rows = await _whole_history(store, prompt_id)
    if sign == "+":
        found = [fire for fire, _ in rows if "+" in fire and fire.endswith(rest.upper())]
    else:
        zone = prompt.timezone if isinstance(prompt, ScheduledPrompt) else "UTC"
        first = int(rest) if rest.isdecimal() else instant_from(rest, zone)
        width = 1 if rest.isdecimal() else MINUTE_MS if first % MINUTE_MS == 0 else 1000
        named = [(fire, nominal) for fire, nominal in rows if "@" in fire and first <= nominal < first + width]
        found = [fire for fire, nominal in named if nominal == first] or [fire for fire, _ in named]
    if not found:
        no_such_fire(reference)
    if len(found) > 1:
        raise InvalidInput(f"{quoted(reference)} could be {len(found)} fires: {', '.join(found[:MATCHES_SHOWN])}")
    return found[0]


async def _last_fire(store: Store, prompt_id: str, prompt: ScheduledPrompt | Unreadable) -> str:
    last = prompt.last_fire if isinstance(prompt, ScheduledPrompt) else None
    if last is None:
        rows = await store.history_page(prompt_id, "+inf", 0, 1)
        last = rows[0][0] if rows else None
    if last is None:
        raise NotFound(f"prompt {ids.short(prompt_id)} has not fired", hint=SEE_HISTORY)
    return last


async def _whole_history(store: Store, prompt_id: str) -> list[tuple[str, int]]:
    return await store.history_page(prompt_id, "+inf", 0, 100_000)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST_LISTED:
        raise InvalidInput(f"limit={limit} is out of range", hint=f"1 to {MOST_LISTED}")


def _read_cursor(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    score, dot, member = cursor.partition(".")
    if not dot or not score.isdecimal():
        raise InvalidInput(f"{quoted(cursor)} is not a cursor", hint="pass on the `cursor` of the page before")
    return int(score), member
