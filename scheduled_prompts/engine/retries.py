"""When a failed attempt is made again. Pure; the spread comes from a hash, so that it is the same whoever computes
it."""

from __future__ import annotations

import hashlib

from scheduled_prompts.fire import Fire
from scheduled_prompts.policies import RETRY_JITTER
from scheduled_prompts.prompt import Definition

LONGEST_DELAY = 30 * 86_400.0
"""What a prompt's own delays are bounded by, in seconds."""


def retry_delay(definition: Definition, fire: Fire, asked: float | None = None) -> float | None:
    """Seconds until the next attempt, or None where the retries are used up.

    `asked`: what the runner asked for by `Retry(after=…)`; taken as it is, without spread, up to 30 days.
    """
    if fire.failures >= definition.retries:
        return None
    if asked is not None:
        return min(asked, LONGEST_DELAY)
    delays = definition.retry_delays
    delay = delays[min(fire.failures, len(delays) - 1)]
    return delay * (1 + RETRY_JITTER * _spread(f"{fire.id}#{fire.failures}"))


def _spread(seed: str) -> float:
    """A number in [-1, 1)."""
    drawn = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest())
    return drawn / 2**63 - 1
