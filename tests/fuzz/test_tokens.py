"""Whatever is held out as a token: it is refused, and none is good that was not made here."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts import tokens
from scheduled_prompts.caller import Caller
from scheduled_prompts.errors import TokenRefused
from tests.fuzz.effort import at_once, tries
from tests.fuzz.mutations import texts

SECRET = b"s" * 32
NOW = 1_767_225_600_000
FIRE = "01KDVDNA0000MPA4S71RK9W39Q@1767225605000"
GOOD = [
    tokens.issue_caller(
        SECRET, Caller(owner="ann", agent="a"), token_id="0123456789abcdef", expires_at=NOW + 1, namespace="sp"
    ),
    tokens.issue_fire(
        SECRET, Caller(owner="ann", fire=FIRE, attempt=1), expires_at=NOW + 1, rules=tokens.Rules(), namespace="sp"
    ),
]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)

FIELDS = ["kind", "id", "namespace", "expires_at", "caller", "limits", "budgets", "approval"]


def read(token: str) -> None:
    tokens.id_of(token)
    tokens.read(token, SECRET, now=NOW, namespace="sp")


@tries(40)
@given(texts(GOOD))
def test_whatever_is_held_out_as_a_token(text: str) -> None:
    try:
        at_once(lambda: read(text))
    except TokenRefused:
        assert text not in GOOD
    else:
        assert text in GOOD


@tries(40)
@given(st.one_of(JSON, st.dictionaries(st.sampled_from(FIELDS), JSON)))
def test_whatever_a_token_says_that_was_signed_here(said: Any) -> None:
    """By another release, say: the signature is right, and what it says is not known."""
    begin = {"kind": "caller", "id": "x", "namespace": "sp", "expires_at": NOW + 1, "caller": {}}
    said = {**begin, **said} if isinstance(said, dict) else said
    packed = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    signed = tokens.PREFIX + packed
    token = f"{signed}.{tokens._signature(SECRET, signed)}"
    with suppress(TokenRefused):
        at_once(lambda: read(token))
