"""How the daemon's log is written: readable on a terminal, JSON lines elsewhere, always to stderr.

A log line must never hold up a fire, and whoever reads the log may stop reading: a terminal that is scrolled back, a
pipe that is full. So lines are handed to a thread, which alone waits for the reader; when it falls too far behind,
lines are dropped and counted.

Prompts' texts stay out, unless they are asked for. One voice is exempt: the `log` runner, whose work is to say them.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import sys
import threading
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import structlog

from scheduled_prompts.cli.output import is_colourful, visible
from scheduled_prompts.ids import ID_LENGTH, prompt_of, short

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

SPOKESMAN = "scheduled_prompts.runners.log"
PROMPT_KEYS = ("text", "prompt_text")
MOST_WAITING = 10_000
LAST_LINES = 2.0
"""How long, in seconds, the end of the process waits for the last lines to be written."""

_current: LineWriter | None = None


def configure_logs(level: Level = "info", format: Format = "auto", log_prompts: bool = False) -> None:  # noqa: A002
    """Send structlog, warnings and the standard library's loggers (from `warning` on) to stderr.

    `format`: `auto` is `console` on a terminal, else `json`.
    """
    global _current
    flush_logs()
    _current = writer = LineWriter(sys.stderr)
    readable = format == "console" or (format == "auto" and sys.stderr.isatty())
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *([] if log_prompts else [_without_prompts]),
            *(_for_people() if readable else _for_programs()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *names: _Voice(writer, names[0] if names else ""),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
    logging.basicConfig(handlers=[_ToStructlog()], level=max(threshold, logging.WARNING), force=True)


def flush_logs() -> None:
    """Wait, for a moment, until what was logged is written."""
    if _current is not None:
        _current.close()


class LineWriter:
    """Lines to a stream, written by a thread of their own, in order."""

    def __init__(self, stream: TextIO, *, most_waiting: int = MOST_WAITING) -> None:
        self._stream = stream
        self._most_waiting = most_waiting
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: str) -> None:
        if self._lines.qsize() >= self._most_waiting:
            self._dropped += 1
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._lines.put(f"({dropped} lines of the log were dropped: nobody read them)")
        self._lines.put(line)

    def close(self) -> None:
        """Write what is left, for at most `LAST_LINES` seconds. Lines that come later are lost."""
        atexit.unregister(self.close)
        self._lines.put(None)
        self._thread.join(LAST_LINES)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody is left to be told
                self._stream.write(f"{line}\n")
                if self._lines.empty():
                    self._stream.flush()
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _Voice:
    """What structlog hands a finished line to. `name`: that of the logger, where it was given one."""

    def __init__(self, writer: LineWriter, name: str) -> None:
        self.name = name
        self.msg = writer.write

    debug = info = warning = error = critical = exception = fatal = warn = failure = property(lambda self: self.msg)


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say = structlog.get_logger(record.name)
        say.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


def _for_people() -> list[Any]:
    return [
        _local_time,
        _as_people_read_it,
        structlog.dev.ConsoleRenderer(
            colors=is_colourful(sys.stderr),
            exception_formatter=structlog.dev.plain_traceback,  # rich's would show local variables, prompts among them
            sort_keys=False,
            pad_event_to=16,
        ),
    ]


def _for_programs() -> list[Any]:
    return [_universal_time, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _local_time(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    event["timestamp"] = datetime.now(UTC).astimezone().isoformat(" ", "milliseconds")
    return event


def _universal_time(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return event


def _without_prompts(voice: Any, _: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    if voice.name != SPOKESMAN:
        for key in PROMPT_KEYS:
            event.pop(key, None)
    return event


def _as_people_read_it(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(fire := event.get("fire"), str):
        event["fire"] = short(prompt_of(fire)) + fire[ID_LENGTH:]  # ids as `list` shows them
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = visible(value)
    return event
