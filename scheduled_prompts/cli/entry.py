"""From a command line to an exit code: every error ends here, as one line or one document, and as a code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Any

import typer

from scheduled_prompts.cli import commands  # noqa: F401  (makes them known)
from scheduled_prompts.cli.app import app
from scheduled_prompts.cli.output import CommandFailed, write_error
from scheduled_prompts.errors import ScheduledPromptsError, complaint

DEBUG = "SCHEDULED_PROMPTS_DEBUG"
INTERRUPTED = 130


def run_command_line(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal cannot show must not end the command
    try:
        return _run(arguments, as_json="--json" in _before_dashes(arguments))
    except BrokenPipeError:
        # Whoever read has left, which is fine; the interpreter must not try to flush what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: list[str], *, as_json: bool) -> int:
    name = os.path.basename(sys.argv[0])  # noqa: PTH119  (pathlib is not needed otherwise)
    try:
        answer = _command().main(
            args=arguments,
            prog_name=name if name in ("scheduled-prompts", "sprompt") else "scheduled-prompts",
            standalone_mode=False,
        )
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        problem = _as_ours(error)
        if os.environ.get(DEBUG) not in (None, "", "0"):
            traceback.print_exception(error)
        write_error(problem, as_json=as_json)
        return problem.exit_code
    code = answer if isinstance(answer, int) else 0
    if code == INTERRUPTED:
        write_error(_interrupted(), as_json=as_json)
    return code


@cache
def _command() -> Any:  # typer's own type for it is private
    return typer.main.get_command(app)


def _as_ours(error: BaseException) -> ScheduledPromptsError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ScheduledPromptsError):
        return error
    if isinstance(error, typer.TyperException):
        return CommandFailed(_usage_message(error), hint=_usage_hint(error), code="usage", exit_code=2)
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return _interrupted()
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return CommandFailed(f"unexpected: {message}", hint=f"{DEBUG}=1 shows where", code="unexpected")


def _interrupted() -> CommandFailed:
    return CommandFailed("interrupted", code="interrupted", exit_code=INTERRUPTED)


def _usage_message(error: typer.TyperException) -> str:
    message = " ".join(error.format_message().replace("Value error, ", "").split())
    message = message[:1].lower() + message[1:].rstrip(".")
    if error.__cause__ is None:
        return message
    from pydantic import ValidationError  # a command that is understood does without

    if isinstance(error.__cause__, ValidationError):
        message = complaint(message, repr(error.__cause__.errors()[0]["input"]))
    return message


def _usage_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "scheduled-prompts"
    if "unexpected extra argument" in error.format_message() and path.endswith(" add"):
        return 'a text of several words goes in quotes: add "say hello" --when "in 20m"'
    if "'--when'" in error.format_message():
        return '--when takes, for example, "in 20m", "tomorrow at 9am" or "every weekday at 9:00"'
    return f"{path} --help shows how"


def _before_dashes(arguments: list[str]) -> list[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
