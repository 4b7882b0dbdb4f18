"""Durations as people write them, read: `90`, `10m`, `1h30m`."""

from __future__ import annotations

import re

from scheduled_prompts.errors import quoted

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST_DURATION = 64
"""Characters. To look for parts in long ones would take long."""
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def seconds(text: str) -> float:
    """A duration in seconds: `90`, `90s`, `1.5h`, `1h30m`. Raises ValueError."""
    compact = text.strip().lower()
    if len(compact) <= _LONGEST_DURATION and _NUMBER.fullmatch(compact):
        return float(compact)
    parts = list(_PART.finditer(compact)) if len(compact) <= _LONGEST_DURATION else []
    if not parts or _PART.sub("", compact).strip():
        raise ValueError(f"{quoted(text)} is not a duration such as 90s, 10m or 1h30m")
    return sum(float(part[1]) * _UNIT_SECONDS[part[2]] for part in parts)
