"""A server whose socket was removed: it runs, holds its lock, and nobody can get at it.

That happens: systemd removes `/run/user/<uid>` with the last login session, while what was started in it (under nohup,
tmux) runs on. A Unix socket cannot be given a name again, so such a server is asked to end (SIGTERM: it flushes and
closes its file as for SHUTDOWN), and whoever found it starts the next one.

There is no pid file to trust. The server is known by what the kernel says of it: it lives in the data directory, and
has `server.lock` open but not `users.lock` (the keeper and every user have that). Only Linux tells; elsewhere `ensure`
ends with an error that says where to look.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from scheduled_prompts.store.embedded import locks

GRACE = 1.0  # s; a server that has just been started makes its socket within a few ms, one on a busy machine in more


def end_unreachable(directory: Path) -> None:
    """Ask the process that is the server of `directory` (a real path) to end. Raises OSError if that is gone."""
    if sys.platform != "linux":
        return
    home, server, users = (path.stat() for path in (directory, directory / locks.SERVER, directory / locks.USERS))
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is not ours to look at
            process = os.pidfd_open(int(entry.name))
            try:
                # Looked at after the descriptor was opened: so what gets the signal is what was looked at.
                if not os.path.samestat((entry / "cwd").stat(), home):
                    continue
                opened = [descriptor.stat() for descriptor in (entry / "fd").iterdir()]
                if _has(opened, server) and not _has(opened, users):
                    signal.pidfd_send_signal(process, signal.SIGTERM)
            finally:
                os.close(process)


def _has(opened: list[os.stat_result], file: os.stat_result) -> bool:
    return any(os.path.samestat(one, file) for one in opened)
