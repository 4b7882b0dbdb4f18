"""How the process of a client ends: with the client, whatever became of it, and with nothing left behind."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.e2e.household import COMMAND
from tests.mcp.conftest import Place

WITHIN = 2.0
HELLO = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
)
LIST = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_scheduled_prompts"}})
CLIENT = """
import subprocess, sys
server = subprocess.Popen(sys.argv[1:-1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
server.stdin.write(sys.argv[-1])
server.stdin.flush()
for _ in range(2):
    server.stdout.readline()
print(server.pid, flush=True)
server.wait()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """For an embedded store, and its socket: the server is stopped at once, while it still can be told."""
    folder = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))
    yield folder
    for record in folder.glob("store/server.json"):
        socket = json.loads(record.read_text())["socket"]
        with redis.Redis(unix_socket_path=socket, retry=Retry(NoBackoff(), 0)) as client:
            client.shutdown(nosave=True)
    shutil.rmtree(folder, ignore_errors=True)


def test_when_the_client_is_killed_the_server_ends_and_lets_go_of_the_store(place: Place, folder: Path) -> None:
    environment = place.environment | {"XDG_RUNTIME_DIR": str(folder)}
    store = folder / "store"
    words = [COMMAND, "mcp", "--store", f"embedded:{store}", f"{HELLO}\n{LIST}\n"]
    client = subprocess.Popen([sys.executable, "-c", CLIENT, *words], env=environment, stdout=subprocess.PIPE)
    assert client.stdout is not None
    server = int(client.stdout.readline())
    assert is_used(store)
    client.kill()
    began = time.monotonic()
    client.communicate(timeout=20)
    while is_alive(server) or is_used(store):
        assert time.monotonic() - began < WITHIN
        time.sleep(0.01)


def test_a_signal_ends_it_though_stdin_stays_open(place: Place) -> None:
    server = place.start()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{HELLO}\n".encode())
    server.stdin.flush()
    server.stdout.readline()
    server.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert server.wait(20) == 0
    assert time.monotonic() - began < WITHIN
    assert server.communicate() == (b"", b"")


@pytest.mark.parametrize("goes", [True, False])
def test_a_client_that_reads_nothing_keeps_it_neither_alive_nor_from_ending(place: Place, goes: bool) -> None:
    """The answers fill the pipe; then nobody is left to read, or a signal comes."""
    server = place.start()
    assert server.stdin is not None
    assert server.stdout is not None
    asked = [json.dumps({"jsonrpc": "2.0", "id": i, "method": "prompts/list"}) for i in range(2, 302)]
    server.stdin.write("".join(f"{line}\n" for line in [HELLO, *asked]).encode())
    server.stdin.flush()
    server.stdout.readline()
    time.sleep(0.3)  # by now it stands before a full pipe
    if goes:
        server.stdout.close()
    else:
        server.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert server.wait(20) == 0
    assert time.monotonic() - began < WITHIN
    server.communicate()


def is_alive(pid: int) -> bool:
    """Whether a process runs that is no child of ours."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_used(store: Path) -> bool:
    """Whether somebody holds the embedded server of a directory."""
    descriptor = os.open(store / "users.lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
