"""One user's hold on the server of one directory: find it or start it, use it, let go.

Why the locks are taken in this order is told in the package's docstring.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import ParamSpec, TypeVar

from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.store.embedded import launch, locks
from scheduled_prompts.store.embedded.binary import choose_binary, refuse_unsupported_platform
from scheduled_prompts.store.embedded.paths import choose_socket, default_directory, prepare_directory
from scheduled_prompts.store.embedded.probe import Answer, probe
from scheduled_prompts.store.embedded.record import ServerRecord, read_record, write_record
from scheduled_prompts.store.embedded.steps import step
from scheduled_prompts.store.embedded.unreachable import GRACE, end_unreachable

LINGER = 3.0  # s; longer than the pause between two commands that somebody types or a script runs
PATIENCE = 30.0  # s; a server reads some hundred MB of its file in that time
_FIRST_PAUSE = 0.002  # s; a server answers a few ms after its start
_LONGEST_PAUSE = 0.05

_P = ParamSpec("_P")
_T = TypeVar("_T")

_WHY_NO_ANSWER = {
    Answer.GONE: "but its socket {socket} is gone",
    Answer.NOBODY: "but nobody listens on its socket {socket}",
    Answer.SILENT: "but does not answer on {socket}",
    Answer.LOADING: "but is still loading its data",
    Answer.FOREIGN: "but another server listens on its socket {socket}",
}


class EmbeddedServer:
    """One user's hold on the server of one directory (by default the user's own).

    `linger` (s) is how long a server that nobody uses runs on; the keeper takes it from the user who starts
    it. `patience` (s) bounds how long `ensure` waits for a server that starts, loads or stops.

    Not for use from several threads. A process may have several holds, and forked processes need their own.
    """

    def __init__(self, directory: Path | None = None, *, linger: float = LINGER, patience: float = PATIENCE) -> None:
        self._directory = default_directory() if directory is None else directory
        self._linger = linger
        self._patience = patience
        self._socket: Path | None = None
        self._hold: int | None = None  # users.lock, shared
        self._process: Popen[bytes] | None = None  # the last server that this hold started
        self._log_start = 0
        self._turn = asyncio.Lock()

    @property
    def directory(self) -> Path:
        """The data directory; its real path once `ensure` has been called."""
        return self._directory

    @property
    def socket_path(self) -> Path:
        """Where the server listens. Ask again after each `ensure`: who restarts it chooses anew."""
        if self._socket is None:
            raise StoreUnusable(f"the embedded server in {self._directory} has not been ensured yet")
        return self._socket

    @property
    def started_here(self) -> bool:
        """Whether the running server was started by this hold (not found running)."""
        return self._process is not None and self._process.returncode is None

    def describe(self) -> str:
        """The server in a few words: "valkey 9.1.2 at <dir>"."""
        try:
            record = read_record(self._directory)
        except StoreUnusable:
            record = None
        name = "embedded server" if record is None else f"{record.family} {record.version}"
        return f"{name} at {self._directory}"

    async def ensure(self) -> None:
        """Return when a server answers on `socket_path` and this process holds its user lock.

        Cheap when it runs already (one round trip), so call it again whenever the connection was lost: it
        starts the server if it died. Raises StoreUnusable when there can be no server here, with the
        server's own last words, and StoreUnreachable when one is there but has not answered within
        `patience`. After an error (or a cancellation) the hold is what it was before the call.
        """
        async with self._turn:
            refuse_unsupported_platform()
            held_before = self._hold is not None
            deadline = time.monotonic() + self._patience
            try:
                self._directory = prepare_directory(self._directory)
                await self._join(deadline)
                await self._find_or_start(deadline)
            except BaseException:
                if not held_before:
                    self._leave()
                raise

    async def release(self) -> None:
        """Give up the hold. Takes no time: after the last user, the keeper shuts the server down."""
        async with self._turn:
            if self._hold is None:
                return
            try:
                await self._see_to_keeper()  # it may have been killed since
            except StoreUnusable:
                pass  # leaving always succeeds; the next user sees to a keeper
            finally:
                self._leave()

    async def _join(self, deadline: float) -> None:
        """Become a user. Waits while the keeper shuts the server down; afterwards it cannot."""
        path = self._directory / locks.USERS
        if self._hold is not None:
            if locks.still_names(path, self._hold):
                return
            self._leave()  # the directory was removed and made again: what we hold is a lock on nothing
        while (hold := locks.try_shared(path)) is None:
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"the server in {self._directory} is shutting down: not ended in {self._patience:g} s"
                )
            await asyncio.sleep(_FIRST_PAUSE)
        self._hold = hold
        os.utime(hold)  # the keeper lingers from the last time that somebody came
        step("joined")

    def _leave(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            step("leaving")
            locks.unlock(hold)
            step("left")

    async def _find_or_start(self, deadline: float) -> None:
        pause = _FIRST_PAUSE
        started = keeper_seen = False
        gone_since: float | None = None
        while True:
            lock = locks.try_exclusive(self._directory / locks.SERVER)
            if lock is not None:
                try:
                    if started:
                        raise self._no_start("ended right after its start")
                    await self._start(lock)
                finally:
                    os.close(lock)  # not unlocked: if a server was started, the lock is its own now
                step("handed-over")
                started = keeper_seen = True
                continue
            if not keeper_seen:
                await self._see_to_keeper()
                keeper_seen = True
            answer = await self._ask()
            if answer is Answer.READY:
                step("answered")
                return
            now = time.monotonic()
            if now > deadline:
                raise self._no_answer(answer)
            if answer is not Answer.GONE:
                gone_since = None
            elif gone_since is None:
                gone_since = now
            elif now - gone_since > GRACE:
                with contextlib.suppress(OSError):
                    await _undisturbed(end_unreachable, self._directory)
                gone_since = None
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _start(self, lock: int) -> None:
        """Start a server, and see to a keeper first. `lock` is server.lock; the caller closes it."""
        step("locked")
        recorded = read_record(self._directory)
        await self._refuse_stranger(recorded)
        binary = await _undisturbed(choose_binary, recorded)
        socket = choose_socket(self._directory)
        record = ServerRecord(binary.family, binary.version, str(binary.path), str(socket))
        try:
            await _undisturbed(write_record, self._directory, record)
            step("recorded")
            await self._see_to_keeper()
            self._log_start = launch.log_position(self._directory)
            self._process = await _undisturbed(launch.start_server, binary.path, self._directory, socket, lock)
        except OSError as error:
            raise self._no_start(f"could not be started: {error}") from error
        step("started")

    async def _see_to_keeper(self) -> None:
        """Start a keeper if none stands by. Called as a user: see the package's docstring."""
        lock = locks.try_exclusive(self._directory / locks.KEEPER)
        if lock is None:
            return
        try:
            step("keeper-locked")
            if launch.can_start_keeper():
                await _undisturbed(launch.start_keeper, self._directory, self._linger, lock)
                step("keeper-started")
        except OSError as error:
            raise StoreUnusable(f"the keeper of {self._directory} could not be started: {error}") from error
        finally:
            os.close(lock)

    async def _ask(self) -> Answer:
        record = read_record(self._directory)
        if record is None:
            return Answer.GONE  # whoever holds the lock is about to write it
        self._socket = Path(record.socket)
        return await probe(self._socket, self._directory)

    async def _refuse_stranger(self, recorded: ServerRecord | None) -> None:
        """We hold the lock, so no server of ours runs: one that serves this directory would be a second."""
        if recorded is None:
            return
        try:
            answer = await probe(Path(recorded.socket), self._directory)
        except StoreUnusable:
            return  # it lies where we will not look for it again
        if answer in (Answer.READY, Answer.LOADING):
            raise StoreUnusable(
                f"a server that was not started by scheduled-prompts uses {self._directory}",
                hint="stop it, or name its socket as the store: unix://<path>",
            )

    def _no_answer(self, answer: Answer) -> StoreUnreachable:
        why = _WHY_NO_ANSWER[answer].format(socket=self._socket)
        return StoreUnreachable(
            f"a server runs in {self._directory} (its lock is held), {why}, after {self._patience:g} s",
            hint=f"its log is {self._directory / launch.LOG}, which tells its process id, should it have to be killed",
        )

    def _no_start(self, what: str) -> StoreUnusable:
        said = launch.log_tail(self._directory, self._log_start)
        message = f"{self.describe()} {what}"
        return StoreUnusable(
            f"{message}; its last words:\n{said}" if said else message,
            hint=f"its log is {self._directory / launch.LOG}",
        )


async def _undisturbed(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run in a thread, and wait for its end even when cancelled: it uses what the caller will close."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # seen, and of no interest any more
        raise
