"""What goes wrong with stores and daemons, made to go wrong on purpose."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis.exceptions as redis_errors

from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import Connection, connect
from scheduled_prompts.store.script import ALL
from scheduled_prompts.testing import VirtualClock
from tests.conftest import Lab

WRITERS = {script.name for script in ALL} - {"look", "read"}


async def vanish(daemon: Daemon) -> None:
    """Kill a daemon as `kill -9` does: nothing is written any more, no lease is given back, no heartbeat withdrawn.

    What belongs to its store's transport hangs from now on, so the store must be the daemon's own. Takes no time.
    """
    transport = daemon.store.transport
    transport.ask = _never  # type: ignore[method-assign]
    transport.server_time = _never  # type: ignore[method-assign]
    task = daemon._task
    assert task is not None
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with suppress(BaseException):
        await task
    daemon._task = asyncio.create_task(asyncio.sleep(0))  # what the lab awaits when it closes


async def freeze(daemon: Daemon) -> Callable[[], None]:
    """Cut a daemon off, as a suspended machine is: its commands are held back until the answer is called. Its runners
    go on."""
    transport = daemon.store.transport
    ask, go_on = transport.ask, asyncio.Event()

    async def later(send: Any) -> Any:
        await go_on.wait()
        return await ask(send)

    transport.ask = later  # type: ignore[method-assign]

    def thaw() -> None:
        transport.ask = ask  # type: ignore[method-assign]
        go_on.set()

    return thaw


async def _never(*_: Any) -> Any:
    await asyncio.get_running_loop().create_future()


class UnsteadyClient:
    """A client in front of another one: it counts commands, and can be told to fail them.

    `away`: nothing is sent. `deaf`: all is sent, no answer comes back. `full`: no script that writes is taken. `held`:
    answers come when it is set.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.away = False
        self.deaf = False
        self.full = False
        self.held: asyncio.Event | None = None
        self.commands: Counter[str] = Counter()
        self.failed = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name == "pubsub":
            return lambda: _UnsteadyPubSub(self, found())
        if name == "pipeline":
            return lambda **options: _UnsteadyPipeline(self, found(**options))
        if not inspect.ismethod(found) or name in ("get_encoder", "aclose"):
            return found
        return lambda *args, **options: self.send(_named(name, args), lambda: found(*args, **options))

    async def send(self, name: str, command: Callable[[], Any]) -> Any:
        self._fail_if(self.away)
        if self.full and name in WRITERS:
            self.failed += 1
            raise redis_errors.ResponseError("OOM command not allowed when used memory > 'maxmemory'.")
        self.commands[name] += 1
        answer = await command()
        if self.held is not None:
            await self.held.wait()
        self._fail_if(self.deaf)
        return answer

    def _fail_if(self, broken: bool) -> None:
        if broken:
            self.failed += 1
            raise redis_errors.ConnectionError("the line is dead")


def _named(command: str, args: tuple[Any, ...]) -> str:
    """A script by its name."""
    scripts = {script.sha: script.name for script in ALL}
    return scripts.get(str(args[0]), command) if command == "evalsha" else command


class _UnsteadyPipeline:
    def __init__(self, line: UnsteadyClient, pipeline: Any) -> None:
        self._line = line
        self._pipeline = pipeline

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *problem: Any) -> None:
        await self._pipeline.__aexit__(*problem)

    async def execute(self, **options: Any) -> Any:
        count = len(self._pipeline.command_stack)
        return await self._line.send(f"pipeline of {count}", lambda: self._pipeline.execute(**options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)


class _UnsteadyPubSub:
    def __init__(self, line: UnsteadyClient, pubsub: Any) -> None:
        self._line = line
        self._pubsub = pubsub

    async def subscribe(self, *channels: str) -> None:
        await self._line.send("subscribe", lambda: self._pubsub.subscribe(*channels))

    async def get_message(self, *, timeout: float) -> Any:
        self._line._fail_if(self._line.away)
        return await self._pubsub.get_message(timeout=min(timeout, 1.0))

    async def aclose(self) -> None:
        await self._pubsub.aclose()


async def unsteady_store(lab: Lab, *, seed: int = 0, patience: float = 5.0) -> tuple[Store, UnsteadyClient]:
    """A store whose line can be cut."""
    connection = connect(lab.url)
    client = UnsteadyClient(connection.client)
    lab.stack.push_async_callback(connection.close)
    unsteady = Connection(client, description="an unsteady store", owned=False)  # type: ignore[arg-type]
    store = Store(unsteady, namespace=lab.namespace, clock=VirtualClock(seed=seed), patience=patience)
    return await lab.stack.enter_async_context(store), client


@asynccontextmanager
async def counted(client: UnsteadyClient) -> AsyncIterator[Counter[str]]:
    """The commands that are sent meanwhile."""
    before = client.commands.copy()
    spent: Counter[str] = Counter()
    yield spent
    spent.update(client.commands - before)
