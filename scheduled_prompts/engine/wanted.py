"""What a daemon is to claim soon: prompts by when they are due, and those that are very late at a pace."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping

from scheduled_prompts.engine.pacing import VERY_LATE_MS, Pace


class Wanted:
    """Due first, out first; but what is very late is paced, so that it does not all fire in one second. Instants are ms
    UTC."""

    def __init__(self, late_spread: float) -> None:
        self._pace = Pace(late_spread)
        self._soon: dict[str, int] = {}
        self._late: dict[str, int] = {}
        self._let_go: set[str] = set()
        """Of those that were very late and are being claimed, the ones of which no fire was made yet."""
        self.goes_on_at: int | None = None
        """When more of what is very late may go; None where nothing is held back."""

    def __len__(self) -> int:
        return len(self._soon) + len(self._late)

    def add(self, prompt_id: str, due: int, now: int) -> None:
        self.discard(prompt_id)
        (self._late if _is_very_late(due, now) else self._soon)[prompt_id] = due

    def discard(self, prompt_id: str) -> None:
        self._soon.pop(prompt_id, None)
        self._late.pop(prompt_id, None)

    def take_out(self, most: int, now: int) -> dict[str, int]:
        """The next ones to be claimed, and when they were due; wanted no longer. Each is to be `done`."""
        soon = sorted(self._soon, key=self._soon.__getitem__)
        became_late = bisect_left(soon, True, key=lambda prompt_id: not _is_very_late(self._soon[prompt_id], now))
        self._late |= {prompt_id: self._soon.pop(prompt_id) for prompt_id in soon[:became_late]}
        allowed = min(self._pace.allows(len(self._late), now), most)
        late = heapq.nsmallest(allowed, self._late, key=self._late.__getitem__) if allowed else []
        soon = soon[became_late:][: most - len(late)]
        self._pace.let_go(len(late))
        self._let_go.update(late)
        batch = {prompt_id: self._late.pop(prompt_id) for prompt_id in late}
        batch |= {prompt_id: self._soon.pop(prompt_id) for prompt_id in soon}
        self.goes_on_at = self._pace.goes_on_at if self._late else None
        return batch

    def take_out_overdue(self, most: int, before: int, *, but: Container[str]) -> dict[str, int]:
        """The first that were due by `before`, whoever stands before them, without those that go at a pace."""
        overdue = [prompt_id for prompt_id, due in self._soon.items() if due <= before and prompt_id not in but]
        first = heapq.nsmallest(most, overdue, key=self._soon.__getitem__)
        return {prompt_id: self._soon.pop(prompt_id) for prompt_id in first}

    def fires(self, prompt_id: str) -> None:
        """A fire was made that begins now."""
        self._let_go.discard(prompt_id)

    def done(self, batch: Iterable[str]) -> None:
        """Those that fire no more than before leave their place to others."""
        idle = self._let_go.intersection(batch)
        self._let_go -= idle
        self._pace.take_back(len(idle))

    def put_back(self, batch: Mapping[str, int]) -> None:
        """They could not be claimed, and are wanted still."""
        for prompt_id, due in batch.items():
            if prompt_id not in self._soon and prompt_id not in self._late:
                (self._late if prompt_id in self._let_go else self._soon)[prompt_id] = due


def _is_very_late(due: int, now: int) -> bool:
    return now - due > VERY_LATE_MS
