"""One POST to one URL, bounded in time and size, to an allowed address.

It speaks to httpx2's transport and not to its client, whose services are unwanted here: a client follows
environment variables to proxies (which would be connected to unjudged), remembers cookies from one fire to
the next, unpacks what was compressed (a small answer may become a large one), and logs URLs with their tokens.

Connections are kept for the next fire, a few, for a few seconds. There is one transport for each event loop. Nobody
tells a runner that it is no longer needed; so the transport hangs on an asynchronous generator, which its loop closes
when it ends (`shutdown_asyncgens`), or Python when the runner is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from scheduled_prompts.runners.webhook_addresses import Address, Network, literal, refusal, resolve

KEPT_CONNECTIONS = 8
KEPT_SECONDS = 4.0
"""Shorter than what common servers grant (5 s and more), so that a connection is seldom closed as it is used."""
KEPT_ERROR_BYTES = 4096
ERROR_BODY_WAIT = 1.0
"""Seconds that an error's body is waited for: its status has said what matters."""


@dataclass(frozen=True)
class Answer:
    """What the receiver said. `cut`: there was more than was read."""

    status: int
    reason: str
    headers: httpx2.Headers
    body: bytes
    cut: bool


class Fault(ConnectionError):
    """No answer. `sent`: the receiver may have got the request, and done what it asks for."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class AddressRefused(Exception):
    """The host has no address that may be connected to."""


class _Progress:
    """How far a request has come, told by the transport."""

    def __init__(self) -> None:
        self.connected = False
        """Whether a connection was made for it, rather than one used that had been kept."""
        self.sent = False

    async def __call__(self, event: str, _: object) -> None:
        if event == "connection.connect_tcp.started":
            self.connected = True
        elif event == "http11.send_request_headers.started":
            self.sent = True


class Poster:
    """Posts to `url`. Times are in seconds; `connect_timeout` bounds the look-up of the name, then, for each of its
    addresses, the connection and the TLS handshake; `timeout` bounds the whole."""

    def __init__(
        self,
        url: httpx2.URL,
        *,
        tls: ssl.SSLContext,
        connect_timeout: float,
        timeout: float,
        max_response_bytes: int,
        allowed: Sequence[Network],
    ) -> None:
        self.origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        """What may be shown of the URL: its path and query may hold tokens."""
        self._url = url
        self._host = url.raw_host.decode("ascii")
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._allowed = allowed
        self._kept: dict[asyncio.AbstractEventLoop, tuple[httpx2.AsyncHTTPTransport, AsyncGenerator[None]]] = {}

    async def post(self, body: bytes, headers: Mapping[str, str], *, resend: bool) -> Answer:
        """Raises Fault and AddressRefused. `resend`: whether it may be sent again, at once, if a kept connection turns
        out to have been closed by the receiver."""
        progress = _Progress()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(body, headers, progress, resend=resend)
        except TimeoutError:
            raise Fault(f"{self.origin} gave no whole answer within {self._timeout:g} s", sent=progress.sent) from None

    async def _post(self, body: bytes, headers: Mapping[str, str], progress: _Progress, *, resend: bool) -> Answer:
        problem = "it has no address"
        for address in await self._addresses():
            request = self._request(address, body, headers, progress)
            try:
                response = await self._send(request, progress, resend=resend)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                problem = f"{address}: {_words(error)}"
                continue
            except httpx2.TransportError as error:
                raise Fault(f"{self.origin} broke off: {_words(error)}", sent=progress.sent) from error
            try:
                return await self._read(response)
            except httpx2.TransportError as error:
                raise Fault(f"{self.origin} broke off within its answer: {_words(error)}", sent=True) from error
            finally:
                await response.aclose()
        raise Fault(f"cannot connect to {self.origin}: {problem}", sent=False)

    async def _addresses(self) -> list[Address]:
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(self._connect_timeout):
                found = await resolve(self._host, port)
        except TimeoutError:
            problem = f"its name was not resolved within {self._connect_timeout:g} s"
            raise Fault(f"cannot connect to {self.origin}: {problem}", sent=False) from None
        except OSError as error:
            raise Fault(f"cannot connect to {self.origin}: {_words(error)}", sent=False) from error
        refusals = {address: refusal(address, self._allowed) for address in found}
        permitted = [address for address in found if refusals[address] is None]
        if found and not permitted:
            raise AddressRefused(f"{self.origin} is not connected to: {refusals[found[0]]}; allow_private can allow it")
        return permitted

    def _request(
        self, address: Address, body: bytes, headers: Mapping[str, str], progress: _Progress
    ) -> httpx2.Request:
        limits = httpx2.Timeout(None, connect=self._connect_timeout)
        extensions = {"timeout": limits.as_dict(), "trace": progress}
        if literal(self._host) is None:
            extensions["sni_hostname"] = self._host.rstrip(".")  # the certificate is for the name
        own = {"Host": self._url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        return httpx2.Request(
            "POST",
            self._url.copy_with(host=str(address)),
            headers={**own, **headers},
            content=body,
            extensions=extensions,
        )

    async def _send(self, request: httpx2.Request, progress: _Progress, *, resend: bool) -> httpx2.Response:
        transport = await self._transport()
        progress.connected = False
        try:
            return await transport.handle_async_request(request)
        except httpx2.TransportError:
            if progress.connected or not resend:
                raise
        return await transport.handle_async_request(request)

    async def _read(self, response: httpx2.Response) -> Answer:
        body = bytearray()
        limit = self._max_response_bytes if response.is_success else KEPT_ERROR_BYTES
        if response.is_success:
            await _read_up_to(limit, response, body)
        else:
            with contextlib.suppress(TimeoutError, httpx2.TransportError):
                async with asyncio.timeout(ERROR_BODY_WAIT):
                    await _read_up_to(limit, response, body)
        return Answer(
            response.status_code, response.reason_phrase, response.headers, bytes(body[:limit]), len(body) > limit
        )

    async def _transport(self) -> httpx2.AsyncHTTPTransport:
        loop = asyncio.get_running_loop()
        if loop not in self._kept:
            self._kept = {other: kept for other, kept in self._kept.items() if not other.is_closed()}
            limits = httpx2.Limits(max_keepalive_connections=KEPT_CONNECTIONS, keepalive_expiry=KEPT_SECONDS)
            transport = httpx2.AsyncHTTPTransport(verify=self._tls, limits=limits)
            closer = _close_at_the_end(transport)
            self._kept[loop] = (transport, closer)
            await anext(closer)  # begun, it is known to the loop
        return self._kept[loop][0]


async def _close_at_the_end(transport: httpx2.AsyncHTTPTransport) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await transport.aclose()


async def _read_up_to(limit: int, response: httpx2.Response, body: bytearray) -> None:
    """Reads until there is more than `limit`, which says that something was left."""
    async with contextlib.aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                return


def _words(error: BaseException) -> str:
    """What is at the bottom of an error, in one line."""
    causes = [error]
    while (cause := _cause(causes[-1])) is not None and cause not in causes:
        causes.append(cause)
    bottom = causes[-1]
    if isinstance(bottom, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {bottom.verify_message}"
    if isinstance(bottom, ssl.SSLError):
        return f"TLS failed: {bottom.reason or bottom}"
    if isinstance(bottom, OSError) and bottom.errno and not isinstance(bottom, socket.gaierror):
        return os.strerror(bottom.errno)
    if isinstance(bottom, TimeoutError):
        return "no answer in time"
    message = bottom.strerror if isinstance(bottom, OSError) and bottom.strerror else str(bottom)
    return " ".join(message.split()) or type(bottom).__name__


def _cause(error: BaseException) -> BaseException | None:
    """httpcore2 hands causes on as arguments."""
    if error.__cause__ is not None:
        return error.__cause__
    return next((argument for argument in error.args if isinstance(argument, BaseException)), None)
