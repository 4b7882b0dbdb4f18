"""What the next occurrence of a schedule costs: the expression parsed and cached, the mapping to an instant included.

    python benchmarks/next_occurrence.py

Walks along 20,000 occurrences of each, from 2026 on, and prints the mean in µs of processor time, and what 999 of 1,000
stay within.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from scheduled_prompts.schedule import Cron, RandomWindow, Schedule, next_after

COUNT = 20_000
START = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
SCHEDULES: dict[str, Schedule] = {
    "every minute": Cron(expression="* * * * *"),
    "each quarter of an hour": Cron(expression="*/15 * * * *"),
    "every day at nine": Cron(expression="0 9 * * *"),
    "every weekday at nine": Cron(expression="0 9 * * 1-5"),
    "the 1st, or a Monday": Cron(expression="0 9 1 * 1"),
    "the last day of the month": Cron(expression="0 17 L * *"),
    "the second Friday": Cron(expression="0 17 * * 5#2"),
    "twice a day at random": RandomWindow(start=540, end=1020, times=2),
}


def main() -> None:
    for name, schedule in SCHEDULES.items():
        for timezone in ("UTC", "Europe/Berlin"):
            took, at = [], START
            for _ in range(COUNT):
                begin = time.thread_time_ns()
                following = next_after(schedule, at, timezone=timezone, seed="p")
                took.append(time.thread_time_ns() - begin)
                # As a daemon asks: mostly of prompts that are due in the years that it lives in.
                at = START if following is None or following > START + 4 * 365 * 86_400_000 else following
            took.sort()
            mean, slow = sum(took) / COUNT / 1000, took[-COUNT // 1000] / 1000
            print(f"{name:26} {timezone:14} mean {mean:6.1f} µs, 999 of 1,000 within {slow:7.1f} µs")


if __name__ == "__main__":
    main()
