"""Signatures by the Standard Webhooks specification, symmetric (`v1`): HMAC-SHA256 over id, timestamp and body.

There may be several secrets: each signs, and a receiver is content with any one it knows. So secrets are rotated
without a gap: add the new one here, change the receiver, take the old one away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence

from scheduled_prompts.errors import InvalidConfig

PREFIX = "whsec_"
MIN_KEY_BYTES = 24
"""What the specification asks for at least."""
SECRET_HINT = 'make one with: echo "whsec_$(openssl rand -base64 32)"'


class Signer:
    """Signs with all its keys. Raises InvalidConfig where there is none."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise InvalidConfig(
                "it has no secret to sign with", hint=f"give secrets, or secrets_env and the variable; {SECRET_HINT}"
            )
        self._keys = tuple(keys)

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """`timestamp`: when this attempt is made, in seconds UTC."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        signatures = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


def read_keys(secrets: object, secrets_env: object) -> list[bytes]:
    """The keys of `secrets`, a list, and of the environment variable that `secrets_env` names, which holds one or
    several with blanks between. Raises InvalidConfig, which never shows a secret."""
    if secrets is None:
        secrets = []
    if isinstance(secrets, str) or not isinstance(secrets, Sequence):
        raise InvalidConfig("secrets must be a list of texts", hint='secrets = ["whsec_…"]')
    keys = [_key(secret, f"secrets: item {number}") for number, secret in enumerate(secrets, 1)]
    return keys + _keys_from_environment(secrets_env)


def _keys_from_environment(variable: object) -> list[bytes]:
    if variable is None:
        return []
    if not isinstance(variable, str) or not variable or "=" in variable or "\0" in variable:
        raise InvalidConfig("secrets_env must be the name of an environment variable", hint='secrets_env = "MY_SECRET"')
    found = os.environ.get(variable, "").split()
    if not found:
        raise InvalidConfig(
            f"secrets_env: the variable {variable} is not set, or empty",
            hint="set it where the daemon runs: one secret, or several with blanks between",
        )
    return [_key(secret, f"secrets_env: secret {number} in {variable}") for number, secret in enumerate(found, 1)]


def _key(secret: object, where: str) -> bytes:
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        raise InvalidConfig(f"{where} does not begin with {PREFIX}", hint=SECRET_HINT)
    encoded = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):  # from None: the cause would show it
        raise InvalidConfig(f"{where} is not base64 after {PREFIX}", hint=SECRET_HINT) from None
    if len(key) < MIN_KEY_BYTES:
        raise InvalidConfig(
            f"{where} holds {len(key)} bytes; at least {MIN_KEY_BYTES} are needed to be safe", hint=SECRET_HINT
        )
    return key
