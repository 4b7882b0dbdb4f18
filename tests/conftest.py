"""What all tests share: async tests in virtual time, both kinds of store, and the check that nothing is left over.

An `async def` test runs on a loop with virtual time; one marked `real_time` on an ordinary loop. A test that takes
`lab` runs twice: on fakeredis and on a real server.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from fakeredis import FakeStrictRedis
from hypothesis import HealthCheck, settings

from scheduled_prompts import hosting
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import _memory_servers, connect
from scheduled_prompts.store.embedded.binary import choose_binary
from scheduled_prompts.testing import RecordingRunner, VirtualClock, run_virtual
from tests.accounting import check_accounts
from tests.quick_scripts import make_quick
from tests.whole_keys import Whole, lifetimes, pattern, read_all, values, write_all

make_quick()

_numbers = itertools.count(1)

WAITING = ("chaos", "e2e", "embedded", "mcp", "cli")
"""The folders of tests with processes of their own, those that take longest first."""

# How long an example takes says more about the machine than about the code. The gate draws the same examples each time;
# what is new is looked for at night (`make nightly`).
settings.register_profile(
    "gate", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True, derandomize=True
)
settings.register_profile("night", settings.get_profile("gate"), derandomize=False)


def pytest_configure(config: pytest.Config) -> None:
    at_night = "FUZZ" in os.environ or config.option.markexpr == "nightly"
    settings.load_profile("night" if at_night else "gate")
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # a background job of a shell: its children would inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "nightly: takes minutes; `make nightly` runs it, `make test` does not")
    config.addinivalue_line("markers", "waits: for seconds, for other processes: such tests begin first")
    config.addinivalue_line("markers", "real_time: runs on an ordinary event loop, not in virtual time")
    config.addinivalue_line("markers", "unaccounted: leaves records that do not add up, on purpose")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What mostly waits (for other processes) comes first in each half, so that what computes runs beside it.

    `make test` gives each of its workers a part of the list, and whoever is done takes from the others. The tests of a
    file stay together, as they may share a process; so do those of the HTTP server, which takes long to start.
    """
    computing = [item for item in items if _rank(item) == len(WAITING)]
    waiting = sorted(
        (item for item in items if _rank(item) < len(WAITING)), key=lambda item: (_rank(item), _over_http(item))
    )
    halves: tuple[list[pytest.Item], list[pytest.Item]] = [], []
    for number, (_, of_a_file) in enumerate(itertools.groupby(waiting, key=lambda item: _over_http(item) or item.path)):
        halves[number % 2].extend(of_a_file)
    middle = len(computing) // 2
    items[:] = [*halves[0], *computing[:middle], *halves[1], *computing[middle:]]


def _over_http(item: pytest.Item) -> bool:
    return "http_server" in getattr(item, "fixturenames", ())


def _rank(item: pytest.Item) -> int:
    if item.get_closest_marker("waits"):
        return 0
    folder = item.path.parent.name
    return WAITING.index(folder) if folder in WAITING else len(WAITING)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded stays: to look for garbage meanwhile took a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What is loaded now stays: looking through it for garbage, again and again, took 8 % of the suite's time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    if pyfuncitem.get_closest_marker("real_time"):
        asyncio.run(test)
    else:
        run_virtual(test)
    return True


@pytest.fixture(autouse=True)
def memory_stores_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test leaves in `memory:` stores of its own must add up, too; then they go."""
    yield
    accounted = not request.node.get_closest_marker("unaccounted")
    for name in list(_memory_servers):
        inspector = FakeStrictRedis(server=_memory_servers.pop(name), decode_responses=True)
        for namespace in {key.partition(":")[0].removeprefix("{") for key in inspector.scan_iter(match="{*:0}:meta")}:
            Lab(f"memory:{name}", inspector, namespace).close(accounted=accounted)


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Logs are asked for where they are tested (`structlog.testing.capture_logs`)."""
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()


def _drop(_logger: Any, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent


class RealServer:
    """A server for the whole run: a Unix socket, nothing on disk."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))
        self.socket = self.folder / "s"
        binary = choose_binary(None)
        self.process = subprocess.Popen(
            [binary.path, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"unix://{self.socket}"
        for _ in range(500):
            if self.socket.exists():
                break
            time.sleep(0.01)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def clean_host() -> Iterator[None]:
    """No bot does a host's work afterwards."""
    yield
    hosting.set_bot_runner(None)
    hosting._engines.clear()


@pytest.fixture(params=[False, True], ids=["bytes", "text"])
def decoded(request: pytest.FixtureRequest) -> bool:
    """Whether a host's client answers in text."""
    return bool(request.param)


@pytest.fixture(scope="session")
def real_server() -> Iterator[RealServer]:
    server = RealServer()
    yield server
    server.stop()


class Lab:
    """One namespace on one server, and the parts that a test needs, closed in the right order."""

    def __init__(self, url: str, inspector: redis.Redis, namespace: str | None = None) -> None:
        self.url = url
        self.namespace = namespace or f"t{os.getpid()}x{next(_numbers)}"
        self.inspector = inspector
        """A synchronous client, for looking at the keys behind the back of the code under test."""
        self.stack = AsyncExitStack()

    @property
    def prefix(self) -> str:
        return f"{{{self.namespace}:0}}:"

    async def __aenter__(self) -> Lab:
        return self

    async def __aexit__(self, *problem: Any) -> None:
        await self.stack.__aexit__(*problem)

    async def store(self, clock: VirtualClock | None = None, *, seed: int = 0) -> Store:
        """A store of its own connection. Several in one test want different seeds (or one clock)."""
        clock = clock or VirtualClock(seed=seed)
        return await self.stack.enter_async_context(Store(connect(self.url), namespace=self.namespace, clock=clock))

    async def scheduler(self, store: Store, timezone: str = "UTC") -> Scheduler:
        return Scheduler(store, timezone=timezone)

    async def daemon(self, store: Store, runner: Any = None, **settings: Any) -> Daemon:
        """A running daemon with one runner, `log`. It is stopped when the lab closes."""
        runner = runner if runner is not None else RecordingRunner()
        runners = runner if isinstance(runner, dict) else {"log": runner}
        daemon = Daemon(store, runners=runners, settings=EngineSettings(**settings))
        return await self.stack.enter_async_context(daemon)

    def keys(self) -> dict[str, Any]:
        """All keys of the namespace, without the prefix, with what they hold: to compare before and after."""
        return values(self.whole())

    def check_accounts(self) -> None:
        """Raise AssertionError with all that does not add up, or stays for too long."""
        whole = self.whole()
        check_accounts(values(whole), lifetimes(whole))

    def close(self, *, accounted: bool = True) -> None:
        """What is left of it must add up; then it goes."""
        try:
            if accounted:
                self.check_accounts()
        finally:
            self.clear()
            self.inspector.close()

    def clear(self) -> None:
        if keys := list(self.inspector.scan_iter(match=pattern(self.prefix), count=1000)):
            self.inspector.delete(*keys)

    def whole(self) -> dict[str, Whole]:
        """All keys of the namespace, without the prefix, with how long they stay."""
        return read_all(self.inspector, self.prefix)

    def write(self, keys: dict[str, Whole]) -> None:
        """The same keys, read in whichever namespace."""
        write_all(self.inspector, {self.prefix + name: key for name, key in keys.items()})


@pytest.fixture(params=["fakeredis", "server"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "server":
        server: RealServer = request.getfixturevalue("real_server")
        lab = Lab(server.url, redis.Redis(unix_socket_path=str(server.socket), decode_responses=True))
    else:
        url = f"memory:{next(_numbers)}"
        fake_server = connect(url).client.connection_pool.connection_kwargs["server"]
        lab = Lab(url, FakeStrictRedis(server=fake_server, decode_responses=True))
    yield lab
    lab.close(accounted=not request.node.get_closest_marker("unaccounted"))
