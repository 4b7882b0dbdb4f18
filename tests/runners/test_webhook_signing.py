"""Signatures, held against the verifier of the `standardwebhooks` package."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.runners.webhook import WebhookRunner
from scheduled_prompts.runners.webhook_signing import Signer, read_keys
from tests.runners.webhook_receiver import SECRET, Post, Receiver, a_fire, result


def a_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


def a_post(text: str = "What is new?", **options: Any) -> Post:
    receiver = Receiver()
    result(receiver, a_fire(text), **options)
    [post] = receiver.posts
    return post


def test_a_receiver_with_the_secret_verifies_the_post() -> None:
    post = a_post("Wie geht's? 🌞")
    message = Webhook(SECRET).verify(post.body, post.headers)
    assert message["data"]["prompt"]["text"] == "Wie geht's? 🌞"


def test_a_receiver_with_another_secret_refuses_it() -> None:
    post = a_post()
    with pytest.raises(WebhookVerificationError):
        Webhook(a_secret()).verify(post.body, post.headers)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_a_changed_header_is_noticed(header: str) -> None:
    post = a_post()
    changed = post.headers[header][:-1] + ("0" if post.headers[header][-1] != "0" else "1")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(post.body, post.headers | {header: changed})


def test_a_changed_body_is_noticed() -> None:
    post = a_post()
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(post.body.replace(b"new", b"old"), post.headers)


def test_while_secrets_are_rotated_a_receiver_with_either_verifies_the_post() -> None:
    old, new = a_secret(), a_secret()
    post = a_post(secrets=[old, new])
    assert Webhook(old).verify(post.body, post.headers) == Webhook(new).verify(post.body, post.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(a_secret()).verify(post.body, post.headers)


def test_secrets_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = a_secret(), a_secret()
    monkeypatch.setenv("HOOK_SECRETS", f" {first}\n{second} ")
    post = a_post(secrets=None, secrets_env="HOOK_SECRETS")
    Webhook(first).verify(post.body, post.headers)
    Webhook(second).verify(post.body, post.headers)


def test_secrets_of_the_file_and_of_the_environment_sign_together(monkeypatch: pytest.MonkeyPatch) -> None:
    other = a_secret()
    monkeypatch.setenv("HOOK_SECRETS", other)
    post = a_post(secrets_env="HOOK_SECRETS")
    Webhook(SECRET).verify(post.body, post.headers)
    Webhook(other).verify(post.body, post.headers)


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    body = b'{"test": 2432232314}'
    headers = Signer(read_keys([SECRET], None)).headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert json.loads(body)


def test_padding_may_be_missing() -> None:
    padded = "whsec_" + base64.b64encode(b"x" * 25).decode()
    assert padded.endswith("==")
    assert read_keys([padded], None) == read_keys([padded.rstrip("=")], None) == [b"x" * 25]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({}, "it has no secret to sign with", "openssl rand"),
        ({"secrets": []}, "it has no secret to sign with", "secrets_env"),
        ({"secrets": SECRET}, "secrets must be a list of texts", 'secrets = ["whsec_…"]'),
        ({"secrets": [7]}, "item 1 does not begin with whsec_", "openssl rand"),
        ({"secrets": [SECRET, "s3cret"]}, "item 2 does not begin with whsec_", "openssl rand"),
        ({"secrets": ["whsec_s3cret!"]}, "item 1 is not base64", "openssl rand"),
        ({"secrets": ["whsec_ä3cret"]}, "item 1 is not base64", "openssl rand"),
        ({"secrets": ["whsec_s3cretXX"]}, "item 1 holds 6 bytes; at least 24", "openssl rand"),
        ({"secrets_env": ""}, "must be the name of an environment variable", "MY_SECRET"),
        ({"secrets_env": "A=B"}, "must be the name of an environment variable", "MY_SECRET"),
        ({"secrets_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set", "one secret, or several"),
        ({"secrets_env": "BAD_HOOK_SECRETS"}, "secret 2 in BAD_HOOK_SECRETS does not begin", "openssl rand"),
    ],
)
def test_secrets_that_cannot_be_used_stop_the_start_and_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str, hint: str
) -> None:
    monkeypatch.setenv("BAD_HOOK_SECRETS", f"{SECRET} s3cret")
    with pytest.raises(InvalidConfig) as caught:
        WebhookRunner("https://example.com", **options)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "3cret" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"
