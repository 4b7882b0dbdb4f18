"""One asyncio timer for each imminent prompt. It knows ids and due times, and nothing of Redis.

A timer goes off a little before its prompt is due (the lead), so that claim and take are over when the moment comes.
Where much is due in the same second the lead is longer. No timer is trusted for longer than 30 s: it wakes, looks at
the clock, and goes on, so that a clock that was moved is noticed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from scheduled_prompts.clock import Clock

LEAD_MS = 200
LONGEST_LEAD_MS = 3_000
LEAD_MS_PER_PROMPT = 0.25
TRUST_MS = 30_000


class Timers:
    """`ring(prompt id, due)` is called from the event loop, once for each arming."""

    def __init__(self, clock: Clock, ring: Callable[[str, int], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._armed: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._not_ahead: set[str] = set()
        """Of these: those that go off when they are due."""
        self._crowd: Counter[int] = Counter()
        """Prompts by the second they are due in, those that rang included while others of that second are armed: the
        lead of the last is that of the first."""
        self._still_armed: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, prompt_id: str, due: int, *, ahead: bool = True) -> None:
        """Arm, or move what is armed. Not `ahead`: it goes off when it is due, not before."""
        armed = self._armed.get(prompt_id)
        if armed is not None:
            if armed[0] == due:
                return
            self.disarm(prompt_id)
        if not ahead:
            self._not_ahead.add(prompt_id)
        self._crowd[due // 1000] += 1
        self._still_armed[due // 1000] += 1
        self._wait(prompt_id, due)

    def disarm(self, prompt_id: str) -> None:
        armed = self._armed.pop(prompt_id, None)
        if armed is not None:
            armed[1].cancel()
            self._not_ahead.discard(prompt_id)
            self._leave_crowd(armed[0])

    def look_again(self) -> None:
        """The clock has moved: every timer looks at it."""
        for prompt_id, (due, handle) in list(self._armed.items()):
            handle.cancel()
            self._wait(prompt_id, due)

    def clear(self) -> None:
        for _, handle in self._armed.values():
            handle.cancel()
        self._armed.clear()
        self._not_ahead.clear()
        self._crowd.clear()
        self._still_armed.clear()

    def lead(self, due: int) -> int:
        """How long before `due` its claim begins, in ms."""
        return min(LONGEST_LEAD_MS, LEAD_MS + int(self._crowd[due // 1000] * LEAD_MS_PER_PROMPT))

    def _wait(self, prompt_id: str, due: int) -> None:
        now = self._clock.now()
        # The crowd may still grow, so the first look is at the longest lead.
        wake = due - LONGEST_LEAD_MS if now < due - LONGEST_LEAD_MS else due - self._lead_of(prompt_id, due)
        handle = self._clock.call_at(min(wake, now + TRUST_MS), lambda: self._wake(prompt_id, due))
        self._armed[prompt_id] = (due, handle)

    def _wake(self, prompt_id: str, due: int) -> None:
        if self._clock.now() < due - self._lead_of(prompt_id, due):
            self._wait(prompt_id, due)
            return
        del self._armed[prompt_id]
        self._not_ahead.discard(prompt_id)
        self._leave_crowd(due)
        self._ring(prompt_id, due)

    def _lead_of(self, prompt_id: str, due: int) -> int:
        return 0 if prompt_id in self._not_ahead else self.lead(due)

    def _leave_crowd(self, due: int) -> None:
        second = due // 1000
        self._still_armed[second] -= 1
        if not self._still_armed[second]:
            del self._still_armed[second], self._crowd[second]
