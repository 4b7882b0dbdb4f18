"""fakeredis, as far as it runs scripts, made quick: most of the time of the tests of the store was its.

All servers of a thread share one Lua, in which a script is compiled once. Left out: to collect all of Lua's garbage
after each script; to look for stray globals after each command (a real server refuses them, and nearly all tests run
on one, too); to tell who listens of changed keys. Found once instead of at each call: a command by its name, and what
its signature makes of so many arguments; of which version the client is. What clients send is taken apart by hiredis.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import hiredis
import redis.utils
from fakeredis import _msgs
from fakeredis._commands import COMMANDS_WITH_SUB, SUPPORTED_COMMANDS, Key, Signature
from fakeredis._core import CommandItem
from fakeredis._helpers import SimpleError
from fakeredis._socket._base import BaseFakeSocket
from fakeredis._socket._resp import convert_to_resp2
from fakeredis.commands_mixins import scripting_mixin

COLLECT_EVERY = 500
"""Scripts."""
Mixin: Any = scripting_mixin.ScriptingCommandsMixin
LuaError = scripting_mixin.LUA_MODULE.LuaError
lua_type = scripting_mixin.LUA_MODULE.lua_type
LEAVES = frozenset((bytes, int))
"""What is in Lua as it is in Python."""


class _Taken(NamedTuple):
    """What a signature makes of so many arguments: at which place what is converted, and what is a key."""

    converted: list[tuple[int, Any]]
    """A converter; for a key that may be missing, what is answered then, in a tuple."""
    keys: list[tuple[int, Any, Any]]
    """What type of value it has, and how one is made where there is none."""


_taken: dict[tuple[Signature, int], _Taken] = {}


def _taking(signature: Signature, args: Sequence[Any], version: Any) -> _Taken:
    signature.check_arity(args, version)
    types: list[Any] = list(signature.fixed)
    types.extend(signature.repeat[i % len(signature.repeat)] for i in range(len(args) - len(types)))
    taken = _Taken([], [])
    for place, type_ in enumerate(types):
        if isinstance(type_, Key):
            if type_.missing_return is not Key.UNSPECIFIED:
                taken.converted.append((place, (type_.missing_return,)))
            creates = _msgs.FLAG_DO_NOT_CREATE not in signature.flags and type_.type_ not in (None, bytes)
            taken.keys.append((place, type_.type_, type_.type_ if creates else None))
        elif type_ is not bytes:
            taken.converted.append((place, type_.decode))
    _taken[signature, len(args)] = taken
    return taken


def _apply(signature: Signature, args: Sequence[Any], db: Any, version: Any) -> Any:
    """What `Signature.apply` does."""
    taken = _taken.get((signature, len(args))) or _taking(signature, args, version)
    values, items = list(args), []
    for place, convert in taken.converted:
        if type(convert) is tuple:
            if args[place] not in db:
                return convert
        else:
            values[place] = convert(values[place])
    for place, type_, create in taken.keys:
        item = db.get(args[place])
        default = None
        if item is None:
            if create is not None:
                default = create()
        elif type_ is not None and type(item.value) is not type_:
            raise SimpleError(_msgs.WRONGTYPE_MSG)
        made = values[place] = CommandItem(args[place], db, item, default=default)
        items.append(made)
    return values, items


class _Command(NamedTuple):
    signature: Signature
    function: str
    removes_empty: bool


def _known_commands() -> dict[bytes, _Command]:
    """Those that a script may run, by their names as scripts write them."""
    return {
        name.upper().encode(): _Command(
            signature, signature.func_name, _msgs.FLAG_LEAVE_EMPTY_VAL not in signature.flags
        )
        for name, signature in SUPPORTED_COMMANDS.items()
        if "redis" in signature.server_types
        and name not in COMMANDS_WITH_SUB
        and not {_msgs.FLAG_NO_SCRIPT, _msgs.FLAG_SKIP_CONVERT_TO_RESP2} & signature.flags
    }


_commands = _known_commands()
_whole_call = Mixin._lua_redis_call


def call(self: Any, runtime: Any, expected_globals: Any, op: bytes, *args: Any) -> Any:
    """What `redis.call` does."""
    known = _commands.get(op)
    if known is None or self._script_resp != 2:
        return _whole_call(self, runtime, expected_globals, op, *args)
    values = [arg if type(arg) is bytes else scripting_mixin._convert_redis_arg(arg) for arg in args]
    applied = _apply(known.signature, values, self._db, self.version)
    if len(applied) == 1:
        return _for_lua(self, runtime, applied[0])
    values, items = applied
    try:
        result = getattr(self, known.function)(*values)
    except SimpleError as error:
        result = error
    for item in items:
        if item.is_modified:
            item.writeback(remove_empty_val=known.removes_empty)
    return result if type(result) in LEAVES else _for_lua(self, runtime, result)


def _for_lua(self: Any, runtime: Any, result: Any) -> Any:
    kind = type(result)
    if kind in LEAVES:
        return result
    if result is None:
        return False
    if kind is list:
        return runtime.table_from([one if type(one) in LEAVES else _for_lua(self, runtime, one) for one in result])
    return self._convert_redis_result(runtime, convert_to_resp2(result))


def _from_lua(self: Any, result: Any, nested: bool = True) -> Any:
    """What `_convert_lua_result` does, quickly where a list has something in it, and for what scripts answer most."""
    kind = type(result)
    if kind in LEAVES:
        return result
    if lua_type(result) != "table" or result[1] is None:
        return _whole_from_lua(self, result, nested)
    answer, place = [], 1
    while (one := result[place]) is not None:
        answer.append(one if type(one) in LEAVES else _from_lua(self, one))
        place += 1
    return answer


_whole_from_lua = Mixin._convert_lua_result


@lru_cache(maxsize=512)
def _read(document: bytes) -> Any:
    return scripting_mixin._cjson_python_to_lua(json.loads(document))


def _decode(runtime: Any, _expected_globals: Any, document: bytes) -> Any:
    value = _read(document)
    return runtime.table_from(value, recursive=True) if isinstance(value, dict | list) else value


class Lua:
    """A runtime, for all servers that a thread opens; another thread may come with a script for one of them."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.turn = threading.RLock()
        """One script at a time: KEYS and ARGV are globals."""
        self._scripts: dict[bytes, tuple[Any, bytes]] = {}
        self._runs = 0

    def compiled(self, script: bytes) -> tuple[Any, bytes]:
        """The script to be called, and its SHA1."""
        self._runs += 1
        if self._runs % COLLECT_EVERY == 0:
            self.runtime.execute("collectgarbage()")
        found = self._scripts.get(script)
        if found is None:
            found = self._scripts[script] = self.runtime.compile(script), hashlib.sha1(script).hexdigest().encode()
        return found


class _Opened(threading.local):
    """In this thread: what a server has of its Lua."""

    def __init__(self) -> None:
        self.of_a_server: dict[str, Any] = {}


_opened = _Opened()
_whole_runtime = Mixin._get_server_runtime


def _runtime(self: Any, server: Any) -> Any:
    if not hasattr(server, "_lua_runtime"):
        if not _opened.of_a_server:
            server._lua = Lua(_whole_runtime(self, server))
            _opened.of_a_server = {name: value for name, value in vars(server).items() if name.startswith("_lua")}
        vars(server).update(_opened.of_a_server)
    return server._lua_runtime


def _eval(self: Any, script: bytes, numkeys: int, *keys_and_args: bytes) -> Any:
    """What EVAL does, from Redis 7 on."""
    if numkeys > len(keys_and_args):
        raise SimpleError(_msgs.TOO_MANY_KEYS_MSG)
    server = self._server
    table = self._get_server_runtime(server).table_from
    with server._lua.turn:
        server._lua_current_socket[0] = self
        self._script_resp = 2
        server._lua_set_keys_argv(table(keys_and_args[:numkeys]), table(keys_and_args[numkeys:]))
        try:
            run, sha = server._lua.compiled(script)
            server.script_cache[sha] = script
            result = run()
        except LuaError as error:
            raise SimpleError(_msgs.SCRIPT_ERROR_MSG.format(hashlib.sha1(script).hexdigest(), error)) from error
        finally:
            self._script_resp = None
            self._subkey_events = []
        return _from_lua(self, result, nested=False)


def _parse_commands(self: Any) -> Generator[None, bytes, None]:
    """What `BaseFakeSocket._parse_commands` does with what clients send; it is no place to type commands."""
    reader = hiredis.Reader()
    while True:
        reader.feed((yield))
        while not self._paused and (fields := reader.gets()) is not False:
            self._process_command(fields)


def make_quick() -> None:
    """For the whole process, before it has a server of fakeredis."""
    redis.utils.get_lib_version = lru_cache(redis.utils.get_lib_version)
    BaseFakeSocket._parse_commands = _parse_commands  # type: ignore[method-assign]
    Signature.apply = _apply  # type: ignore[method-assign, assignment]
    Mixin._get_server_runtime = _runtime
    Mixin._lua_redis_call = call
    Mixin._convert_lua_result = _from_lua
    Mixin.eval = _eval
    scripting_mixin._lua_cjson_decode = _decode
    scripting_mixin._check_for_lua_globals = lambda *_: None
