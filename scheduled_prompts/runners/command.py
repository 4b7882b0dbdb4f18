"""Commands as runners: the prompt's text on stdin, the answer on stdout.

What a command gets: the text on stdin, in its fence where an agent wrote it (see `fencing`); the fire as a JSON file
(`SCHEDULED_PROMPTS_FIRE_FILE`, mode 600, removed afterwards); and, for shell scripts, `SCHEDULED_PROMPTS_FIRE_ID`,
`…_PROMPT_ID`, `…_NOMINAL`, `…_DUE` (ms UTC) and `…_ATTEMPT`. It inherits the daemon's environment. There is no shell,
unless `argv` names one.

It may call `scheduled-prompts`: `SCHEDULED_PROMPTS_TOKEN`, `…_STORE`, `…_NAMESPACE`, `…_TIMEZONE` make that act as the
agent whose fire it is, with the rights of that fire, as long as the attempt runs. The token is a secret, and the
store's URL may hold a password: the command gets both as they are. What `env` says of these variables counts instead;
an empty `SCHEDULED_PROMPTS_TOKEN` is none, and makes the command an operator's.

What it used it may say, whether it succeeds or fails, in the file that `SCHEDULED_PROMPTS_USAGE_FILE` names, as JSON:
`{"tokens_in": 1200, "tokens_out": 300, "cost": "0.0375", "currency": "USD"}`, each of which may be left out.

What it answers: its stdout is the result, up to 64 KiB, the rest is read and dropped. Any exit code but 0 is
a failure, tried again as the prompt says, and the end of stderr is the error. A command that cannot be found
or is not executable fails its fires for good, at once, with a message that says so; at start that is a
warning only, for a program may be installed after the daemon starts.

How it ends: it has a session of its own. When it exits, on timeout, on cancel and when the daemon stops, its
whole process group is told to end (SIGTERM), and killed `kill_after` seconds later; a second cancel kills at
once. So nothing it started outlives it, unless that has left the group (setsid), as true daemons do.

What is not promised: when the daemon itself is killed (SIGKILL, out of memory), its commands run on, with
nobody to read what they say, and after a lease the fire is run again with `attempt` raised. Linux could end
them through PR_SET_PDEATHSIG, but only the child, not its children, and only by Python code between fork and
exec, which is unsafe in a process with threads. A service manager that ends the daemon's control group
(systemd does, a container too) closes the gap; commands whose work must not overlap hold a lock by
`…_PROMPT_ID`, or have `on_crash = "interrupt"`. The fire file stays behind as well then, in the directory for
temporary files.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import math
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.fire import MAX_ERROR_CHARACTERS, MAX_RESULT_BYTES, Fire, Result, cut_text
from scheduled_prompts.money import Usage
from scheduled_prompts.runners.contract import Permanent
from scheduled_prompts.runners.process_group import ProcessGroup
from scheduled_prompts.views import handed_view

KILL_AFTER = 5.0
"""Seconds between SIGTERM and SIGKILL."""
KEPT_STDERR_BYTES = 4096
MAX_USAGE_BYTES = 4096
ROOM_FOR_MORE_WORDS = 64
"""Characters an error leaves for a prefix: what is too long is cut at its end, where the reason is."""
CONFIG = "SCHEDULED_PROMPTS_CONFIG"
ARGV_HINT = 'give it as a list, the program first: argv = ["cat"]'

log = structlog.get_logger("scheduled_prompts.runners.command")


class CommandError(Exception):
    """The command ended with an exit code other than 0, or by a signal. `usage`: what it used all the same."""

    def __init__(self, message: str, *, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage


class CommandRunner:
    """Runs `argv` for each fire.

    `cwd`: the directory to run in (default: the daemon's). `env`: variables on top of the daemon's
    environment. `kill_after`: seconds between SIGTERM and SIGKILL. `fence`: what an agent wrote is marked as its
    words on stdin; false: it goes there as it is. Raises InvalidConfig for what cannot be used.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        kill_after: float = KILL_AFTER,
        fence: bool = True,
    ) -> None:
        if os.name != "posix":
            raise InvalidConfig("commands need a POSIX system", hint='use a runner of kind "python"')
        _let_exit_codes_be_known()
        self.argv = _checked_argv(argv)
        self.cwd = _checked_cwd(cwd)
        self.env = _checked_env(env)
        self.kill_after = _checked_kill_after(kill_after)
        self.fence = _checked_fence(fence)
        problem = self._unusable()
        if problem is not None:
            log.warning("command cannot run yet", problem=problem)

    async def run(self, fire: Fire) -> Result:
        """Raises CommandError; Permanent where the command cannot be run at all, OSError where not now."""
        access = await fire.environment()
        with _fire_file(fire) as path, _usage_file() as usage_file:
            child = self._start(fire, path, usage_file, access)
            try:
                await child.completed()
                await child.end(self.kill_after)
            except asyncio.CancelledError:
                await child.end(self.kill_after)
                raise
            finally:
                child.release()
            usage = _said_usage(usage_file, fire)
        if child.exit_code != 0:
            raise CommandError(self._failure(child), usage=usage)
        text, cut = cut_text(child.output.decode("utf-8", "replace"))
        return Result(text=text, truncated=cut, usage=usage)

    def _start(self, fire: Fire, fire_file: Path, usage_file: Path, access: Mapping[str, str]) -> ProcessGroup:
        try:
            return ProcessGroup(
                self.argv,
                stdin=(fire.fenced_text if self.fence else fire.text).encode(),
                cwd=self.cwd,
                env={**_inherited(), **access, **self.env, **_fire_environment(fire, fire_file, usage_file)},
                keep_output=MAX_RESULT_BYTES + 1,
                keep_errors=KEPT_STDERR_BYTES,
            )
        except OSError as error:
            problem = self._unusable()
            if problem is None and error.errno in (errno.ENOENT, errno.ENOEXEC):
                problem = f"{self._name} is there, but what should run it (its first line, #!…) is missing"
            if problem is None and error.errno not in (errno.EACCES, errno.ENOTDIR, errno.E2BIG):
                raise  # too many processes, no memory: another time it may work
            raise Permanent(problem or f"{self._name} cannot be run: {error}") from error

    def _unusable(self) -> str | None:
        """Why the command cannot be run, as far as a look at the file system can tell."""
        if self.cwd is not None and not Path(self.cwd).is_dir():
            return f"the working directory {self.cwd!r} of {self._name} does not exist"
        program = self.argv[0]
        if "/" in program:
            found = Path(self.cwd or "", program)
            if not found.exists():
                return f"the command {program!r} does not exist"
            return None if found.is_file() and os.access(found, os.X_OK) else f"{program!r} is not executable"
        path = self.env.get("PATH")
        return None if shutil.which(program, path=path) else f"the command {program!r} was not found on PATH"

    @property
    def _name(self) -> str:
        return f"the command {self.argv[0]!r}"

    def _failure(self, child: ProcessGroup) -> str:
        message = f"{self._name} {_ending(child.exit_code)}"
        stderr = bytes(child.errors[-KEPT_STDERR_BYTES:]).decode("utf-8", "replace").strip()
        if not stderr:
            return f"{message}; it wrote nothing to stderr"
        room = MAX_ERROR_CHARACTERS - ROOM_FOR_MORE_WORDS - len(message)
        return f"{message}: {stderr}" if len(stderr) <= room else f"{message}: …{stderr[-room:]}"


def _let_exit_codes_be_known() -> None:
    """Where SIGCHLD was left ignored, the kernel forgets exit codes, and each failure reads as 0."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        except ValueError as error:
            hint = "reset it, or make the runner in the main thread"
            raise InvalidConfig("SIGCHLD is ignored, so exit codes cannot be known", hint=hint) from error


def _ending(exit_code: int | None) -> str:
    if exit_code is None:
        return "could not be ended"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"


def _inherited() -> dict[str, str]:
    """The daemon's environment, such as it holds in another directory."""
    config = os.environ.get(CONFIG)
    return dict(os.environ) | ({CONFIG: str(Path(config).absolute())} if config else {})


def _fire_environment(fire: Fire, fire_file: Path, usage_file: Path) -> dict[str, str]:
    return {
        "SCHEDULED_PROMPTS_FIRE_FILE": str(fire_file),
        "SCHEDULED_PROMPTS_USAGE_FILE": str(usage_file),
        "SCHEDULED_PROMPTS_FIRE_ID": fire.id,
        "SCHEDULED_PROMPTS_PROMPT_ID": fire.prompt_id,
        "SCHEDULED_PROMPTS_NOMINAL": str(fire.nominal),
        "SCHEDULED_PROMPTS_DUE": str(fire.due),
        "SCHEDULED_PROMPTS_ATTEMPT": str(fire.attempt),
    }


@contextlib.contextmanager
def _fire_file(fire: Fire) -> Iterator[Path]:
    """The fire, with its prompt, as a JSON file that only this user can read."""
    document = handed_view(fire)
    descriptor, name = tempfile.mkstemp(prefix="scheduled-prompts-fire-", suffix=".json")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False)
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _usage_file() -> Iterator[Path]:
    """An empty file for what the command used."""
    descriptor, name = tempfile.mkstemp(prefix="scheduled-prompts-usage-", suffix=".json")
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _said_usage(path: Path, fire: Fire) -> Usage | None:
    """What the command wrote there, if it did. What cannot be read is said, and no reason to fail."""
    try:
        with path.open("rb") as file:
            said = file.read(MAX_USAGE_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("usage_not_understood", fire=fire.id, error=str(error))
        return None
    if not said.strip():
        return None
    try:
        return Usage.model_validate_json(said)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        log.warning("usage_not_understood", fire=fire.id, error=f"{place}: {problem['msg']}".removeprefix(": "))
        return None


def _checked_argv(argv: object) -> list[str]:
    if isinstance(argv, str):
        parts = _split(argv)
        hint = f"give it as a list: argv = {json.dumps(parts, ensure_ascii=False)}" if parts else ARGV_HINT
        raise InvalidConfig(f"argv must be a list of texts, not the text {argv!r}", hint=hint)
    if not isinstance(argv, Sequence) or isinstance(argv, bytes) or not argv:
        raise InvalidConfig(f"argv must be a list of texts with at least one, not {argv!r}", hint=ARGV_HINT)
    for index, word in enumerate(argv):
        if not isinstance(word, str):
            raise InvalidConfig(
                f"argv must be a list of texts; item {index + 1} is {word!r}",
                hint=f"write it as {json.dumps(str(word))}",
            )
        if "\0" in word:
            raise InvalidConfig(f"argv cannot hold a NUL character (item {index + 1})")
    if not argv[0]:
        raise InvalidConfig("argv begins with an empty text where the program should be", hint=ARGV_HINT)
    return list(argv)


def _split(command_line: str) -> list[str]:
    try:
        return shlex.split(command_line)
    except ValueError:
        return []


def _checked_cwd(cwd: object) -> str | None:
    if cwd is None:
        return None
    if not isinstance(cwd, str | os.PathLike) or "\0" in str(cwd) or not str(cwd):
        raise InvalidConfig(f"cwd must be the path of a directory, not {cwd!r}")
    try:
        return str(Path(cwd).expanduser())
    except RuntimeError as error:
        raise InvalidConfig(f"cwd {cwd!r}: {error}") from error


def _checked_env(env: object) -> dict[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise InvalidConfig(f"env must be a table of texts, not {env!r}", hint='env = { LANG = "C.UTF-8" }')
    for name, value in env.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise InvalidConfig(f"env: {name!r} cannot be the name of a variable")
        if not isinstance(value, str):
            raise InvalidConfig(
                f"env: {name} must be a text, not {value!r}", hint=f"write it as {json.dumps(str(value))}"
            )
        if "\0" in value:
            raise InvalidConfig(f"env: {name} cannot hold a NUL character")
    return dict(env)


def _checked_fence(fence: object) -> bool:
    if not isinstance(fence, bool):
        raise InvalidConfig(f"fence must be true or false, not {fence!r}")
    return fence


def _checked_kill_after(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise InvalidConfig(f"kill_after must be a number of seconds, 0 or more, not {seconds!r}")
    return float(seconds)
