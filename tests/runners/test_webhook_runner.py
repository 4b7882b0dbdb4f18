"""A receiver on loopback: what it is sent, and what becomes of its answer."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from email.utils import formatdate

import pytest

from scheduled_prompts.fire import CUT_MARK, MAX_RESULT_BYTES, Result
from scheduled_prompts.money import Usage
from scheduled_prompts.runners.contract import Permanent, Retry, Runner
from scheduled_prompts.runners.webhook import WebhookRunner
from tests.runners.webhook_receiver import LOOPBACK, SECRET, Receiver, a_fire, answer, result, result_text

JSON = "Content-Type: application/json"


def test_a_webhook_runner_is_a_runner() -> None:
    assert isinstance(WebhookRunner("https://example.com/hook", secrets=[SECRET]), Runner)


def test_the_fire_is_posted_as_json_with_its_prompt() -> None:
    receiver = Receiver()
    result(receiver, a_fire("Wie geht's? 🌞"))
    [post] = receiver.posts
    assert post.target == "/hook"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["host"] == f"127.0.0.1:{receiver.port}"
    message = post.document
    assert list(message) == ["type", "timestamp", "data"]
    assert message["type"] == "prompt.fired"
    assert message["timestamp"] == message["data"]["due"] == "2026-12-01T09:00:01.500+01:00"
    fire = message["data"]
    assert (fire["id"], fire["attempt"], fire["trigger"]) == (a_fire().id, 2, "schedule")
    assert fire["nominal"] == "2026-12-01T09:00:00.000+01:00"
    assert fire["prompt"]["text"] == "Wie geht's? 🌞"
    assert fire["prompt"]["schedule"]["kind"] == "interval"


def test_the_fires_id_is_the_idempotency_key() -> None:
    receiver = Receiver()
    result(receiver)
    assert receiver.posts[0].headers["idempotency-key"] == a_fire().id
    assert receiver.posts[0].headers["webhook-id"] == a_fire().id


def test_the_path_and_the_query_arrive_as_they_were_written() -> None:
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            await receiver.runner(url=receiver.url("/a%2Fb//c?token=x%26y&z")).run(a_fire())

    asyncio.run(main())
    assert receiver.posts[0].target == "/a%2Fb//c?token=x%26y&z"


def test_own_headers_are_sent() -> None:
    receiver = Receiver()
    result(receiver, headers={"Authorization": "Bearer abc", "X-Team": "a b", "User-Agent": "mine"})
    sent = receiver.posts[0].headers
    assert (sent["authorization"], sent["x-team"], sent["user-agent"]) == ("Bearer abc", "a b", "mine")


def test_the_user_and_password_of_the_url_become_basic_authentication() -> None:
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            url = receiver.url().replace("http://", "http://ann:p%40ss@")
            await receiver.runner(url=url).run(a_fire())

    asyncio.run(main())
    assert receiver.posts[0].headers["authorization"] == "Basic YW5uOnBAc3M="
    assert receiver.posts[0].headers["host"] == f"127.0.0.1:{receiver.port}"


def test_the_body_of_a_success_is_the_result() -> None:
    assert result(Receiver(answer("200 OK", "Grüße\n"))) == Result(text="Grüße\n")
    assert result(Receiver(answer("201 Created", "x", "Content-Type: text/plain"))) == Result(text="x")


def test_a_success_without_a_body_has_no_text() -> None:
    assert result(Receiver(answer("202 Accepted"))) == Result()
    assert result(Receiver(b"HTTP/1.1 204 No Content\r\n\r\n")) == Result()


def test_a_json_object_of_a_results_fields_is_read_as_a_result() -> None:
    body = json.dumps({"text": "All quiet.", "silent": True})
    assert result(Receiver(answer("200 OK", body, JSON))) == Result(text="All quiet.", silent=True)
    with_charset = "Content-Type: Application/JSON; charset=utf-8"
    assert result(Receiver(answer("200 OK", '{"yielded": true}', with_charset))) == Result(yielded=True)


@pytest.mark.parametrize(
    "body",
    ["{}", '{"text": "a", "more": 1}', '{"text": 5}', '{"silent": "yes"}', '["text"]', '"text"', "null", "{", "plain"],
)
def test_any_other_json_is_the_text(body: str) -> None:
    assert result(Receiver(answer("200 OK", body, JSON))) == Result(text=body)


def test_json_that_does_not_say_it_is_json_is_the_text() -> None:
    assert result(Receiver(answer("200 OK", '{"silent": true}', "Content-Type: text/plain"))).silent is False


def test_an_answer_above_the_bound_is_cut_and_marked() -> None:
    answered = result(Receiver(answer("200 OK", "ä" * 100)), max_response_bytes=51)
    assert answered == Result(text="ä" * 25 + CUT_MARK, truncated=True)


def test_an_endless_answer_is_cut_without_being_read_whole() -> None:
    written = 0

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while written < 200_000_000:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()
            written += 65_536

    answered = result(Receiver(endless))
    assert answered.truncated
    assert answered.text is not None
    assert len(answered.text) > MAX_RESULT_BYTES  # the engine keeps 64 KiB of it
    assert written < 50_000_000


def test_a_compressed_answer_is_not_unpacked() -> None:
    assert result_text(Receiver(answer("200 OK", b"\x1f\x8b12345", "Content-Encoding: gzip"))) == (
        "[compressed by the receiver, though not asked for: 7 bytes]"
    )


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again_by_the_prompts_policy(status: int) -> None:
    with pytest.raises(Retry, match=f"answered {status}") as caught:
        result(Receiver(answer(f"{status} Sorry")))
    assert caught.value.after is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 451])
def test_other_refusals_fail_at_once(status: int) -> None:
    with pytest.raises(Permanent, match=f"answered {status}"):
        result(Receiver(answer(f"{status} Sorry", "", "Retry-After: 5")))


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    receiver = Receiver(answer(f"{status} Elsewhere", "", "Location: /other?token=secret"))
    with pytest.raises(Permanent, match="redirects are not followed") as caught:
        result(receiver)
    assert "secret" not in str(caught.value)
    assert len(receiver.posts) == 1


@pytest.mark.parametrize(("value", "seconds"), [("0", 0.0), ("7", 7.0), (" 120 ", 120.0), ("9" * 15, 1e15)])
def test_retry_after_in_seconds_is_honoured(value: str, seconds: float) -> None:
    with pytest.raises(Retry) as caught:
        result(Receiver(answer("503 Busy", "", f"Retry-After: {value}")))
    assert caught.value.after == pytest.approx(seconds)


def test_retry_after_as_a_date_is_honoured() -> None:
    with pytest.raises(Retry) as caught:
        result(Receiver(answer("429 Slow down", "", f"Retry-After: {formatdate(time.time() + 90, usegmt=True)}")))
    assert caught.value.after is not None
    assert 85 < caught.value.after <= 90


def test_retry_after_as_a_date_is_by_the_receivers_clock() -> None:
    headers = ("Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT")
    with pytest.raises(Retry) as caught:
        result(Receiver(answer("503 Busy", "", *headers)))
    assert caught.value.after == 30.0


def test_a_retry_after_that_has_passed_means_now() -> None:
    with pytest.raises(Retry) as caught:
        result(Receiver(answer("503 Busy", "", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT")))
    assert caught.value.after == 0.0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-5",
        "1.5",
        "٣",
        "9" * 5000,
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "1e3",
        "Sun, 06 Nov 1994 08:49:37 +9999",
        "Fri, 31 Dec 99999 0:0:0 GMT",
    ],
)
def test_a_retry_after_that_cannot_be_read_leaves_it_to_the_policy(value: str) -> None:
    reply = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: " + value.encode() + b"\r\n\r\n"
    with pytest.raises(Retry) as caught:
        result(Receiver(reply))
    assert caught.value.after is None


def test_an_error_is_one_line_with_the_status_and_the_receivers_first_words() -> None:
    receiver = Receiver(answer("422 Unprocessable Content", "\nno such\tbot\x1b[31m\r\nTraceback …"))
    with pytest.raises(Permanent) as caught:
        result(receiver, headers={"Authorization": "Bearer abc"})
    assert str(caught.value) == (
        f"http://127.0.0.1:{receiver.port} answered 422 Unprocessable Content: no such bot [31m"
    )


def test_a_page_of_html_is_no_part_of_an_error() -> None:
    receiver = Receiver(answer("502 Bad Gateway", "<!DOCTYPE html><title>", "Content-Type: text/html; charset=utf-8"))
    with pytest.raises(Retry, match=r"answered 502 Bad Gateway$"):
        result(receiver)


def test_a_long_error_is_cut() -> None:
    with pytest.raises(Permanent) as caught:
        result(Receiver(answer("400 Bad Request", "x" * 1_000_000)))
    assert len(str(caught.value)) < 400


def test_a_status_without_a_reason_gets_the_usual_one() -> None:
    with pytest.raises(Permanent, match=r"answered 404 Not Found$"):
        result(Receiver(b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"))
    with pytest.raises(Retry, match=r"answered 599$"):
        result(Receiver(b"HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"))


def test_no_error_shows_what_the_url_holds_beyond_its_host() -> None:
    async def main(receiver: Receiver) -> None:
        async with receiver:
            url = receiver.url("/path-token?key=query-token").replace("http://", "http://ann:password@")
            await receiver.runner(url=url).run(a_fire())

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    for reply in (answer("500 Oh"), answer("404 No"), answer("302 There"), b"nonsense\r\n\r\n", hang_up):
        with pytest.raises((Retry, Permanent)) as caught:
            asyncio.run(main(Receiver(reply)))
        for secret in ("ann", "password", "path-token", "query-token", SECRET):
            assert secret not in str(caught.value)


def test_a_fire_read_without_its_prompt_is_refused() -> None:
    with pytest.raises(LookupError, match="without its prompt"):
        asyncio.run(
            WebhookRunner("http://127.0.0.1", secrets=[SECRET], allow_private=LOOPBACK).run(a_fire(prompt=None))
        )


@pytest.mark.parametrize("cost", ['"0.0375"', "0.0375"])
def test_an_answer_may_say_what_it_used(cost: str) -> None:
    body = f'{{"text": "hi", "usage": {{"tokens_in": 12, "cost": {cost}}}}}'
    used = Usage(tokens_in=12, cost=Decimal("0.0375"))
    assert result(Receiver(answer("200 OK", body, JSON))) == Result(text="hi", usage=used)


@pytest.mark.parametrize(("status", "raised"), [("503 Busy", Retry), ("422 No", Permanent)])
def test_a_failure_may_say_what_it_used_all_the_same(status: str, raised: type[Exception]) -> None:
    body = '{"error": "no", "usage": {"tokens_out": 3, "cost": "1"}}'
    with pytest.raises(raised) as caught:
        result(Receiver(answer(status, body, JSON)))
    assert caught.value.usage == Usage(tokens_out=3, cost=Decimal(1))  # type: ignore[attr-defined]


def test_a_usage_that_is_none_makes_the_answer_a_text() -> None:
    body = '{"text": "hi", "usage": {"cost": -1}}'
    assert result(Receiver(answer("200 OK", body, JSON))) == Result(text=body)
