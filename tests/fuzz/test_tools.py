"""Whatever a model gives to a tool: it is answered, and the answer is JSON; nothing of ours fails."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.testing import VirtualClock, run_virtual
from scheduled_prompts.tools import catalogue
from scheduled_prompts.tools.toolbox import Tools
from tests.fuzz.effort import at_once, tries
from tests.fuzz.mutations import ODD, texts
from tests.fuzz.test_texts import FORMS

CALLER = Caller(owner="ann", agent="a", runners=("log",), scopes=frozenset(Scope))
NAMES = sorted(catalogue.ALL)
SAID = [
    *FORMS,
    "last",
    "the daily one",
    "next",
    "none",
    "active",
    '{"when": "in 1h"}',
    "{",
    "```json\n{}\n```",
    "1e400",
]
HUGE: dict[str, Any] = {
    "a long text": "x" * 40_000,
    "a text that nests": "[" * 5_000,
    "fences": "```\n" * 2_000,
    "words": "a " * 9_000,
    "digits": "9" * 6_000,
    "a number": 10**400,
    "a list in a list in …": json.loads("[" * 900 + "]" * 900),
    "bytes": b"bytes",
    "an object": object(),
}
"""By name, so that an example can be shown."""
LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(SAID),
    st.sampled_from(ODD),
    texts(SAID),
    st.sampled_from(sorted(HUGE)).map(HUGE.__getitem__),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*SAID, *ODD]), inner, max_size=3)
    ),
    max_leaves=6,
)
OTHER_NAMES = st.one_of(st.sampled_from(ODD), st.sampled_from(["schedule", "limit", "type", "tz", "at"]))


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Any]:
    """A tool, and what is near to its arguments."""
    name = draw(st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), texts(NAMES)))
    spec = catalogue.ALL[name].spec if name in catalogue.ALL else None
    kind = draw(st.integers(0, 9))
    if spec is None or kind == 0:
        return name, draw(VALUES)
    given: dict[Any, Any] = dict(spec.example)
    names = [argument.name for argument in spec.arguments]
    for _ in range(draw(st.integers(1, 4))):
        given[draw(st.one_of(st.sampled_from(names or ["x"]), OTHER_NAMES))] = draw(VALUES)
    if kind == 1:
        return name, {draw(st.sampled_from(["arguments", "input", name, "properties"])): given}
    if kind == 2:
        said = json.dumps(given, default=str)
        return name, draw(texts([said]))
    return name, given


def judge(answer: dict[str, Any]) -> None:
    json.dumps(answer, allow_nan=False).encode()
    json.dumps(answer, ensure_ascii=False).encode("utf-8")
    assert answer["ok"] in (True, False)
    if not answer["ok"]:
        error = answer["error"]
        assert set(error) == {"code", "message", "hint"}
        assert error["code"] != "internal_error", answer
        assert "Traceback" not in error["message"]
        assert "pydantic" not in error["message"]


@tries(25, share=0.5)
@given(st.data())
def test_whatever_a_model_gives(data: st.DataObject) -> None:
    made = [data.draw(calls()) for _ in range(data.draw(st.integers(1, 3)))]

    async def call() -> None:
        async with Store("memory:", clock=VirtualClock()) as store:
            tools = Tools(Scheduler(store, timezone="Europe/Berlin"))
            for name, given in made:
                judge(await tools.call(name, given, CALLER))

    at_once(lambda: run_virtual(call()))
