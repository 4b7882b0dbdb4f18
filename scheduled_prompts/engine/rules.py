"""When the zones' rules changed since the stored "next" times were computed, they are computed again, once."""

from __future__ import annotations

import structlog

from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import rules_version
from scheduled_prompts.store import Store
from scheduled_prompts.upcoming import next_occurrence

log = structlog.get_logger()


async def apply_new_rules(store: Store, by: str = "scheduled-prompts") -> int:
    """Compute again what is next, if this machine's tzdata or croniter is another than the store's. Returns how many
    prompts moved."""
    current = rules_version()
    stored = await store.rules()
    if stored == current:
        return 0
    moved = 0
    for status in PromptStatus:
        if not status.is_armed:
            continue
        async for page in store.pages_of(status):
            for prompt in page:
                if isinstance(prompt, ScheduledPrompt) and await _retime(store, prompt, by):
                    moved += 1
    await store.set_rules(current)
    log.info("zone_rules_changed", before=stored, now=current, moved=moved)
    return moved


async def _retime(store: Store, prompt: ScheduledPrompt, by: str) -> bool:
    try:
        following = next_occurrence(prompt, _counts_from(prompt))
    except Exception as error:  # one prompt that cannot be computed stops no other
        log.error("prompt_not_computable", prompt=prompt.id, error=f"{type(error).__name__}: {error}")
        return False
    if following is None or (following.nominal, following.due) == (prompt.next_nominal, prompt.next_at):
        return False
    return await store.retime(prompt, following.nominal, following.due, by=by)


def _counts_from(prompt: ScheduledPrompt) -> int:
    """What is next comes after this. What lay between the last claim and a resume, an edit or an import is over: it is
    accounted for already. These set `updated_at`, and what is next was still to come then."""
    after = prompt.created_at if prompt.last_nominal is None else prompt.last_nominal
    if prompt.next_nominal is None or prompt.next_at is None or prompt.next_at <= prompt.updated_at:
        return after
    return max(after, min(prompt.updated_at, prompt.next_nominal - 1))
