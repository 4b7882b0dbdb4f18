"""Numbers that look random and are always the same.

A restart must redraw nothing, on any machine and under any Python, so draws come from a keyed hash, never
from `hash()` or `random`.
"""

from __future__ import annotations

from hashlib import blake2b


def draw(purpose: bytes, below: int, *parts: str | int) -> int:
    """A number in [0, below), spread evenly over `parts` and fixed by them.

    `purpose` (16 bytes at most) keeps the uses apart.
    """
    text = "\x1f".join(map(str, parts))
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=purpose).digest()
    # 64 bits over at most a year in ms: the bias of the remainder is below one in 10^8.
    return int.from_bytes(digest, "big") % below


def distinct_draws(purpose: bytes, count: int, below: int, *parts: str | int) -> list[int]:
    """`count` different numbers in [0, below), sorted; fewer if there are not that many.

    A number that is taken already gives way to the next free one.
    """
    taken: set[int] = set()
    for number in range(min(count, below)):
        place = draw(purpose, below, *parts, number)
        while place in taken:
            place = (place + 1) % below
        taken.add(place)
    return sorted(taken)
