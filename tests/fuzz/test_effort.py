"""The stopwatch of the fuzzing finds what takes too long."""

from __future__ import annotations

import time

import pytest

from tests.fuzz.effort import LONGEST, at_once, slowness


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_call_that_is_always_busy_is_found_whether_it_answers_or_raises() -> None:
    def fails() -> None:
        busy(1.5 * LONGEST * slowness())
        raise ValueError

    for call in (lambda: busy(1.5 * LONGEST * slowness()), fails):
        with pytest.raises(AssertionError, match="three times"):
            at_once(call)


def test_a_call_that_is_busy_once_is_not() -> None:
    times = iter([1.5 * LONGEST * slowness(), 0.0])
    at_once(lambda: busy(next(times)))


def test_what_a_quick_call_answers_or_raises_is_handed_on() -> None:
    assert at_once(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        at_once(lambda: 1 / 0)
