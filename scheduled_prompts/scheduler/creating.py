"""Making a new prompt: from what somebody says, with whose it is, to a record in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scheduled_prompts import ids
from scheduled_prompts.errors import Conflict
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Once, zone
from scheduled_prompts.scheduler import changing
from scheduled_prompts.scheduler.answers import UPCOMING, Scheduled
from scheduled_prompts.scheduler.authority import STAMPS
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
from scheduled_prompts.scheduler.inheriting import check_not_looser, inherited
from scheduled_prompts.upcoming import coming, first_occurrence, occurrences

if TYPE_CHECKING:
    from scheduled_prompts.scheduler.scheduler import Scheduler

TRIES = 5


async def schedule(
    scheduler: Scheduler, text: str, when: When, timezone: str | None, definition: Mapping[str, Any]
) -> Scheduled:
    op = scheduler.authority.op("schedule", text, when, timezone, sorted(definition.items()))
    for _ in range(TRIES):
        parent = await scheduler.authority.acting_prompt()
        prompt = _new(scheduler, text, when, timezone, definition, parent)
        made = await scheduler.store.create_for(
            scheduler.who,
            prompt,
            limits=scheduler.limits,
            parent_version=None if parent is None else parent.version,
            op=op,
        )
        match made.outcome:
            case "created" if made.id == prompt.id:
                return Scheduled(True, prompt, coming(prompt, UPCOMING), [])
            case "created":  # by an earlier run of the same tool call
                first = await read_whole(scheduler.store, made.id)
                return Scheduled(True, first, coming(first, UPCOMING), [])
            case "exists":
                existing = await read_whole(scheduler.store, made.id)
                wanted = prompt.model_copy(update={"schedule": kept_where_same(prompt.schedule, existing.schedule)})
                return Scheduled(False, existing, coming(existing, UPCOMING), changed_fields(existing, wanted))
            case "own":
                return await _retimed(scheduler, made.id, text, when, timezone, definition)
    raise Conflict("the prompt in whose fire this is changes too fast", hint="try again")


def _new(
    scheduler: Scheduler,
    text: str,
    when: When,
    timezone: str | None,
    definition: Mapping[str, Any],
    parent: ScheduledPrompt | None,
) -> ScheduledPrompt:
    """The prompt that is to be. `parent`: the one in whose fire it is made."""
    now = scheduler.clock.now()
    zone_name = zone(timezone or (scheduler.timezone if parent is None else parent.timezone)).key
    given = to_schedule(when, now, zone_name)
    stamped = scheduler.authority.stamped(definition, parent)
    usual = scheduler.defaults_of(stamped.get("owner")) if parent is None else inherited(parent)
    defined = validated({**with_instants({**usual, **stamped}, zone_name), **_what(text, given, zone_name)})
    if parent is not None:
        check_not_looser(parent, defined)
    elif scheduler.caller is not None:
        house = validated({**scheduler.defaults_of(stamped.get("owner")), **_what(text, given, zone_name)})
        scheduler.authority.check_shared(house, defined)
    check_interval(scheduler.limits, defined)
    prompt_id = ids.new_prompt_id(now, scheduler.clock.random)
    first = first_occurrence(defined, now, prompt_id)
    if first is None or not occurrences(defined, now, 1, prompt_id):
        raise nothing_to_come(defined, now)
    armed = PromptStatus.SCHEDULED if isinstance(given, Once) else PromptStatus.ACTIVE
    return ScheduledPrompt.model_construct(
        **{name: getattr(defined, name) for name in Definition.model_fields},
        **{"status": armed, **_waiting(scheduler, defined, now)},
        id=prompt_id,
        next_nominal=first.nominal,
        next_at=first.due,
        created_at=now,
        created_by=scheduler.actor,
        created_in=scheduler.who.fire,
        lineage=() if parent is None else (*parent.lineage, parent.id),
        updated_at=now,
    )


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


def _what(text: str, schedule: object, timezone: str) -> dict[str, object]:
    return {"text": text, "schedule": schedule, "timezone": timezone}


async def _retimed(
    scheduler: Scheduler,
    prompt_id: str,
    text: str,
    when: When,
    timezone: str | None,
    definition: Mapping[str, Any],
) -> Scheduled:
    """In a fire, what has the key already gets another text and time, instead of a second one beside it."""
    changes = {name: value for name, value in definition.items() if name not in ("key", *STAMPS) and value is not None}
    if timezone is not None:
        changes["timezone"] = timezone
    answer = await changing.edit(
        scheduler.store,
        scheduler.defaults_of,
        scheduler.limits,
        prompt_id,
        None,
        True,
        when,
        {**changes, "text": text},
        by=scheduler.who,
        check=scheduler.authority.check_edit,
        asks=scheduler.asks,
    )
    return Scheduled(False, answer.prompt, answer.upcoming, [], retimed=bool(answer.changed))
