"""The simulated server: fakeredis, whose clock is the simulation's, and which can stall, go away and come back.

It runs the package's own scripts, and notes what each command that matters to the checker did, as the command and its
answer say it.
"""

from __future__ import annotations

import json
import random
from typing import Any

import redis.exceptions as redis_errors
from fakeredis import FakeServer, FakeStrictRedis
from fakeredis._helpers import SimpleError

from scheduled_prompts.store import script
from tests import quick_scripts
from tests.simulation.loop import EPOCH, Process, SimLoop
from tests.simulation.trace import Trace

NAMES = {one.sha: one.name for one in script.ALL}
SOURCES = {one.sha: one.source for one in script.ALL}
READS = {"look", "read", "heartbeat"}
"""Scripts of which the checker need not know."""
CLAIMED = (
    "id", "fire", "trigger", "version", "nominal", "due", "skip", "deadline", "owner", "platform", "concurrency_key",
    "overlap", "on_crash", "missed_from", "missed_until", "quiet_from",
)  # fmt: skip
"""What of a claim the checker wants to know."""
quick_scripts.make_quick()


class _Calls:
    """What scripts call. It stands where fakeredis looks for the connection that runs a script."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.published: list[str] = []

    def _lua_redis_call(self, runtime: Any, expected_globals: Any, op: bytes, *args: Any) -> Any:
        if op == b"PUBLISH":
            self.published.append(args[1].decode())
            return 0
        return quick_scripts.call(self._socket, runtime, expected_globals, op, *args)

    def _lua_redis_pcall(self, runtime: Any, expected_globals: Any, op: bytes, *args: Any) -> Any:
        try:
            return self._lua_redis_call(runtime, expected_globals, op, *args)
        except Exception as error:
            return runtime.table_from({b"err": str(error)})


class SimServer:
    def __init__(self, loop: SimLoop, trace: Trace, chance: random.Random, namespace: str) -> None:
        self.loop = loop
        self.trace = trace
        self.prefix = f"{{{namespace}:0}}:"
        self.process = Process("server")
        loop.add(self.process)
        self._chance = chance
        self._data = FakeServer(version=(7,))
        self._client = FakeStrictRedis(server=self._data, decode_responses=True)
        self._client.ping()
        self._connection = self._client.connection_pool.get_connection()
        self._socket = self._connection.get_socket()
        self._runtime = self._socket._get_server_runtime(self._data)
        self._calls = _Calls(self._socket)
        self._compiled: dict[str, Any] = {}
        self._known: set[str] = set()
        """The scripts that this run of the server has been sent."""
        self.rewrite: dict[str, str] = {}
        """By script name: its text, where a mutation has changed it."""
        self.subscribers: list[Any] = []
        self.up = True
        self.stalled_until = 0.0
        self.refuses_writes = False
        self.away: list[list[float]] = []
        """From when until when it was gone, in true seconds."""
        self.started = 0.0
        self.run_id = self._new_run()
        self.commands = 0

    def _new_run(self) -> str:
        return f"{self._chance.getrandbits(160):040x}"

    @property
    def now_ms(self) -> float:
        """Its clock, ms UTC."""
        return (EPOCH + self.loop.now + self.process.wall_ahead) * 1000

    def go_down(self) -> None:
        if self.up:
            self.away.append([self.loop.now, float("inf")])
        self.up = False
        for subscriber in list(self.subscribers):
            subscriber.break_off()

    def come_up(self) -> None:
        """With all that it had acknowledged, and another run id."""
        if self.up:  # somebody else had brought it up: it is started again
            self.away.append([self.loop.now, self.loop.now])
        self.away[-1][1] = self.loop.now
        self.up = True
        self.started = self.loop.now
        self.run_id = self._new_run()
        self._known.clear()

    # Commands. They take effect here, at once, whoever waits for the answer.

    def perform(self, who: str, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The answer. Raises what the client would raise."""
        self.commands += 1
        try:
            if name in ("evalsha", "eval"):
                return self._script(who, name, args)
            if name == "time":
                return divmod(round((EPOCH + self.loop.now + self.process.wall_ahead) * 1_000_000), 1_000_000)
            if name == "info":
                uptime = int(self.loop.now - self.started)
                return {"redis_version": "7.4.0", "run_id": self.run_id, "uptime_in_seconds": uptime}
            if name == "pipeline":
                with self._client.pipeline(transaction=True) as pipeline:
                    for command, its_args, its_options in args:
                        getattr(pipeline, command)(*its_args, **its_options)
                    return pipeline.execute()
            return getattr(self._client, name)(*args, **options)
        finally:
            self._publish()

    def _script(self, who: str, how: str, args: tuple[Any, ...]) -> Any:
        text, _, meta, *argv = args
        sha = text
        if how == "eval":
            sha = script_sha(text)
            self._known.add(sha)
        elif sha not in self._known:
            raise redis_errors.NoScriptError("NOSCRIPT No matching script. Please use EVAL.")
        name = NAMES[sha]
        if self.refuses_writes and name not in READS:
            raise redis_errors.ResponseError("MISCONF Errors writing to the AOF file: No space left on device")
        answer = self._run(sha, name, meta, argv)
        facts = self._what_it_did(name, argv, answer)
        if facts is not None:
            self.trace.note((EPOCH + self.loop.now) * 1000, self.now_ms, who, name, facts)
        return answer

    def _run(self, sha: str, name: str, meta: str, argv: list[Any]) -> Any:
        compiled = self._compiled.get(sha)
        if compiled is None:
            source = self.rewrite.get(name, SOURCES[sha])
            compiled = self._compiled[sha] = self._data._lua.compiled(source.encode())[0]  # type: ignore[attr-defined]
        data, socket, table = self._data, self._socket, self._runtime.table_from
        for database in data.dbs.values():
            database.time = self.now_ms / 1000
        data._lua_current_socket[0] = self._calls  # type: ignore[attr-defined]
        socket._script_resp = 2
        data._lua_set_keys_argv(table([meta.encode()]), table([_encoded(value) for value in argv]))  # type: ignore[attr-defined]
        try:
            with data.lock:
                return _decoded(socket._convert_lua_result(compiled(), nested=False))
        except SimpleError as error:
            raise redis_errors.ResponseError(error.value) from error
        except quick_scripts.LuaError as error:
            raise redis_errors.ResponseError(f"ERR {error}") from error
        finally:
            socket._script_resp = None
            socket._subkey_events = []

    def _what_it_did(self, name: str, argv: list[Any], answer: Any) -> dict[str, Any] | None:
        """What of a command and its answer the checker wants to know. None: nothing."""
        if name in READS:
            return None
        op = argv[0]
        if name == "take":
            leased = [(fire, _field(hash_, "attempt")) for fire, hash_, _ in answer[1:]]
            return {"op": op, "called": float(argv[1]), "fires": leased} if leased else None
        if name == "extend":
            items = json.loads(argv[3])
            return {"items": [(*item, answer) for item, answer in zip(items, answer, strict=True)]}
        if name == "settle":
            items = json.loads(argv[3])
            return {
                "items": [
                    (i["fire"], i["token"], i["outcome"], i["reason"], answer)
                    for i, answer in zip(items, answer, strict=True)
                ]
            }
        if name == "reap":
            return {"op": op, "leases": argv[3], "fires": [tuple(one) for one in answer]} if answer else None
        if name == "claim":
            items = json.loads(argv[2])
            return {
                "op": op,
                "items": [
                    ({name: i[name] for name in CLAIMED}, answer) for i, answer in zip(items, answer, strict=True)
                ],
            }
        if name == "save":
            return {"op": op, "mode": argv[2], "prompt": json.loads(argv[3]), "answer": answer}
        if name == "edit":
            return {"op": op, "called": float(argv[1]), "edit": json.loads(argv[2]), "answer": answer}
        if name in ("cancel", "pause", "resume"):
            return {"op": op, "prompt": argv[2], "answer": answer}
        if name == "skip":
            return {"op": op, "mode": argv[2], "prompt": argv[3], "nominal": argv[5], "answer": answer}
        if name == "cancel_fire":
            return {"op": op, "fire": argv[2], "answer": answer}
        if name == "halt":
            return {"op": op, "mode": argv[2], "running": argv[5], "answer": answer}
        return {"op": op, "answer": answer}

    def _publish(self) -> None:
        while self._calls.published:
            message = self._calls.published.pop(0)
            for subscriber in list(self.subscribers):
                subscriber.published(message)

    # For whoever arranges the simulation: what is due, what there is

    def next_due(self) -> float | None:
        """When something is due next, by its clock (ms UTC)."""
        rows = self._client.zrangebyscore(
            self.prefix + "due:default", round(self.now_ms), "+inf", start=0, num=1, withscores=True
        )
        return float(rows[0][1]) if rows else None

    def next_due_prompt(self) -> str | None:
        rows = self._client.zrange(self.prefix + "due:default", 0, 0)
        return str(rows[0]) if rows else None

    def prompts(self) -> list[str]:
        """The ids of all, oldest first."""
        before = self.prefix + "prompt:"
        return sorted(key.removeprefix(before) for key in self._client.keys() if key.startswith(before))

    @property
    def is_anything_leased(self) -> bool:
        return bool(self._client.exists(self.prefix + "leases"))

    def some_running(self, chance: random.Random) -> str | None:
        """A fire that somebody holds."""
        held = self._client.zrange(self.prefix + "leases", 0, -1)
        return str(chance.choice(held)) if held else None

    def some_fire(self, prompt: str, chance: random.Random) -> str | None:
        """One of its last."""
        rows = self._client.zrevrange(self.prefix + "history:" + prompt, 0, 2)
        return str(chance.choice(rows)) if rows else None

    # For the checker: what is stored, as any client would read it

    def keys(self) -> dict[str, Any]:
        client, prefix = self._client, self.prefix
        for database in self._data.dbs.values():
            database.time = self.now_ms / 1000
        read = {
            "hash": client.hgetall,
            "string": client.get,
            "set": client.smembers,
            "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            "list": lambda key: client.lrange(key, 0, -1),
            "stream": client.xrange,
        }
        return {key.removeprefix(prefix): read[client.type(key)](key) for key in sorted(client.keys())}

    def lifetimes(self) -> dict[str, int]:
        """In how many ms, by its clock, each key goes by itself; -1: never. Without those that are over."""
        now = round(self.now_ms)
        ends = {key.removeprefix(self.prefix): self._client.pexpiretime(key) for key in sorted(self._client.keys())}
        return {key: -1 if end == -1 else end - now for key, end in ends.items() if end == -1 or end > now}


def script_sha(source: str) -> str:
    return next(sha for sha, text in SOURCES.items() if text == source)


def _encoded(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else str(value).encode()


def _decoded(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    if isinstance(answer, list):
        return [_decoded(part) for part in answer]
    return answer


def _field(flat: list[str], name: str) -> str:
    return dict(zip(flat[::2], flat[1::2], strict=True))[name]
