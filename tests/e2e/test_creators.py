"""Twelve processes make a prompt at the same moment; there is room for ten."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import Lab

CREATORS = """
import asyncio, os, sys
from scheduled_prompts import LimitReached, Scheduler


async def create():
    async with Scheduler(sys.argv[1], namespace=sys.argv[2]) as scheduler:
        await asyncio.to_thread(os.read, starting, 1)
        try:
            await scheduler.schedule("hello", "every 1h", agent="bot", owner="ann")
        except LimitReached as error:
            return error.exit_code
        return 0


starting, start = os.pipe()
creators = []
for _ in range(12):
    if not (creator := os.fork()):
        os.close(start)
        os._exit(asyncio.run(create()))
    creators.append(creator)
os.close(start)  # all read the end of the pipe now
print(sorted(os.waitstatus_to_exitcode(os.waitpid(creator, 0)[1]) for creator in creators))
"""


@pytest.mark.parametrize("lab", ["server"], indirect=True)
def test_of_twelve_processes_that_create_at_once_exactly_ten_succeed(lab: Lab) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CREATORS, lab.url, lab.namespace], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == f"{[0] * 10 + [6] * 2}\n", done.stderr
    assert len(lab.keys()["active:owner:ann"]) == 10
