"""What a command writes: one JSON document for programs, lines for people, errors for either.

Documents and tables go to stdout, warnings and people's errors to stderr. An error is a document too, on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from scheduled_prompts.errors import ScheduledPromptsError

_RED, _YELLOW, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


class CommandFailed(ScheduledPromptsError):
    """Ends a command with a code of its own. `document` is what a program is told beside the error."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str = "failed",
        exit_code: int = 1,
        document: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.exit_code = exit_code
        self.document = document


def is_colourful(stream: TextIO) -> bool:
    """Whether a stream shows colours to somebody: a terminal, and nobody asked for none (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write_document(document: dict[str, Any]) -> None:
    """The one JSON document on stdout: laid out on a terminal, else one line."""
    # Any encoding can carry ASCII; others get the letters as they are.
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    text = json.dumps(document, ensure_ascii=ascii_only, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


def write_error(error: ScheduledPromptsError, *, as_json: bool) -> None:
    if as_json:
        known = error.document if isinstance(error, CommandFailed) and error.document else {}
        problem = {"code": error.code, "message": error.message, "hint": error.hint}
        write_document({**known, "error": problem})
    else:
        _say("error:", _RED, error.message)
        if error.hint:
            _say("hint:", _DIM, error.hint)


def write_warning(message: str, hint: str | None = None) -> None:
    _say("warning:", _YELLOW, message)
    if hint:
        _say("hint:", _DIM, hint)


def write_note(message: str) -> None:
    """A passing remark for somebody who watches: only where stderr is a terminal."""
    if sys.stderr.isatty():
        text = visible(message)
        sys.stderr.write(f"{_DIM}{text}{_PLAIN}\n" if is_colourful(sys.stderr) else f"{text}\n")
        sys.stderr.flush()


def write_lines(text: str) -> None:
    """Lines for people on stdout."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def visible(text: str, *, lines: bool = True) -> str:
    """`text` without what would steer a terminal: other people's words are shown, never obeyed.

    Line breaks and tabs stay, unless `lines` is False: then each becomes a blank.
    """
    kept = "\n\t" if lines else ""
    text = text.replace("\r\n", "\n")
    if not lines:
        text = " ".join(text.split())
    return "".join(letter if letter.isprintable() or letter in kept else _escaped(letter) for letter in text)


def command_name() -> str:
    """How this command can be typed here: by its name where PATH leads to it, else by its path."""
    import shutil

    typed = Path(sys.argv[0])
    name = typed.name if typed.name in ("scheduled-prompts", "sprompt") else "scheduled-prompts"
    beside = Path(sys.executable).parent / name
    if shutil.which(name) or not beside.exists():
        return name
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)


def _escaped(letter: str) -> str:
    return " " if letter.isspace() else letter.encode("unicode_escape", "surrogatepass").decode()


def _say(word: str, colour: str, message: str) -> None:
    text = visible(message, lines=False)
    shown = f"{colour}{word}{_PLAIN}" if is_colourful(sys.stderr) else word
    sys.stderr.write(f"{shown} {text}\n")
    sys.stderr.flush()
