"""Real daemons on a real embedded server, in a folder of their own; whoever is killed, the books are kept outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.whole_keys import read_all, values

WITHIN = 30.0
PREFIX = "{sp:0}:"
COMMAND = str(Path(sys.executable).with_name("scheduled-prompts"))

RECORDER = '''
"""A runner that writes one line a start, so that a checker outside the store can count."""
import os
import time

BOOK = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def write(fire):
    os.write(BOOK, f"{fire.id} {fire.attempt} {fire.due} {fire.lateness_ms}\\n".encode())


async def quick(fire):
    write(fire)
    return "noted"


async def slow(fire):
    import asyncio

    write(fire)
    await asyncio.sleep(3)
    return "done"
'''

CONFIG = """
[engine]
lease = {lease}
drain = 2

[runners.echo]
kind = "command"
argv = ["cat"]

[runners.quick]
kind = "python"
target = "recorder:quick"

[runners.slow]
kind = "python"
target = "recorder:slow"
"""


class Line:
    """One start of one fire."""

    def __init__(self, text: str) -> None:
        fire, attempt, due, late = text.split()
        self.fire, self.attempt, self.due, self.late = fire, int(attempt), int(due), int(late)


class Household:
    def __init__(self, folder: Path, runtime: Path, *, lease: float = 2.0) -> None:
        self.folder = folder
        self.book_path = folder / "book"
        (folder / "recorder.py").write_text(RECORDER)
        (folder / "scheduled-prompts.toml").write_text(CONFIG.format(lease=lease))
        self.store = f"embedded:{folder / 'store'}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SCHEDULED_PROMPTS_")},
            "SCHEDULED_PROMPTS_STORE": self.store,
            "XDG_RUNTIME_DIR": str(runtime),
            "BOOK": str(self.book_path),
            "PYTHONPATH": str(folder),
        }
        self.daemons: list[subprocess.Popen[bytes]] = []
        self.logs: list[Path] = []

    # Processes

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """A daemon that is up and serving."""
        log = self.folder / f"daemon-{len(self.logs)}.log"
        with log.open("wb") as sink:
            daemon = subprocess.Popen(
                [COMMAND, "serve"],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=sink,
            )
        self.daemons.append(daemon)
        self.logs.append(log)
        self.until(lambda: self._serves(daemon) or daemon.poll() is not None)
        assert daemon.poll() is None, log.read_text()
        return daemon

    def _serves(self, daemon: subprocess.Popen[bytes]) -> bool:
        return any(line.get("event") == "serving" for line in self.log_of(daemon))

    def log_of(self, daemon: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
        lines = self.logs[self.daemons.index(daemon)].read_text().splitlines()
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def command(self, *arguments: str, check: bool = True) -> Any:
        """A command's JSON document."""
        done = subprocess.run(
            [COMMAND, *arguments, "--json"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WITHIN,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    @property
    def socket(self) -> str:
        """Where the embedded server listens."""
        return str(json.loads(next((self.folder / "store").glob("server.json")).read_text())["socket"])

    @staticmethod
    def store_at(socket: str) -> str:
        """The running server as a store of its own, for a client that has another runtime directory."""
        return f"unix://{socket}"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=self.socket, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def kill_server(self) -> None:
        with self.client() as client:
            pid = int(client.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)

    def kill(self, daemon: subprocess.Popen[bytes]) -> None:
        daemon.kill()
        daemon.wait(WITHIN)

    def stop(self, daemon: subprocess.Popen[bytes]) -> int:
        daemon.send_signal(signal.SIGTERM)
        return daemon.wait(WITHIN)

    def close(self) -> None:
        for daemon in self.daemons:
            if daemon.poll() is None:
                self.kill(daemon)
        with contextlib.suppress(StopIteration, OSError, redis.RedisError), self.client() as client:
            client.shutdown(nosave=True)

    # What came of it

    def book(self) -> dict[str, list[Line]]:
        """Starts by fire, in order."""
        starts: dict[str, list[Line]] = defaultdict(list)
        if self.book_path.exists():
            *whole, _ = self.book_path.read_text().split("\n")  # what comes after the last break is still being written
            for text in whole:
                line = Line(text)
                starts[line.fire].append(line)
        return starts

    def statuses(self, prompt: str) -> set[str]:
        """Of its fires."""
        with self.client() as client:
            return {client.hget(key, "status") for key in client.scan_iter(match=f"{PREFIX}fire:{prompt}*")}

    def nothing_runs(self) -> bool:
        """Nor is to be tried again."""
        with self.client() as client:
            return not client.exists(PREFIX + "leases", PREFIX + "retries")

    def keys(self) -> dict[str, Any]:
        """The whole namespace at one moment, for the accountant: daemons live on while it is read."""
        with self.client() as client:
            return values(read_all(client, PREFIX, alone=True))

    def until(self, true: Callable[[], bool], within: float = WITHIN) -> None:
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.02)
