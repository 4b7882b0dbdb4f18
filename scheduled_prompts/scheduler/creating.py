"""Making a new prompt: from what somebody says, with whose it is, to a record in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scheduled_prompts import ids
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Once, zone
from scheduled_prompts.scheduler.answers import UPCOMING, Scheduled
from scheduled_prompts.scheduler.changing import read_whole
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
from scheduled_prompts.upcoming import coming, first_occurrence, occurrences

if TYPE_CHECKING:
    from scheduled_prompts.scheduler.scheduler import Scheduler


async def schedule(
    scheduler: Scheduler, text: str, when: When, timezone: str | None, definition: Mapping[str, Any]
) -> Scheduled:
    now = scheduler.clock.now()
    zone_name = zone(timezone or scheduler.timezone).key
    given = to_schedule(when, now, zone_name)
    stamped = scheduler.authority.stamped(definition)
    said = with_instants({**scheduler.defaults_of(stamped.get("owner")), **stamped}, zone_name)
    defined = validated({**said, "text": text, "schedule": given, "timezone": zone_name})
    check_interval(scheduler.limits, defined)
    prompt_id = ids.new_prompt_id(now, scheduler.clock.random)
    upcoming = occurrences(defined, now, UPCOMING, prompt_id)
    first = first_occurrence(defined, now, prompt_id)
    if not upcoming or first is None:
        raise nothing_to_come(defined, now)
    armed = PromptStatus.SCHEDULED if isinstance(given, Once) else PromptStatus.ACTIVE
    prompt = ScheduledPrompt.model_construct(
        **{name: getattr(defined, name) for name in Definition.model_fields},
        **{"status": armed, **_waiting(scheduler, defined, now)},
        id=prompt_id,
        next_nominal=first.nominal,
        next_at=first.due,
        created_at=now,
        created_by=scheduler.actor,
        updated_at=now,
    )
    holder = await scheduler.store.create(prompt, limits=scheduler.limits)
    if holder is None:
        return Scheduled(True, prompt, upcoming, [])
    existing = await read_whole(scheduler.store, holder)
    wanted = prompt.model_copy(update={"schedule": kept_where_same(prompt.schedule, existing.schedule)})
    return Scheduled(False, existing, coming(existing, UPCOMING), changed_fields(existing, wanted))


def _waiting(scheduler: Scheduler, wanted: Definition, now: int) -> dict[str, Any]:
    """What is different about a new prompt that a person is to approve."""
    why = scheduler.approval.why(wanted, scheduler.caller, scheduler.budgets)
    if why is None:
        return {}
    return {
        "status": PromptStatus.PENDING_APPROVAL,
        "pending_since": now,
        "pending_until": now + scheduler.approval.expires_after_ms,
        "pending_why": why,
        "pending_by": scheduler.actor,
    }
