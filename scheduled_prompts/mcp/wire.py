"""Stdin and stdout as the streams of messages that the SDK serves: one JSON-RPC message a line.

The SDK has such streams, too. These end at once, whatever the client does: a signal waits neither for a line that never
comes nor for a client that reads nothing, because threads that nobody waits for do the reading and the writing. They
answer what was asked before stdin ended (`printf … | scheduled-prompts mcp`), say so where a line is no message, and do
not keep a line that never ends.

Stdin and stdout are taken away from everybody else: whatever prints goes to stderr, and a child process reads nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import select
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes; as much as the SDK takes over HTTP. The longest prompt is 32 KiB."""
MOST_WAITING = 64
"""Lines that were read and not looked at; then reading waits."""
LAST_ANSWERS = 10.0
"""Seconds for what was asked before stdin ended, as long as somebody is there to read it."""
LOOK = 0.1
"""Seconds after which it is looked whether somebody still is."""
_CHUNK = 64 * 1024
_TOO_LONG = b"(a line that was too long)"
"""In the place of one: no message either."""
_NO_MESSAGE = JSONRPCError(
    jsonrpc="2.0",
    id=None,
    error=ErrorData(
        code=PARSE_ERROR,
        message=f"a line is one JSON-RPC 2.0 message of at most {LONGEST_LINE // 1024**2} MiB, and this was none",
    ),
)

Received = MemoryObjectReceiveStream[SessionMessage | Exception]
Sent = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def wire() -> AsyncIterator[tuple[Received, Sent]]:
    """What the client sends, and where it is answered, until stdin ends or stdout breaks. Once in a process."""
    incoming, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    sent, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    stdin, stdout = _taken()
    lines, writer, unanswered = _Lines(stdin), _Writer(stdout), _Unanswered()

    async def read() -> None:
        with contextlib.suppress(anyio.BrokenResourceError, OSError):  # the server, or the client, has gone
            async with incoming:
                async for line in lines:
                    message = _message(line)
                    if message is None:
                        await writer.write(_NO_MESSAGE)
                        continue
                    unanswered.asked(message)
                    await incoming.send(SessionMessage(message))
                await unanswered.until_none(while_=lambda: _has_reader(stdout))

    async def write() -> None:
        async with outgoing:
            async for item in outgoing:
                try:
                    await writer.write(item.message)
                except OSError:  # nobody reads any more, so nobody will ask
                    lines.end()
                    unanswered.forget()
                    return
                unanswered.answered(item.message)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        group.create_task(write())
        try:
            yield received, sent
        finally:
            reading.cancel()
            sent.close()


def _taken() -> tuple[int, int]:
    """Descriptors of stdin and stdout that nobody else has."""
    stdin, stdout = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3) for number in (0, 1))
    for number in (stdin, stdout):
        os.set_blocking(number, True)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(nothing, 1)
    os.close(nothing)
    return stdin, stdout


def _has_reader(descriptor: int) -> bool:
    """Whether the other end of a pipe or a socket is open."""
    looked = select.poll()
    looked.register(descriptor, 0)  # errors and hang-ups are told unasked
    return not looked.poll(0)


def _message(line: bytes) -> JSONRPCMessage | None:
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return None


class _Lines:
    """The lines that come in, read by a thread."""

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(MOST_WAITING)
        threading.Thread(target=self._read, args=(descriptor,), name="stdin", daemon=True).start()

    def end(self) -> None:
        self._waiting.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (line := await self._waiting.get()) is not None:
            self._room.release()
            yield line

    def _read(self, descriptor: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            for line in _split(descriptor):
                self._room.acquire()
                self._loop.call_soon_threadsafe(self._waiting.put_nowait, line)
            self._loop.call_soon_threadsafe(self.end)


def _split(descriptor: int) -> Iterator[bytes]:
    """The lines that are not blank, until there are no more."""
    kept = bytearray()
    is_too_long = False
    with contextlib.suppress(OSError):
        while chunk := os.read(descriptor, _CHUNK):
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                kept += end
                if is_too_long or kept.strip():
                    yield _TOO_LONG if is_too_long else bytes(kept)
                kept.clear()
                is_too_long = False
            kept += rest
            if len(kept) > LONGEST_LINE:
                is_too_long = True
                kept.clear()
    if kept.strip():
        yield bytes(kept)


class _Writer:
    """Writes messages, one after the other, by a thread."""

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._write, args=(descriptor,), name="stdout", daemon=True).start()

    async def write(self, message: JSONRPCMessage) -> None:
        """Returns when it is written. Raises OSError where nobody reads."""
        written = self._loop.create_future()
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
        self._waiting.put((text.encode() + b"\n", written))
        await written

    def _write(self, descriptor: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            while True:
                text, written = self._waiting.get()
                problem: OSError | None = None
                try:
                    while text:
                        text = text[os.write(descriptor, text) :]
                except OSError as error:
                    problem = error
                self._loop.call_soon_threadsafe(_settle, written, problem)


def _settle(written: asyncio.Future[None], problem: OSError | None) -> None:
    if written.done():  # nobody waits any more
        return
    if problem is None:
        written.set_result(None)
    else:
        written.set_exception(problem)


class _Unanswered:
    """The requests that have no answer yet."""

    def __init__(self) -> None:
        self._ids: set[RequestId] = set()
        self._none = asyncio.Event()

    def asked(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest):
            self._ids.add(message.id)

    def answered(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
            self._ids.discard(message.id)
            if not self._ids:
                self._none.set()

    def forget(self) -> None:
        self._ids.clear()
        self._none.set()

    async def until_none(self, *, while_: Callable[[], bool]) -> None:
        """Not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS):
                while self._ids and while_():
                    self._none.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._none.wait(), LOOK)
