"""A server whose socket was removed: it runs, holds its lock, and nobody can get at it.

That happens: systemd removes `/run/user/<uid>` with the last login session, while what was started in it (under nohup,
tmux) runs on. A Unix socket cannot be given a name again, so such a server is asked to end (SIGTERM: it flushes and
closes its file as for SHUTDOWN), and whoever found it starts the next one.

There is no pid file to trust. The server is known by what the kernel says of it: it is ours, it runs the recorded
program, and it lives in the data directory. Only Linux tells that; elsewhere the user is told to end it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from scheduled_prompts.store.embedded.record import ServerRecord

GRACE = 1.0  # s; a server that has just been started makes its socket within a few ms, one on a busy machine in more


def end_unreachable(directory: Path, record: ServerRecord) -> None:
    """Ask each process that is the server of `directory` (a real path) to end."""
    if sys.platform != "linux":
        return
    home = directory.stat()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is not ours to look at
            process = os.pidfd_open(int(entry.name))
            try:
                # Looked at after the descriptor was opened: so what gets the signal is what was looked at.
                if (entry / "exe").readlink() == Path(record.binary) and os.path.samestat((entry / "cwd").stat(), home):
                    signal.pidfd_send_signal(process, signal.SIGTERM)
            finally:
                os.close(process)
