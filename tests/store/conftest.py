"""Real servers for what fakeredis has not: connections that break, memory that is full, users with few rights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.store.script import ALL
from tests.conftest import Lab, RealServer


class RealLab(Lab):
    """A namespace of real time on a real server."""

    def __init__(self, server: RealServer) -> None:
        super().__init__(server.url, redis.Redis(unix_socket_path=str(server.socket), decode_responses=True))
        self.socket = str(server.socket)
        for script in ALL:
            self.inspector.script_load(script.source)

    async def reach(self, where: Any = None, **options: Any) -> Store:
        """A store of this namespace, by way of `where`. It is closed when the lab closes."""
        where = connect(self.url) if where is None else where
        return await self.stack.enter_async_context(Store(where, namespace=self.namespace, **options))


def _lab_on(server: RealServer) -> Iterator[RealLab]:
    lab = RealLab(server)
    yield lab
    lab.close()


@pytest.fixture
def real_lab(real_server: RealServer) -> Iterator[RealLab]:
    yield from _lab_on(real_server)


@pytest.fixture(scope="module")
def own_server() -> Iterator[RealServer]:
    """A server whose settings a test may change."""
    server = RealServer()
    yield server
    server.stop()


@pytest.fixture
def own_lab(own_server: RealServer) -> Iterator[RealLab]:
    yield from _lab_on(own_server)
