"""Signs of life of a call that takes long, for clients that ask for them: some give up what says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scheduled_prompts.mcp.seat import Context

PERIOD = 1.0
"""Seconds. What is answered sooner is not told of."""


@asynccontextmanager
async def telling(context: Context, tool: str) -> AsyncIterator[None]:
    """While this lasts, a client that asked for it is told each second that it does; how much is left nobody knows."""
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(_tick(context, tool))
        try:
            yield
        finally:
            ticking.cancel()


async def _tick(context: Context, tool: str) -> None:
    seconds = 0
    while True:
        await asyncio.sleep(PERIOD)
        seconds += 1
        await context.session.report_progress(seconds, None, f"{tool} is at work for {seconds} s")
