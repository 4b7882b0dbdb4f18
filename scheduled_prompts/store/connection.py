"""From a store's URL to a client that can be talked to.

The client never retries by itself: a repetition is only safe under an op id, and that is the store's business.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool, Redis, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from scheduled_prompts.errors import InvalidInput, StoreUnusable

SOCKET_TIMEOUT = 5.0
CONNECT_TIMEOUT = 2.0
KINDS = "embedded:, embedded:<dir>, redis://, rediss://, unix:// or memory:"


class Connection:
    """A client, how to bring its server up where that is ours to do, and how to let go of both."""

    def __init__(
        self,
        client: Redis,
        *,
        description: str | Callable[[], str],
        ensure: Callable[[], Awaitable[None]] | None = None,
        release: Callable[[], Awaitable[None]] | None = None,
        owned: bool = True,
        remembers: bool = True,
        url: Callable[[], str] | None = None,
    ) -> None:
        self.client = client
        self._describe = description
        self.remembers = remembers
        """Whether what is stored outlives this process."""
        self._url = url
        self._ensure = ensure
        self._release = release
        self._owned = owned

    @property
    def description(self) -> str:
        """Where the store is, for people; no password in it."""
        return self._describe if isinstance(self._describe, str) else self._describe()

    @property
    def url(self) -> str | None:
        """By which another process of this machine reaches the same, wherever it works; None where none can. It may
        hold a password."""
        return None if self._url is None else self._url()

    async def ensure(self) -> None:
        """Make sure there is a server, where it is ours to start. Raises StoreUnusable where it cannot be started."""
        if self._ensure is not None:
            await self._ensure()

    async def close(self) -> None:
        if self._owned:
            await self.client.aclose()
        if self._release is not None:
            await self._release()


def connect(url: str) -> Connection:
    """A connection for a store's URL; nothing is sent yet. Raises InvalidInput for a URL that names no kind of
    store."""
    scheme, colon, rest = url.partition(":")
    if scheme == "embedded" and colon:
        return _embedded(rest)
    if scheme == "memory" and colon:
        return _memory(rest)
    if scheme in ("redis", "rediss", "unix"):
        return _server(url)
    if scheme in ("redis+sentinel", "redis+cluster"):
        raise InvalidInput(f"{scheme}:// is not supported by this release", hint="use redis://, rediss:// or unix://")
    raise InvalidInput(f"{_without_password(url)!r} names no store", hint=f"a store is {KINDS}")


def adopt(client: Redis) -> Connection:
    """A connection over somebody else's client, which is left open."""
    return Connection(client, description="the host's Redis client", owned=False)


def options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "encoding_errors": "replace",  # what is no UTF-8 harms its own record alone
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _server(url: str) -> Connection:
    try:
        client = Redis.from_url(url, **options())
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{_without_password(url)!r} is not a usable Redis URL: {error}") from error
    return Connection(client, description=_without_password(url), url=lambda: url)


def _without_password(url: str) -> str:
    url = re.sub(r"([?&]password=)[^&#]*", r"\1***", url)
    parts = urlsplit(url)
    if not parts.password:
        return url
    return parts._replace(netloc=f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}").geturl()


def _embedded(directory: str) -> Connection:
    from pathlib import Path

    from scheduled_prompts.store.embedded import EmbeddedServer

    server = EmbeddedServer(Path(directory).expanduser() if directory else None)

    class EmbeddedConnection(UnixDomainSocketConnection):
        """Asks at each connect where the server listens: who starts it again chooses anew."""

        async def _connect(self) -> None:
            self.path = str(server.socket_path)
            await super()._connect()  # type: ignore[no-untyped-call]

    client = Redis.from_pool(ConnectionPool(connection_class=EmbeddedConnection, **options()))
    return Connection(
        client,
        description=server.describe,
        ensure=server.ensure,
        release=server.release,
        url=lambda: f"embedded:{server.directory.absolute()}",
    )


_memory_servers: dict[str, Any] = {}


def _memory(name: str) -> Connection:
    try:
        from fakeredis import FakeServer
        from fakeredis.aioredis import FakeRedis
    except ImportError as error:
        raise StoreUnusable(
            "the memory: store needs fakeredis", hint="pip install 'scheduled-prompts[testing]'"
        ) from error
    server = _memory_servers.setdefault(name, FakeServer())
    client = FakeRedis(server=server, decode_responses=True, encoding_errors="replace", retry=Retry(NoBackoff(), 0))
    return Connection(client, description="memory: (forgotten when this process ends)", remembers=False)
