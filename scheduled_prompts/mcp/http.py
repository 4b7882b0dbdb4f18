"""Many clients, over Streamable HTTP: who each is, its token says."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.mcp.desk import Desk
from scheduled_prompts.mcp.door import PATH, Door, seated
from scheduled_prompts.mcp.serving import build_server
from scheduled_prompts.scheduler import Scheduler

LONGEST_BODY = 1024 * 1024
"""Bytes. The longest prompt is 32 KiB."""
MOST_AT_ONCE = 512
"""Requests; who comes then is told to come again."""
DRAIN = 5
"""Seconds that requests may go on after a stop was asked for."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Address(NamedTuple):
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """`HOST:PORT`, `[::1]:PORT` or `PORT` alone (of this machine). Raises ValueError."""
    host, _, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"{text!r} is no address such as 127.0.0.1:8585")
    return Address(host, int(port))


async def serve_http(
    scheduler: Scheduler, where: Address, public_names: Sequence[str], *, when_ready: Callable[[Address], None]
) -> None:
    """Serve until the task is cancelled. `public_names`: under which a proxy that ends TLS is reached.

    Raises InvalidInput for an address that others can reach without such a proxy, or that cannot be had; StoreUnusable
    and StoreUnreachable where the store cannot be opened to begin with.
    """
    if not where.is_loopback and not public_names:
        raise InvalidInput(
            f"{where} can be reached from other machines, and tokens would go there in the clear",
            hint="listen on 127.0.0.1; or behind a proxy that ends TLS, and give its name: --public-name NAME",
        )
    desk = Desk(lambda: scheduler)
    with _listening(where) as (listener, bound):
        try:
            await desk.scheduler()
            app = build_server(seated).streamable_http_app(
                streamable_http_path=PATH,
                stateless_http=True,
                max_request_body_size=LONGEST_BODY,
                transport_security=_security(bound, public_names),
            )
            config = uvicorn.Config(
                Door(app, desk),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_AT_ONCE,
                timeout_graceful_shutdown=DRAIN,
                lifespan="on",
            )
            await _until_cancelled(_Server(config, lambda: when_ready(bound)), listener)
        finally:
            await desk.close()


class _Server(uvicorn.Server):
    """Signals are the command line's business."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _until_cancelled(server: _Server, listener: socket.socket) -> None:
    """A cancellation lets what runs come to its end, for as long as `DRAIN`."""
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


@contextmanager
def _listening(where: Address) -> Iterator[tuple[socket.socket, Address]]:
    """A socket, and its address: the port that was found where 0 was asked for."""
    try:
        family, *_, sockaddr = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(sockaddr[:2], family=family, backlog=256)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it on sockets of its own alone
    except OSError as error:
        raise InvalidInput(f"cannot listen on {where}: {error.strerror or error}", hint="name another port") from error
    with listener:
        yield listener, Address(where.host, listener.getsockname()[1])


def _security(bound: Address, public_names: Sequence[str]) -> TransportSecuritySettings:
    """By which names the server may be asked for: a page in a browser cannot by one of its own (DNS rebinding)."""
    port = bound.port
    hosts = [f"{name}:{port}" for name in {*LOOPBACK, str(bound).rpartition(":")[0]}]
    origins = [f"http://{host}" for host in hosts]
    for name in public_names:
        hosts += [name, f"{name}:*"]
        origins += [f"https://{name}", f"https://{name}:*"]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)
