"""Users of an embedded server, as processes of their own that can be killed at a named step.

Run as a script, this is a nursery: a single-threaded process that has imported the package once and forks a
user for each order it reads (one JSON document a line), because importing costs more than everything that is
tested here. `Nursery` is the other end of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

KILLED = -signal.SIGKILL

_KEEPER_WRAPPER = """
import sys
sys.path[:0] = [{package!r}, {here!r}]
import embedded_keeper
embedded_keeper.run({step!r}, {action!r}, {pause!r}, {out!r})
"""


class Nursery:
    """The test's end: order users, wait for what they report, wait for their end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def start(self, **order: Any) -> int:
        """Fork a user; its pid."""
        return int(self._ask(order))

    def wait(self, pid: int) -> int:
        """The exit status of a user, as `subprocess` gives it, once it has ended."""
        return os.waitstatus_to_exitcode(int(self._ask({"wait": pid})))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()

    def _ask(self, order: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        return self._process.stdout.readline()


def _nursery() -> None:
    import scheduled_prompts.store.embedded  # noqa: F401  # so that the users need not

    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            print(os.waitpid(order["wait"], 0)[1], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                nothing = os.open(os.devnull, os.O_RDWR)
                os.dup2(nothing, 0)
                os.dup2(nothing, 1)
                asyncio.run(_User(order).live())
                status = 0
            finally:
                os._exit(status)
        print(pid, flush=True)


class _User:
    """One user: ensure, write, (hold on), release."""

    def __init__(self, order: dict[str, Any]) -> None:
        from scheduled_prompts.store.embedded import EmbeddedServer, launch, steps

        self.order = order
        self.started: dict[str, int] = {}
        if "runtime" in order:
            os.environ["XDG_RUNTIME_DIR"] = order["runtime"]
        if order.get("own_group"):
            os.setpgid(0, 0)
        start = launch._start

        def start_and_tell(arguments: Any, directory: Path, lock: int) -> Any:
            process = start(arguments, directory, lock)
            what = "keeper" if "-I" in arguments else "server"
            self.started[what] = process.pid
            self.say(**{what: process.pid})
            return process

        launch._start = start_and_tell
        if order.get("keeper_at"):
            wrapper = Path(order["out"]).with_suffix(".keeper.py")
            wrapper.write_text(
                _KEEPER_WRAPPER.format(
                    package=str(launch.KEEPER.parent),
                    here=str(Path(__file__).parent),
                    out=order["out"],
                    step=order["keeper_at"],
                    action=order["keeper_action"],
                    pause=order.get("keeper_pause", 0.0),
                )
            )
            launch.KEEPER = wrapper
        steps.watcher = self.watch
        self.server = EmbeddedServer(
            Path(order["directory"]), linger=order.get("linger", 0.05), patience=order.get("patience", 5.0)
        )

    def say(self, **what: Any) -> None:
        with Path(self.order["out"]).open("a") as out:
            out.write(json.dumps(what) + "\n")

    def watch(self, name: str) -> None:
        if name != self.order.get("at"):
            return
        victim = self.order["kill"]
        pid = os.getpid() if victim == "self" else self.started.get(victim, self.order.get(victim))
        if pid is None:
            return
        self.order["at"] = None  # once
        os.kill(pid, signal.SIGKILL)
        # A keeper that is dying still has its lock, for a moment; whoever meets it then leaves a server without a
        # keeper until the next user. That is allowed, and not what is tested.
        deadline = time.monotonic() + 5.0
        while victim == "keeper" and time.monotonic() < deadline:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.001)

    async def live(self) -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        from scheduled_prompts.errors import ScheduledPromptsError

        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        await asyncio.sleep(max(0.0, self.order.get("start_at", 0.0) - time.time()))
        try:
            began = time.monotonic()
            await self.server.ensure()
            took = time.monotonic() - began
            once = Retry(NoBackoff(), 0)
            async with Redis(unix_socket_path=str(self.server.socket_path), retry=once) as redis:
                pid = (await redis.info("server"))["process_id"]
                self.say(ready=pid, took=took, started_here=self.server.started_here)
                for number in range(self.order.get("writes", 3)):
                    key = f"{os.getpid()}:{number}"
                    await redis.set(key, "acknowledged")
                    self.say(wrote=key)
                self.watch("using")
                if self.order.get("hold"):
                    await told.wait()
        except (ScheduledPromptsError, RedisError) as error:
            self.say(error=type(error).__name__, message=str(error))
        await self.server.release()
        self.say(released=True)


if __name__ == "__main__":
    _nursery()
