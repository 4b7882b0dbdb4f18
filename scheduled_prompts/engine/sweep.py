"""The pass over what is due: arm what is near, claim what is overdue; what waits for a limit tries again, and what
nobody approved in time is cancelled. At start it is called hydration."""

from __future__ import annotations

import structlog

from scheduled_prompts.engine.claiming import Claimer
from scheduled_prompts.engine.membership import Membership
from scheduled_prompts.engine.timers import Timers
from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Serves
from scheduled_prompts.store.transport import WRONG_TYPE

PAGE = 500

log = structlog.get_logger()


async def sweep(
    store: Store,
    timers: Timers,
    claimer: Claimer,
    membership: Membership,
    serves: Serves,
    *,
    horizon_ms: int,
    limit: int | None = None,
) -> int:
    """Arm what is due within `horizon_ms` and hand what is overdue to the claimer, page by page. Of prompts that are
    another daemon's only those are taken that this one's turn has come for. Returns how many were armed or handed on.

    It reads what is due soon, not what exists, so a start is cheap however much is stored.
    """
    seen = 0
    await store.wake(serves)
    while expired := await store.expire_approvals():
        for prompt_id in expired:
            log.info("approval_expired", prompt=prompt_id)
    for platform in await store.platforms():
        if not serves.has_platform(platform):
            continue
        offset = 0
        while limit is None or seen < limit:
            now = store.clock.now()
            try:
                page = await store.due_page(
                    platform, now + horizon_ms, offset, min(PAGE, (limit or PAGE) - (seen if limit else 0))
                )
            except StoreUnusable as error:  # it must not keep the other platforms from being looked at
                if WRONG_TYPE not in error.message:
                    raise
                log.error("platform_passed_over", platform=platform, error=error.message, hint="`doctor --repair`")
                break
            for prompt_id, due in page:
                rank = membership.rank(prompt_id, platform)
                if rank == 0:
                    timers.arm(prompt_id, due)
                elif now - due > patience_ms(rank):
                    claimer.want(prompt_id, due)
                else:
                    timers.disarm(prompt_id)
                    continue
                seen += 1
            offset += len(page)
            if len(page) < PAGE:
                break
    return seen


OVERDUE_MS = 250


def patience_ms(rank: int) -> int:
    """How long overdue a prompt must be before the daemon of this rank takes it from those before it."""
    return OVERDUE_MS * rank
