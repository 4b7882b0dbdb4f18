"""How the machine chooses what it does next. Hypothesis draws rules evenly, and leaves half of them out of each run: a
fire is then seldom claimed, taken and settled in one. Here what daemons do comes often, and each run is about a few
topics, so that what belongs together meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

Method = TypeVar("Method", bound=Callable[..., None])


class Act(NamedTuple):
    name: str
    weight: int
    topics: frozenset[str]
    """It is done in runs about one of these; where there is none, in all."""
    is_possible: Callable[[Any], bool]
    arguments: dict[str, st.SearchStrategy[Any]]


def act(
    *, weight: int = 1, about: str = "", when: Callable[[Any], bool] = lambda _: True, **arguments: Any
) -> Callable[[Method], Method]:
    """A method becomes something that the machine may do. `about`: topics, with blanks; `when`: of the machine."""

    def mark(method: Method) -> Method:
        method.act = Act(method.__name__, weight, frozenset(about.split()), when, arguments)  # type: ignore[attr-defined]
        return method

    return mark


def acts_of(machine: type) -> list[Act]:
    methods = (getattr(machine, name) for name in sorted(dir(machine)))
    return [method.act for method in methods if hasattr(method, "act")]
