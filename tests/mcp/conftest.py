"""A namespace of its own on the real server, clients of the SDK's on it, and the HTTP server of a worker's tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from scheduled_prompts import Caller, Store
from tests.conftest import RealServer
from tests.e2e.household import COMMAND

_numbers = iter(range(1_000_000))


class Place:
    """A namespace on the real server, in real time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.namespace = f"m{os.getpid()}x{next(_numbers)}"
        self.more: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULED_PROMPTS_")}
        return mine | {"SCHEDULED_PROMPTS_STORE": self.url, "SCHEDULED_PROMPTS_NAMESPACE": self.namespace} | self.more

    def store(self) -> Store:
        return Store(self.url, namespace=self.namespace)

    def command(self, *words: str) -> Any:
        done = subprocess.run([COMMAND, *words, "--json"], env=self.environment, capture_output=True, timeout=60)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    @asynccontextmanager
    async def client(self, *flags: str, name: str = "Test Client", mode: str = "legacy") -> AsyncIterator[Client]:
        """A client that has started a server of its own."""
        server = StdioServerParameters(command=COMMAND, args=["mcp", *flags], env=self.environment)
        async with Client(server, mode=mode, client_info=Implementation(name=name, version="1")) as client:
            yield client

    def start(self, *flags: str, **more: Any) -> subprocess.Popen[bytes]:
        """A server whose stdin and stdout are the test's."""
        return subprocess.Popen(
            [COMMAND, "mcp", *flags],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )


@pytest.fixture
def place(real_server: RealServer) -> Place:
    return Place(f"{real_server.url}?db=8")


class HttpServer(Place):
    """A server process on a free port of the loopback."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.process = subprocess.Popen(
            [COMMAND, "mcp", "--http", "127.0.0.1:0", "--public-name", "mcp.example.com", "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said, self.process.communicate()
        self.address: str = json.loads(said)["url"]

    async def token(self, lifetime: float = 60, **caller: Any) -> str:
        async with self.store() as store:
            return (await store.new_token(Caller(**caller), lifetime=lifetime)).token

    @asynccontextmanager
    async def let_in(self, token: str, mode: str = "legacy") -> AsyncIterator[Client]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            Client(streamable_http_client(self.address, http_client=http), mode=mode) as client,
        ):
            yield client

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture(scope="session")
def http_server(real_server: RealServer) -> Iterator[HttpServer]:
    server = HttpServer(f"{real_server.url}?db=8")
    yield server
    if server.process.poll() is None:
        server.stop()


def told(result: Any) -> dict[str, Any]:
    """A tool's answer, which is the same as data and as text."""
    document: dict[str, Any] = result.structured_content
    assert json.loads(result.content[0].text) == document
    assert result.is_error is not document["ok"]
    return document


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1500):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true in time")
