"""Where the embedded server keeps its files, and where its socket lies.

The data directory outlives the machine's restarts; the socket does not need to, and its path must stay under
about 100 bytes (`sun_path` is 108 bytes on Linux, 104 on macOS), so it lies in the user's runtime directory
under a name derived from the data directory's real path.

A socket is trusted because of where it lies: in a directory that only this user can write to, so whoever put
it there was this user. That is checked on each use, not assumed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from scheduled_prompts.errors import StoreUnusable

APPLICATION = "scheduled-prompts"
LONGEST_SOCKET_PATH = 100  # bytes; below the limit of every Unix we run on
_FALLBACK_PARENT = Path("/tmp")  # not $TMPDIR: all processes of a user must come to the same place


def default_directory() -> Path:
    """The user's own data directory: `$XDG_DATA_HOME` (or `~/.local/share`) `/scheduled-prompts`."""
    base = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification asks to ignore relative values.
    parent = Path(base) if base.startswith("/") else Path.home() / ".local" / "share"
    return parent / APPLICATION


def prepare_directory(directory: Path) -> Path:
    """Make sure that the data directory exists and only this user writes to it; return its real path.

    A directory that is created gets mode 700. One that exists is left as it is, but refused when others can
    write to it: they could swap the lock files. Raises StoreUnusable.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = directory.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError) as error:
        raise StoreUnusable(f"the data directory {directory} cannot be used: {error}") from error
    # Root may keep its data in a directory of somebody else's: mounted volumes in containers look like that.
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        raise StoreUnusable(
            f"the data directory {real} belongs to user {status.st_uid}, not to {os.geteuid()}",
            hint="name a directory of your own: embedded:<dir>",
        )
    if status.st_mode & 0o022:
        raise StoreUnusable(
            f"the data directory {real} can be written to by others (mode {stat.S_IMODE(status.st_mode):o})",
            hint=f"chmod 700 {real}",
        )
    if not os.access(real, os.R_OK | os.W_OK | os.X_OK):
        raise StoreUnusable(f"the data directory {real} cannot be written to")
    return real


def choose_socket(directory: Path) -> Path:
    """Where a server started now for `directory` (a real path) is to listen. Raises StoreUnusable."""
    # The inode, too: when a directory is removed and made again, the old server (which keeps the old inode from
    # being used again) must not remove the new one's socket when it ends.
    identity = b"%d %s" % (directory.stat().st_ino, os.fsencode(directory))
    digest = hashlib.sha256(identity).hexdigest()[:16]
    name = f"{APPLICATION}-{digest}.sock"
    configured = os.environ.get("XDG_RUNTIME_DIR", "")
    if configured.startswith("/") and Path(configured).is_dir():
        path = Path(configured) / name
        if len(os.fsencode(path)) < LONGEST_SOCKET_PATH:
            check_private(path.parent, hint="unset XDG_RUNTIME_DIR, and a private directory in /tmp is used")
            return path
    parent = _FALLBACK_PARENT / f"{APPLICATION}-{os.geteuid()}"
    try:
        parent.mkdir(mode=0o700)
    except FileExistsError:
        pass  # checked below: in /tmp anybody may have made it
    except OSError as error:
        raise StoreUnusable(f"no place for the server's socket: {error}") from error
    check_private(parent, hint="remove it, or set XDG_RUNTIME_DIR to a directory of your own with mode 700")
    return parent / name


def check_private(directory: Path, *, hint: str | None = None) -> None:
    """Refuse a runtime directory into which anybody else could put a socket. Raises StoreUnusable."""
    try:
        status = directory.lstat()
    except OSError as error:
        raise StoreUnusable(f"the runtime directory {directory} cannot be used: {error}", hint=hint) from error
    if not stat.S_ISDIR(status.st_mode):
        raise StoreUnusable(f"the runtime directory {directory} is not a directory (or is a symbolic link)", hint=hint)
    if status.st_uid != os.geteuid():
        raise StoreUnusable(
            f"the runtime directory {directory} belongs to user {status.st_uid}, not to {os.geteuid()}",
            hint=hint,
        )
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise StoreUnusable(f"the runtime directory {directory} is open to others (mode {mode:o}, not 700)", hint=hint)


def check_socket(path: Path) -> bool:
    """Whether a socket of this user's lies at `path`, in a private directory; False if nothing is there.

    Raises StoreUnusable for what must not be trusted: a directory open to others, another's socket, no
    socket.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreUnusable(f"the server's socket {path} cannot be looked at: {error}") from error
    check_private(path.parent)
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        raise StoreUnusable(f"{path} is not a socket of user {os.geteuid()}", hint=f"remove {path}")
    return True
