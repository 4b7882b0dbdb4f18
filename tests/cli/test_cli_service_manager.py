"""What a service manager hears: a real socket stands for systemd, the daemon and the store are real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.cli.service_manager import ServiceManager
from scheduled_prompts.store.embedded.binary import choose_binary

COMMAND = Path(sys.executable).parent / "scheduled-prompts"
SWEEP = 0.5
SILENCE = 2.5
"""Seconds; longer than a sweep that failed, its pause, and the wait for the next."""
WITHIN = 15.0
CONFIG = f"""
[engine]
sweep_period = {SWEEP}

[runners.environment]
kind = "command"
argv = ["env"]

[runners.slow]
kind = "command"
argv = ["sh", "-c", "touch started; exec sleep 30"]
"""


class Manager:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def hears(self, within: float = WITHIN) -> dict[str, str] | None:
        """The next message; None if there is none for so long."""
        self._socket.settimeout(within)
        try:
            message = self._socket.recv(4096).decode()
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in message.split("\n"))

    def hears_in_the_end(self, name: str) -> dict[str, str]:
        """The first message to come that has this assignment."""
        deadline = time.monotonic() + WITHIN
        while name not in (message := self.hears() or {}):
            assert time.monotonic() < deadline, f"no {name}"
        return message

    def hears_nothing_more(self, within: float = SILENCE) -> None:
        """After what is on its way: silence."""
        deadline = time.monotonic() + WITHIN
        while (message := self.hears(within)) is not None:
            assert time.monotonic() < deadline, message

    def close(self) -> None:
        self._socket.close()


class Installation:
    """A folder with a configuration, a server that can be killed, and daemons that a manager starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "scheduled-prompts.toml").write_text(CONFIG)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULED_PROMPTS_")}
        self.environment = kept | {"SCHEDULED_PROMPTS_STORE": f"unix://{folder / 's'}"}
        self.manager = Manager(str(folder / "notify"))
        self.daemons: list[subprocess.Popen[str]] = []
        self.server = self.start_server()

    def start_server(self) -> subprocess.Popen[bytes]:
        options = ["--port", "0", "--unixsocket", self.folder / "s", "--dir", self.folder, "--appendonly", "yes"]
        self.server = subprocess.Popen([choose_binary(None).path, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + WITHIN
        with socket.socket(socket.AF_UNIX) as visitor:
            while visitor.connect_ex(str(self.folder / "s")) != 0:
                assert time.monotonic() < deadline, "the server does not listen"
                time.sleep(0.01)
        return self.server

    def start_daemon(self, address: str = "") -> subprocess.Popen[str]:
        told = {"NOTIFY_SOCKET": address or self.manager.address, "WATCHDOG_USEC": "60000000"}
        daemon = subprocess.Popen(
            [COMMAND, "serve"],
            cwd=self.folder,
            env=self.environment | told,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.daemons.append(daemon)
        return daemon

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=WITHIN
        )

    def end(self) -> None:
        for process in (*self.daemons, self.server):
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.manager.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))  # a socket's path is short
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def installation(folder: Path) -> Iterator[Installation]:
    installation = Installation(folder)
    yield installation
    installation.end()


@pytest.fixture
def manager(folder: Path) -> Iterator[Manager]:
    manager = Manager(str(folder / "notify"))
    yield manager
    manager.close()


def test_ready_is_said_when_prompts_can_fire_and_children_know_nothing_of_it(installation: Installation) -> None:
    installation.server.send_signal(signal.SIGSTOP)
    installation.start_daemon()
    assert installation.manager.hears(1.5) is None, "not up while the store does not answer"
    installation.server.send_signal(signal.SIGCONT)

    message = installation.manager.hears()
    assert message is not None
    assert (message["READY"], message["WATCHDOG"]) == ("1", "1")
    assert message["STATUS"] == (
        f"unix://{installation.folder}/s; runners: environment, log, slow; 0 of 100 running"
    )  # the store, who serves, how much runs

    added = installation.call("add", "x", "--when", "in 1s", "--runner", "environment", "--wait", "--json")
    assert added.returncode == 0, added
    child = json.loads(added.stdout)["fire"]["result"]["text"]
    assert "SCHEDULED_PROMPTS_FIRE_ID=" in child
    assert "NOTIFY_SOCKET" not in child
    assert "WATCHDOG" not in child


def test_the_watchdog_is_fed_while_sweeps_succeed_and_only_then(installation: Installation) -> None:
    installation.start_daemon()
    assert installation.manager.hears() is not None
    started = time.monotonic()
    for _ in range(3):
        message = installation.manager.hears()
        assert message is not None
        assert message["WATCHDOG"] == "1"
    assert time.monotonic() - started > 2 * SWEEP, "once a sweep"

    installation.server.kill()
    installation.server.wait()
    installation.manager.hears_nothing_more()
    assert installation.daemons[0].poll() is None, "it waits for the store"

    installation.start_server()
    assert "WATCHDOG" in (installation.manager.hears() or {})


def test_a_stop_is_told_at_once_and_the_drain_is_not_cut_short(installation: Installation) -> None:
    daemon = installation.start_daemon()
    installation.manager.hears_in_the_end("READY")
    assert installation.call("add", "x", "--when", "in 1s", "--runner", "slow").returncode == 0
    deadline = time.monotonic() + WITHIN
    while not (installation.folder / "started").exists():  # what is in hand and has not started is given back at once
        assert time.monotonic() < deadline, "it does not start"
        installation.manager.hears()
    daemon.send_signal(signal.SIGTERM)
    stopping = installation.manager.hears_in_the_end("STOPPING")
    assert stopping["STATUS"] == "stopping; 1 running"
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 8e6, "longer than the drain"

    working = installation.manager.hears()
    assert working is not None
    assert working["WATCHDOG"] == "1", "a long drain is work, too"
    assert "READY" not in working

    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(WITHIN) == 0


def test_a_manager_that_is_gone_harms_nobody(installation: Installation) -> None:
    daemon = installation.start_daemon(str(installation.folder / "nobody"))
    assert daemon.stderr is not None
    assert json.loads(daemon.stderr.readline())["event"] == "serving"
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(WITHIN) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux'")
def test_an_abstract_socket_is_spoken_to() -> None:
    heard = Manager(f"@sp-test-{os.getpid()}")
    ServiceManager(heard.address).hear_of_a_sweep("well")
    assert heard.hears() == {"READY": "1", "STATUS": "well"}
    heard.close()


def test_what_the_manager_said_is_taken_out_of_the_environment() -> None:
    environment = {
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "180000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/root",
    }
    manager = ServiceManager.from_environment(environment)
    assert (manager.address, manager.watchdog) == ("/run/systemd/notify", 180.0)
    assert environment == {"HOME": "/root"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "vsock:2:1234"},
    ],
)
def test_what_is_not_meant_for_this_process_or_not_understood_is_left_alone(environment: dict[str, str]) -> None:
    manager = ServiceManager.from_environment(environment)
    assert (manager.address, manager.watchdog) == (None, None)


def test_a_status_is_one_line(manager: Manager) -> None:
    ServiceManager(manager.address).hear_of_a_sweep("embedded server at /a\nWATCHDOG=1")
    assert manager.hears() == {"READY": "1", "STATUS": "embedded server at /a WATCHDOG=1"}


def test_a_manager_that_does_not_listen_holds_nobody_up(manager: Manager) -> None:
    started = time.monotonic()
    for _ in range(2_000):  # more than its queue takes
        ServiceManager(manager.address).hear_of_a_sweep("well")
    assert time.monotonic() - started < 15
    assert manager.hears() == {"READY": "1", "STATUS": "well"}


@pytest.mark.parametrize(("watchdog", "warned"), [(None, False), (180.0, False), (90.0, True), (30.0, True)])
def test_a_watchdog_that_one_failed_sweep_would_trip_is_warned_of(watchdog: float | None, warned: bool) -> None:
    with capture_logs() as logs:
        ServiceManager("/run/systemd/notify", watchdog).warn_of_a_short_watchdog(60.0)
    assert [(line["event"], line["log_level"]) for line in logs] == [("watchdog_too_short", "warning")] * warned
