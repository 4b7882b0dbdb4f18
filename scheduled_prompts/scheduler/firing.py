"""Fires, as a caller has to do with them: one beside the schedule, one read, one cancelled."""

from __future__ import annotations

from itertools import count

from scheduled_prompts import ids
from scheduled_prompts.claims import manual_claim
from scheduled_prompts.errors import AllStopped, Conflict, NotFound, StoreUnusable
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt, read_definition
from scheduled_prompts.scheduler import finding
from scheduled_prompts.scheduler.changing import read_whole
from scheduled_prompts.store import Store
from scheduled_prompts.store.acting import By, actor_of
from scheduled_prompts.store.denials import denial
from scheduled_prompts.store.halting import HALTED
from scheduled_prompts.store.records import Refused


async def fire_now(store: Store, prompt: ScheduledPrompt, *, rerun_of: str = "", by: By, op: str | None = None) -> Fire:
    """One fire beside the schedule. `op`: the same for all repetitions of one request, which then have one fire."""
    for attempt in count():
        now = store.clock.now()
        fire_id = ids.manual_fire_id(prompt.id, now, store.clock.random)
        name = f"prompt {ids.short(prompt.id)}"
        if prompt.status is PromptStatus.QUARANTINED:
            raise Conflict(f"{name} is quarantined", hint="`doctor` says why, `edit` repairs it")
        if prompt.status is PromptStatus.CANCELLED:
            raise Conflict(f"{name} is cancelled", hint="schedule a new one")
        if prompt.status is PromptStatus.PENDING_APPROVAL:
            raise Conflict(f"{name} waits for approval: nothing of it runs before", hint="`approve` lets it fire")
        [answer] = await store.claim(
            [manual_claim(prompt, fire_id, now, rerun_of=rerun_of, by=by)], op=op and f"{op}.{attempt}"
        )
        if answer == "claimed":
            return await read_fire(store, fire_id, fire_id)
        if answer == "gone":
            finding.no_such_prompt(prompt.id)
        how, _, detail = answer.partition(": ")
        if how == "claimed":
            return await read_fire(store, detail, detail)  # that of an earlier call, where this is a repetition
        if how == "denied":
            raise denial(detail, actor_of(by))
        if answer == HALTED:
            raise AllStopped("all is stopped: nothing is started", hint="`start-all` lets all go on")
        if answer.startswith("broken: "):
            raise StoreUnusable(f"{name} cannot fire: {answer.removeprefix('broken: ')}")
        if how == "hindered":
            said = f"{name} cannot fire: key {detail} is of the wrong type"
            raise StoreUnusable(said, hint="`doctor --repair` mends it")
        prompt = await read_whole(store, prompt.id)  # it changed since it was read, or is gone
    raise AssertionError("count() ends never")


async def read_fire(store: Store, fire_id: str, reference: str) -> Fire:
    """Raises NotFound, which names the fire as it was asked for."""
    [found] = await store.read_fires([fire_id])
    if not isinstance(found, Fire):
        raise NotFound(f"there is no fire {reference!r}", hint=finding.SEE_HISTORY)
    return found


async def definition_of(store: Store, fire: Fire) -> Definition:
    """What a fire ran."""
    earlier = await store.documents(fire.prompt_id)
    ran = min((version for version in earlier if version >= fire.version), default=None)
    if ran is None:
        return await read_whole(store, fire.prompt_id)
    try:
        return read_definition(earlier[ran])
    except Exception as error:
        raise StoreUnusable(f"what fire {fire.id} ran cannot be read: {type(error).__name__}: {error}") from error


async def cancel_fire(store: Store, fire_id: str, reference: str, *, by: By) -> Fire:
    answer = await store.cancel_fire(fire_id, by=by)
    if isinstance(answer, Refused):
        if answer.status == "gone":
            finding.no_such_fire(reference)
        raise Conflict(f"fire {fire_id} has ended already: {answer.status}")
    return await read_fire(store, fire_id, reference)
