"""Signals as the ordinary end of what would go on for ever."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGINT and SIGTERM end what is within, and nothing else."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    heard = False

    def hear() -> None:
        nonlocal heard
        heard = True
        task.cancel()

    for number in ENDING:
        loop.add_signal_handler(number, hear)
    try:
        yield
    except asyncio.CancelledError:
        if not heard:
            raise
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)
