"""A Unix socket before a server's, which breaks connections at the worst moment.

What is asked of it holds for the next script that comes by (EVALSHA or EVAL), once, or for so many of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

_SCRIPT = re.compile(rb"^\*\d+\r\n\$\d+\r\n(EVALSHA|EVAL)\r\n")

Misfortune = Callable[["_Passage"], Awaitable[None]]


class CuttingProxy:
    """`url` is where a store finds it."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._folder = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))
        self._socket = self._folder / "p"
        self.url = f"unix://{self._socket}"
        self.misfortunes: deque[Misfortune] = deque()
        """What befalls the next scripts, in order."""
        self.scripts_seen = 0
        self._listener: asyncio.Server | None = None
        self._passages: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open_door()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_door()
        shutil.rmtree(self._folder)

    async def open_door(self) -> None:
        self._listener = await asyncio.start_unix_server(self._enter, str(self._socket))

    async def close_door(self) -> None:
        """Break all connections, and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()
        passages = list(self._passages)
        for task in passages:
            task.cancel()
        await asyncio.gather(*passages, return_exceptions=True)

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passages.add(task)
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        try:
            await _Passage(self, reader, writer, server_reader, server_writer).run()
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            self._passages.discard(task)
            for each in (writer, server_writer):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()


class _Passage:
    """One connection. The client sends a command and waits for its answer, so they pass in turn."""

    def __init__(
        self,
        proxy: CuttingProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self.writer = reader, writer
        self._server_reader, self._server_writer = server_reader, server_writer
        self.command = b""
        self.open = True

    async def run(self) -> None:
        while self.open:
            command = asyncio.ensure_future(self._reader.read(1 << 20))
            push = asyncio.ensure_future(self._server_reader.read(1 << 20))
            try:
                done, _ = await asyncio.wait({command, push}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for future in (command, push):
                    future.cancel()
            if push in done:
                if not push.result():
                    return
                self.writer.write(push.result())
            if command in done:
                if not command.result():
                    return
                await self._pass_on(command.result())

    async def _pass_on(self, command: bytes) -> None:
        self.command = command
        if _SCRIPT.match(command):
            self._proxy.scripts_seen += 1
            if self._proxy.misfortunes:
                await self._proxy.misfortunes.popleft()(self)
                return
        self.forward()

    def forward(self) -> None:
        self._server_writer.write(self.command)

    async def server_answer(self) -> bytes:
        return await self._server_reader.read(1 << 20)


async def lose_the_reply(passage: _Passage) -> None:
    """The server has carried out the command; nobody hears of it."""
    passage.forward()
    assert await passage.server_answer()
    passage.open = False


async def lose_the_command(passage: _Passage) -> None:
    """The connection breaks before the server hears anything."""
    passage.open = False


async def pass_on(passage: _Passage) -> None:
    """Nothing happens to this one."""
    passage.forward()


def answer_late(seconds: float) -> Misfortune:
    """The server carries it out, and its answer takes so long."""

    async def misfortune(passage: _Passage) -> None:
        passage.forward()
        answer = await passage.server_answer()
        await asyncio.sleep(seconds)
        passage.writer.write(answer)

    return misfortune


def answer_with(error: str) -> Misfortune:
    """An error instead of the server's answer; the server hears nothing."""

    async def misfortune(passage: _Passage) -> None:
        passage.writer.write(f"-{error}\r\n".encode())

    return misfortune
