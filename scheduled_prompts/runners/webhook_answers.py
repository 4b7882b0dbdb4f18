"""What a receiver's answer means for the fire.

- 2xx: success, and the body is the result. A JSON object with nothing but `text`, `silent`, `yielded` and `usage` (and
  at least one of them) is read as those; whatever else the body is, it is the text.
- 408, 425, 429, 5xx: tried again, when `Retry-After` says, else by the prompt's policy.
- Anything else fails at once, redirects too: the signature and the fire are for this receiver, and where a redirect
  leads is nobody's decision but the configuration's.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, ValidationError

from scheduled_prompts.fire import CUT_MARK, Result
from scheduled_prompts.money import Usage
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.runners.webhook_http import Answer

WORTH_ANOTHER_TRY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
MAX_LINE = 300
"""Characters of a receiver's own words in an error."""


class _Said(BaseModel):
    """A result in JSON, as a receiver may give it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    text: str | None = None
    silent: bool = False
    yielded: bool = False
    usage: Usage | None = None


class _Failed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    usage: Usage | None = None


def result_of(answer: Answer, origin: str, now: float) -> Result:
    """The result, where it is a success. Raises Retry or Permanent where it is not.

    `now`: seconds UTC, for a `Retry-After` that names an instant while the answer does not say when it was given.
    """
    if 200 <= answer.status < 300:
        return _success(answer)
    raise _failure(answer, origin, now)


def _success(answer: Answer) -> Result:
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        return Result(text=f"[compressed by the receiver, though not asked for: {len(answer.body):,} bytes]")
    said = _said(answer)
    if said is not None:
        return Result(text=said.text, silent=said.silent, yielded=said.yielded, usage=said.usage)
    text = answer.body.decode("utf-8", "ignore" if answer.cut else "replace")
    return Result(text=text + CUT_MARK, truncated=True) if answer.cut else Result(text=text or None)


def _said(answer: Answer) -> _Said | None:
    if answer.cut or _media_type(answer) != "application/json":
        return None
    try:
        said = _Said.model_validate_json(answer.body)
    except ValidationError:
        return None
    return said if said.model_fields_set else None


def _failure(answer: Answer, origin: str, now: float) -> Retry | Permanent:
    said = f"{origin} answered {answer.status} {_printable(answer.reason) or _phrase(answer.status)}".rstrip()
    if 300 <= answer.status < 400:
        return Permanent(f"{said}: redirects are not followed; give the final address as url")
    if line := _first_line(answer):
        said = f"{said}: {line}"
    if answer.status >= 500 or answer.status in WORTH_ANOTHER_TRY:
        return Retry(said, after=retry_after(answer, now), usage=_usage(answer))
    return Permanent(said, usage=_usage(answer))


def _usage(answer: Answer) -> Usage | None:
    """What a failure cost all the same: the `usage` of a JSON object, whatever else is in it."""
    if answer.cut or _media_type(answer) != "application/json":
        return None
    try:
        return _Failed.model_validate_json(answer.body).usage
    except ValidationError:
        return None


def retry_after(answer: Answer, now: float) -> float | None:
    """Seconds to wait, by the header in either form (RFC 9110, 10.2.3); None where there is none that can be read.

    An instant is by the receiver's clock, and so is compared with its `Date`, if that is there.
    """
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,15}", value):
        return float(value)
    until = _instant(value)
    if until is None:
        return None
    return max(0.0, until - (_instant(answer.headers.get("date", "")) or now))


def _instant(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _first_line(answer: Answer) -> str:
    """The receiver's own words, if they are words: not a page of HTML, nor what is compressed."""
    if "content-encoding" in answer.headers or _media_type(answer) in ("text/html", "application/xhtml+xml"):
        return ""
    lines = answer.body.decode("utf-8", "replace").strip().splitlines()
    line = _printable(lines[0]) if lines else ""
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"


def _media_type(answer: Answer) -> str:
    kind: str = answer.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _printable(text: str) -> str:
    """Nothing that could steer a terminal, or begin a line of its own in a log."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
