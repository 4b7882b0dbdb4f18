"""What can be wrong with what a server holds: a key that is gone, or of another type; a field, an entry or a text that
is none, that is cut short, that is huge, or that a newer release wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import redis
from hypothesis import strategies as st

HUGE = b"x" * 300_000
DEEP = b"[" * 20_000 + b"]" * 20_000
JUNK = (
    b"", b" ", b"x", b"-1", b"0", b"1", b"7", b"1.5", b"-0", b"NaN", b"inf", b"-inf", b"1e400", b"-1e400", b"1e17",
    b"0x10", b"9" * 17, b"9" * 25,
    b"9" * 400, b"9" * 5000, b"-" + b"9" * 25, b"null", b"true", b"[]", b"{}", b"[[]]", b'""', b'"x"', b"[1,2",
    b'{"a":', b'{"schema":99}', b'{"schema":"x"}',
    b'{"kind":"missed"}', b'{"kind":"edited","at":"soon"}', b'{"at":"1","kind":7,"values":"["}', b"[null,{}]",
    b'[1e400]', b'["x"]', b"\xff\xfe", b"\x00",
    b"a b", b"a:b", b"a/b", b"{x}", b"01KDVDNA0000000000000000ZZ", b"01KDVDNA0000000000000000ZZ@1767225600000",
    b"default", b"well", b"running", b"queued",
    b"retrying", b"succeeded", b"active", b"scheduled", b"paused", b"quarantined", b"pending_approval", b"executed",
    b"asleep", b"manual", b"prompt:x", b"owner:ann",
    b"-9223372036854775808", b"9223372036854775807", b"253086767999999", b"-62135596800001", b"1767225700000", HUGE,
    DEEP,
)  # fmt: skip
SCORES = (
    "-inf", "+inf", "0", "-1", "1", "1.5", "-1.5", "1e300", "-1e300", "9007199254740993", "1767225600000",
    "1767225625000", "1767225625000.5",
    "253402300800000", "-62135596800001", "1e17",
)  # fmt: skip
DOCUMENT_JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, 10**30, -(10**30), float("nan"), float("inf"), "", " ", "x",
    "x" * 40_000, "\x00", "\ud800", [], {}, [[]], [None], {"": None},
    "2026-02-30", "9999-12-31T23:59:59", "UTC", "Mars/Base", "../../etc/passwd", "once", "cron", "0 9 * * *",
    "59 23 31 12 *", "22:00-07:00", "a b", 10**18, 253_086_767_999_999,
)  # fmt: skip


class Damage(NamedTuple):
    """One thing that is done to one key; `arguments` say what."""

    name: str
    kind: str
    arguments: tuple[Any, ...] = ()


def write(client: redis.Redis, prefix: bytes, damage: Damage) -> None:
    DEEDS[damage.kind](client, prefix + damage.name.encode(), *damage.arguments)


def _retype(client: redis.Redis, key: bytes, kind: str) -> None:
    client.delete(key)
    MAKE[kind](client, key)


MAKE: Mapping[str, Callable[[redis.Redis, bytes], Any]] = {
    "string": lambda client, key: client.set(key, b"x"),
    "list": lambda client, key: client.rpush(key, b"x"),
    "hash": lambda client, key: client.hset(key, b"x", b"x"),
    "set": lambda client, key: client.sadd(key, b"x"),
    "zset": lambda client, key: client.zadd(key, {b"x": 1}),
    "stream": lambda client, key: client.xadd(key, {b"x": b"x"}),
}


def _nth(found: list[Any], number: int) -> Any:
    return sorted(found)[number % len(found)]


def _field(client: redis.Redis, key: bytes, number: int, value: bytes | None) -> None:
    field = _nth(client.hkeys(key), number)
    client.hdel(key, field) if value is None else client.hset(key, field, value)


def _document(client: redis.Redis, key: bytes, number: int, value: Any) -> None:
    """One value somewhere in a definition is another one."""
    found = client.hget(key, b"doc")
    try:
        document = json.loads(found or b"{}")
    except ValueError:
        return
    places: list[tuple[Any, Any]] = []
    rest = [document]
    while rest:
        one = rest.pop()
        for name, inner in one.items() if isinstance(one, dict) else enumerate(one):
            places.append((one, name))
            if isinstance(inner, dict | list):
                rest.append(inner)
    if places:
        owner, name = places[number % len(places)]
        owner[name] = value
    client.hset(key, b"doc", json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _cut(client: redis.Redis, key: bytes, number: int, share: int) -> None:
    """A field ends somewhere in the middle."""
    field = _nth(client.hkeys(key), number)
    value = client.hget(key, field) or b""
    client.hset(key, field, value[: len(value) * share // 1000])


def _score(client: redis.Redis, key: bytes, number: int, score: str) -> None:
    client.zadd(key, {_nth(client.zrange(key, 0, -1), number): score})


DEEDS: Mapping[str, Callable[..., Any]] = {
    "gone": lambda client, key: client.delete(key),
    "of another type": _retype,
    "a text": lambda client, key, value: client.set(key, value),
    "a field": _field,
    "a field more": lambda client, key, name, value: client.hset(key, name, value),
    "a field cut short": _cut,
    "something in the definition": _document,
    "a score": _score,
    "an entry more": lambda client, key, member, score: client.zadd(key, {member: score}),
    "a member more": lambda client, key, member: client.sadd(key, member),
    "an element": lambda client, key, number, value: client.lset(key, number % client.llen(key), value),
    "an element more": lambda client, key, value: client.rpush(key, value),
    "an event": lambda client, key, field, value: client.xadd(key, {field: value}),
}

_junk, _numbers = st.sampled_from(JUNK), st.integers(0, 60)
OF_A_TYPE: Mapping[str, tuple[tuple[str, tuple[st.SearchStrategy[Any], ...]], ...]] = {
    "string": (("a text", (_junk,)),),
    "hash": (
        ("a field", (_numbers, st.one_of(_junk, st.none()))),
        ("a field", (_numbers, st.one_of(_junk, st.none()))),
        ("a field more", (_junk, _junk)),
        ("a field cut short", (_numbers, st.integers(0, 1000))),
    ),
    "zset": (("a score", (_numbers, st.sampled_from(SCORES))), ("an entry more", (_junk, st.sampled_from(SCORES)))),
    "set": (("a member more", (_junk,)),),
    "list": (("an element", (_numbers, _junk)), ("an element more", (_junk,))),
    "stream": (("an event", (st.sampled_from([b"type", b"at", b"x"]), _junk)),),
}
_DOCUMENT = ("something in the definition", (_numbers, st.sampled_from(DOCUMENT_JUNK)))


@st.composite
def damages(draw: st.DrawFn, types: Mapping[str, str]) -> Damage:
    """Something that is wrong with one of these keys; `types`: what each is, by its name."""
    kinds = sorted({name.partition(":")[0] for name in types})
    kind = draw(st.sampled_from(kinds))
    name = draw(st.sampled_from(sorted(name for name in types if name.partition(":")[0] == kind)))
    is_type = types[name]
    deeds: list[tuple[str, tuple[st.SearchStrategy[Any], ...]]] = list(OF_A_TYPE[is_type])
    if kind == "prompt":
        deeds += [_DOCUMENT, _DOCUMENT, _DOCUMENT]
    deeds += [("gone", ()), ("of another type", (st.sampled_from(sorted({*MAKE} - {is_type})),))]
    deed, arguments = draw(st.sampled_from(deeds))
    return Damage(name, deed, tuple(draw(argument) for argument in arguments))
