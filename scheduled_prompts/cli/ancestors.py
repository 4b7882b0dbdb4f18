"""What the processes above this one have in their environment, where the kernel tells (Linux).

Some agent programs start their MCP servers without the environment that they have themselves. Inside a fire the token
would be lost on the way, and with it the limits of that fire: it is better not to start than to start as somebody else.
"""

from __future__ import annotations

import os
from pathlib import Path

MOST = 64
"""Processes that are looked at: a bound for what is a chain anyway."""


def found_above(variable: str) -> str | None:
    """The value that the nearest process above this one has for a variable; None where none has it, or where that
    cannot be known."""
    pid = os.getppid()
    wanted = variable.encode() + b"="
    for _ in range(MOST):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # another user's, or not Linux
            environment = []
        for pair in environment:
            if pair.startswith(wanted):
                return pair.removeprefix(wanted).decode(errors="replace")
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return None
        if pid <= 0:
            return None
    return None
