"""One client, over stdin and stdout: the process is the client's, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from scheduled_prompts.caller import Caller
from scheduled_prompts.mcp.desk import Desk
from scheduled_prompts.mcp.identity import named_by
from scheduled_prompts.mcp.seat import Context, Seat, Seating
from scheduled_prompts.mcp.serving import build_server
from scheduled_prompts.mcp.wire import wire

if TYPE_CHECKING:  # see `desk`
    from scheduled_prompts.scheduler import Scheduler

GOODBYE = 1.0
"""Seconds for letting go of the store."""


async def serve_stdio(make: Callable[[], Scheduler], who: Caller | str) -> None:
    """Serve until stdin ends. `make` builds the scheduler, not open yet, once it is needed.

    `who`: a caller, whose agent is the client's own name where none is given; or the token of one, which is looked at
    anew with each request.
    """
    desk = Desk(make)
    server = build_server(_of_a_caller(desk, who) if isinstance(who, Caller) else _of_a_token(desk, who))
    try:
        async with wire() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
    except Exception as error:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise
        # Told to end, the SDK may find a message in its hands, and where it would go closed.
        raise asyncio.CancelledError from error
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await desk.close()


def _of_a_caller(desk: Desk, said: Caller) -> Seating:
    async def seated(context: Context) -> Seat:
        client = context.session.client_params
        return Seat(named_by(said, client.client_info.name if client else None), desk.scheduler)

    return seated


def _of_a_token(desk: Desk, token: str) -> Seating:
    async def seated(_: Context) -> Seat:
        return await seat_of_bearer(desk, token)

    return seated


async def seat_of_bearer(desk: Desk, token: str) -> Seat:
    """The seat of whoever a token was made for. Raises TokenRefused, or what the store's opening raises."""
    bound = await (await desk.scheduler()).as_bearer(token)
    assert bound.caller is not None

    async def base() -> Scheduler:
        return bound

    return Seat(bound.caller, base)
