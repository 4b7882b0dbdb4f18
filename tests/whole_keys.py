"""Keys as any client sees them, for `accounting.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import redis

READ: dict[str, Callable[[Any, str], Any]] = {
    "hash": lambda client, key: client.hgetall(key),
    "string": lambda client, key: client.get(key),
    "set": lambda client, key: client.smembers(key),
    "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "stream": lambda client, key: client.xrange(key),
}
"""How a key of each type is read whole."""

_READ_ALL = """
local found = {}
for _, name in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind = redis.call('TYPE', name)['ok']
  local value
  if kind == 'hash' then value = redis.call('HGETALL', name)
  elseif kind == 'string' then value = redis.call('GET', name)
  elseif kind == 'set' then value = redis.call('SMEMBERS', name)
  elseif kind == 'zset' then value = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then value = redis.call('LRANGE', name, 0, -1)
  else value = redis.call('XRANGE', name, '-', '+') end
  found[#found + 1] = {name, kind, redis.call('PTTL', name), value}
end
return found
"""


def _pairs(flat: list[str]) -> list[tuple[str, str]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


_MADE: dict[str, Callable[[Any], Any]] = {
    "hash": lambda flat: dict(_pairs(flat)),
    "string": str,
    "set": set,
    "zset": lambda flat: [(member, float(score)) for member, score in _pairs(flat)],
    "list": list,
    "stream": lambda entries: [(entry, dict(_pairs(flat))) for entry, flat in entries],
}
"""What a script answers, as a client answers it."""


WRITE: dict[str, Callable[[Any, str, Any], Any]] = {
    "hash": lambda client, key, value: client.hset(key, mapping=value),
    "string": lambda client, key, value: client.set(key, value),
    "set": lambda client, key, value: client.sadd(key, *value),
    "zset": lambda client, key, value: client.zadd(key, dict(value)),
    "list": lambda client, key, value: client.rpush(key, *value),
    "stream": lambda client, key, value: [client.xadd(key, fields, id=entry) for entry, fields in value],
}


class Whole(NamedTuple):
    kind: str
    left: int
    """In how many ms the key goes by itself; -1: never."""
    value: Any


def read_all(client: redis.Redis, pattern: str) -> dict[str, Whole]:
    """Each key of such a name, at one moment, in one round trip."""
    found: Any = client.eval(_READ_ALL, 0, pattern)
    return {name: Whole(kind, left, _MADE[kind](value)) for name, kind, left, value in found}


def write_all(client: redis.Redis, keys: dict[str, Whole]) -> None:
    """The same keys, as they were read."""
    with client.pipeline(transaction=False) as pipeline:
        for name, key in keys.items():
            WRITE[key.kind](pipeline, name, key.value)
            if key.left >= 0:
                pipeline.pexpire(name, key.left)
        pipeline.execute()
