"""Deleting what of an owner's prompts has been over for long. Of everybody's, a daemon does it by itself."""

from __future__ import annotations

from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.errors import Forbidden, InvalidInput
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.scheduler.finding import page_of_prompts
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Purged

DAY_MS = 86_400_000
PAGE = 500
MOST_DAYS = 36_500


async def clean_up(store: Store, caller: Caller | None, days: float) -> Purged:
    if caller is None or Scope.CLEANUP not in caller.scopes:
        raise Forbidden("deleting what has ended needs the scope cleanup", hint="a daemon cleans up by itself")
    if not 0 <= days <= MOST_DAYS:
        raise InvalidInput(f"days={days:g} is out of range", hint=f"0 to {MOST_DAYS:,}")
    before = store.clock.now() - round(days * DAY_MS)
    found = Purged(0, 0, [])
    for status in (PromptStatus.EXECUTED, PromptStatus.CANCELLED):
        cursor: str | None = None
        while True:
            page = await page_of_prompts(store, _filters(caller, status), PAGE, cursor)
            # A page's cursor is a time and an id: what is deleted moves nothing behind it.
            mine = [p for p in page.items if p.owner == caller.owner and (p.ended_at or p.created_at) <= before]
            if mine:
                purged = await store.purge(mine, before)
                found = Purged(found.prompts + purged.prompts, found.fires + purged.fires, [])
            if page.cursor is None:
                break
            cursor = page.cursor
    return found


def _filters(caller: Caller, status: PromptStatus) -> dict[str, str]:
    return {"status": status} if caller.owner is None else {"owner": caller.owner, "status": status}
