"""What a claim decides: which occurrence fires, which were missed, and what is next. Pure."""

from __future__ import annotations

from scheduled_prompts import ids
from scheduled_prompts.claims import claim_item
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import latest_between
from scheduled_prompts.store.records import ClaimItem
from scheduled_prompts.store.transitions import skips_json
from scheduled_prompts.upcoming import due_at, next_occurrence


def claim_of(prompt: ScheduledPrompt, now: int, horizon: int) -> ClaimItem | None:
    """The claim of what is due by `horizon` (ms UTC; `now` plus the lead), or None where nothing is.

    Of several occurrences that have passed by `now` the latest fires; those before it are one missed range. One that is
    to be skipped becomes a fire that was skipped, in its turn.
    """
    first, due = prompt.next_nominal, prompt.next_at
    if not prompt.status.is_armed or first is None or due is None or due > horizon:
        return None
    nominal = _latest_to_fire(prompt, first, now)
    if nominal != first:
        due = due_at(prompt, nominal)
    following = next_occurrence(prompt, nominal)
    item = claim_item(prompt, ids.scheduled_fire_id(prompt.id, nominal), "schedule", nominal=nominal, due=due)
    if following is None:
        item["next_status"] = PromptStatus.EXECUTED
    else:
        item["next_nominal"], item["next_at"] = str(following.nominal), str(following.due)
    if nominal != first:
        item["missed_from"], item["missed_until"] = str(first), str(nominal)
    if nominal in prompt.skips:
        item["skip"] = "requested"
    if prompt.skips and prompt.skips[0] <= nominal:
        item["skips"] = skips_json(skip for skip in prompt.skips if skip > nominal) or "[]"
    return item


def _latest_to_fire(prompt: ScheduledPrompt, first: int, now: int) -> int:
    """The latest nominal time from `first` on that is due and not to be skipped; `first` itself where none is later."""
    until = now
    while (nominal := _latest_due(prompt, first, until, now)) in prompt.skips and nominal > first:
        until = nominal - 1
    return nominal


def _latest_due(prompt: ScheduledPrompt, first: int, until: int, now: int) -> int:
    """The latest nominal time from `first` to `until` whose due time has come; `first` itself where none is later."""
    while True:
        latest = latest_between(prompt.schedule, first, until, timezone=prompt.timezone, seed=prompt.id)
        if latest is None:
            return first
        if due_at(prompt, latest) <= now:
            return latest
        # Its jitter has not run out. The one before is due before this one's nominal time, so this ends.
        until = latest - 1
