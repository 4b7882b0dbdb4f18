"""What a claim decides: which occurrence fires, which were missed, and what is next. Pure."""

from __future__ import annotations

from scheduled_prompts import ids
from scheduled_prompts.claims import claim_item
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.store.records import ClaimItem
from scheduled_prompts.store.transitions import skips_json
from scheduled_prompts.upcoming import (
    due_at,
    first_due_with,
    is_skipped_as_quiet,
    last_due_with,
    latest_named,
    next_occurrence,
)


def claim_of(prompt: ScheduledPrompt, now: int, horizon: int) -> ClaimItem | None:
    """The claim of what is due by `horizon` (ms UTC; `now` plus the lead), or None where nothing is.

    Of several occurrences that have passed by `now` the latest is claimed, with `misfire="all"` the first of those that
    are caught up with; those before it are one missed range. Of those that quiet hours deferred to one moment the last
    is claimed; those before it are a range, too. One that is later than its grace becomes a fire that was missed; one
    that is to be skipped, or falls in quiet hours, a fire that was skipped, in its turn.
    """
    first, due = prompt.next_nominal, prompt.next_at
    if not prompt.status.is_armed or first is None or due is None or due > horizon:
        return None
    earliest = last_due_with(prompt, first, prompt.id)
    nominal = _latest_to_fire(prompt, earliest, now)
    if prompt.misfire == "all":
        nominal = _first_to_catch_up_with(prompt, earliest, nominal, now)
    due = _due(prompt, nominal)
    following = next_occurrence(prompt, nominal)
    item = claim_item(prompt, ids.scheduled_fire_id(prompt.id, nominal), "schedule", nominal=nominal, due=due)
    if following is None:
        item["next_status"] = PromptStatus.EXECUTED
    else:
        item["next_nominal"], item["next_at"] = str(following.nominal), str(following.due)
    if prompt.max_fires is not None:
        item["max_fires"] = str(prompt.max_fires)
    deferred = max(first, first_due_with(prompt, nominal, prompt.id))
    if deferred != first:
        item["missed_from"], item["missed_until"] = str(first), str(deferred)
    if deferred != nominal:
        item["quiet_from"] = str(deferred)
    if nominal in prompt.skips:
        item["skip"] = "requested"
    elif is_skipped_as_quiet(prompt, nominal):
        item["skip"] = "quiet"
    elif _is_too_late(prompt, due, now):
        item["skip"] = "late"
    item["in_turn"] = prompt.misfire == "all" and due <= now and not item["skip"]
    if prompt.grace_ms is not None:
        item["deadline"] = str(due + prompt.grace_ms)
    if prompt.skips and prompt.skips[0] <= nominal:
        item["skips"] = skips_json(skip for skip in prompt.skips if skip > nominal) or "[]"
    return item


def _latest_to_fire(prompt: ScheduledPrompt, first: int, now: int) -> int:
    """The latest nominal time from `first` on that is due and not to be skipped; `first` itself where none is later."""
    until = now
    while (nominal := _latest_due(prompt, first, until, now)) in prompt.skips and nominal > first:
        until = _before_those_due_with(prompt, nominal)
    return nominal


def _latest_due(prompt: ScheduledPrompt, first: int, until: int, now: int) -> int:
    """The latest nominal time from `first` to `until` whose due time has come; `first` itself where none is later."""
    while True:
        latest = _latest_upto(prompt, first, until)
        if latest == first or due_at(prompt, latest) <= now:
            return latest
        # Its jitter or the quiet hours are not over. Those before are due before this one's nominal time, so this ends.
        until = _before_those_due_with(prompt, latest)


def _first_to_catch_up_with(prompt: ScheduledPrompt, first: int, latest: int, now: int) -> int:
    """Where the last `catch_up_limit` occurrences up to `latest` begin, of those that are within their grace; `latest`
    itself where none before it is. Those to be skipped are not counted."""
    nominal, caught_up = latest, 1
    while nominal > first:
        before = _latest_upto(prompt, first, _before_those_due_with(prompt, nominal))
        caught_up += before not in prompt.skips
        if caught_up > prompt.catch_up_limit or _is_too_late(prompt, _due(prompt, before), now):
            break
        nominal = before
    return nominal


def _latest_upto(prompt: ScheduledPrompt, first: int, until: int) -> int:
    """The latest nominal time from `first` to `until`; `first` itself where none is later."""
    latest = latest_named(prompt, first, until, prompt.id)
    return first if latest is None else latest


def _before_those_due_with(prompt: ScheduledPrompt, nominal: int) -> int:
    return first_due_with(prompt, nominal, prompt.id) - 1


def _due(prompt: ScheduledPrompt, nominal: int) -> int:
    """When an occurrence is due. What is next may have been moved."""
    if nominal == prompt.next_nominal and prompt.next_at is not None:
        return prompt.next_at
    return due_at(prompt, nominal)


def _is_too_late(prompt: ScheduledPrompt, due: int, now: int) -> bool:
    return prompt.grace_ms is not None and now - due > prompt.grace_ms
