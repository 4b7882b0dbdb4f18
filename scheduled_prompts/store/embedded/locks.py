"""Locks that end with their holders: `flock` on files that are never deleted.

`flock` rather than `fcntl` record locks, because it belongs to the open file description: it can be handed
to another process as a descriptor, and closing some other descriptor of the same file does not drop it. What
each file means is told in the package's docstring.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from scheduled_prompts.errors import StoreUnusable

SERVER = "server.lock"
USERS = "users.lock"
KEEPER = "keeper.lock"


def try_exclusive(path: Path) -> int | None:
    """Lock the file for oneself, without waiting; the descriptor is the lock. None: somebody holds it."""
    return _try(path, fcntl.LOCK_EX)


def try_shared(path: Path) -> int | None:
    """Lock the file together with others, without waiting; the descriptor is the lock."""
    return _try(path, fcntl.LOCK_SH)


def _try(path: Path, mode: int) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreUnusable(f"the lock file {path} cannot be opened: {error}") from error
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        # The directory may have been removed and made again between open and lock: a lock on the old file
        # says nothing about the new one.
        if still_names(path, descriptor):
            return descriptor
    except BlockingIOError:
        pass
    except OSError as error:
        os.close(descriptor)
        unsupported = error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
        raise StoreUnusable(
            f"{path} cannot be locked: {error}",
            hint="put the data directory on a local file system: embedded:<dir>" if unsupported else None,
        ) from error
    os.close(descriptor)
    return None


def still_names(path: Path, descriptor: int) -> bool:
    """Whether `path` still names the file that `descriptor` has open."""
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def unlock(descriptor: int) -> None:
    """Give up a lock that was not handed on. Unlocked first: a process forked from us may hold a copy."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
