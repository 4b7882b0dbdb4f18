"""Keys as any client sees them, for `accounting.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import redis

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


def pattern(prefix: str) -> str:
    """Matches each key that begins so."""
    return prefix.replace("{", r"\{") + "*"


def read_all(client: redis.Redis, prefix: str, *, alone: bool = False) -> dict[str, Whole]:
    """Each key that begins so, by the rest of its name; at one moment, in one round trip. `alone`: the server is
    nobody else's, and whatever begins otherwise is told, too, by its whole name."""
    found: Any = client.eval(_READ_ALL, 0, "*" if alone else pattern(prefix))
    return {name.removeprefix(prefix): Whole(kind, left, _MADE[kind](value)) for name, kind, left, value in found}


def values(keys: dict[str, Whole]) -> dict[str, Any]:
    return {name: key.value for name, key in keys.items()}


def lifetimes(keys: dict[str, Whole]) -> dict[str, int]:
    """In how many ms each goes by itself; -1: never."""
    return {name: key.left for name, key in keys.items()}


def write_all(client: redis.Redis, keys: dict[str, Whole]) -> None:
    """The same keys, as they were read."""
    with client.pipeline(transaction=False) as pipeline:
        for name, key in keys.items():
            WRITE[key.kind](pipeline, name, key.value)
            if key.left >= 0:
                pipeline.pexpire(name, key.left)
        pipeline.execute()
