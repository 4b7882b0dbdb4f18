"""What a service manager hears of a daemon: that it is up, that it does its work, that it stops.

The protocol is systemd's (`sd_notify(3)`): lines `NAME=value`, in one datagram, to the socket that `NOTIFY_SOCKET`
names. Where that is not set, nobody is told.

The watchdog is fed by a sweep that succeeded and by nothing else: the loop turns, and the store answers. A daemon that
hangs, or whose store stays away, falls silent, and is started anew.

The daemon never waits for the manager. What is told after a sweep is the whole state, so a message that is lost (the
manager is being upgraded, its queue is full) is made good by the next.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Self

import structlog

log = structlog.get_logger("scheduled_prompts.cli.service_manager")

MISSED_SWEEPS = 2
"""A watchdog should be longer than this many sweep periods: one sweep that fails must not end the daemon."""


class ServiceManager:
    """Who started this process and wants to hear of it, or nobody.

    `address`: a socket's path, or `@` and a name (an abstract socket). `watchdog`: how long, in seconds, it bears the
    daemon's silence before it ends it; None: it does not look.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self.address = address
        self.watchdog = watchdog
        self._stopping = False

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Self:
        """Take out what the manager said, so that no child of ours can speak, or keep a watchdog quiet, for us."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        watched = environment.pop("WATCHDOG_PID", str(os.getpid()))
        ours = watched == str(os.getpid()) and microseconds.isdecimal() and int(microseconds) > 0
        return cls(
            address if address.startswith(("/", "@")) else None,
            int(microseconds) / 1e6 if ours else None,
        )

    def warn_of_a_short_watchdog(self, sweep_period: float) -> None:
        """Say so where sweeps this many seconds apart cannot keep the watchdog quiet, or only while none fails."""
        least = MISSED_SWEEPS * sweep_period
        if self.watchdog is not None and self.watchdog <= least:
            log.warning(
                "watchdog_too_short",
                watchdog_s=self.watchdog,
                sweep_period_s=sweep_period,
                hint=f"make the unit's WatchdogSec= longer than {least:g} s, or engine.sweep_period shorter",
            )

    def hear_of_a_sweep(self, status: str) -> None:
        """The daemon is up, and a sweep succeeded. Harmless when said again."""
        ready = [] if self._stopping else ["READY=1"]
        fed = [] if self.watchdog is None else ["WATCHDOG=1"]
        self._tell(*ready, *fed, _status(status))

    def hear_of_the_stop(self, status: str, within: float) -> None:
        """The daemon has begun to stop, and will need up to `within` seconds, whatever the manager's own limit is."""
        self._stopping = True
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(within * 1e6)}", _status(status))

    def _tell(self, *lines: str) -> None:
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
                ours.setblocking(False)
                ours.sendto("\n".join(lines).encode(errors="replace"), address)
        except OSError as error:
            log.debug("service_manager_not_reached", error=str(error))


def _status(words: str) -> str:
    return "STATUS=" + " ".join(words.splitlines())  # a line break would begin another assignment
