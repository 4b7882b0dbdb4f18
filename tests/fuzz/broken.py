"""A server of its own, and on it a house that is stood up, broken and lived in again and again."""

from __future__ import annotations

import redis

from scheduled_prompts.testing import run_virtual
from tests.conftest import RealServer
from tests.fuzz.damage import Damage, write
from tests.fuzz.house import BINARY_PREFIX, House, built
from tests.fuzz.judging import Aftermath, lived_in

NAMESPACE = "broken"


class Broken:
    """A server of its own, and the house that is stood up on it again and again."""

    def __init__(self) -> None:
        self.server = RealServer()
        self.client = redis.Redis(unix_socket_path=str(self.server.socket))
        self.house: House = run_virtual(built(self.server.url, self.client, NAMESPACE))
        self.house.stand_up(self.client, NAMESPACE)
        self.types = {name: self.client.type(self.prefix + name.encode()).decode() for name in self.house.dumped}
        self.client.flushall()

    @property
    def prefix(self) -> bytes:
        return BINARY_PREFIX % NAMESPACE.encode()

    def stand_up(self, *damages: Damage) -> None:
        self.client.flushall()
        self.house.stand_up(self.client, NAMESPACE)
        for damage in damages:
            write(self.client, self.prefix, damage)

    def after(self, *damages: Damage) -> Aftermath:
        self.stand_up(*damages)
        return run_virtual(lived_in(self.house, self.server.url, NAMESPACE))

    def stop(self) -> None:
        self.client.close()
        self.server.stop()
