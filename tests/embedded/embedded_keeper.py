"""The keeper as it is, but for what happens at one of its steps. Imported by a child of `embedded_child.py`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path

import keeper  # the module as a file of its own, as it is run


def run(step: str, action: str, pause: float, out: str) -> None:
    """Keep the directory; at `step` kill oneself ("self"), kill the server ("server"), or pause for some s."""
    servers: list[int] = []

    def watch(name: str) -> None:
        if name == "keeper-lingered":  # the last moment at which it is certain to answer
            with contextlib.suppress(OSError):
                servers.append(_server_pid())
        if name != step:
            return
        if action == "server":
            with contextlib.suppress(OSError):
                os.kill(servers[-1] if servers else _server_pid(), signal.SIGKILL)
        # Told once: what the test does next must not meet a second kill.
        keeper.watcher = None
        with Path(out).open("a") as file:
            file.write(json.dumps({"keeper-at": name}) + "\n")
        if action == "self":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "pause":
            time.sleep(pause)

    keeper.watcher = watch
    keeper.main()


def _server_pid() -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(keeper._read_socket(""))
        connection.sendall(b"INFO server\r\n")
        return int(connection.recv(65536).split(b"process_id:")[1].split()[0])
