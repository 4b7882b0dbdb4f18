"""Four times a second: what did somebody leave lying? Overdue prompts, due retries, expired leases, ready fires."""

from __future__ import annotations

import math
from collections.abc import Callable

import structlog

from scheduled_prompts.engine.claiming import Claimer
from scheduled_prompts.engine.membership import Membership
from scheduled_prompts.engine.sweep import OVERDUE_MS, patience_ms
from scheduled_prompts.engine.worker import Worker
from scheduled_prompts.fire import FireStatus
from scheduled_prompts.ids import prompt_of
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Serves

log = structlog.get_logger()


class Contact:
    """How long this daemon has been in unbroken contact with one and the same run of the server.

    Leases that expired while nobody could renew them prove nothing: a daemon reaps only after one lease of contact. Who
    did not look for longer than `absence_ms` was not in contact: the machine may have slept, and all others with it. A
    host whose engine lives for one tick never has contact; `by_uptime`, it goes by how long the server has been up.
    """

    def __init__(self, store: Store, *, absence_ms: float = math.inf, by_uptime: bool = False) -> None:
        self._store = store
        self._absence_ms = absence_ms
        self._by_uptime = by_uptime
        self._run: str | None = None
        self._failures = -1
        self._since = 0
        self._kept_at = 0

    async def keep(self) -> None:
        """To be called at every look, so that a break is noticed when it happens."""
        now = self._store.clock.now()
        was_absent = now - self._kept_at > self._absence_ms
        self._kept_at = now
        if was_absent or self._failures != self._store.transport.failures:
            self._failures = self._store.transport.failures
            self._since = now
            self._run = None
        if self._run is None:
            self._run = await self._store.server_run()

    async def lasts(self, lease_ms: int) -> bool:
        """Whether contact has lasted for a lease."""
        if self._by_uptime:
            uptime = (await self._store.server_info()).get("uptime_in_seconds")
            if uptime is not None:
                return int(uptime) * 1000 >= lease_ms
        await self.keep()
        now = self._store.clock.now()
        if now - self._since < lease_ms:
            return False
        run = await self._store.server_run()
        if run != self._run or self._failures != self._store.transport.failures:
            self._run, self._since = run, now
            return False
        return True


class Watch:
    def __init__(
        self,
        store: Store,
        claimer: Claimer,
        worker: Worker,
        membership: Membership,
        serves: Serves,
        settings: EngineSettings,
        contact: Contact | None = None,
    ) -> None:
        self._store = store
        self._claimer = claimer
        self._worker = worker
        self._membership = membership
        self._serves = serves
        self._settings = settings
        absence_ms = round(settings.watch_period * 1000) + settings.lease_ms // 4
        self._contact = contact or Contact(store, absence_ms=absence_ms)
        self.fire_failed: Callable[[str], None] = lambda _: None
        """Called with the id of a fire that ended because its daemon was lost."""

    async def begin_contact(self) -> None:
        await self._contact.keep()
        self._worker.hear_of_halt(await self._store.halt())

    async def look(self) -> None:
        """One look, and what follows from it."""
        await self._contact.keep()
        now = self._store.clock.now()
        heard = self._worker.halts_heard
        seen = await self._store.look(overdue=now - OVERDUE_MS, serves=self._serves)
        if heard == self._worker.halts_heard:  # else what was seen is older than what was heard
            self._worker.hear_of_halt(seen.halt)
        for prompt_id, due, platform in seen.overdue:
            if now - due > patience_ms(self._membership.rank(prompt_id, platform)):
                self._claimer.want(prompt_id, due)
        self._worker.ready_counted(seen.ready)
        retry_due = seen.first_retry is not None and seen.first_retry <= now
        lease_over = seen.first_lease is not None and seen.first_lease <= now
        reap_leases = lease_over and await self._contact.lasts(self._settings.lease_ms)
        if retry_due or reap_leases:
            await self._reap(leases=reap_leases)

    async def _reap(self, *, leases: bool) -> None:
        reaped = await self._store.reap(leases=leases, max_crashes=self._settings.max_crashes)
        for fire_id, outcome in reaped:
            if outcome != "retried":
                log.warning("lease_expired", fire=fire_id, prompt=prompt_of(fire_id), outcome=outcome)
            if outcome in (FireStatus.FAILED, FireStatus.INTERRUPTED):
                self.fire_failed(fire_id)
        self._worker.ready_changed(sum(1 for _, outcome in reaped if outcome in ("queued", "retried")))
