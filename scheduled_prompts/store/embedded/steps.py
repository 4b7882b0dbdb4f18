"""Names for the moments between two steps, so that a test can end a process exactly there.

In production `watcher` is None and `step` does nothing. A test's child process sets it to a callable that
sends SIGKILL to itself (or to the server, or to the keeper) at the step it was told.
"""

from __future__ import annotations

from collections.abc import Callable

watcher: Callable[[str], None] | None = None


def step(name: str) -> None:
    """Tell the watcher, if there is one, that the step called `name` has just been done."""
    if watcher is not None:
        watcher(name)
