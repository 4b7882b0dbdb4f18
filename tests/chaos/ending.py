"""How a run comes to its end: calm, until everything that was asked for has ended; then what is there is collected."""

from __future__ import annotations

import time
from dataclasses import asdict

from tests.chaos.evidence import Evidence
from tests.chaos.faults import Faults
from tests.chaos.house import House
from tests.whole_keys import lifetimes, values


def calm_down(house: House, longest: float) -> None:
    """Until everything that was asked for has come to its end."""
    deadline = time.monotonic() + longest
    while not house.is_calm(due_before=float("inf")):
        if time.monotonic() > deadline:
            house.troubles.append(f"not everything had ended after {longest:g} s of calm")
            return
        time.sleep(0.3)


def collect(house: House, faults: Faults) -> Evidence:
    whole = house.server.whole()
    return Evidence(
        book=house.lines(house.book),
        clients=house.lines(house.client_log),
        faults=faults.as_log(),
        lives=[asdict(life) for life in house.lives],
        logs={life.who: house.log_of(life.who).read_text(errors="replace") for life in house.lives},
        keys=values(whole),
        lifetimes=lifetimes(whole),
        ended_at=time.time() * 1000,
    )
