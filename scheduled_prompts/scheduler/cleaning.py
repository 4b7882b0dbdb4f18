"""Deleting what of an owner's prompts has been over for long. Of everybody's, a daemon does it by itself."""

from __future__ import annotations

from scheduled_prompts.errors import InvalidInput, quoted
from scheduled_prompts.limits import MOST_DAYS
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.schedule.spacing import DAY_MS
from scheduled_prompts.scheduler.finding import page_of_prompts
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Purged

PAGE = 500


def days_ago(store: Store, days: float) -> int:
    """ms UTC. Raises InvalidInput where that is before all calendars, or no number."""
    if not 0 <= days <= MOST_DAYS:
        raise InvalidInput(f"days={quoted(days)} is out of range", hint=f"0 to {MOST_DAYS:,}")
    return store.clock.now() - round(days * DAY_MS)


async def clean_up(store: Store, owner: str | None, days: float) -> Purged:
    before = days_ago(store, days)
    deleted = Purged(0, 0, [])
    for status in (PromptStatus.EXECUTED, PromptStatus.CANCELLED):
        cursor: str | None = None
        while True:
            page = await page_of_prompts(store, {"owner": owner, "status": status}, PAGE, cursor)
            if page.items:
                purged = await store.purge(page.items, before)
                deleted = Purged(deleted.prompts + purged.prompts, deleted.fires + purged.fires, [])
            cursor = page.cursor  # a time and an id: what is deleted moves nothing behind it
            if cursor is None:
                break
    return deleted
