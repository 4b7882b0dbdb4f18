"""Can this server and this namespace be used? Asked once, when a store is opened."""

from __future__ import annotations

from typing import Any

from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.schedule import rules_version
from scheduled_prompts.store.transport import Transport, as_text

SCHEMA = 1
SHARDS = 1
OLDEST_SERVER = (6, 2)
WHAT_TO_DO = "somebody has written there who should not: put it right by hand, docs/operating.md"


def check_server(description: str, info: dict[str, Any]) -> None:
    """Raise StoreUnusable for a server that is too old. One that does not tell its version is given the benefit."""
    version = str(info.get("redis_version") or "")
    parts = version.split(".")[:2]
    known = len(parts) == 2 and all(part.isdigit() for part in parts)
    if known and tuple(int(part) for part in parts) < OLDEST_SERVER:
        raise StoreUnusable(
            f"{description} is Redis {version}", hint="Redis 6.2 or Valkey 7.2 is the oldest that works"
        )


async def check_namespace(transport: Transport) -> None:
    """Make the namespace if it is new; else raise StoreUnusable where it was made for something else."""
    virtual = "1" if transport.clock.virtual else "0"
    meta = transport.keys.meta
    fresh: dict[str, str | int] = {
        "schema": SCHEMA,
        "shards": SHARDS,
        "virtual": virtual,
        "rules": rules_version(),
    }

    async def read() -> list[Any]:
        return list(await transport.client.hmget(meta, list(fresh)))

    async def agree() -> list[Any]:
        for field, value in fresh.items():
            await transport.client.hsetnx(meta, field, value)
        return await read()

    stored = await transport.ask(
        read
    )  # what is there can be read where nothing can be written (a full disk, a replica)
    if None in stored:
        stored = await transport.ask(agree)
    schema, shards, stored_virtual, _ = as_text(stored)
    where = transport.connection.description
    for field, said in (("schema", schema), ("shards", shards)):
        if not (said.isascii() and said.isdecimal() and len(said) < 10):
            raise StoreUnusable(f"{where}: `meta` says {said[:60]!r} for {field}, which is no number", hint=WHAT_TO_DO)
    if int(schema) > SCHEMA:
        raise StoreUnusable(
            f"{where} was written by a newer release (schema {schema}; this one knows {SCHEMA})",
            hint="upgrade scheduled-prompts",
        )
    if int(shards) != SHARDS:
        raise StoreUnusable(f"{where} has {shards} shards; this release supports {SHARDS}")
    if stored_virtual != virtual:
        made_for = "virtual" if stored_virtual == "1" else "real"
        raise StoreUnusable(f"namespace {transport.keys.namespace!r} at {where} was made for {made_for} time")
