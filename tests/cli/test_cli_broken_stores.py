"""The console script on stores that are broken: a full disk, no memory, a newer release's data, a server that is gone.

Real servers, real processes: each gives one clear line, the exit code that monitoring can rely on, and no traceback.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from scheduled_prompts.store.embedded.binary import choose_binary
from tests.cli.cli_driver import CommandLine

COMMAND = Path(sys.executable).parent / "scheduled-prompts"
SMALL = 64
"""How long a file may get, in KiB, where the disk is full."""


class Server:
    def __init__(self, folder: Path, *settings: str, disk_is_small: bool = False) -> None:
        self.socket = folder / "s"
        limit = f"trap '' XFSZ; ulimit -f {SMALL}; " if disk_is_small else ""  # then a write fails, as on a full disk
        start = f'{limit}exec "$0" "$@"'
        always = ["--port", "0", "--save", "", "--dir", str(folder)]
        self.process = subprocess.Popen(
            ["bash", "-c", start, choose_binary(None).path, "--unixsocket", str(self.socket), *always, *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[Server] = []

    def started(*settings: str, disk_is_small: bool = False) -> Server:
        servers.append(Server(tmp_path, *settings, disk_is_small=disk_is_small))
        return servers[-1]

    yield started
    for server in servers:
        server.stop()


def refused(cli: CommandLine, server: Server, *words: str, code: int) -> str:
    """What a person is told by a process, which a program is told too: one line, and a hint."""
    store = f"unix://{server.socket}"
    told = subprocess.run([COMMAND, *words, "--store", store], capture_output=True, text=True, timeout=50)
    assert (told.returncode, told.stdout) == (code, ""), told
    assert "Traceback" not in told.stderr
    error, *hints = told.stderr.splitlines()
    assert error.startswith("error: ")
    assert all(hint.startswith("hint: ") for hint in hints)
    answered = cli(*words, "--store", store, "--json")
    assert answered.code == code
    assert answered.document["error"]["message"][:40] in error
    return error


def fill(client: redis.Redis) -> None:
    """Write until nothing more is taken."""
    for _ in range(1000):
        try:
            client.set("filler", "x" * 10_000)
        except redis.RedisError:
            return
        time.sleep(0.01)
    pytest.fail("the disk is still not full")


def test_a_full_disk_is_named_and_what_is_there_can_still_be_read(cli: CommandLine, start: Start) -> None:
    server = start("--appendonly", "yes", "--appendfsync", "everysec", disk_is_small=True)
    store = ("--store", f"unix://{server.socket}")
    cli.json("add", "made before", "--when", "in 1h", *store)
    with server.client() as client:
        fill(client)
    assert "cannot write to its disk" in refused(cli, server, "add", "x", "--when", "in 1h", code=1)
    listed = subprocess.run([COMMAND, "list", *store], capture_output=True, text=True, timeout=50)
    assert (listed.returncode, "made before" in listed.stdout) == (0, True)


def test_a_server_without_memory_is_named(cli: CommandLine, start: Start) -> None:
    server = start("--maxmemory", "1")
    assert "out of memory" in refused(cli, server, "add", "x", "--when", "in 1h", code=1)
    assert "out of memory" in refused(cli, server, "serve", code=1)


def test_data_of_a_newer_release_is_left_alone(cli: CommandLine, start: Start) -> None:
    server = start()
    with server.client() as client:
        client.hset("{sp:0}:meta", mapping={"schema": 99, "shards": 1, "virtual": 0})
        before = client.hgetall("{sp:0}:meta")
        assert "newer release" in refused(cli, server, "list", code=1)
        assert client.hgetall("{sp:0}:meta") == before | {"rules": client.hget("{sp:0}:meta", "rules")}


def test_a_password_that_is_wanted_is_said(cli: CommandLine, start: Start) -> None:
    server = start("--requirepass", "secret")
    assert "password" in refused(cli, server, "list", code=1)


@pytest.mark.waits
def test_a_server_that_is_gone_is_said_within_seconds(cli: CommandLine, start: Start) -> None:
    server = start()
    server.stop()
    assert "does not answer" in refused(cli, server, "list", code=5)
