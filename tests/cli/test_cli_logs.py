"""The daemon's log: readable or JSON, without prompts' texts, and never in anybody's way."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator

import pytest
import structlog

from scheduled_prompts.cli.logs import LineWriter, configure_logs, flush_logs

Written = Callable[[], str]


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Written]]:
    """Replaces stderr; what is called afterwards waits for what was written."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def replace(*, terminal: bool = False) -> Written:
        stream = Stream(terminal=terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")

        def written() -> str:
            flush_logs()
            return stream.getvalue()

        return written

    monkeypatch.delenv("NO_COLOR", raising=False)
    yield replace
    flush_logs()
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_elsewhere_each_line_is_a_json_document(stderr: Callable[..., Written]) -> None:
    written = stderr()
    configure_logs("info", "auto")
    structlog.get_logger().info("fire_succeeded", fire="01M7Y6XEP20069MCEAJQBFS2CT@1", late_ms=1)
    try:
        raise ValueError("why\nit failed")
    except ValueError:
        structlog.get_logger().error("broken", exc_info=True)
    first, second = (json.loads(line) for line in written().splitlines())
    assert (first["event"], first["level"], first["fire"]) == ("fire_succeeded", "info", "01M7Y6XEP20069MCEAJQBFS2CT@1")
    assert first["timestamp"].endswith("+00:00")
    assert "ValueError: why" in second["exception"]


def test_a_terminal_shows_lines_for_people(stderr: Callable[..., Written]) -> None:
    written = stderr(terminal=True)
    configure_logs("info", "auto")
    structlog.get_logger().info("fire_succeeded", fire="01M7Y6XEP20069MCEAJQBFS2CT@1", late_ms=1, error="\x1b[2J")
    line = written()
    assert "\x1b[" in line, "a terminal shows colours"
    assert "JQBFS2CT@1" in line
    assert "01M7Y6" not in line
    assert "\x1b[2J" not in line


def test_no_colour_is_respected(stderr: Callable[..., Written], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    written = stderr(terminal=True)
    configure_logs("info", "auto")
    structlog.get_logger().info("fire_succeeded")
    assert "\x1b" not in written()


@pytest.mark.parametrize("asked_for", [True, False])
def test_prompts_are_logged_only_where_asked_for(stderr: Callable[..., Written], asked_for: bool) -> None:
    written = stderr()
    configure_logs("info", "json", asked_for)
    structlog.get_logger("scheduled_prompts.engine").info("something", text="the secret", prompt_text="secret too")
    assert ("secret" in written()) is asked_for


def test_the_log_runner_says_its_prompt(stderr: Callable[..., Written]) -> None:
    written = stderr()
    configure_logs("info", "json")
    structlog.get_logger("scheduled_prompts.runners.log").info("prompt", text="say hello")
    assert json.loads(written())["text"] == "say hello"


def test_the_level_is_kept(stderr: Callable[..., Written]) -> None:
    written = stderr()
    configure_logs("warning", "json")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in written().splitlines()] == ["loud"]


def test_warnings_and_other_loggers_go_the_same_way(stderr: Callable[..., Written]) -> None:
    written = stderr()
    configure_logs("info", "json")
    logging.getLogger("redis").info("nobody needs this")
    logging.getLogger("redis").warning("lost %s", "contact")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # catch_warnings put the usual way back
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    events = [json.loads(line) for line in written().splitlines()]
    assert (events[0]["event"], events[0]["logger"], events[0]["level"]) == ("lost contact", "redis", "warning")
    assert "old way" in events[1]["event"]


def test_a_reader_that_stops_holds_up_nobody() -> None:
    reading, writing = os.pipe()
    lines = LineWriter(os.fdopen(writing, "w"), most_waiting=50)
    started = time.monotonic()
    for number in range(5_000):
        lines.write(f"{number} " + "x" * 100)
    assert time.monotonic() - started < 5
    got: list[str] = []

    def read() -> None:
        with os.fdopen(reading) as pipe:
            got.extend(pipe)

    reader = threading.Thread(target=read)
    reader.start()
    while not got:
        time.sleep(0.005)
    time.sleep(0.05)
    lines.write("the reader is back")
    lines.close()
    lines._stream.close()
    reader.join(5)
    assert got[0].startswith("0 ")
    assert got[-1] == "the reader is back\n"
    assert any("were dropped" in line for line in got[-3:])


def test_a_reader_that_left_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    lines = LineWriter(stream)
    lines.write("hello")
    lines.close()
    with pytest.raises(BrokenPipeError):
        stream.close()
