"""Tokens: what is signed can be read, and nothing else can."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pytest

from scheduled_prompts import Budgets, Caller, Limits, Scope, TokenRefused
from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import OwnerBudget
from scheduled_prompts.limits import Concurrency
from scheduled_prompts.tokens import LONGEST, Rules, id_of, issue_caller, issue_fire, read

SECRET = bytes(range(32))
NOW = 1_800_000_000_000
FIRE = "01J00000000000000000000000@1800000000000"
ANN = Caller(owner="ann", agent="planner", conversation="c1", platform="chat", runners=("claude",))


def caller_token(caller: Caller = ANN, *, secret: bytes = SECRET, namespace: str = "sp", expires: int = NOW + 1) -> str:
    return issue_caller(secret, caller, token_id="ab" * 8, expires_at=expires, namespace=namespace)


def refusal(token: str, *, namespace: str = "sp", now: int = NOW) -> str:
    with pytest.raises(TokenRefused) as caught:
        read(token, SECRET, now=now, namespace=namespace)
    assert (caught.value.code, caught.value.exit_code) == ("token_refused", 6)
    return caught.value.message


def forged(token: str, **changes: object) -> str:
    """The same signature under other words."""
    prefix, body, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    altered = base64.urlsafe_b64encode(json.dumps(said | changes).encode()).decode().rstrip("=")
    return f"{prefix}.{altered}.{signature}"


@pytest.mark.parametrize(
    "caller",
    [ANN, Caller(), Caller(owner="ünï", runners=(), scopes=frozenset({Scope.READ}))],
    ids=["ann", "nobody", "who reads"],
)
def test_a_callers_token_says_who_it_was_made_for(caller: Caller) -> None:
    claims = read(caller_token(caller), SECRET, now=NOW, namespace="sp")
    assert claims == ("caller", "ab" * 8, caller, NOW + 1, None)


def test_what_a_single_call_is_known_by_is_not_in_it() -> None:
    token = caller_token(ANN.model_copy(update={"tool_call_id": "call-1"}))
    assert read(token, SECRET, now=NOW, namespace="sp").caller == ANN


def test_a_fires_token_carries_the_rules_of_its_daemon() -> None:
    caller = ANN.model_copy(update={"fire": FIRE, "attempt": 2})
    limits = Limits(profile="agents", fires_per_owner=0, active_per_owner=3, concurrency=Concurrency(owner=1))
    owners = {"ann": OwnerBudget(per_fire=Decimal("0.1")), "bob": OwnerBudget(per_fire=Decimal(9))}
    budgets = Budgets(currency="EUR", per_fire=Decimal("0.5"), owners=owners)
    rules = Rules(limits, Approval(agents=("*",), cost_above=Decimal("0.01")), budgets)
    token = issue_fire(SECRET, caller, expires_at=NOW + 1, rules=rules, namespace="sp")
    claims = read(token, SECRET, now=NOW, namespace="sp")
    assert (claims.kind, claims.id, claims.caller) == ("fire", f"{FIRE}#2", caller)
    assert claims.rules is not None
    assert claims.rules.limits == limits.model_copy(update={"concurrency": Concurrency()})
    assert claims.rules.approval == rules.approval
    assert claims.rules.budgets == budgets.model_copy(update={"owners": {"ann": owners["ann"]}})


def test_only_the_right_kind_of_caller_gets_a_token() -> None:
    with pytest.raises(ValueError, match="of that fire"):
        caller_token(ANN.model_copy(update={"fire": FIRE, "attempt": 1}))
    with pytest.raises(ValueError, match="names the fire"):
        issue_fire(SECRET, ANN, expires_at=NOW, rules=Rules(), namespace="sp")


def test_it_ends_when_it_says() -> None:
    token = caller_token(expires=NOW)
    assert read(token, SECRET, now=NOW - 1, namespace="sp").caller == ANN
    assert refusal(token) == "the token has expired"


@pytest.mark.parametrize(
    "changes",
    [
        {"caller": {"owner": "bob", "scopes": ["read"]}},
        {"expires_at": NOW * 2},
        {"kind": "fire"},
        {"namespace": "sp", "id": "other"},
    ],
    ids=str,
)
def test_what_was_changed_is_not_believed(changes: dict[str, object]) -> None:
    assert "was not made by this store, or was changed" in refusal(forged(caller_token(), **changes))


def test_what_another_secret_signed_is_not_believed() -> None:
    assert "was not made by this store" in refusal(caller_token(secret=b"x" * 32))
    assert "was not made by this store" in refusal(caller_token(secret=b""))


def test_a_token_of_another_namespace_is_told_so() -> None:
    assert "is of namespace 'other'" in refusal(caller_token(secret=b"x" * 32, namespace="other"))
    assert "is of namespace 'other'" in refusal(caller_token(namespace="other")), "a copied store has the same secret"


def test_every_signature_but_the_one_is_refused() -> None:
    token = caller_token()
    for end in ("A", "AA", "=", ".", "\n", " "):
        refusal(token + end)
    for cut in range(1, 44):
        refusal(token[:-cut])
    last = token[-1]
    others = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" if c != last]
    for other in others:  # the last character holds bits that are not used: none of its twins is as good
        refusal(token[:-1] + other)


@pytest.mark.parametrize(
    "text",
    ["", "sp1", "sp1.", "sp1..", "sp1.e30", "sp1.e30.", "sp1.W10.x", "sp1.%%%.x", "sp2.e30.x", "Bearer sp1.e30.x",
     "sp1.é.x", "sp1.e30.é", "sp1.bm8.x", "sp1." + "A" * LONGEST + ".x", "sp1." + "W1tb" * 1500 + ".x"],
)  # fmt: skip
def test_what_is_no_token_is_refused_and_not_shown(text: str) -> None:
    message = refusal(text)
    assert "e30" not in message
    assert "AAA" not in message


def test_a_token_that_says_more_than_is_known_is_of_another_release() -> None:
    class Later(Caller):
        wings: int = 2

    token = caller_token(Later(owner="ann"))
    assert "by another release" in refusal(token)


def test_a_tokens_id_can_be_read_without_the_secret() -> None:
    assert id_of(caller_token(secret=b"?")) == "ab" * 8
    assert [id_of(text) for text in ("", "sp1.e30.x", "sp1.%.x")] == [None, None, None]
