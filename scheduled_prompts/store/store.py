"""The store: every transition and every read, in terms of records. All that speaks to Redis goes through here."""

from __future__ import annotations

from typing import Any, Self

import redis.exceptions as redis_errors
from redis.asyncio import Redis

from scheduled_prompts.clock import Clock
from scheduled_prompts.store.access import Access
from scheduled_prompts.store.condition import Condition
from scheduled_prompts.store.connection import Connection, adopt, connect
from scheduled_prompts.store.counts import Counts
from scheduled_prompts.store.events import EventReads
from scheduled_prompts.store.halting import Halting
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.opening import check_namespace, check_server
from scheduled_prompts.store.orphans import Orphans
from scheduled_prompts.store.reads import Reads
from scheduled_prompts.store.spend import Spend
from scheduled_prompts.store.transitions import Transitions
from scheduled_prompts.store.transport import Transport
from scheduled_prompts.store.used import Used

PATIENCE = 5.0


class Store(Transitions, Reads, Counts, EventReads, Halting, Spend, Condition, Orphans, Access, Used):
    """The records of one namespace on one server.

    `patience`: how long, in seconds, a command is sent again before StoreUnreachable is raised.
    """

    def __init__(
        self,
        where: str | Redis | Connection,
        *,
        namespace: str = "sp",
        clock: Clock | None = None,
        patience: float = PATIENCE,
    ) -> None:
        if isinstance(where, str):
            connection = connect(where)
        else:
            connection = where if isinstance(where, Connection) else adopt(where)
        self.clock = clock or Clock()
        self.keys = Keys(namespace)
        self.transport = Transport(connection, self.keys, self.clock, patience=patience)
        self._op_prefix = f"{self.clock.random.getrandbits(64):016x}"
        self._ops = 0

    async def open(self) -> Self:
        """Bring the server up where it is ours, check that it can be used, and measure its clock.

        Raises StoreUnreachable, or StoreUnusable for an old server, a newer schema, or other shards.
        """
        try:
            await self.ensure_server()
            check_server(self.description, await self.server_info())
            await check_namespace(self.transport)
            if not self.clock.virtual:
                await self.transport.measure_clock()
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        await self.transport.connection.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def remembers(self) -> bool:
        """Whether what is stored outlives this process."""
        return self.transport.connection.remembers

    @property
    def url(self) -> str | None:
        """By which another process of this machine reaches the same server; None where none can."""
        return self.transport.connection.url

    # What the server says of itself

    async def server_info(self) -> dict[str, Any]:
        """The `server` section of INFO; empty where the server does not have it."""

        async def ask() -> dict[str, Any]:
            try:
                return dict(await self.transport.client.info("server"))
            except redis_errors.ResponseError:
                return {}

        return dict(await self.transport.ask(ask))

    async def server_run(self) -> str:
        """Which run of the server this is: another after each restart."""
        return str((await self.server_info()).get("run_id", ""))

    async def ensure_server(self) -> None:
        """Bring the server up where it is ours. Cheap when it runs."""
        await self.transport.connection.ensure()

    async def measure_clock(self) -> None:
        if not self.clock.virtual:
            await self.clock.measure(self.transport.server_time)
