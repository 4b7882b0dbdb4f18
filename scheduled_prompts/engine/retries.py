"""Whether and when a failed attempt is made again. Pure; the spread comes from a hash, so that it is the same whoever
computes it."""

from __future__ import annotations

import hashlib

from scheduled_prompts.fire import Fire
from scheduled_prompts.policies import Policies
from scheduled_prompts.runners.contract import Retry

LONGEST_DELAY = 30 * 86_400.0
"""What delays are bounded by, in seconds, before they are spread."""


def retry_delay(policies: Policies, fire: Fire, asked: float | None = None) -> float | None:
    """Seconds until the next attempt, or None where the retries are used up.

    `asked`: what the runner asked for by `Retry(after=…)`; taken as it is, without spread, up to 30 days.
    """
    if fire.failures >= policies.retries:
        return None
    if asked is not None:
        return min(asked, LONGEST_DELAY)
    delays = policies.retry_delays
    further = max(0, fire.failures - len(delays) + 1)
    delay = min(delays[fire.failures - further] * policies.retry_factor**further, LONGEST_DELAY)
    return delay * (1 + policies.retry_jitter * _spread(f"{fire.id}#{fire.failures}"))


def is_worth_another_try(policies: Policies, error: BaseException | None) -> bool:
    """Whether this kind of end is tried again. `error`: what the runner raised; None where it did not end in time.

    A `Retry` that names no time is as the error that it came from.
    """
    if error is None:
        return "timeout" in policies.retry_on
    kinds = {"error", *_names(error)}
    if isinstance(error, Retry) and error.__cause__ is not None:
        kinds |= _names(error.__cause__)
    return not kinds.isdisjoint(policies.retry_on)


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _spread(seed: str) -> float:
    """A number in [-1, 1)."""
    drawn = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest())
    return drawn / 2**63 - 1
