"""A directory, a short runtime directory, users as processes, and the aftermath that each test must have."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scheduled_prompts.store.embedded import EmbeddedServer, locks
from tests.embedded.embedded_child import Nursery

WITHIN = 5.0  # s; the bound for anything that follows a kill (about 0.1 s on an idle machine, and this one may be busy)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not below tmp_path, which is too long for a socket.
    path = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def directory(tmp_path: Path, runtime: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    try:
        assert_all_gone(path)
    finally:
        stop_server(path)  # does nothing unless the assertion failed


class House:
    """The users of one directory, and what they reported."""

    def __init__(self, directory: Path, runtime: Path, nursery: Nursery) -> None:
        self.directory = directory
        self.runtime = runtime
        self._nursery = nursery
        self._out: dict[int, Path] = {}
        self.present: list[int] = []

    def user(self, **order: Any) -> int:
        out = self.directory.with_name(f"user-{len(self._out)}.jsonl")
        pid = self._nursery.start(**{"directory": self.directory, "runtime": self.runtime, "out": out} | order)
        self._out[pid] = out
        self.present.append(pid)
        return pid

    def reports(self, pid: int, what: str) -> list[Any]:
        try:
            lines = self._out[pid].read_text().splitlines()
        except FileNotFoundError:
            return []
        return [report[what] for line in lines if what in (report := json.loads(line))]

    def await_report(self, pid: int, what: str) -> Any:
        deadline = time.monotonic() + 2 * WITHIN
        while not (found := self.reports(pid, what)):
            assert time.monotonic() < deadline, (what, self._out[pid].read_text())
            time.sleep(0.002)
        return found[0]

    def end(self, pid: int, with_signal: int = signal.SIGTERM) -> int:
        os.kill(pid, with_signal)
        return self.wait(pid)

    def wait(self, pid: int) -> int:
        status = self._nursery.wait(pid)
        self.present.remove(pid)
        return status

    def assert_sound(self) -> None:
        """True after anything: one server, every acknowledged write, no stuck lock, a clean end."""

        async def look() -> None:
            server = EmbeddedServer(self.directory, linger=0.0, patience=WITHIN)
            await server.ensure()
            try:
                async with Redis(unix_socket_path=str(server.socket_path), decode_responses=True) as redis:
                    serving = (await redis.info("server"))["process_id"]
                    for pid in self._out:
                        for other in self.reports(pid, "server"):
                            assert other == serving or has_ended(other), "two servers on one directory"
                        for key in self.reports(pid, "wrote"):
                            assert await redis.get(key) == "acknowledged"
            finally:
                await server.release()

        asyncio.run(look())
        assert_all_gone(self.directory)


@pytest.fixture
def house(directory: Path, runtime: Path, nursery: Nursery) -> Iterator[House]:
    house = House(directory, runtime, nursery)
    yield house
    for pid in house.present:  # none, unless the test failed
        house.end(pid, signal.SIGKILL)


def has_ended(pid: int) -> bool:
    """Whether the process is gone or dead (nobody may be there to reap it), within a moment."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return not Path("/proc").exists() or not Path(f"/proc/{pid}").exists()
        time.sleep(0.005)
    return False


def stop_server(directory: Path) -> None:
    """End the server of the directory, if one can be reached."""
    with contextlib.suppress(OSError, ValueError, KeyError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WITHIN)
        connection.connect(json.loads((directory / "server.json").read_bytes())["socket"])
        connection.sendall(b"SHUTDOWN\r\n")
        connection.recv(1)


def assert_all_gone(directory: Path) -> None:
    """No server, no keeper, no user: each would hold its lock. Waits for the keeper to do its work."""
    for name in (locks.SERVER, locks.KEEPER, locks.USERS):
        wait_until_free(directory / name)


def wait_until_free(path: Path) -> None:
    deadline = time.monotonic() + 2 * WITHIN
    if not path.parent.exists():
        return
    while (lock := locks.try_exclusive(path)) is None:
        assert time.monotonic() < deadline, f"{path.name} is stuck"
        time.sleep(0.005)
    locks.unlock(lock)


@pytest.fixture
def free() -> Callable[[Path], None]:
    return wait_until_free


async def pid_of(server: EmbeddedServer) -> int:
    async with Redis(unix_socket_path=str(server.socket_path)) as redis:
        return int((await redis.info("server"))["process_id"])


async def kill(server: EmbeddedServer) -> None:
    pid = await pid_of(server)
    os.kill(pid, signal.SIGKILL)
    assert has_ended(pid)
