"""Webhooks as runners: the fire is posted as JSON, signed; the answer is the result.

What is posted: `{"type": "prompt.fired", "timestamp": …, "data": …}`, as the Standard Webhooks specification
recommends. `timestamp` is when the prompt was due, the same in each attempt; `data` is the fire with its `prompt`, what
a command finds in its fire file. The headers `webhook-id` and `Idempotency-Key` are the fire's id, in each attempt;
`webhook-timestamp` is the attempt's time; `webhook-signature` has one signature for each secret.

What is promised: at least once, like all runners. An attempt may have reached a receiver whose answer was lost, and is
made again; so a receiver does the work of one id once. Where the prompt says `on_crash = "interrupt"` (at most once), a
request that may have arrived is not sent again unless the receiver itself asks for it.

What an answer means is told in `webhook_answers`, where it may be sent in `webhook_addresses`.
"""

from __future__ import annotations

import base64
import json
import math
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.runners.webhook_addresses import Network, literal, read_allowed, refusal
from scheduled_prompts.runners.webhook_signing import Signer, read_keys
from scheduled_prompts.views import handed_view, instant

try:
    import httpx2

    from scheduled_prompts.runners.webhook_answers import result_of
    from scheduled_prompts.runners.webhook_http import AddressRefused, Fault, Poster
except ModuleNotFoundError as error:
    raise ImportError("webhooks need httpx2: pip install 'scheduled-prompts[webhook]'") from error

CONNECT_TIMEOUT = 10.0
TIMEOUT = 120.0
"""Seconds. Long enough for a receiver that asks a model before it answers."""
MAX_RESPONSE_BYTES = 512 * 1024
"""64 KiB, what is kept of a result, fit in even if JSON writes each byte as an escape of six."""
URL_HINT = 'url = "https://example.com/hook"'
HEADERS_HINT = 'headers = { Authorization = "Bearer …" }'
RESERVED_HEADERS = {
    "webhook-id": "the fire's id",
    "webhook-timestamp": "the attempt's time",
    "webhook-signature": "the signatures",
    "idempotency-key": "the fire's id",
    "content-type": "application/json",
    "accept-encoding": "identity",
    **dict.fromkeys(
        (
            *("connection", "content-encoding", "content-length", "expect", "host", "keep-alive"),
            *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        ),
        "the connection's business",
    ),
}


class WebhookRunner:
    """Posts each fire to `url`.

    `secrets`: what to sign with (`whsec_…`), one or several; `secrets_env`: the environment variable that holds some.
    `headers`: what to send besides. `connect_timeout`, `timeout`: seconds for connecting, and for all of an attempt.
    `max_response_bytes`: what is read of an answer. `allow_private`: networks beyond the public ones that may be
    connected to, or true for all. `ca_file`: certificates (PEM) to trust instead of the system's. Raises InvalidConfig.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[str] | None = None,
        secrets_env: str | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        timeout: float = TIMEOUT,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        allow_private: bool | Sequence[str] = False,
        ca_file: str | None = None,
    ) -> None:
        target = _checked_url(url)
        allowed = read_allowed(allow_private)
        _check_reachable(target, allowed)
        self._signer = Signer(read_keys(secrets, secrets_env))
        self._headers = _checked_headers(headers) | _basic_auth(target, headers)
        self._poster = Poster(
            target.copy_with(userinfo=b"", fragment=None),
            tls=_tls(target, ca_file),
            connect_timeout=_checked_seconds("connect_timeout", connect_timeout),
            timeout=_checked_seconds("timeout", timeout),
            max_response_bytes=_checked_size(max_response_bytes),
            allowed=allowed,
        )

    async def run(self, fire: Fire) -> Result:
        """Raises Retry for what may go better another time, Permanent for what will not."""
        if fire.prompt is None:
            raise LookupError(f"fire {fire.id} was read without its prompt")
        at_most_once = fire.prompt.on_crash == "interrupt"
        body = _payload(fire)
        try:
            answer = await self._poster.post(body, self._request_headers(fire, body), resend=not at_most_once)
        except AddressRefused as error:
            raise Permanent(str(error)) from error
        except Fault as fault:
            if fault.sent and at_most_once:
                raise Permanent(f"{fault}; it may have arrived, and is to be sent once at most") from fault
            raise Retry(str(fault)) from fault
        return result_of(answer, self._poster.origin, time.time())

    def _request_headers(self, fire: Fire, body: bytes) -> dict[str, str]:
        return {
            "user-agent": "scheduled-prompts",
            "accept": "*/*",
            **self._headers,
            "content-type": "application/json",
            "idempotency-key": fire.id,
            **self._signer.headers(fire.id, int(time.time()), body),
        }


def _payload(fire: Fire) -> bytes:
    assert fire.prompt is not None
    zone = fire.prompt.timezone
    message = {
        "type": "prompt.fired",
        "timestamp": instant(fire.due, zone),
        "data": handed_view(fire),
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _checked_url(url: object) -> httpx2.URL:
    """No message shows the URL: it may hold a password or a token."""
    if not isinstance(url, str):
        raise InvalidConfig("url must be a text", hint=URL_HINT)
    try:
        checked = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise InvalidConfig("url cannot be read as a URL", hint=URL_HINT) from error
    if checked.scheme not in ("http", "https"):
        raise InvalidConfig("url must begin with http:// or https://", hint=URL_HINT)
    host = checked.raw_host.decode("ascii")
    if literal(host) is None and not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", host):
        raise InvalidConfig("url names no host" if not host else f"url: {host!r} cannot be a host", hint=URL_HINT)
    if checked.port is not None and not 0 < checked.port < 65_536:
        raise InvalidConfig(f"url: {checked.port} cannot be a port", hint="a port is a number from 1 to 65535")
    return checked


def _check_reachable(url: httpx2.URL, allowed: Sequence[Network]) -> None:
    """Says at start what would be refused with each fire, where that can be told without looking up a name."""
    host = url.raw_host.decode("ascii").rstrip(".")
    names = ("127.0.0.1", "::1") if host == "localhost" else (host,)
    known = [address for name in names if (address := literal(name)) is not None]
    problems = [refusal(address, allowed) for address in known]
    if problems and all(problems):
        networks = ", ".join(f'"{address}"' for address in known)
        raise InvalidConfig(f"url: {problems[0]}", hint=f"if that is meant: allow_private = [{networks}]")


def _checked_headers(headers: object) -> dict[str, str]:
    """By their names in small letters. No message shows a value."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise InvalidConfig("headers must be a table of texts", hint=HEADERS_HINT)
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise InvalidConfig(f"headers: {name!r} cannot be the name of a header", hint=HEADERS_HINT)
        if name.lower() in RESERVED_HEADERS:
            raise InvalidConfig(f"headers: {name} is set here already", hint=f"it is {RESERVED_HEADERS[name.lower()]}")
        if name.lower() in checked:
            raise InvalidConfig(f"headers: {name} is there twice")
        if not isinstance(value, str) or not re.fullmatch(r"([!-~]([ \t!-~]*[!-~])?)?", value):
            raise InvalidConfig(
                f"headers: the value of {name} must be a text of printable ASCII, without blanks around it",
                hint=HEADERS_HINT,
            )
        checked[name.lower()] = value
    return checked


def _basic_auth(url: httpx2.URL, headers: Mapping[str, str] | None) -> dict[str, str]:
    """The URL's user and password, as the header they stand for."""
    if not url.userinfo:
        return {}
    if "authorization" in {name.lower() for name in headers or {}}:
        raise InvalidConfig("url holds a user, and headers an Authorization", hint="give one of the two")
    user, _, password = url.userinfo.partition(b":")
    credentials = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return {"authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def _tls(url: httpx2.URL, ca_file: object) -> ssl.SSLContext:
    if ca_file is None:
        # Reading the system's certificates takes a moment, which http:// need not wait for.
        return (
            httpx2.create_ssl_context(trust_env=False)
            if url.scheme == "https"
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
    if url.scheme != "https":
        raise InvalidConfig("ca_file is of use with https:// alone")
    if not isinstance(ca_file, str) or "\0" in ca_file or not ca_file:
        raise InvalidConfig(f"ca_file must be the path of a file, not {ca_file!r}")
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        problem = "holds no certificate that can be read (PEM)" if isinstance(error, ssl.SSLError) else error.strerror
        raise InvalidConfig(f"ca_file {ca_file!r}: {problem}") from error


def _checked_seconds(option: str, seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise InvalidConfig(f"{option} must be a number of seconds above 0, not {seconds!r}")
    return float(seconds)


def _checked_size(size: object) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InvalidConfig(f"max_response_bytes must be a whole number above 0, not {size!r}")
    return size
