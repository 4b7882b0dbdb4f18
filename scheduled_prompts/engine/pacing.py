"""The spread: what is very late does not fire all in one second.

After a long downtime, a halt or a suspend thousands of prompts may be overdue by hours. A minute more does no harm to
them, but all at once they would, to whatever they ask. So those that are more than a minute late are claimed by and by,
over a stated interval; what is on time, or nearly, is not held up.
"""

from __future__ import annotations

import math

VERY_LATE_MS = 60_000
"""What is later than this is paced."""
AT_LEAST = 10
"""So many go each second, however few are late."""
SECOND_MS = 1_000


class Pace:
    """How many very late prompts may be claimed: in any second the number of them divided by `spread` (seconds; 0: no
    pacing), and 10 at least. Several daemons pace each their own."""

    def __init__(self, spread: float) -> None:
        self._spread = spread
        self._second = 0
        """When the present second began (ms UTC)."""
        self._let_go = 0
        """In this second."""
        self._let_go_in_all = 0
        """Since there last were none."""

    def allows(self, late: int, now: int) -> int:
        """How many of so many that are very late may go now (ms UTC)."""
        if not self._spread:
            return late
        if not 0 <= now - self._second < SECOND_MS:
            self._second, self._let_go = now, 0
        if not late:
            self._let_go_in_all = 0
            return 0
        # The number that there were, not the number that is left: the last ones go as fast as the first.
        a_second = max(AT_LEAST, math.ceil((self._let_go_in_all + late) / self._spread))
        return min(late, max(0, a_second - self._let_go))

    def let_go(self, count: int) -> None:
        self._let_go += count
        self._let_go_in_all += count

    def take_back(self, count: int) -> None:
        """So many that were let go did not begin."""
        self._let_go = max(0, self._let_go - count)
        self._let_go_in_all = max(0, self._let_go_in_all - count)

    @property
    def goes_on_at(self) -> int:
        """When the next second begins (ms UTC)."""
        return self._second + SECOND_MS
