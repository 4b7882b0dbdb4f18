"""How near occurrences follow each other."""

from __future__ import annotations

from datetime import date

import pytest

from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.schedule.spacing import closer_than

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("schedule", "limit", "distance"),
    [
        (Once(at=5), 366 * DAY, None),
        (Interval(every_ms=30_000, anchor=0), 30_000, None),
        (Interval(every_ms=30_000, anchor=0), 30_001, 30_000),
        (Cron(expression="* * * * *"), MINUTE, None),
        (Cron(expression="* * * * *"), 2 * MINUTE, MINUTE),
        (Cron(expression="*/5 * * * *"), 5 * MINUTE, None),
        (Cron(expression="*/7 * * * *"), 7 * MINUTE, 4 * MINUTE),
        (Cron(expression="0,59 9 * * *"), HOUR, 59 * MINUTE),
        (Cron(expression="5 0,23 * * *"), 2 * HOUR, HOUR),
        (Cron(expression="5 0,23 1,15 * *"), 2 * HOUR, None),
        (Cron(expression="0 9 * * 1-5"), 2 * DAY, DAY),
        (Cron(expression="0 9 * * 1"), 7 * DAY, None),
        (Cron(expression="0 9 29 2 *"), 366 * DAY, None),
        (Cron(expression="0 9 * * 5", every_weeks=2, anchor=date(2026, 1, 2)), 8 * DAY, None),
        (RandomWindow(times=3, start=9 * 60, end=17 * 60), HOUR, None),
        (RandomWindow(times=9, start=9 * 60, end=17 * 60), HOUR, 8 * HOUR / 9),
        (RandomWindow(times=2, start=22 * 60, end=2 * 60), 3 * HOUR, 2 * HOUR),
        (RandomWindow(start=9 * 60, end=9 * 60 + 1), DAY, None),
    ],
    ids=str,
)
def test_what_comes_nearer_than_a_limit_is_told(schedule: Schedule, limit: int, distance: float | None) -> None:
    assert closer_than(schedule, limit) == distance
