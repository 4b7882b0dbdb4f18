"""The options of a webhook runner: what is wrong with them is said at start, and shows no secret."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.runners.registry import build_runners
from scheduled_prompts.runners.webhook import WebhookRunner
from tests.runners.webhook_receiver import SECRET


def refused(**options: Any) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        WebhookRunner(**{"url": "https://example.com/hook", "secrets": [SECRET], **options})
    return caught.value


def test_a_runner_of_kind_webhook_is_built_from_its_table() -> None:
    options = {
        "kind": "webhook",
        "url": "https://example.com/hook",
        "secrets": [SECRET],
        "headers": {"X-Team": "a"},
        "connect_timeout": 5,
        "timeout": 30,
        "max_response_bytes": 1_000,
        "allow_private": ["10.0.0.0/8"],
    }
    assert isinstance(build_runners({"hook": options})["hook"], WebhookRunner)


def test_what_is_wrong_is_named_with_its_runner() -> None:
    with pytest.raises(InvalidConfig, match="runner 'hook': url must begin with http:// or https://"):
        build_runners({"hook": {"kind": "webhook", "url": "ftp://example.com", "secrets": [SECRET]}})
    with pytest.raises(InvalidConfig, match="runner 'hook': unknown option 'verify'"):
        build_runners({"hook": {"kind": "webhook", "url": "https://example.com", "verify": False}})


def test_without_the_library_the_fires_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("scheduled_prompts.runners.webhook")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with capture_logs() as logs:
        build_runners({"hook": {"kind": "webhook", "url": "https://example.com"}})
    assert "webhooks need httpx2: pip install 'scheduled-prompts[webhook]'" in logs[0]["problem"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (7, "url must be a text"),
        ("", "url must begin with http:// or https://"),
        ("example.com/token", "url must begin with http:// or https://"),
        ("file:///etc/token", "url must begin with http:// or https://"),
        ("unix:///run/token", "url must begin with http:// or https://"),
        ("http://", "url names no host"),
        ("http:///token", "url names no host"),
        ("http://a b/token", "url: 'a%20b' cannot be a host"),
        ("http://a..b/token", "url: 'a..b' cannot be a host"),
        ("http://1.2.3.4.5.6%00/token", "cannot be a host"),
        ("http://256.1.1.1/token", "url cannot be read as a URL"),
        ("http://[::1/token", "url cannot be read as a URL"),
        ("http://example.com:x/token", "url cannot be read as a URL"),
        ("http://example.com:0/token", "url: 0 cannot be a port"),
        ("http://example.com:99999/token", "url: 99999 cannot be a port"),
        ("http://example.com/\r\nX: token", "url cannot be read as a URL"),
    ],
)
def test_a_url_that_cannot_be_posted_to_stops_the_start(url: Any, message: str) -> None:
    error = refused(url=url)
    assert message in error.message
    assert error.hint
    assert "token" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize("url", ["https://bücher.example/", "https://EXAMPLE.com.", "https://[2606:4700::1111]:8443/x"])
def test_unusual_urls_are_taken(url: str) -> None:
    WebhookRunner(url, secrets=[SECRET])


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ("X: y", "headers must be a table"),
        ({"Webhook-Signature": "v1,x"}, "Webhook-Signature is set here already"),
        ({"IDEMPOTENCY-KEY": "x"}, "IDEMPOTENCY-KEY is set here already"),
        ({"content-type": "x"}, "content-type is set here already"),
        ({"Host": "x"}, "Host is set here already"),
        ({"Content-Length": "0"}, "Content-Length is set here already"),
        ({"Transfer-Encoding": "chunked"}, "Transfer-Encoding is set here already"),
        ({"X Y": "z"}, "'X Y' cannot be the name of a header"),
        ({"X:": "z"}, "'X:' cannot be the name of a header"),
        ({"X\r\nY": "z"}, "cannot be the name of a header"),
        ({"": "z"}, "'' cannot be the name of a header"),
        ({7: "z"}, "7 cannot be the name of a header"),
        ({"X-Key": "token\r\nY: z"}, "the value of X-Key must be a text of printable ASCII"),
        ({"X-Key": "token\n"}, "the value of X-Key must be a text of printable ASCII"),
        ({"X-Key": "token\0"}, "the value of X-Key must be a text of printable ASCII"),
        ({"X-Key": " token"}, "the value of X-Key must be a text of printable ASCII"),
        ({"X-Key": "tokén"}, "the value of X-Key must be a text of printable ASCII"),
        ({"X-Key": 7}, "the value of X-Key must be a text of printable ASCII"),
        ({"X-Key": "a", "x-key": "b"}, "x-key is there twice"),
    ],
)
def test_headers_that_cannot_be_sent_stop_the_start(headers: Any, message: str) -> None:
    error = refused(headers=headers)
    assert message in error.message
    assert "token" not in f"{error.message} {error.hint}"


def test_a_user_in_the_url_and_an_authorization_header_are_one_too_many() -> None:
    error = refused(url="https://ann:token@example.com", headers={"authorization": "Bearer token"})
    assert "url holds a user, and headers an Authorization" in error.message
    assert "token" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": True}, "timeout must be a number of seconds above 0"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds above 0"),
        ({"connect_timeout": "5"}, "connect_timeout must be a number of seconds above 0"),
        ({"connect_timeout": -1}, "connect_timeout must be a number of seconds above 0"),
        ({"max_response_bytes": 0}, "max_response_bytes must be a whole number above 0"),
        ({"max_response_bytes": 1.5}, "max_response_bytes must be a whole number above 0"),
        ({"ca_file": 7}, "ca_file must be the path of a file"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file '/nowhere/ca.pem': No such file or directory"),
        ({"ca_file": "ca.pem", "url": "http://example.com"}, "ca_file is of use with https:// alone"),
    ],
)
def test_bounds_that_do_not_bound_stop_the_start(options: dict[str, Any], message: str) -> None:
    assert message in refused(**options).message


def test_a_ca_file_without_certificates_stops_the_start(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing")
    assert "holds no certificate that can be read (PEM)" in refused(ca_file=str(empty)).message
