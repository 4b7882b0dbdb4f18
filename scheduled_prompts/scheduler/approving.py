"""Approving and rejecting what agents asked for: each is one script, guarded by what was read."""

from __future__ import annotations

from scheduled_prompts import ids
from scheduled_prompts.errors import Conflict
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler.answers import UPCOMING, Approved, NotApproved
from scheduled_prompts.scheduler.changing import TRIES, afresh, check_note, read_whole, stale
from scheduled_prompts.scheduler.finding import no_such_prompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Refused
from scheduled_prompts.upcoming import coming


async def approve(store: Store, prompt_id: str, note: str | None, version: int | None, *, by: str) -> Approved:
    check_note(note)
    for _ in range(TRIES):
        prompt = await read_whole(store, prompt_id)
        _refuse_unless_it_waits(prompt, version)
        now = store.clock.now()
        if prompt.pending_until is not None and prompt.pending_until <= now:
            await store.expire_approvals()
            raise _too_late(prompt)
        again = afresh(prompt, now)
        if again is None:
            raise Conflict(
                f"prompt {ids.short(prompt_id)} has nothing left to come: its time passed while it waited for approval",
                hint="`edit --when` gives it another time, `reject` ends it",
            )
        first = again.first
        refused = await store.approve(prompt, again.status, first.nominal, first.due, note=note or "", by=by)
        if refused is None:
            after = await read_whole(store, prompt_id)
            return Approved(after, again.passed, coming(after, UPCOMING))
        if refused.status == "late":
            await store.expire_approvals()
            raise _too_late(prompt)
    raise Conflict(f"prompt {ids.short(prompt_id)} changes too fast to be approved", hint="try again")


async def reject(store: Store, prompt_id: str, note: str | None, version: int | None, *, by: str) -> NotApproved:
    check_note(note)
    _refuse_unless_it_waits(await read_whole(store, prompt_id), version)
    answer = await store.reject(prompt_id, version=version, note=note or "", by=by)
    if isinstance(answer, Refused):
        if answer.status == "gone":
            no_such_prompt(prompt_id)
        _refuse_unless_it_waits(await read_whole(store, prompt_id), version)
        raise Conflict(f"prompt {ids.short(prompt_id)} changes too fast to be rejected", hint="try again")
    return NotApproved(await read_whole(store, prompt_id), answer.ended, answer.asked_to_stop)


def _refuse_unless_it_waits(prompt: ScheduledPrompt, version: int | None) -> None:
    if prompt.status is not PromptStatus.PENDING_APPROVAL:
        decided = f": {prompt.decision} by {prompt.decided_by}" if prompt.decision and prompt.decided_by else ""
        raise Conflict(f"prompt {ids.short(prompt.id)} is {prompt.status}{decided}; it does not wait for approval")
    if version is not None and version != prompt.version:
        raise stale(prompt.id, prompt.version, version)


def _too_late(prompt: ScheduledPrompt) -> Conflict:
    until = None if prompt.pending_until is None else prompt.local(prompt.pending_until)
    by = "" if until is None else f": it waited until {until.isoformat(sep=' ', timespec='seconds')}"
    return Conflict(
        f"it is too late to approve prompt {ids.short(prompt.id)}{by}",
        hint="schedule a new one, or let it be asked for again",
    )
