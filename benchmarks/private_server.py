"""A server for one run of a script."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scheduled_prompts.store.embedded.binary import choose_binary


@contextmanager
def private_server() -> Iterator[str]:
    """The URL of a server on a socket in a folder of its own, with nothing on disk."""
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as folder:  # a socket's path is short
        socket = Path(folder) / "s"
        nothing = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        server = subprocess.Popen([choose_binary(None).path, *options], **nothing)
        try:
            while not socket.exists():
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait(10)
