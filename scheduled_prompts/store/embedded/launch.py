"""Starting the two processes that outlive their starter: the server and its keeper.

Both get a session of their own, so that Ctrl-C in the starter's terminal, or its closing, does not reach
them; both inherit exactly one descriptor, the lock that says they run. What they print goes to `server.log`
in the directory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

LOG = "server.log"
KEEPER = Path(__file__).with_name("keeper.py")
_LONGEST_LOG = 1 << 20  # bytes; then the next start sets it aside, so two such files at most
_TAIL = 2_000  # bytes of the log that an error message quotes

# The starter's environment holds whatever secrets its owner gave it; a process that outlives it gets only
# these.
_ENVIRONMENT = ("PATH", "HOME", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_SETTINGS = (
    # Only the socket, and only for this user.
    ("port", "0"),
    ("unixsocketperm", "700"),
    # We hold the process by its lock; it must not fork away from it.
    ("daemonize", "no"),
    # An acknowledged write survives kill -9 and a power cut. No snapshots beside it: they would be a second
    # truth.
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),  # not even for the length of a rewrite
    ("save", ""),
    # A crash may cut the last command in half; it was never acknowledged, so it is dropped and the rest is
    # loaded.
    ("aof-load-truncated", "yes"),
    # The file is rewritten when it has doubled, from 16 MB on (64 by default): it is read at each start, and
    # here starts are frequent.
    ("auto-aof-rewrite-percentage", "100"),
    ("auto-aof-rewrite-min-size", "16mb"),
    # Schedules are never evicted to make room.
    ("maxmemory-policy", "noeviction"),
    # A prompt's hash in one piece, text and all: some 40 % smaller. (64 bytes is the usual limit of a value.)
    ("hash-max-listpack-value", "2048"),
    ("databases", "1"),
    # One user's processes, and within the usual limit of 1,024 open files.
    ("maxclients", "900"),
    ("loglevel", "notice"),
)


def start_server(binary: Path, directory: Path, socket: Path, lock: int) -> subprocess.Popen[bytes]:
    """Start the server with `lock` as its own. Raises OSError. The caller still has to close its copy."""
    log = directory / LOG
    if log.exists() and log.stat().st_size > _LONGEST_LOG:
        log.replace(log.with_suffix(".log.old"))
    arguments = [str(binary), "--dir", str(directory), "--unixsocket", str(socket)]
    for name, value in _SETTINGS:
        arguments += [f"--{name}", value]
    return _start(arguments, directory, lock)


def start_keeper(directory: Path, linger: float, lock: int) -> subprocess.Popen[bytes]:
    """Start the keeper with `lock` as its own. Raises OSError. The caller still has to close its copy."""
    # As a file and without `site`, not as a module: it shall start fast and not import this package.
    arguments = [sys.executable, "-I", "-S", str(KEEPER), str(directory), str(linger), str(lock)]
    return _start(arguments, directory, lock)


def can_start_keeper() -> bool:
    """Whether `sys.executable` is a Python that runs files: not in a frozen application."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def log_position(directory: Path) -> int:
    """Where the log ends now, so that `log_tail` quotes only what came later."""
    try:
        return (directory / LOG).stat().st_size
    except OSError:
        return 0


def log_tail(directory: Path, since: int) -> str:
    """The last lines of the log after position `since`; empty if there are none."""
    try:
        with (directory / LOG).open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            if end < since:  # it was set aside in between
                since = 0
            file.seek(max(since, end - _TAIL))
            return file.read(_TAIL).decode(errors="replace").strip()
    except OSError:
        return ""


def _start(arguments: Sequence[str], directory: Path, lock: int) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["LC_ALL"] = "C"
    log = os.open(directory / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",  # the server goes to its directory by itself; the keeper must not pin a mount
            env=environment,
            umask=0o077,
            pass_fds=(lock,),
            start_new_session=True,
        )
    finally:
        os.close(log)
    # It is our child for as long as we live, and would stay a zombie if nobody waited for it. A thread that
    # sleeps in waitpid is the one way that neither needs an event loop nor meddles with the host's other
    # children.
    threading.Thread(target=process.wait, name=f"wait-for-{process.pid}", daemon=True).start()
    return process
