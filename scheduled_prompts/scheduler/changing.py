"""Changing a prompt that is there: edit, pause, resume, skip. Each is one script, guarded by what was read."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from scheduled_prompts import ids
from scheduled_prompts.errors import Conflict, InvalidInput, StoreUnusable, VersionConflict
from scheduled_prompts.fencing import UNNAMED
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import RESCHEDULING, Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Once, zone
from scheduled_prompts.scheduler.answers import UPCOMING, Edited, Paused, Resumed, Skipped
from scheduled_prompts.scheduler.auditing import values_changed
from scheduled_prompts.scheduler.defining import (
    When,
    changed_fields,
    check_interval,
    kept_where_same,
    nothing_to_come,
    to_schedule,
    validated,
    with_instants,
)
from scheduled_prompts.scheduler.finding import no_such_prompt
from scheduled_prompts.scheduler.moments import occurrence_named
from scheduled_prompts.store import Store
from scheduled_prompts.store.acting import By, actor_of
from scheduled_prompts.store.records import EditItem, Refused, Unreadable
from scheduled_prompts.store.transitions import skips_json
from scheduled_prompts.upcoming import (
    Occurrence,
    coming,
    due_at,
    first_occurrence,
    is_named,
    latest_named,
    next_occurrence,
    occurrences,
)

FIXED = ("owner", "key")
"""What a prompt is found by: to have another, schedule another."""
TRIES = 5
MAX_NOTE = 1_000
DefaultsOf = Callable[[object], dict[str, Any]]
"""By owner: the policies that are default for its prompts."""
Check = Callable[[ScheduledPrompt | None, Definition, Occurrence | None], None]
Asks = Callable[[Definition, Collection[str], str], dict[str, str] | None]
"""By the definition that is wanted, the fields that change, and the prompt's id: what approval is asked for, as
`EditItem` has it."""


async def edit(
    store: Store,
    defaults_of: DefaultsOf,
    limits: Limits,
    prompt_id: str,
    version: int | None,
    force: bool,
    when: When | None,
    changes: Mapping[str, Any],
    *,
    by: By,
    check: Check,
    asks: Asks | None = None,
) -> Edited:
    """`check` raises where whoever edits may not make this of that (None: it cannot be read)."""
    if version is None and not force:
        raise InvalidInput("an edit needs the version it was made on", hint="version=…, as `show` says, or force=True")
    _refuse_fixed(changes)
    for _ in range(TRIES):
        found = await _read(store, prompt_id)
        _refuse_cancelled(found)
        if not force and str(found.version) != str(version):
            raise stale(found.id, found.version, version)
        whole = found if isinstance(found, ScheduledPrompt) else None
        before = await _fields(store, found)
        wanted = _edited(store, defaults_of, before, whole, when, changes)
        check_interval(limits, wanted, whole)
        changed = sorted(wanted.model_fields_set) if whole is None else changed_fields(whole, wanted)
        is_broken = whole is None or whole.status is PromptStatus.QUARANTINED or _lost_its_next(whole)
        if whole is not None and not changed and not is_broken:
            return Edited(whole, [], coming(whole, UPCOMING))
        now = store.clock.now()
        first = first_of(wanted, found, now) if is_broken or RESCHEDULING & set(changed) else None
        check(whole, wanted, first)
        if whole is not None and whole.text != wanted.text and wanted.agent is None and (agent := _agent(by)):
            # What an agent wrote is its words from here on, and is handed on as such.
            wanted, changed = wanted.model_copy(update={"agent": agent}), sorted({*changed, "agent"})
        if isinstance(found, Unreadable) and found.status != PromptStatus.PAUSED:
            await store.quarantine(found, found.error)  # where nobody has: what cannot be used of it is then dropped
        item = _item(found, before, wanted, changed, first)
        approval = None if asks is None else asks(wanted, changed, prompt_id)
        if approval is not None:
            item["approval"] = approval
        answer = await store.edit(item, limits=limits, by=by)
        if isinstance(answer, int):
            after = await read_whole(store, prompt_id)
            return Edited(after, changed, coming(after, UPCOMING), _skips_dropped(whole, after, now))
        if isinstance(answer, Refused):
            if answer.status == "gone":
                no_such_prompt(prompt_id)
            if not force:
                raise stale(prompt_id, answer.version, version)
        elif answer == "over":
            raise Conflict(
                f"prompt {ids.short(prompt_id)} is executed: nothing is to come of it that somebody could approve",
                hint="give it another time as well, or schedule another",
            )
        elif answer != "moved":
            raise Conflict(
                f"prompt {ids.short(answer)} has the key {wanted.key!r} by now",
                hint="cancel that one, or edit it instead",
            )
    raise Conflict(f"prompt {ids.short(prompt_id)} changes too fast to be edited", hint="try again")


def _agent(by: By) -> str | None:
    caller = actor_of(by).caller
    return None if caller is None else caller.agent or UNNAMED


async def pause(store: Store, prompt_id: str, note: str | None, version: int | None, *, by: By) -> Paused:
    check_note(note)
    await read_whole(store, prompt_id)
    answer = await store.pause(prompt_id, version=version, reason="requested", note=note or "", by=by)
    if isinstance(answer, Refused):
        if answer.status == "gone":
            no_such_prompt(prompt_id)
        if PromptStatus(answer.status).is_armed:
            raise stale(prompt_id, answer.version, version)
        raise Conflict(f"prompt {ids.short(prompt_id)} is {answer.status}{_already(answer.status, 'paused')}")
    return Paused(await read_whole(store, prompt_id), answer)


def check_note(note: str | None) -> None:
    if note is not None and len(note) > MAX_NOTE:
        raise InvalidInput(f"the note has {len(note):,} characters; at most {MAX_NOTE:,} are kept")


class Afresh(NamedTuple):
    """How a prompt goes on that rested. `passed`: from which nominal time on, and before which, nothing fired (ms)."""

    status: PromptStatus
    first: Occurrence
    passed: tuple[int, int] | None


def afresh(prompt: ScheduledPrompt, now: int) -> Afresh | None:
    """From its first occurrence that is not due yet; None where nothing is left to come."""
    start = now if prompt.next_nominal is None else prompt.next_nominal
    first = _first_to_come(prompt, start, now)
    if first is None:
        return None
    status = PromptStatus.SCHEDULED if isinstance(prompt.schedule, Once) else PromptStatus.ACTIVE
    return Afresh(status, first, (start, first.nominal) if first.nominal > start else None)


async def resume(store: Store, limits: Limits, prompt_id: str, *, by: By) -> Resumed:
    for _ in range(TRIES):
        prompt = await read_whole(store, prompt_id)
        if prompt.status is not PromptStatus.PAUSED:
            raise Conflict(f"prompt {ids.short(prompt_id)} is {prompt.status}: only a paused one can be resumed")
        again = afresh(prompt, store.clock.now())
        if again is None:
            raise Conflict(
                f"prompt {ids.short(prompt_id)} has nothing left to come: its time passed while it was paused",
                hint="`run` fires it now, `edit --when` gives it another time, `cancel` ends it",
            )
        refused = await store.resume(prompt, again.status, again.first.nominal, again.first.due, limits=limits, by=by)
        if refused is None:
            after = await read_whole(store, prompt_id)
            return Resumed(after, again.passed, coming(after, UPCOMING))
    raise Conflict(f"prompt {ids.short(prompt_id)} changes too fast to be resumed", hint="try again")


async def skip(
    store: Store, prompt_id: str, mode: Literal["skip", "unskip"], occurrence: str | datetime | int, *, by: By
) -> Skipped:
    for _ in range(TRIES):
        prompt = await read_whole(store, prompt_id)
        _refuse_cancelled(prompt)
        if prompt.status is PromptStatus.QUARANTINED:
            raise Conflict(f"prompt {ids.short(prompt_id)} is quarantined", hint="`doctor` says why, `edit` repairs it")
        if prompt.status is PromptStatus.PENDING_APPROVAL:
            raise Conflict(f"prompt {ids.short(prompt_id)} waits for approval: nothing is to come before that")
        if mode == "unskip" and occurrence == "next" and prompt.skips:
            occurrence = prompt.skips[0]
        nominal = occurrence_named(prompt, occurrence)
        if mode == "skip" and nominal in prompt.skips:
            raise Conflict(f"{_local(prompt, nominal)} is to be skipped already")
        if mode == "unskip" and nominal not in prompt.skips:
            those = ", ".join(_local(prompt, skip) for skip in prompt.skips)
            hint = f"to be skipped: {those}" if those else "none is to be skipped"
            raise Conflict(f"{_local(prompt, nominal)} was not to be skipped", hint=hint)
        if mode == "skip" and _is_behind(prompt, nominal):
            raise Conflict(f"{_local(prompt, nominal)} is not to come: what is next is later")
        skips = {*prompt.skips, nominal} if mode == "skip" else {*prompt.skips} - {nominal}
        answer = await store.skip(mode, prompt, nominal, skips, by=by)
        if answer in ("done", "taken_back"):
            after = await read_whole(store, prompt_id)
            return Skipped(after, nominal, coming(after, UPCOMING))
        if not isinstance(answer, Refused):
            raise Conflict(f"{_local(prompt, nominal)} is {answer} already: it is too late to skip it")
        if answer.status == "gone":
            no_such_prompt(prompt_id)
    raise Conflict(f"prompt {ids.short(prompt_id)} changes too fast", hint="try again")


async def read_whole(store: Store, prompt_id: str) -> ScheduledPrompt:
    """The prompt. Raises NotFound; StoreUnusable where its record cannot be read."""
    found = await _read(store, prompt_id)
    if isinstance(found, Unreadable):
        hint = None if found.newer else "`edit` with a text and a time repairs it, `cancel` removes it"
        raise StoreUnusable(f"prompt {ids.short(prompt_id)} cannot be read: {found.error}", hint=hint)
    return found


async def _read(store: Store, prompt_id: str) -> ScheduledPrompt | Unreadable:
    [found] = await store.read_prompts([prompt_id])
    if found is None:
        no_such_prompt(prompt_id)
    return found


async def _fields(store: Store, found: ScheduledPrompt | Unreadable) -> dict[str, Any]:
    """The fields of the definition as it is; of one that cannot be read as a whole, those that are there."""
    if isinstance(found, ScheduledPrompt):
        return {name: getattr(found, name) for name in Definition.model_fields}
    if found.newer:
        raise StoreUnusable(f"prompt {ids.short(found.id)} was written by a newer release: {found.error}")
    try:
        fields = json.loads((await store.stored_fields(found.id)).get("doc", ""))
    except ValueError:
        return {}
    known = fields if isinstance(fields, dict) else {}
    return {name: known[name] for name in Definition.model_fields if name in known}


def _edited(
    store: Store,
    defaults_of: DefaultsOf,
    before: Mapping[str, Any],
    whole: ScheduledPrompt | None,
    when: When | None,
    changes: Mapping[str, Any],
) -> Definition:
    """The new definition. A field that is changed to None gets its default."""
    fields, defaults = dict(before), defaults_of(before.get("owner"))
    for name, value in changes.items():
        if value is not None:
            fields[name] = value
        elif name in defaults:
            fields[name] = defaults[name]
        else:
            fields.pop(name, None)
    if isinstance(fields.get("timezone"), str):
        fields["timezone"] = zone(fields["timezone"]).key
    if when is not None:
        fields["schedule"] = to_schedule(when, store.clock.now(), fields.get("timezone") or "UTC")
        if whole is not None and fields.get("timezone", "UTC") == whole.timezone:
            fields["schedule"] = kept_where_same(fields["schedule"], whole.schedule)
    return validated(with_instants(fields, fields.get("timezone") or "UTC"))


def _item(
    found: ScheduledPrompt | Unreadable,
    before: Mapping[str, Any],
    wanted: Definition,
    changed: list[str],
    first: Occurrence | None,
) -> EditItem:
    newer = found.model_extra if isinstance(found, ScheduledPrompt) else None
    created = found.created_at if isinstance(found, ScheduledPrompt) else ids.first_instant(found.id)
    return {
        "id": found.id,
        "version": str(found.version),
        "doc": (wanted.model_copy(update=newer) if newer else wanted).document(),
        "owner": wanted.owner or "",
        "key": wanted.key or "",
        "platform": wanted.platform,
        "agent": wanted.agent or "",
        "conversation": wanted.conversation or "",
        "before": {"platform": str(before.get("platform") or "default"), "agent": str(before.get("agent") or "")},
        "changed": changed,
        "status": PromptStatus.SCHEDULED if isinstance(wanted.schedule, Once) else PromptStatus.ACTIVE,
        "next_nominal": "" if first is None else str(first.nominal),
        "next_at": "" if first is None else str(first.due),
        "skips": "" if first is None or not isinstance(found, ScheduledPrompt) else _skips_left(found, wanted, first),
        "keep": "" if first is None or not isinstance(found, ScheduledPrompt) else _claimed_and_named(found, wanted),
        "was": "" if first is None or not isinstance(found, ScheduledPrompt) else found.timing(),
        "created_at": str(created),
        "values": values_changed(before, wanted, changed),
    }


def _claimed_and_named(found: ScheduledPrompt, wanted: Definition) -> str:
    """The last occurrence claimed, where the new schedule names it too: its fire, if it was claimed ahead, stays."""
    last = found.last_nominal
    if last is None or not is_named(wanted, last, found.id):
        return ""
    return str(last)


def _skips_left(found: ScheduledPrompt, wanted: Definition, first: Occurrence) -> str:
    """Those that the new schedule names too."""
    return skips_json(skip for skip in found.skips if skip >= first.nominal and is_named(wanted, skip, found.id))


def _skips_dropped(before: ScheduledPrompt | None, after: ScheduledPrompt, now: int) -> list[int]:
    """Those that were still to come and that the new schedule does not name."""
    last = max(now, after.last_nominal or now)
    return [] if before is None else [skip for skip in before.skips if skip > last and skip not in after.skips]


def first_of(wanted: Definition, found: ScheduledPrompt | Unreadable, now: int) -> Occurrence:
    """The first occurrence by a new schedule: after now, and after what was claimed already. Raises InvalidInput where
    none is to come."""
    after = now
    if isinstance(found, ScheduledPrompt):
        after = max(after, found.last_nominal or after)
        if wanted.max_fires is not None and found.fired >= wanted.max_fires:
            raise InvalidInput(
                f"max_fires: it has fired {found.fired} times already, so {wanted.max_fires} leaves none to come",
                hint="give a higher number, or cancel it",
            )
    first = first_occurrence(wanted, after, found.id)
    if first is None or not occurrences(wanted, after, 1, found.id):
        raise nothing_to_come(wanted, now)
    return first


def _first_to_come(prompt: ScheduledPrompt, start: int, now: int) -> Occurrence | None:
    """The first occurrence from `start` on that is not due yet. Of those that have begun only the latest may have a
    jitter that has not run out."""
    latest = latest_named(prompt, start - 1, now, prompt.id)
    if latest is not None and (due := due_at(prompt, latest)) > now:
        return Occurrence(latest, due)
    return next_occurrence(prompt, max(now, start - 1))


def _refuse_fixed(changes: Mapping[str, Any]) -> None:
    for name in FIXED:
        if name in changes:
            raise InvalidInput(f"the {name} of a prompt cannot be changed", hint="cancel it, and schedule another")


def _lost_its_next(prompt: ScheduledPrompt) -> bool:
    return prompt.status.is_armed and (prompt.next_nominal is None or prompt.next_at is None)


def _is_behind(prompt: ScheduledPrompt, nominal: int) -> bool:
    """Whether an occurrence lies before what is next without having been claimed: before an edit, or in a pause."""
    claimed_last = prompt.last_nominal
    is_claimed = claimed_last is not None and nominal <= claimed_last
    return not is_claimed and prompt.next_nominal is not None and nominal < prompt.next_nominal


def _refuse_cancelled(prompt: ScheduledPrompt | Unreadable) -> None:
    if prompt.status == PromptStatus.CANCELLED:
        raise Conflict(f"prompt {ids.short(prompt.id)} is cancelled", hint="schedule a new one")


def stale(prompt_id: str, is_now: object, was: object) -> VersionConflict:
    return VersionConflict(
        f"prompt {ids.short(prompt_id)} has version {is_now}, and this was made on version {was}",
        hint="`show` tells what it is now",
    )


def _already(status: str, wanted: str) -> str:
    return " already" if status == wanted else ""


def _local(prompt: ScheduledPrompt, nominal: int) -> str:
    return prompt.local(nominal).isoformat(sep=" ", timespec="seconds")
