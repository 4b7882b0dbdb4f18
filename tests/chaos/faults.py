"""What goes wrong, and when: kinds of faults, in the order that a seed gives.

Two hands do it at once, one to processes, the other to the server, so that faults meet. Each is noted down with whom it
harmed and from when until when: that is what the checker may excuse by it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis

from tests.chaos.house import House, Member

TO_PROCESSES = {
    "kill_daemon": 4, "stop_daemon": 4, "term_daemon": 3, "kill_command": 2, "kill_client": 2,
}  # fmt: skip
TO_SERVER = {
    "cut": 4, "kill_server": 3, "stall_server": 2, "out_of_memory": 2, "refuse_writes": 2,
    "disk_refuses": 2, "disk_full": 2, "kill_all": 1,
}  # fmt: skip
KINDS = (*TO_PROCESSES, *TO_SERVER)


@dataclass
class Fault:
    """One fault. `who`: lives (`d1.3`), `pid:123` of a command, `server`, with blanks. Instants are ms UTC."""

    kind: str
    who: str
    since: float
    until: float = float("inf")
    bit: bool = True
    """Whether it did what it is there for; a disk, say, that nobody wrote to was never full."""


class Faults:
    """`kinds`: those that are to come; `gap`: seconds of rest after each, at most."""

    def __init__(self, house: House, seed: int, kinds: tuple[str, ...] = KINDS, gap: float = 2.0) -> None:
        self.house = house
        self.gap = gap
        self.done: list[Fault] = []
        self.not_here: dict[str, str] = {}
        """Kinds that this machine cannot do, and why."""
        self.kinds = {kind for kind in kinds if kind in KINDS}
        self._stop = threading.Event()
        self._hands = [
            threading.Thread(target=self._harm, args=(random.Random(f"{seed} {name}"), wanted), daemon=True)
            for name, table in (("processes", TO_PROCESSES), ("server", TO_SERVER))
            if (wanted := {kind: weight for kind, weight in table.items() if kind in kinds})
        ]

    def begin(self) -> None:
        for hand in self._hands:
            hand.start()

    def end(self) -> None:
        """All is healed when this returns."""
        self._stop.set()
        for hand in self._hands:
            if hand.ident is not None:
                hand.join()

    @property
    def injected(self) -> int:
        return sum(self.by_kind.values())

    @property
    def by_kind(self) -> Counter[str]:
        """How many came to their end, and bit."""
        return Counter(fault.kind for fault in [*self.done] if fault.bit and fault.until != float("inf"))

    @property
    def missing(self) -> set[str]:
        """Kinds that are to come, and have not."""
        return self.kinds - {*self.by_kind} - {*self.not_here}

    def as_log(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self.done]

    def _harm(self, chance: random.Random, kinds: dict[str, float]) -> None:
        """Each kind once, in a drawn order, and again where it found nothing to harm; then as they are drawn."""
        waiting = chance.sample([*kinds], len(kinds))
        while not self._stop.is_set():
            kind = waiting.pop() if waiting else chance.choices([*kinds], [*kinds.values()])[0]
            how: Callable[[random.Random], None] = getattr(self, f"_{kind}")
            try:
                how(random.Random(chance.random()))  # what one fault draws does not move those after it
            except Exception as error:
                self.house.troubles.append(f"{kind} could not be done: {type(error).__name__}: {error}")
                self._heal_server()
            if kind in self.missing and kind not in waiting:
                waiting.insert(0, kind)
            self._stop.wait(chance.uniform(0.2, 1) * self.gap)

    @contextmanager
    def _noted(self, kind: str, who: str) -> Iterator[Fault]:
        fault = Fault(kind, who, time.time() * 1000)
        self.done.append(fault)
        try:
            yield fault
        finally:
            fault.until = time.time() * 1000

    # Processes

    @contextmanager
    def _somebody(self, members: list[Member], chance: random.Random) -> Iterator[Member | None]:
        member = chance.choice(members)
        with member.lock:
            alive = member.process is not None and member.process.poll() is None
            yield member if alive else None

    def _kill_daemon(self, chance: random.Random) -> None:
        with self._somebody(self.house.daemons, chance) as daemon:
            if daemon is not None:
                with self._noted("kill_daemon", daemon.lives[-1].who):
                    self.house.end(daemon, signal.SIGKILL)
                    time.sleep(chance.uniform(0, 2))
                    self.house.start_member(daemon)

    def restart(self, daemon: Member, how: signal.Signals) -> None:
        with daemon.lock, self._noted("kill_daemon" if how == signal.SIGKILL else "term_daemon", daemon.lives[-1].who):
            self.house.end(daemon, how)
            self.house.start_member(daemon)

    def _stop_daemon(self, chance: random.Random) -> None:
        """For longer than a lease."""
        with self._somebody(self.house.daemons, chance) as daemon:
            if daemon is not None and daemon.process is not None:
                with self._noted("stop_daemon", daemon.lives[-1].who):
                    daemon.process.send_signal(signal.SIGSTOP)
                    time.sleep(self.house.lease_ms / 1000 * chance.uniform(1.3, 2.5))
                    daemon.process.send_signal(signal.SIGCONT)

    def _term_daemon(self, chance: random.Random) -> None:
        with self._somebody(self.house.daemons, chance) as daemon:
            if daemon is not None:
                with self._noted("term_daemon", daemon.lives[-1].who):
                    self.house.end(daemon, signal.SIGTERM)
                    self.house.start_member(daemon)

    def _kill_client(self, chance: random.Random) -> None:
        with self._somebody(self.house.clients, chance) as client:
            if client is not None:
                with self._noted("kill_client", client.lives[-1].who):
                    self.house.end(client, signal.SIGKILL)
                    self.house.start_member(client)

    def _kill_command(self, chance: random.Random) -> None:
        """A process that works for a fire, once there is one."""
        for _ in range(100):
            running: set[int] = set()
            for line in self.house.lines(self.house.book)[-400:]:
                if line.get("runner") == "command":
                    running.add(line["pid"])
                elif line["what"] == "end":
                    running.discard(line["pid"])
            for pid in chance.sample(sorted(running), len(running)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    now = time.time() * 1000
                    self.done.append(Fault("kill_command", f"pid:{pid}", now, now))
                    return
            if self._stop.wait(0.1):
                return

    # The server

    def _heal_server(self) -> None:
        """Whatever was done to it is undone, or it is started again."""
        server = self.house.server
        try:
            server.signal(signal.SIGCONT)
            server.let_files_grow_to(None)
            for name, value in (("maxmemory", "0"), ("min-replicas-to-write", "0"), ("appendfsync", "always")):
                server.do("CONFIG", "SET", name, value)
        except Exception:
            server.kill()
            server.start()

    def _cut(self, chance: random.Random) -> None:
        """All connections, again and again: between commands, and between what they did and their answers."""
        server = self.house.server
        with self._noted("cut", "server") as fault:
            connections = 0
            for _ in range(chance.randrange(5, 40)):
                if chance.random() < 0.5:
                    connections += int(server.do("CLIENT", "KILL", "TYPE", "normal"))
                else:
                    connections += server.cut_before_answering(chance.uniform(0.01, 0.08))
                connections += int(server.do("CLIENT", "KILL", "TYPE", "pubsub"))
                time.sleep(chance.uniform(0, 0.06))
            fault.bit = connections > 0

    def _kill_server(self, chance: random.Random) -> None:
        with self._noted("kill_server", "server"):
            self.house.server.kill()
            time.sleep(chance.choice((0, chance.uniform(0, 2), chance.uniform(1, 2) * self.house.lease_ms / 1000)))
            self.house.server.start()

    def _stall_server(self, chance: random.Random) -> None:
        with self._noted("stall_server", "server"):
            self.house.server.signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.2, 2) * self.house.lease_ms / 1000)
            self.house.server.signal(signal.SIGCONT)

    def _kill_all(self, chance: random.Random) -> None:
        with contextlib.ExitStack() as locks:
            for daemon in self.house.daemons:
                locks.enter_context(daemon.lock)
            everybody = " ".join(daemon.lives[-1].who for daemon in self.house.daemons)
            locks.enter_context(self._noted("kill_all", f"{everybody} server"))
            for daemon in self.house.daemons:
                self.house.end(daemon, signal.SIGKILL)
            self.house.server.kill()
            time.sleep(chance.uniform(0, 2))
            self.house.server.start()
            for daemon in self.house.daemons:
                self.house.start_member(daemon)

    # Writes that are refused

    @contextmanager
    def _configured(self, kind: str, name: str, value: str, normal: str) -> Iterator[Fault]:
        with self._noted(kind, "server") as fault:
            self.house.server.do("CONFIG", "SET", name, value)
            try:
                yield fault
            finally:
                self.house.server.do("CONFIG", "SET", name, normal)

    def _how_long(self, chance: random.Random) -> float:
        return chance.uniform(0.2, 2) * self.house.lease_ms / 1000

    def _out_of_memory(self, chance: random.Random) -> None:
        with self._configured("out_of_memory", "maxmemory", "1mb", "0"):
            time.sleep(self._how_long(chance))

    def _refuse_writes(self, chance: random.Random) -> None:
        """As where no replica answers."""
        with self._configured("refuse_writes", "min-replicas-to-write", "1", "0"):
            time.sleep(self._how_long(chance))

    def _disk_refuses(self, chance: random.Random) -> None:
        """The disk is full, and the server, which syncs once a second, takes no more until there is room."""
        if not self._can_limit_files("disk_refuses"):
            return
        server = self.house.server
        with self._configured("disk_refuses", "appendfsync", "everysec", "always") as fault:
            server.let_files_grow_to(server.written() + chance.randrange(4_000))
            try:
                server.until(lambda: self._aof_status() == "err", within=5)
                time.sleep(self._how_long(chance))
            except TimeoutError:
                fault.bit = False
            server.let_files_grow_to(None)
            server.until(lambda: self._aof_status() == "ok")

    def _disk_full(self, chance: random.Random) -> None:
        """The disk is full, and the server, which answers only for what is on it, gives up."""
        if not self._can_limit_files("disk_full"):
            return
        server = self.house.server
        with self._noted("disk_full", "server") as fault:
            server.let_files_grow_to(server.written() + chance.randrange(4_000))
            try:
                server.until(lambda: server.process is None or server.process.poll() is not None, within=5)
            except TimeoutError:
                fault.bit = False
            server.kill()
            server.start()

    def _aof_status(self) -> str:
        with contextlib.suppress(redis.RedisError), self.house.server.client() as client:
            return str(client.info("persistence")["aof_last_write_status"])
        return "unknown"

    def _can_limit_files(self, kind: str) -> bool:
        try:
            self.house.server.let_files_grow_to(None)
        except (ImportError, AttributeError, OSError) as error:
            self.not_here[kind] = f"no limit on files of another process here: {error}"
            return False
        return True
