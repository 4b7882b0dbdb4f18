"""The installed command on an embedded store: a daemon in one process, people's commands in others."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduled_prompts.store.embedded import locks

COMMAND = Path(sys.executable).parent / "scheduled-prompts"
CHECKOUT = Path(__file__).parents[2]
CONFIG = """
timezone = "Europe/Berlin"

[runners.echo]
kind = "command"
argv = ["cat"]

[runners.broken]
kind = "command"
argv = ["sh", "-c", "echo it broke >&2; exit 3"]

[runners.slow]
kind = "command"
argv = ["sleep", "30"]
"""


class Place:
    """A directory with a configuration and a store, and the processes that were started for it."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULED_PROMPTS_")}
        store = f"embedded:{folder / 'data'}"
        self.environment = kept | {"XDG_RUNTIME_DIR": str(runtime), "SCHEDULED_PROMPTS_STORE": store}
        self.started: list[subprocess.Popen[str]] = []
        (folder / "scheduled-prompts.toml").write_text(CONFIG)

    def start(self, *words: str | Path, **how: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | how
        process = subprocess.Popen(words, cwd=self.folder, env=self.environment, text=True, **pipes)
        self.started.append(process)
        return process

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(COMMAND, *words)
        out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def daemon(self, *words: str | Path) -> subprocess.Popen[str]:
        """A daemon that is ready."""
        process = self.start(*(words or (COMMAND, "serve")), "--json")
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        assert (document["pid"], document["runners"]) == (process.pid, ["broken", "echo", "log", "slow"])
        return process

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        deadline = time.monotonic() + 8
        for name in (locks.SERVER, locks.KEEPER) if (self.folder / "data").exists() else ():
            while (lock := locks.try_exclusive(self.folder / "data" / name)) is None:
                assert time.monotonic() < deadline, "the embedded server is still there"
                time.sleep(0.02)
            locks.unlock(lock)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    runtime = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))
    place = Place(tmp_path_factory.mktemp("cli"), runtime)
    yield place
    place.end()
    shutil.rmtree(runtime)


def test_without_a_daemon_add_warns_and_says_what_to_do(place: Place) -> None:
    added = place.call("add", "nobody there", "--when", "in 1h", "--runner", "ehco")
    assert added.returncode == 0
    assert "warning: no daemon is running" in added.stderr
    assert "no runner 'ehco'" in added.stderr
    assert "scheduled-prompts serve" in added.stderr


@pytest.mark.waits
def test_a_prompt_fires_is_waited_for_and_told_and_the_daemon_stops(place: Place) -> None:
    daemon = place.daemon()
    started = time.monotonic()
    added = place.call("add", "say hello", "--when", "in 2s", "--runner", "echo", "--wait")
    assert added.returncode == 0, added
    assert added.stdout.splitlines()[-1] == "say hello"
    assert "succeeded" in added.stdout.splitlines()[-2]
    assert added.stderr == ""
    assert 2 <= time.monotonic() - started < 30  # a busy machine takes seconds to start a program

    broken = place.call("add", "x", "--when", "every 1s", "--runner", "broken", "--retries", "0", "--wait", "--json")
    assert broken.returncode == 1
    answer = json.loads(broken.stdout)
    assert (answer["created"], answer["fire"]["status"]) == (True, "failed")
    assert "it broke" in answer["fire"]["error"]

    unknown = json.loads(place.call("run", answer["prompt"]["id"], "--wait", "--json").stdout)
    assert (unknown["trigger"], unknown["status"]) == ("manual", "failed")

    unserved = place.call("add", "x", "--when", "in 1h", "--runner", "nobody", "--json")
    assert "no running daemon has a runner 'nobody'" in json.loads(unserved.stdout)["warning"]

    daemon.send_signal(signal.SIGTERM)
    out, err = daemon.communicate(timeout=10)
    assert (daemon.returncode, out) == (0, "")
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events[0] == "serving"
    assert "fire_succeeded" in events
    assert "stopping" in events
    assert "say hello" not in err, "prompts are not logged unless asked for"


def test_a_second_signal_hurries_the_daemon(place: Place) -> None:
    daemon = place.daemon(sys.executable, CHECKOUT / "main.py")
    added = json.loads(place.call("add", "x", "--when", "in 1s", "--runner", "slow", "--json").stdout)
    time.sleep(1)  # nothing is there before; to look costs a process
    while json.loads(place.call("history", added["prompt"]["id"], "--json").stdout)["items"] == []:
        pass
    time.sleep(0.3)
    started = time.monotonic()
    daemon.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert daemon.poll() is None, "it lets running fires finish"
    daemon.send_signal(signal.SIGINT)
    daemon.communicate(timeout=10)
    assert daemon.returncode == 0
    assert time.monotonic() - started < 15
    assert place.call("cancel", added["prompt"]["id"]).returncode == 0


def test_ctrl_c_ends_the_waiting_and_leaves_the_prompt(place: Place) -> None:
    waiting = place.start(COMMAND, "add", "later", "--when", "in 1h", "--wait", "--key", "later", "--json")
    while "later" not in [item["key"] for item in json.loads(place.call("list", "--json").stdout)["items"]]:
        assert waiting.poll() is None
    time.sleep(0.5)
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=10)
    assert waiting.returncode == 130
    answer = json.loads(out)
    assert answer["error"]["code"] == "interrupted"
    assert answer["created"] is True
    assert "Traceback" not in err
    assert json.loads(place.call("show", answer["prompt"]["id"], "--json").stdout)["status"] == "scheduled"


def test_on_a_terminal_the_start_says_where_what_and_how(place: Place) -> None:
    ours, theirs = pty.openpty()
    daemon = place.start(COMMAND, "serve", "--store", "memory:", stderr=theirs)
    os.close(theirs)
    said = ""
    deadline = time.monotonic() + 10
    while "nothing_is_kept" not in said:
        assert time.monotonic() < deadline, said
        said += os.read(ours, 4096).decode()
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(10)
    os.close(ours)
    assert daemon.returncode == 0
    assert "memory: (forgotten" in said
    assert "broken, echo, log, slow" in said
    assert "add 'say hello' --when 'in 10s' --runner" in said


@pytest.mark.parametrize(("runner", "is_missing"), [("claude", True), ("echo", False)])
def test_a_default_runner_that_is_not_configured_is_warned_of(place: Place, runner: str, is_missing: bool) -> None:
    config = place.folder / f"{runner}.toml"
    config.write_text(f'runner = "{runner}"\n{CONFIG}')
    daemon = place.start(COMMAND, "serve", "--store", "memory:", "--config", config)
    assert daemon.stderr is not None
    events = []
    while not events or events[-1]["event"] != "nothing_is_kept":
        events.append(json.loads(daemon.stderr.readline()))
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=10)
    told = [event for event in events if event["event"] == "default_runner_missing"]
    assert [(event["level"], event["runner"]) for event in told] == [("warning", "claude")] * is_missing
    assert all("[runners.claude]" in event["hint"] for event in told)


def test_a_reader_that_leaves_early_ends_the_command_quietly(place: Place) -> None:
    listing = place.start(COMMAND, "preview", "every 1m", "--count", "1000")
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.stderr is not None
    assert listing.stderr.read() == ""
    assert listing.wait(10) == 1


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        (("--help",), {"redis", "pydantic", "structlog", "scheduled_prompts.store"}),
        (("list", "--json"), {"rich", "structlog", "fakeredis", "scheduled_prompts.engine"}),
        (("preview", "in 20m"), {"rich", "structlog", "fakeredis", "scheduled_prompts.engine"}),
    ],
)
def test_a_command_imports_only_what_it_needs(place: Place, words: tuple[str, ...], needless: set[str]) -> None:
    look = (
        f"import sys; from scheduled_prompts.cli import main; main({list(words)!r})\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    process = place.start(sys.executable, "-c", look)
    _, err = process.communicate(timeout=20)
    assert "scheduled_prompts.cli.app" in err
    assert not needless & set(err.split())
