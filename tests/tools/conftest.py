"""A lab on the real server alone: what the tools say does not depend on the server. What they count and delete does:
that is tested on both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.conftest import Lab, RealServer


@pytest.fixture
def server_lab(real_server: RealServer) -> Iterator[Lab]:
    lab = Lab(real_server.url, redis.Redis(unix_socket_path=str(real_server.socket), decode_responses=True))
    yield lab
    lab.close()
