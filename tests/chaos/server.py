"""A real server of our own, on a socket in a folder of its own, which can be harmed in every way that one is."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scheduled_prompts.store.embedded.binary import choose_binary
from tests.whole_keys import Whole, read_all

WITHIN = 30.0
PREFIX = "{sp:0}:"
DURABLE = {"appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction"}
"""As the embedded server is set: what was acknowledged survives a kill."""


class Server:
    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self.settings = DURABLE | settings
        self.binary = choose_binary(None)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """It answers when this returns."""
        arguments = [str(self.binary.path), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        for name, value in self.settings.items():
            arguments += [f"--{name}", value]
        with (self.folder / "server.log").open("ab") as log:
            # restore_signals: Python ignores SIGXFSZ, and so must the server, to be told of a file that cannot grow.
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, restore_signals=False)
        self.starts += 1
        self.until(self.answers)

    def until(self, true: Any, within: float = WITHIN) -> None:
        deadline = time.monotonic() + within
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server did not come to it in time: {true}")
            time.sleep(0.02)

    def client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self.socket), decode_responses=True, retry=Retry(NoBackoff(), 0), socket_timeout=10
        )

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def do(self, *command: str) -> Any:
        """A command, by a connection of its own."""
        with self.client() as client:
            return client.execute_command(*command)

    def cut_before_answering(self, seconds: float) -> int:
        """All connections, once what they asked for has been done, and before it is answered: commands pile up at a
        server that stands still, which then finds this one behind them. Returns how many."""
        with self.client() as client:
            line = client.connection_pool.get_connection()
            self.signal(signal.SIGSTOP)
            try:
                time.sleep(seconds)
                line.send_command("CLIENT", "KILL", "TYPE", "normal")
            finally:
                self.signal(signal.SIGCONT)
            return int(line.read_response())

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(WITHIN)

    def written(self) -> int:
        """The size of the file that grows, in bytes."""
        return max((path.stat().st_size for path in self.folder.glob("appendonlydir/*.incr.aof")), default=0)

    def let_files_grow_to(self, size: int | None) -> None:
        """Its disk is full at that size; None: it never is. Raises OSError or AttributeError where this machine has no
        such limit for another process."""
        import resource

        assert self.process is not None
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def whole(self) -> dict[str, Whole]:
        """All keys of the namespace, with how long they stay."""
        with self.client() as client:
            return read_all(client, PREFIX, alone=True)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
