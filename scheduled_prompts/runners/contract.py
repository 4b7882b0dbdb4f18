"""What a runner is: an object with `async run(fire)`.

The fire's id is its idempotency key: a fire may be run again under the same id after a crash, with `attempt` raised.
Cancellation (timeout, cancel, daemon stop) arrives as `asyncio.CancelledError` at the runner's next await.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.money import Usage


@runtime_checkable
class Runner(Protocol):
    """Does the work. A text or None is a `Result` in short."""

    async def run(self, fire: Fire) -> Result | str | None: ...


class Retry(Exception):
    """Raised by a runner: try again, `after` seconds from now (None: when, and if, the prompt's policies say so; by
    `retry_on` it is also what it was raised from). Counts as a failure within the prompt's retries. `usage`: what this
    attempt used all the same."""

    def __init__(
        self,
        message: str = "the runner asked to be tried again",
        *,
        after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.usage = usage
        if after is not None and not after >= 0:
            raise ValueError(f"after={after} is not a delay in seconds")
        self.after = after


class Permanent(Exception):
    """Raised by a runner: trying again will not help. The fire fails at once. `usage`: what it used all the same."""

    def __init__(self, *message: object, usage: Usage | None = None) -> None:
        super().__init__(*message)
        self.usage = usage
