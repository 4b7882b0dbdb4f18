"""The processes of one run: a server, daemons and clients, each life of each with a name, a log and an end on record.

Who ends without having been told to is started again, as a service manager does it, and noted down.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.client import Orders
from tests.chaos.mutations import of_server
from tests.chaos.server import Server
from tests.chaos.work import BOOK, MUTATION, WHO

ROOT = Path(__file__).parents[2]
WORK = Path(__file__).with_name("work.py")
LONGEST_STOP = 45.0
"""Seconds from SIGTERM to the end of a daemon: its drain, and then what `serve` gives to the store (30 s)."""

CONFIG = """
log_format = "json"

[engine]
lease = {lease}
drain = 1
slots = 64
sweep_period = 5
heartbeat_period = 1
{engine}

[runners.work]
kind = "python"
target = "tests.chaos.work:run"

[runners.command]
kind = "command"
argv = {argv}
kill_after = 1
"""


@dataclass
class Life:
    """One process, from its start to its end. Instants are ms UTC."""

    who: str
    pid: int
    began: float
    ended: float | None = None
    code: int | None = None
    told: str = ""
    """What it was told to do: `kill`, `term`, or nothing."""


@dataclass
class Member:
    """A daemon or a client: one process after the other."""

    name: str
    lives: list[Life] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held by a fault as long as it harms it."""
    wanted: bool = True


class House:
    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        lease: float,
        ops_per_second: float,
        repeat_for: float = 20.0,
        mutation: str = "",
        engine: str = "",
    ) -> None:
        self.folder = folder
        self.seed, self.lease_ms, self.mutation = seed, round(lease * 1000), mutation
        self.server = Server(folder, of_server(mutation))
        self.book, self.client_log = folder / "book", folder / "clients"
        self.book.touch()
        self.client_log.touch()
        argv = json.dumps([sys.executable, "-I", "-S", str(WORK)])
        (folder / "scheduled-prompts.toml").write_text(CONFIG.format(lease=lease, argv=argv, engine=engine))
        self.daemons: list[Member] = []
        self.clients: list[Member] = []
        self.ops_per_second, self.repeat_for_ms = ops_per_second, round(repeat_for * 1000)
        self.began = 0.0
        self.troubles: list[str] = []
        """What went wrong with the run itself."""
        self._shutting = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    # Start and end

    def start(self, daemons: int, clients: int) -> None:
        self.server.start()
        self.daemons = [Member(f"d{number}") for number in range(1, daemons + 1)]
        self.clients = [Member(f"c{number}") for number in range(1, clients + 1)]
        for daemon in self.daemons:
            self.start_member(daemon)
        for daemon in self.daemons:
            self._until_serving(daemon)
        self.began = time.time() * 1000
        for client in self.clients:
            self.start_member(client)
        self._watcher.start()

    def _until_serving(self, daemon: Member, within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        log = self.log_of(daemon.lives[-1].who)
        while b'"serving"' not in log.read_bytes():
            if time.monotonic() > deadline or daemon.process is None or daemon.process.poll() is not None:
                raise RuntimeError(f"{daemon.name} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)

    def start_member(self, member: Member) -> None:
        who = f"{member.name}.{len(member.lives) + 1}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULED_PROMPTS_")}
        environment |= {"SCHEDULED_PROMPTS_STORE": self.server.url, "PYTHONPATH": str(ROOT)}
        environment |= {BOOK: str(self.book), WHO: who, MUTATION: self.mutation}
        command = [sys.executable, "-m", "tests.chaos.launcher", "serve"]
        if member in self.clients:
            period = 1000 * len(self.clients) / self.ops_per_second
            orders = Orders(
                self.server.url,
                self.seed,
                member.name,
                who,
                str(self.client_log),
                period,
                self.began,
                self.lease_ms,
                self.repeat_for_ms,
            )
            command = [sys.executable, "-m", "tests.chaos.client", json.dumps(orders._asdict())]
        with self.log_of(who).open("wb") as log:
            member.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=log
            )
        member.lives.append(Life(who, member.process.pid, time.time() * 1000))

    def log_of(self, who: str) -> Path:
        return self.folder / f"{who}.log"

    def end(self, member: Member, number: signal.Signals, within: float = LONGEST_STOP) -> None:
        """It is told to end, and has ended when this returns."""
        process, life = member.process, member.lives[-1]
        if process is None or process.poll() is not None:
            self._note_end(member)  # it was not told to
            return
        life.told = "kill" if number == signal.SIGKILL else "term"
        process.send_signal(number)
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            self.troubles.append(f"{life.who} had not ended {within:g} s after {number.name}")
            process.kill()
            process.wait()
        self._note_end(member)

    def _note_end(self, member: Member) -> None:
        life = member.lives[-1]
        if life.ended is None and member.process is not None:
            life.ended, life.code = time.time() * 1000, member.process.returncode
            if not life.told and self.log_of(life.who).exists():  # it ended a while ago, after its last words
                life.ended = self.log_of(life.who).stat().st_mtime * 1000

    def _watch(self) -> None:
        while not self._shutting.wait(0.2):
            for member in (*self.daemons, *self.clients):
                if member.lock.acquire(blocking=False):
                    try:
                        if member.process is not None and member.process.poll() is not None and member.wanted:
                            self._note_end(member)
                            time.sleep(0.3)
                            self.start_member(member)
                    finally:
                        member.lock.release()

    def stop_clients(self) -> None:
        for client in self.clients:
            client.wanted = False
            with client.lock:
                self.end(client, signal.SIGTERM)

    def stop_daemons(self) -> None:
        for daemon in self.daemons:
            daemon.wanted = False
        for daemon in self.daemons:
            with daemon.lock:
                self.end(daemon, signal.SIGTERM)

    def close(self) -> None:
        self._shutting.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for member in (*self.clients, *self.daemons):
            member.wanted = False
            if member.process is not None and member.process.poll() is None:
                member.process.send_signal(signal.SIGCONT)
                self.end(member, signal.SIGKILL)
        self.server.close()

    # What is going on

    @property
    def lives(self) -> list[Life]:
        return [life for member in (*self.daemons, *self.clients) for life in member.lives]

    def alive(self) -> list[Member]:
        return [daemon for daemon in self.daemons if daemon.process is not None and daemon.process.poll() is None]

    def is_calm(self, due_before: float) -> bool:
        """Whether everything that was due has ended."""
        with self.server.client() as client:
            if any(True for _ in client.scan_iter(match="{sp:0}:live:*", count=5_000)):
                return False
            return not any(client.zcount(key, "-inf", due_before) for key in client.scan_iter(match="{sp:0}:due:*"))

    def lines(self, path: Path) -> list[dict[str, Any]]:
        """Those of a book that are whole."""
        *whole, _ = path.read_text().split("\n")
        return [json.loads(line) for line in whole]
