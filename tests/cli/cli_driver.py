"""Drives the command line in this process, on a store of its own, and a daemon for a moment."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from scheduled_prompts.cli import main
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire

_stores = itertools.count()


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What stdout holds, which must be one JSON document."""
        return json.loads(self.out)


class CommandLine:
    """Calls `main` as a shell would, on one `memory:` store."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = f"memory:cli-test-{next(_stores)}"
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("SCHEDULED_PROMPTS_STORE", self.store)

    def __call__(self, *words: str, stdin: bytes | None = None) -> Answer:
        self._capsys.readouterr()
        if stdin is not None:
            self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(words)
        out, err = self._capsys.readouterr()
        return Answer(code, out, err)

    def json(self, *words: str, stdin: bytes | None = None) -> Any:
        """The document of a command that goes well."""
        answer = self(*words, "--json", stdin=stdin)
        assert answer.code == 0, answer
        return answer.document

    def serve(self, runner: Callable[[Fire], Any], until: Callable[[], bool]) -> None:
        """A daemon, until something has come true."""
        with self.serving(log=runner):
            deadline = time.monotonic() + 5
            while not until():
                assert time.monotonic() < deadline
                time.sleep(0.005)

    @contextlib.contextmanager
    def serving(self, **runners: Callable[[Fire], Any]) -> Iterator[None]:
        """A daemon in a thread beside the commands."""
        ready, stop = threading.Event(), threading.Event()

        async def live() -> None:
            async with Daemon(self.store, runners=runners, timezone="Europe/Berlin"):  # as the commands are configured
                ready.set()
                await asyncio.to_thread(stop.wait)

        thread = threading.Thread(target=asyncio.run, args=(live(),))
        thread.start()
        try:
            assert ready.wait(5)
            yield
        finally:
            stop.set()
            thread.join()
