"""What is wrong with a document that holds many prompts: every problem at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scheduled_prompts.errors import InvalidInput

SHOWN = 20


class Problem(NamedTuple):
    """`place`: where in the document, such as `prompts.morning-digest.when`."""

    place: str
    message: str
    hint: str | None = None

    @property
    def text(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class Refusals(InvalidInput):
    """A document that is refused as a whole: nothing of it was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        shown = "; ".join(problem.text for problem in problems[:SHOWN])
        more = f"; and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
        super().__init__(shown + more, hint=problems[0].hint if len(problems) == 1 else None)
        self.problems = tuple(problems)
