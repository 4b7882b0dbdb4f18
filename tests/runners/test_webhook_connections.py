"""What goes wrong on the way: refused, cut off, slow, hostile. And which connections stay."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from scheduled_prompts.fire import Result
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.runners.webhook import WebhookRunner
from tests.runners.webhook_receiver import LOOPBACK, SECRET, Handler, Receiver, a_fire, answer, result


def saying(*parts: bytes, then: float = 60.0, between: float = 0.0) -> Handler:
    """Writes the parts, and keeps the connection open for `then` seconds."""

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(between)
        await asyncio.sleep(then)

    return handle


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_refused_connection_is_tried_again() -> None:
    url = f"http://127.0.0.1:{a_free_port()}/token"
    runner = WebhookRunner(url, secrets=[SECRET], allow_private=LOOPBACK)
    with pytest.raises(Retry, match=r"^cannot connect to http://127\.0\.0\.1:\d+: 127\.0\.0\.1: Connection refused$"):
        asyncio.run(runner.run(a_fire()))


@pytest.mark.parametrize(
    "handler",
    [
        hang_up,
        reset,
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then=0),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", then=0),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", then=0),
        saying(b"SSH-2.0-OpenSSH_9.9\r\n", then=0),
        saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, then=0),
    ],
    ids=["hung up", "reset", "short body", "short chunks", "bad chunk", "another protocol", "endless header"],
)
def test_an_answer_that_is_broken_off_or_senseless_is_tried_again(handler: Handler) -> None:
    with pytest.raises(Retry, match="broke off") as caught:
        result(Receiver(handler))
    assert caught.value.after is None
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("handler", [hang_up, reset, saying(b"HTTP/1.1 200 OK\r\n")], ids=["hung up", "reset", "slow"])
def test_what_may_have_arrived_is_not_sent_again_where_once_at_most_was_asked_for(handler: Handler) -> None:
    receiver = Receiver(handler)
    with pytest.raises(Permanent, match="may have arrived, and is to be sent once at most"):
        result(receiver, a_fire(on_crash="interrupt"), timeout=0.2)
    assert len(receiver.posts) == 1


def test_what_cannot_have_arrived_is_tried_again_even_then() -> None:
    url = f"http://127.0.0.1:{a_free_port()}"
    runner = WebhookRunner(url, secrets=[SECRET], allow_private=LOOPBACK)
    with pytest.raises(Retry, match="Connection refused"):
        asyncio.run(runner.run(a_fire(on_crash="interrupt")))


def test_a_receiver_that_asks_for_another_try_gets_it_even_then() -> None:
    with pytest.raises(Retry):
        result(Receiver(answer("503 Busy")), a_fire(on_crash="interrupt"))


@pytest.mark.parametrize(
    "handler",
    [
        saying(),
        saying(*[b"H"] * 100, between=0.02),
        saying(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 100, between=0.02),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"x"] * 99, between=0.02),
        saying(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 1000, between=0.001),
    ],
    ids=["silent", "slow status", "slow headers", "slow body", "endless 100"],
)
def test_a_slow_receiver_is_bounded_in_total(handler: Handler) -> None:
    began = time.monotonic()
    with pytest.raises(Retry, match=r"no whole answer within 0\.3 s"):
        result(Receiver(handler), timeout=0.3)
    assert time.monotonic() - began < 1.5


def test_a_handshake_that_hangs_is_bounded() -> None:
    """The receiver waits for a request in plain text, and says nothing."""
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            url = receiver.url().replace("http://", "https://")
            await receiver.runner(url=url, connect_timeout=0.1).run(a_fire())

    with pytest.raises(Retry, match=r"cannot connect .*: no answer in time"):
        asyncio.run(main())
    assert receiver.connections == 1


def test_an_error_whose_words_do_not_come_is_still_that_error() -> None:
    refusal = b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 100\r\n\r\ntoo much"
    began = time.monotonic()
    with pytest.raises(Retry, match="answered 503 Busy: too much") as caught:
        result(Receiver(saying(refusal)))
    assert caught.value.after == 9
    assert time.monotonic() - began < 2.5


def test_an_early_refusal_is_heard_before_the_whole_request_was_taken() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer("413 Content Too Large"))
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await WebhookRunner(url, secrets=[SECRET], allow_private=LOOPBACK).run(a_fire("x" * 30_000))

    with pytest.raises(Permanent, match="answered 413 Content Too Large"):
        asyncio.run(main())


def test_cancelling_closes_the_connection_at_once() -> None:
    async def main() -> None:
        asked, closed = asyncio.Event(), asyncio.Event()

        async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            asked.set()
            assert await reader.read() == b""
            closed.set()

        async with Receiver(watch) as receiver:
            task = asyncio.create_task(receiver.runner().run(a_fire()))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 1)

    asyncio.run(main())


def test_one_connection_serves_fires_in_a_row() -> None:
    receiver = Receiver(answer("200 OK", "a"), answer("404 No", "b"), answer("302 There"), answer("503 Busy", "c"))

    async def main() -> None:
        async with receiver:
            runner = receiver.runner()
            for _ in range(6):
                await asyncio.gather(runner.run(a_fire()), return_exceptions=True)

    asyncio.run(main())
    assert [post.connection for post in receiver.posts] == [1] * 6


def test_a_kept_connection_that_the_receiver_closed_costs_no_attempt() -> None:
    """It reads the second request before it hangs up: only the silence tells that it will not answer it."""
    receiver = Receiver(answer("200 OK", "first"), hang_up, answer("200 OK", "second"))

    async def main() -> list[Result]:
        async with receiver:
            runner = receiver.runner()
            return [await runner.run(a_fire()), await runner.run(a_fire())]

    assert [answered.text for answered in asyncio.run(main())] == ["first", "second"]
    assert [post.connection for post in receiver.posts] == [1, 1, 2]
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1


def test_a_kept_connection_that_was_closed_is_not_replaced_where_once_at_most_was_asked_for() -> None:
    receiver = Receiver(answer("200 OK", "first"), hang_up, answer("200 OK", "second"))

    async def main() -> None:
        async with receiver:
            runner = receiver.runner()
            await runner.run(a_fire(on_crash="interrupt"))
            await runner.run(a_fire(on_crash="interrupt"))

    with pytest.raises(Permanent, match="may have arrived"):
        asyncio.run(main())
    assert len(receiver.posts) == 2


def test_a_new_connection_that_is_closed_is_not_tried_twice() -> None:
    receiver = Receiver(hang_up)
    with pytest.raises(Retry):
        result(receiver)
    assert len(receiver.posts) == 1


def test_fires_at_the_same_time_do_not_wait_for_each_other() -> None:
    together = asyncio.Event()
    waiting = 0

    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 30:
            together.set()
        await together.wait()
        writer.write(answer("200 OK", "met"))

    async def main() -> list[Result]:
        async with Receiver(meet) as receiver:
            runner = receiver.runner()
            return await asyncio.gather(*(runner.run(a_fire()) for _ in range(30)))

    assert {answered.text for answered in asyncio.run(main())} == {"met"}


def test_a_runner_serves_one_loop_after_another_and_leaves_no_connection() -> None:
    """A loop's end closes what was kept in it (that no descriptor is left is checked for each test here)."""
    port = a_free_port()
    runner = WebhookRunner(f"http://127.0.0.1:{port}", secrets=[SECRET], allow_private=LOOPBACK)

    async def main() -> int:
        receiver = Receiver(answer("200 OK", "hello"))
        server = await asyncio.start_server(receiver._serve, "127.0.0.1", port)
        async with server:
            for _ in range(2):
                assert (await runner.run(a_fire())).text == "hello"
            for task in receiver._tasks:
                task.cancel()
        return receiver.connections

    assert [asyncio.run(main()), asyncio.run(main())] == [1, 1]


def test_cookies_are_not_remembered() -> None:
    receiver = Receiver(answer("200 OK", "", "Set-Cookie: session=1"))

    async def main() -> None:
        async with receiver:
            runner = receiver.runner()
            await runner.run(a_fire())
            await runner.run(a_fire())

    asyncio.run(main())
    assert "cookie" not in receiver.posts[1].headers


def test_no_log_shows_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            url = receiver.url("/path-token?key=query-token").replace("http://", "http://ann:password@")
            await receiver.runner(url=url, headers={"X-Key": "header-token"}).run(a_fire())

    asyncio.run(main())
    for secret in ("password", "path-token", "query-token", "header-token", SECRET):
        assert secret not in caplog.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for hooks.example.com that no authority signed, and a server that shows it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of these tests")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(made), "-days", "2", "-subj", "/CN=hooks.example.com"]
    command += ["-addext", "subjectAltName=DNS:hooks.example.com"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return made, context


@pytest.fixture
def hooks_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *args, **options: real("127.0.0.1", *args, **options))


def over_tls(context: ssl.SSLContext, host: str, **options: Any) -> Result:
    async def main() -> Result:
        async with Receiver(answer("200 OK", "secure"), tls=context) as receiver:
            return await receiver.runner(url=f"https://{host}:{receiver.port}/", **options).run(a_fire())

    return asyncio.run(main())


def test_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: tuple[Path, ssl.SSLContext], hooks_on_loopback: None
) -> None:
    with pytest.raises(Retry, match="its certificate is not accepted: self-signed certificate"):
        over_tls(certificate[1], "hooks.example.com")


def test_the_environment_cannot_vouch_for_it(
    certificate: tuple[Path, ssl.SSLContext], hooks_on_loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with pytest.raises(Retry, match="its certificate is not accepted"):
        over_tls(certificate[1], "hooks.example.com")


def test_a_certificate_of_the_ca_file_is_accepted_for_its_name(
    certificate: tuple[Path, ssl.SSLContext], hooks_on_loopback: None
) -> None:
    made, context = certificate
    assert over_tls(context, "hooks.example.com", ca_file=str(made)).text == "secure"
    assert over_tls(context, "hooks.example.com.", ca_file=str(made)).text == "secure"


@pytest.mark.parametrize("host", ["other.example.com", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(
    certificate: tuple[Path, ssl.SSLContext], hooks_on_loopback: None, host: str
) -> None:
    made, context = certificate
    with pytest.raises(Retry, match=r"its certificate is not accepted: .* mismatch"):
        over_tls(context, host, ca_file=str(made))


def test_a_server_without_tls_is_no_server_for_https() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await WebhookRunner(url, secrets=[SECRET], allow_private=LOOPBACK).run(a_fire())

    with pytest.raises(Retry, match="TLS failed: WRONG_VERSION_NUMBER"):
        asyncio.run(main())
