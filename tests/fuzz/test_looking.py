"""Whatever somebody wrote into the store: whoever looks at it with the command line is told, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.broken import NAMESPACE, Broken
from tests.fuzz.damage import Damage, damages
from tests.fuzz.effort import tries
from tests.fuzz.test_command_line import judge, typed

LINES = (
    ("list",),
    ("list", "--status", "quarantined"),
    ("stats",),
    ("events", "--limit", "20"),
    ("export",),
    ("doctor", "--quick"),
    ("doctor",),
    ("doctor", "--repair"),
    ("cleanup",),
)
OF_EACH = (
    ("show",),
    ("history",),
    ("history", "--changes"),
    ("explain",),
    ("fire", "show"),
    ("run",),
    ("pause",),
    ("cancel",),
)


@pytest.fixture(scope="module")
def its_settings(broken: Broken) -> Iterator[None]:
    before = dict(os.environ)
    os.environ["SCHEDULED_PROMPTS_STORE"] = broken.server.url
    os.environ["SCHEDULED_PROMPTS_NAMESPACE"] = NAMESPACE
    os.environ["SCHEDULED_PROMPTS_TIMEZONE"] = "Europe/Berlin"
    yield
    os.environ.clear()
    os.environ.update(before)


def look_at(broken: Broken, damage: Damage, *, as_json: bool, name: str) -> None:
    broken.stand_up(damage)
    if broken.types["meta"] == broken.client.type(broken.prefix + b"meta").decode() and damage.name != "meta":
        broken.client.hset(broken.prefix + b"meta", "virtual", "0")
    for line in (*LINES, *((*words, broken.house.prompts[name]) for words in OF_EACH)):
        judge(typed(*line, *(["--json"] if as_json else [])), as_json=as_json and line[0] != "export")


FOUND = (
    Damage("approvals", "a score", (0, "-inf")),
    Damage("events", "an event", (b"at", b"9" * 30)),
)


def test_what_nobody_was_told_once_is_told(broken: Broken, its_settings: None) -> None:
    for damage in FOUND:
        look_at(broken, damage, as_json=True, name="often")


@tries(2, share=0.05)
@given(st.data(), st.booleans())
def test_whoever_looks_is_told(broken: Broken, its_settings: None, data: st.DataObject, as_json: bool) -> None:
    damage = data.draw(damages(broken.types))
    names = sorted(broken.house.prompts)
    name = next((name for name in names if broken.house.prompts[name] in damage.name), "often")
    look_at(broken, damage, as_json=as_json, name=name)
