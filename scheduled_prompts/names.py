"""What may be the name of an owner, a runner, a platform, …, and in which words another one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

NAME = r"^[^\s/:{}\x00-\x1f\x7f]+$"
CURRENCY = "^[A-Z]{3,8}$"
EXCEPTION = "^[A-Za-z_][A-Za-z0-9_]*$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=NAME)]
"""A word that may become part of a Redis key: no blank, control character, `/`, `:`, `{` or `}`."""

_NO_SUCH = {
    NAME: "may not contain blanks, control characters, or any of / : { }",
    CURRENCY: "is no currency such as USD or EUR",
    EXCEPTION: "is no name of an exception, such as ConnectionError",
}


def misnamed(problem: Mapping[str, Any]) -> str | None:
    """What pydantic found wrong with a name, as a person is told it; None where it is no name, or too long a one."""
    if problem["type"] == "string_pattern_mismatch":
        return f"{problem['input']!r} {_NO_SUCH[problem['ctx']['pattern']]}"
    return "it may not be empty" if problem["type"] == "string_too_short" else None
