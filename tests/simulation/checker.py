"""Was every promise kept? Judges a simulation from what the server did, what runners wrote, and the keys in the end.

It shares no code with the engine. What it forgives, it forgives because of a fault that was there (`excuses.py`), and
nothing explains a broken rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.beginnings import Beginnings
from tests.simulation.books import Books
from tests.simulation.endings import Endings
from tests.simulation.excuses import Contact
from tests.simulation.hosts import Hosts
from tests.simulation.lateness import Lateness
from tests.simulation.reading import Reading
from tests.simulation.stops import Stops

if TYPE_CHECKING:
    from tests.simulation.world import World


def judge(world: World) -> Books:
    """The books, with all findings."""
    books = Reading(world.plan, world.trace.events, Contact(world).broken).books
    books.findings[:0] = world.findings
    for judge in (Endings, Beginnings, Lateness, Hosts, Stops):
        for check in judge(world, books).checks():
            try:
                check()
            except AssertionError as problem:
                books.findings.append(f"{check.__name__}: {problem}")
    return books
