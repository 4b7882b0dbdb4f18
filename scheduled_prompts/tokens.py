"""Tokens: who is calling, signed, for those who call from another process.

A token says on whose behalf it is used, with which rights, and until when; nothing of it is stored. It is signed with
the secret of the namespace (HMAC-SHA256), so who cannot read the store can neither make one up nor change one. Two
kinds: one for a *caller*, which somebody makes and hands out; and one for a *fire*, made by the daemon for what runs in
it, with the rules of that daemon, so that a child process cannot choose its own.

`sp1.<what it says, JSON>.<signature>`, both in base64url. It can be read by whoever holds it: nothing in it is secret
but the right to use it. Pure: whether it was revoked, and whether the fire still runs, is asked of the store
(`Store.claims_of`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any, Literal, NamedTuple, get_args

from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.caller import Caller
from scheduled_prompts.errors import TokenRefused, quoted
from scheduled_prompts.limits import Limits

PREFIX = "sp1."
"""The version of the form. Another form gets another prefix, which this release refuses."""
LONGEST = 16 * 1024
"""Characters: what is longer is not looked at."""

Kind = Literal["caller", "fire"]


class Rules(NamedTuple):
    """What a daemon judges by what is scheduled: all but `concurrency`, and the budgets of other owners."""

    limits: Limits = Limits()
    approval: Approval = Approval()
    budgets: Budgets = Budgets()


class Claims(NamedTuple):
    """What a token says, once its signature was found right."""

    kind: Kind
    id: str
    """By which it can be revoked."""
    caller: Caller
    expires_at: int
    """ms UTC."""
    rules: Rules | None = None
    """Of a fire's: those of the daemon that made it."""


def issue_caller(secret: bytes, caller: Caller, *, token_id: str, expires_at: int, namespace: str) -> str:
    """A token for a caller, until `expires_at` (ms UTC). Raises ValueError for a caller that is bound to a fire."""
    if caller.fire is not None:
        raise ValueError("a caller in a fire gets the token of that fire")
    return _issue(secret, "caller", token_id, caller, expires_at, namespace, {})


def issue_fire(secret: bytes, caller: Caller, *, expires_at: int, rules: Rules, namespace: str) -> str:
    """A token for what runs in the fire that the caller is bound to. Raises ValueError where it is bound to none."""
    if caller.fire is None or caller.attempt is None:
        raise ValueError("the token of a fire names the fire and the attempt")
    budgets = rules.budgets
    own = {name: budget for name, budget in budgets.owners.items() if name == caller.owner}
    said = {
        # With what is default: what a profile says is no default of the others.
        "limits": rules.limits.model_dump(mode="json", exclude={"concurrency"}),
        "approval": rules.approval.model_dump(mode="json", exclude_defaults=True),
        "budgets": budgets.model_copy(update={"owners": own}).model_dump(mode="json", exclude_defaults=True),
    }
    return _issue(secret, "fire", f"{caller.fire}#{caller.attempt}", caller, expires_at, namespace, said)


def read(token: str, secret: bytes, *, now: int, namespace: str) -> Claims:
    """What a token says. Raises TokenRefused for one that is malformed, forged, expired, or of another namespace."""
    if not (token.startswith(PREFIX) and token.isascii() and len(token) <= LONGEST and token.count(".") == 2):
        raise _malformed()
    signed, _, signature = token.rpartition(".")
    said = _unpacked(signed.removeprefix(PREFIX))
    if not hmac.compare_digest(_signature(secret, signed), signature):
        other = said.get("namespace")
        if isinstance(other, str) and other != namespace:
            raise TokenRefused(
                f"the token is of namespace {other[:128]!r}, and this one is {namespace!r}",
                hint="use it with the store and the namespace that it was made for",
            )
        raise TokenRefused("the token was not made by this store, or was changed", hint="ask for a new one")
    try:
        claims = Claims(
            kind=said["kind"],
            id=said["id"],
            caller=Caller.model_validate(said["caller"]),
            expires_at=int(said["expires_at"]),
            rules=None if said["kind"] == "caller" else _rules(said),
        )
        if claims.kind not in get_args(Kind) or not isinstance(claims.id, str):
            raise ValueError(f"{claims.kind!r} {claims.id!r}")
    except Exception as error:  # it was signed here, so somebody meant it
        raise TokenRefused("the token was made by another release, and says what this one does not know") from error
    if said.get("namespace") != namespace:  # two namespaces with one secret: a store that was copied
        other = quoted(said.get("namespace"))
        raise TokenRefused(f"the token is of namespace {other}, and this one is {namespace!r}")
    if now >= claims.expires_at:
        raise TokenRefused("the token has expired", hint="ask for a new one")
    return claims


def _rules(said: dict[str, Any]) -> Rules:
    return Rules(
        Limits.model_validate(said["limits"]),
        Approval.model_validate(said["approval"]),
        Budgets.model_validate(said["budgets"]),
    )


def id_of(token: str) -> str | None:
    """By what a token can be revoked, unchecked; None for what is no token."""
    try:
        token_id = _unpacked(token.removeprefix(PREFIX).partition(".")[0]).get("id")
    except TokenRefused:
        return None
    return token_id if isinstance(token_id, str) else None


def _issue(
    secret: bytes, kind: Kind, token_id: str, caller: Caller, expires_at: int, namespace: str, more: dict[str, Any]
) -> str:
    who = caller.model_dump(mode="json", exclude_none=True, exclude={"tool_call_id"})
    said = {
        "kind": kind,
        "id": token_id,
        "namespace": namespace,
        "expires_at": expires_at,
        "caller": who | {"scopes": sorted(who["scopes"])},
        **more,
    }
    signed = PREFIX + _base64(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode())
    return f"{signed}.{_signature(secret, signed)}"


def _signature(secret: bytes, signed: str) -> str:
    return _base64(hmac.digest(secret, signed.encode("ascii"), hashlib.sha256))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _unpacked(text: str) -> dict[str, Any]:
    try:
        said = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _malformed() from error
    if not isinstance(said, dict):
        raise _malformed()
    return said


def _malformed() -> TokenRefused:
    """It does not show what it was given: that may be a secret of something else."""
    return TokenRefused(f"that is no token: one begins with {PREFIX}", hint="was it cut off when it was copied?")
