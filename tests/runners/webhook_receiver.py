"""A receiver of webhooks on loopback: it answers what it was told to, and remembers what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from scheduled_prompts.fire import Fire, FireStatus, Result
from scheduled_prompts.prompt import Definition
from scheduled_prompts.runners.webhook import WebhookRunner
from scheduled_prompts.schedule import Interval

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = ["127.0.0.0/8"]
NOMINAL = 1_796_112_000_000
PROMPT_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Post:
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def answer(status: str = "200 OK", body: bytes | str = b"", *headers: str) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


class Receiver:
    """Gives its answers in turn, the last one again and again. An answer is bytes, after which the connection stays, or
    a function that is given the connection."""

    def __init__(self, *answers: bytes | Handler, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers) or [answer()]
        self.posts: list[Post] = []
        self.connections = 0
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *problem: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str = "/hook") -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}{path}"

    def runner(self, **options: Any) -> WebhookRunner:
        return WebhookRunner(
            **{"url": self.url(), "secrets": [SECRET], "allow_private": LOOPBACK, "timeout": 5.0, **options}
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer, number):
                    pass
        except asyncio.CancelledError:
            pass  # its end is the server's; asyncio's streams would report it as an error
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        method, target, _ = head[0].split(" ")
        assert method == "POST"
        self.posts.append(Post(target, headers, body, number))
        reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not isinstance(reply, bytes):
            await reply(reader, writer)
            return False
        writer.write(reply)
        await writer.drain()
        return True


def a_fire(text: str = "What is new?", **fields: Any) -> Fire:
    prompt = Definition(
        text=text,
        schedule=Interval(every_ms=60_000, anchor=0),
        timezone="Europe/Berlin",
        runner="hook",
        on_crash=fields.pop("on_crash", "rerun"),
    )
    return Fire(
        **{
            "id": f"{PROMPT_ID}@{NOMINAL}",
            "prompt_id": PROMPT_ID,
            "prompt": prompt,
            "version": 3,
            "status": FireStatus.RUNNING,
            "attempt": 2,
            "nominal": NOMINAL,
            "due": NOMINAL + 1_500,
            "started_at": NOMINAL + 1_507,
            "runner": "hook",
            "platform": "default",
            **fields,
        }
    )


def result(receiver: Receiver, fire: Fire | None = None, **options: Any) -> Result:
    """What a fire's result is, where this receiver is the only one."""

    async def main() -> Result:
        async with receiver:
            return await receiver.runner(**options).run(fire or a_fire())

    return asyncio.run(main())


def result_text(receiver: Receiver, **options: Any) -> str | None:
    return result(receiver, **options).text
