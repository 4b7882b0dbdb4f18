"""How the values of options are read."""

from __future__ import annotations

import pytest

from scheduled_prompts.cli.options import label
from scheduled_prompts.cli.policies import retries
from scheduled_prompts.durations import seconds


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("90s", 90.0),
        ("10m", 600.0),
        ("10min", 600.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("1.5H", 5400.0),
        ("2d", 172_800.0),
        ("250ms", 0.25),
        (" 5 s ", 5.0),
    ],
)
def test_durations(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "s", "soon", "-5", "5 5", "1h30", "1e3", "inf", "5s!", "٣s", "1,5s", "5m5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", {"retries": 0}),
        ("3", {"retries": 3}),
        ("10s", {"retries": 1, "retry_delays": (10.0,)}),
        ("10s,1m,5m", {"retries": 3, "retry_delays": (10.0, 60.0, 300.0)}),
        ("10, 60", {"retries": 2, "retry_delays": (10.0, 60.0)}),
    ],
)
def test_retries_are_a_count_or_delays(text: str, meant: dict[str, object]) -> None:
    assert retries(text) == meant


def test_a_label_is_cut_at_its_first_sign() -> None:
    assert label("query=a=b") == ("query", "a=b")
    assert label("empty=") == ("empty", "")
