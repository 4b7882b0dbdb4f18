"""What condition the server is in: will it remember, has it room? Asked by `doctor`."""

from __future__ import annotations

from typing import Any, NamedTuple

import redis.exceptions as redis_errors

from scheduled_prompts.store.transport import Transport, as_text

SETTINGS = ("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy")


class ServerCondition(NamedTuple):
    """What a server says of itself; None where it does not say it (a hosted one may refuse CONFIG)."""

    name: str
    appendonly: bool | None
    appendfsync: str | None
    save: str | None
    """The snapshot rule; '' for none."""
    failing: tuple[str, ...]
    """Which writes to disk failed last: `append-only file`, `snapshot`."""
    used_memory: int | None
    maxmemory: int | None
    """Bytes; 0: no limit."""
    eviction: str | None


class Condition:
    transport: Transport

    async def condition(self) -> ServerCondition:
        client = self.transport.client

        async def info() -> dict[str, Any]:
            try:
                return dict(await client.info())
            except redis_errors.ResponseError:
                return {}

        async def settings() -> dict[str, str]:
            found: dict[str, str] = {}
            for name in SETTINGS:
                try:
                    found |= as_text(dict(await client.config_get(name)))
                except redis_errors.ResponseError:
                    continue
            return found

        said: dict[str, Any] = as_text(await self.transport.ask(info))
        configured = await self.transport.ask(settings)
        append = configured.get("appendonly")
        if append is None and "aof_enabled" in said:
            append = "yes" if int(said["aof_enabled"]) else "no"
        kind = "valkey" if "valkey_version" in said else "redis"
        version = said.get("valkey_version") or said.get("redis_version")
        return ServerCondition(
            name=f"{kind} {version}" if version else "a server that does not tell its version",
            appendonly=None if append is None else append == "yes",
            appendfsync=configured.get("appendfsync"),
            save=configured.get("save"),
            failing=_failing(said),
            used_memory=_number(said.get("used_memory")),
            maxmemory=_number(configured.get("maxmemory", said.get("maxmemory"))),
            eviction=configured.get("maxmemory-policy") or said.get("maxmemory_policy"),
        )


def _failing(said: dict[str, Any]) -> tuple[str, ...]:
    signs = {"aof_last_write_status": "append-only file", "rdb_last_bgsave_status": "snapshot"}
    return tuple(what for sign, what in signs.items() if said.get(sign, "ok") != "ok")


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))
