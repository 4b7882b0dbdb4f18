"""A child process with all its descendants, from start to the end of the last of them. POSIX only.

Built on `subprocess` and the loop's readers and writers rather than on asyncio's subprocess transports, for
three promises those do not keep:

- The child is looked at without being reaped (pidfd, or waitid with WNOWAIT). While it is a zombie its number
  cannot be given to anybody else, so the signal that ends what it left behind cannot hit a stranger.
- Pipes that a background grandchild holds open keep nobody waiting.
- `release` is synchronous: whatever cancels the caller, at whatever line, no process, descriptor or zombie is
  left.

Memory is bounded: the head of stdout and the tail of stderr are kept, the rest is read and dropped, so that a
talkative child never blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

LINGER = 0.5
"""Seconds that the pipes may stay open once the child has exited: a pipeline's end may still be writing."""
POLL = 0.02
"""Seconds between two looks at whether a group that was told to end is gone."""
KILL_WAIT = 2.0
"""Seconds that a SIGKILL is given to take effect before the child is left to a thread that reaps it."""
CHUNK = 64 * 1024


class ProcessGroup:
    """Starts `argv` in a session of its own, hands it `stdin`, and collects what it says.

    Needs a running event loop. Raises OSError or ValueError, as `subprocess.Popen` does, where it cannot be
    started. `release` must be called in the end.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes,
        cwd: str | None,
        env: Mapping[str, str],
        keep_output: int,
        keep_errors: int,
    ) -> None:
        self.output = bytearray()
        """The first `keep_output` bytes of stdout."""
        self.errors = bytearray()
        """The last `keep_errors` bytes of stderr (up to twice as many)."""
        self._keep_output = keep_output
        self._keep_errors = keep_errors
        self._unsent = stdin
        self._loop = asyncio.get_running_loop()
        self._exited = asyncio.Event()
        self._drained = asyncio.Event()
        self._pidfd: int | None = None
        self._gone = False
        self._orphans: list[int] = []
        self._process = subprocess.Popen(
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._pipes = (process.stdin, process.stdout, process.stderr)
        try:
            self._watch_exit()
            self._connect()
        except BaseException:
            self.release()
            raise

    @property
    def pid(self) -> int:
        """Of the child; the number of its session and group too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The child's exit code, or minus the signal that ended it. None before `end`."""
        return self._process.returncode

    async def completed(self) -> None:
        """Wait until the child has exited and all it said was read."""
        await self._exited.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._drained.wait()

    async def end(self, grace: float) -> None:
        """End what is left of the group: SIGTERM, and SIGKILL for what is still there `grace` seconds later.

        Returns at once where nothing is left.
        """
        self._send(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._exited.wait()
                self._process.poll()
                while self._exists():  # noqa: ASYNC110 - nothing tells when a process group has become empty
                    await asyncio.sleep(POLL)
        self._send(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_WAIT):
                await self._exited.wait()
        self._process.poll()

    def release(self) -> None:
        """SIGKILL what is left, now, and give back descriptors. May be called again. Waits for nothing."""
        self._send(signal.SIGKILL)
        for pipe in self._pipes:
            self._close(pipe)
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._process.poll() is None:
            # Dying, or out of reach (a setuid program, an uninterruptible read): somebody has to reap it.
            threading.Thread(target=self._process.wait, name=f"reap {self.pid}", daemon=True).start()
        self._gone = True

    def _send(self, number: signal.Signals) -> None:
        if self._gone:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            self._gone = True
        except PermissionError:
            pass  # a setuid program; on macOS also a group of zombies

    def _exists(self) -> bool:
        """Whether anybody that can be signalled lives in the group. Asked once the child is reaped."""
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            self._gone = True
            return False
        if sys.platform == "linux":
            # Orphans stay zombies until the init process looks after them: in containers late, or never.
            # Looking at all processes is dear; while one of those found last time lives, it will do.
            known = _living(self.pid, self._orphans)
            self._orphans = known or _living(self.pid, _all_processes())
            self._gone = not self._orphans
        return not self._gone

    def _watch_exit(self) -> None:
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # macOS; an old kernel, a sandbox, no descriptor left
            threading.Thread(target=self._await_exit, name=f"await {self.pid}", daemon=True).start()
        else:
            self._loop.add_reader(self._pidfd, self._see_exit, self._pidfd)

    def _see_exit(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        self._exited.set()

    def _await_exit(self) -> None:
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13: it is reaped a moment before its group is ended
            self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._exited.set)

    def _connect(self) -> None:
        stdin, stdout, stderr = self._pipes
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(stdout.fileno(), self._read, stdout, self._keep_head)
        self._loop.add_reader(stderr.fileno(), self._read, stderr, self._keep_tail)
        self._loop.add_writer(stdin.fileno(), self._write, stdin)

    def _read(self, pipe: IO[bytes], keep: Callable[[bytes], None]) -> None:
        try:
            chunk = os.read(pipe.fileno(), CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            keep(chunk)
            return
        self._close(pipe)
        if all(end.closed for end in self._pipes[1:]):
            self._drained.set()

    def _keep_head(self, chunk: bytes) -> None:
        self.output += chunk[: self._keep_output - len(self.output)]

    def _keep_tail(self, chunk: bytes) -> None:
        self.errors += chunk
        if len(self.errors) > 2 * self._keep_errors:
            del self.errors[: -self._keep_errors]

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            self._unsent = self._unsent[os.write(pipe.fileno(), self._unsent) :]
        except BlockingIOError:
            return
        except OSError:  # it does not want to know: closed, or gone
            self._unsent = b""
        if not self._unsent:
            self._close(pipe)

    def _close(self, pipe: IO[bytes]) -> None:
        if pipe.closed:
            return
        self._loop.remove_reader(pipe.fileno())
        self._loop.remove_writer(pipe.fileno())
        pipe.close()


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _living(group: int, pids: Iterable[int]) -> list[int]:
    """Those of `pids` that are in the process group and no zombies."""
    found = []
    for pid in pids:
        try:
            # "pid (name) state parent group …"; a name may hold anything.
            state, _, member_of = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:3]
        except OSError:
            continue
        if int(member_of) == group and state not in (b"Z", b"X"):
            found.append(pid)
    return found
