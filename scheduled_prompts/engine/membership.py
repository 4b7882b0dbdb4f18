"""Which daemons live, and whose a prompt is.

There is no leader and no lock: each prompt has an order of daemons, by rendezvous hash. The first arms its timer; the
others take it up, one after the other, when it is overdue. The claim keeps it single whatever they believe.
"""

from __future__ import annotations

import hashlib

from scheduled_prompts.store.records import DaemonInfo


class Membership:
    """One daemon's view of the daemons that live, itself included."""

    def __init__(self, own: DaemonInfo) -> None:
        self._own = own
        self._alive: dict[str, DaemonInfo] = {own.id: own}

    def hear(self, alive: list[DaemonInfo]) -> bool:
        """Take over who lives. Returns whether that changed."""
        known = {info.id: info for info in alive} | {self._own.id: self._own}
        changed = known.keys() != self._alive.keys()
        self._alive = known
        return changed

    def rank(self, prompt_id: str, platform: str) -> int:
        """How many daemons go before this one for a prompt; 0: it is ours."""
        own = _weight(self._own.id, prompt_id)
        return sum(
            1
            for other in self._alive.values()
            if other.id != self._own.id and other.serves.has_platform(platform) and _weight(other.id, prompt_id) > own
        )

    def somebody_serves(self, platform: str, runner: str) -> bool:
        return any(daemon.serves.includes(platform, runner) for daemon in self._alive.values())


def _weight(daemon_id: str, prompt_id: str) -> bytes:
    return hashlib.blake2b(f"{daemon_id} {prompt_id}".encode(), digest_size=8).digest()
