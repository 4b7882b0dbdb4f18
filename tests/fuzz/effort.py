"""How much is tried, and how long one try may take.

`make test` tries a little of everything; `FUZZ=20000` tries that many examples of each property. No input may keep the
package busy for more than 100 ms: CPU time of this thread, so that what else the machine does is not counted, and
measured again where it took longer, for the first of a kind loads modules and fills caches.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

Answer = TypeVar("Answer")

WANTED = int(os.environ.get("FUZZ", "0"))
LONGEST = 0.1
"""Seconds, on the machine that the bound is meant for."""
_LOOPS = 1_000_000
_USUAL = 0.03
"""What so many empty loops take there."""


def tries(few: int, *, share: float = 1.0) -> settings:
    """`few` examples, or as many as were asked for; `share`: of these, where an example costs much."""
    return settings(
        max_examples=max(few, round(WANTED * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )


@functools.cache
def slowness() -> float:
    """How much slower this machine is, at least 1."""
    began = time.thread_time()
    for _ in range(_LOOPS):
        pass
    return max(1.0, (time.thread_time() - began) / _USUAL)


def at_once(call: Callable[[], Answer]) -> Answer:
    """What a call answers, or raises, that does not hang. AssertionError where it takes too long, three times."""
    bound = LONGEST * slowness()
    for _ in range(3):
        began = time.thread_time()
        try:
            answer, problem = [call()], None
        except Exception as raised:
            answer, problem = [], raised
        took = time.thread_time() - began
        if took <= bound:
            break
    else:
        raise AssertionError(f"it took {took:.3f} s of CPU time, three times; {bound:.3f} s is the most") from problem
    if problem is not None:
        raise problem
    return answer[0]
