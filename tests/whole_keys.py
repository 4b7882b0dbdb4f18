"""Keys as any client sees them, for `accounting.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

READ: dict[str, Callable[[Any, str], Any]] = {
    "hash": lambda client, key: client.hgetall(key),
    "string": lambda client, key: client.get(key),
    "set": lambda client, key: client.smembers(key),
    "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "stream": lambda client, key: client.xrange(key),
}
"""How a key of each type is read whole."""
