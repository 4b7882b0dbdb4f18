"""Deleting what has been over for long: ended prompts, and old fires of living ones."""

from __future__ import annotations

import structlog

from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler.cleaning import days_ago
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Purged, Unreadable

log = structlog.get_logger()

PAGE = 500
VISITED = (
    PromptStatus.EXECUTED,
    PromptStatus.CANCELLED,
    PromptStatus.ACTIVE,
    PromptStatus.PAUSED,
    PromptStatus.PENDING_APPROVAL,
)
"""Prompts that are still to fire for the first time have nothing to delete."""


async def cleanup(store: Store, days: float, *, keep: int | None = None, orphans: bool = True) -> Purged:
    """Delete what ended more than `days` ago, and of each living prompt all but the latest `keep` fires. Retention
    counts from when a prompt ended, or from when it was created where that is unknown; one with neither is logged and
    left, and so is one that cannot be read. `orphans`: what belongs to no prompt goes, too. Raises InvalidInput."""
    before = days_ago(store, days)
    prompts = fires = 0
    undated: list[str] = []
    for status in VISITED:
        for page in await _pages(store, status):
            readable: list[ScheduledPrompt] = []
            for prompt in await store.read_prompts(page):
                if isinstance(prompt, ScheduledPrompt):
                    readable.append(prompt)
                elif isinstance(prompt, Unreadable):
                    log.warning("prompt_not_cleaned_up", prompt=prompt.id, error=prompt.error)
            if not readable:
                continue
            purged = await store.purge(readable, before, keep=keep)
            prompts += purged.prompts
            fires += purged.fires
            undated += purged.undated
    for prompt_id in undated:
        log.warning(
            "prompt_without_dates",
            prompt=prompt_id,
            hint="neither ended_at nor created_at is known; it is kept",
        )
    left_over = await store.delete_orphans() if orphans else 0
    if left_over:
        log.warning("orphans_deleted", count=left_over, hint="something of prompts that were gone was still there")
    return Purged(prompts, fires, undated, left_over)


async def _pages(store: Store, status: PromptStatus) -> list[list[str]]:
    """All ids of a status, before any is deleted: what is deleted would move the pages."""
    pages: list[list[str]] = []
    while True:
        rows = await store.oldest_ids(status, len(pages) * PAGE, PAGE)
        if rows:
            pages.append([prompt_id for prompt_id, _ in rows])
        if len(rows) < PAGE:
            return pages
