"""What the data directory says about its server: which binary and version wrote it, and the socket it
listens on.

Written by the starter, under `server.lock`, before the server starts: a newer server may write what an older
one cannot read as soon as it runs, so the other order would have a gap. The file is replaced in one step,
and only when something changed (a start on a full disk should not fail for this).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from scheduled_prompts.errors import StoreUnusable

NAME = "server.json"


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """The last server of a directory."""

    family: str  # "valkey" or "redis"
    version: str  # "9.1.2"
    binary: str
    socket: str


def read_record(directory: Path) -> ServerRecord | None:
    """What the directory says, or None if no server ever ran in it. Raises StoreUnusable."""
    path = directory / NAME
    try:
        document = json.loads(path.read_bytes())
        return ServerRecord(**{name: str(document[name]) for name in ServerRecord.__slots__})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreUnusable(
            f"{path} does not say which server wrote the directory: {error!r}",
            hint="if you know that no newer server than the installed one ran there, remove that file",
        ) from error


def write_record(directory: Path, record: ServerRecord) -> None:
    """Make the directory say it, durably. Call under `server.lock`. Raises OSError."""
    if read_record(directory) == record:
        return
    draft = directory / f"{NAME}.draft"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / NAME)
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
