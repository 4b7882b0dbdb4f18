"""The door of the HTTP server: who comes in has a token that is good at this moment, request by request.

There are no sessions: a request stands for itself, with its own token. So none can be taken over, a token that is
revoked or expires is out with the next request, and a restart of the server is nothing that a client notices.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import structlog

from scheduled_prompts.errors import ScheduledPromptsError, TokenRefused
from scheduled_prompts.mcp.desk import Desk
from scheduled_prompts.mcp.seat import Context, Seat
from scheduled_prompts.mcp.stdio import seat_of_bearer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger()

PATH = "/mcp"
HEALTH = "/health"
SEAT = "scheduled_prompts.seat"
RETRY_AFTER = 5
"""Seconds that a client is asked to wait for the store."""


class Door:
    """Before an ASGI app: lets requests to `PATH` in that have a good token, with their seat."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == HEALTH:
            await self._tell_health(send)
        elif scope["path"] != PATH:
            await _answer(send, 404, {"error": "not_found"})
        elif scope["method"] != "POST":
            # A GET would open a stream for messages that nobody asked for, of which there are none.
            await _answer(send, 405, {"error": "method_not_allowed"}, [("allow", "POST")])
        else:
            await self._let_in(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = _bearer(scope["headers"])
        if token is None:
            said = {"error": "token_missing", "error_description": "a bearer token is needed"}
            await _answer(send, 401, said, [("www-authenticate", "Bearer")])
            return
        try:
            seat = await seat_of_bearer(self._desk, token)
        except TokenRefused as error:
            log.info("token_refused", error=error.message)
            words = _quotable(error.message)
            refused = f'Bearer error="invalid_token", error_description="{words}"'
            said = {"error": "invalid_token", "error_description": error.message}
            await _answer(send, 401, said, [("www-authenticate", refused)])
        except ScheduledPromptsError as error:
            # Whoever asks has shown nothing yet: where the store is, and what is wrong with it, is the operator's.
            log.warning("door_without_store", error=error.message)
            said = {"error": error.code, "error_description": "the store cannot be used now"}
            await _answer(send, 503, said, [("retry-after", str(RETRY_AFTER))])
        else:
            await self._app({**scope, SEAT: seat}, receive, send)

    async def _tell_health(self, send: Send) -> None:
        """Whether the store answers; to anybody, and nothing else."""
        try:
            await (await self._desk.scheduler()).halted()
        except ScheduledPromptsError:
            await _answer(send, 503, {"ok": False})
        else:
            await _answer(send, 200, {"ok": True})


async def seated(context: Context) -> Seat:
    """The seat with which a request was let in."""
    assert context.request is not None
    seat: Seat = context.request.scope[SEAT]
    return seat


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    said = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
    if len(said) != 1:
        return None
    scheme, _, token = said[0].strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _quotable(words: str) -> str:
    """As RFC 6750 has a description: printable ASCII without quotes."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in words)


async def _answer(send: Send, status: int, said: dict[str, Any], more: Iterable[tuple[str, str]] = ()) -> None:
    body = json.dumps(said).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(body))), *more]
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
