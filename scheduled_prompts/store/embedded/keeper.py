"""The keeper: waits until nobody uses the server any more, lingers, and shuts it down.

It is run as a file of its own (`python -I -S keeper.py <directory> <linger> <descriptor of keeper.lock>`)
and imports only what starts fast: it is there for as long as the server is. The locks, and why the order in
which it takes and gives them up is right, are told in the package's docstring.

It may be killed at any line. Before the SHUTDOWN nothing has happened; after it the server ends by itself.

Like the server it lives *in* the directory (as its working directory), and opens the lock files once: so
both mean the same directory even after that was renamed, or was removed while the server ran on.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_ANSWERS_WITHIN = 2.0  # s
_SHORTEST_ROUND = 0.05  # s; with a linger of 0 a server that cannot be shut down yet must not cost a processor

# As in steps.py, which cannot be imported from here.
watcher: Callable[[str], None] | None = None


def keep(linger: float, keeper_lock: int) -> None:
    """Return when the server of the working directory is shut down, or is not there while nobody uses it."""
    # Whoever started us made both files; if they are gone, so is the directory, and there is nothing to keep.
    # keeper_lock has a lower number than these two: should we be killed, the kernel closes it first, as we
    # would.
    users = os.open("users.lock", os.O_RDWR | os.O_CLOEXEC)
    server = os.open("server.lock", os.O_RDWR | os.O_CLOEXEC)
    path = _read_socket("")
    _step("keeper-started")
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        last_use = os.fstat(users).st_mtime_ns  # each user touches the file when it comes
        fcntl.flock(users, fcntl.LOCK_UN)
        _step("keeper-saw-the-last-user-leave")
        time.sleep(max(linger, _SHORTEST_ROUND))
        _step("keeper-lingered")
        path = _read_socket(path)
        if not _try_exclusive(users):
            continue  # somebody came
        _step("keeper-is-alone")
        # Somebody may have come and gone: then linger again, from that moment.
        if os.fstat(users).st_mtime_ns == last_use:
            if _try_exclusive(server):
                break  # no server: it died, or was never started
            if _told_to_stop(path):
                _step("keeper-sent-shutdown")
                # Without a bound: until the server is gone nobody may come in, and it has been told.
                fcntl.flock(server, fcntl.LOCK_EX)
                break
            if not _directory():
                break  # removed, and its socket is gone or is another server's by now: nothing left to keep
        fcntl.flock(users, fcntl.LOCK_UN)
    _step("keeper-saw-the-server-end")
    os.close(server)
    # In this order: a user who gets users.lock must find keeper.lock free.
    fcntl.flock(keeper_lock, fcntl.LOCK_UN)
    _step("keeper-resigned")
    fcntl.flock(users, fcntl.LOCK_UN)


def _told_to_stop(path: str) -> bool:
    """Whether our server got SHUTDOWN and did not refuse. False: it is not (yet) in a state to be told."""
    told = False
    try:
        if os.lstat(path).st_uid != os.geteuid():
            return False
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWERS_WITHIN)
            connection.connect(path)
            with connection.makefile("rb") as replies:
                # A server that is still reading its file is left to finish, else a large one never would.
                connection.sendall(b"PING\r\nCONFIG GET dir\r\n")
                if replies.readline().startswith(b"-LOADING"):
                    return False
                directory = [replies.readline().rstrip(b"\r\n") for _ in range(5)]
                if directory[0] != b"*2" or directory[4] != _directory():
                    return False  # another server, which took the socket's name over
                _step("keeper-found-the-server")
                connection.settimeout(None)
                told = True
                connection.sendall(b"SHUTDOWN\r\n")
                # The server closes the connection when it ends; an answer is a refusal.
                return replies.readline() == b""
    except OSError:
        return told


def _read_socket(known: str) -> str:
    """Where the server listens, or what was `known` of it if the directory does not say (any more)."""
    try:
        return str(json.loads(Path("server.json").read_bytes())["socket"])
    except (OSError, ValueError, KeyError):
        return known


def _directory() -> bytes:
    """The working directory as the server spells its own: empty when it was removed."""
    try:
        return bytes(Path.cwd())
    except FileNotFoundError:
        return b""


def _try_exclusive(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _step(name: str) -> None:
    if watcher is not None:
        watcher(name)


def main() -> None:
    """Keep the directory named on the command line."""
    os.chdir(sys.argv[1])
    keep(float(sys.argv[2]), int(sys.argv[3]))


if __name__ == "__main__":
    main()
