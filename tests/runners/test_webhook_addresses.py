"""Where a webhook may go: judged by the address that is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from typing import Any

import pytest

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.runners.webhook import WebhookRunner
from scheduled_prompts.runners.webhook_addresses import EVERYWHERE, read_allowed, refusal
from tests.runners.webhook_receiver import LOOPBACK, SECRET, Receiver, a_fire


def judged(address: str, *allowed: str) -> str | None:
    return refusal(ipaddress.ip_address(address), read_allowed(list(allowed)))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names lead to, look-up by look-up; the last answer stays. The sockets are real."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in known:
            return real(host, port, *args, **options)
        answers = known[name]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [entry for address in addresses for entry in real(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "100.63.255.255",
        "172.32.0.1",
        "192.169.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ],
)
def test_public_addresses_are_permitted(address: str) -> None:
    assert judged(address) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("100.64.0.1", "shared"),
        ("100.127.255.255", "shared"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "reserved"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "reserved"),
        ("192.168.1.1", "private"),
        ("198.19.0.1", "benchmarking"),
        ("203.0.113.9", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:0:10.0.0.1", "reserved"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b:1::1.1.1.1", "private"),
        ("100::1", "reserved"),
        ("2001::1", "reserved"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("3fff::1", "documentation"),
        ("4000::1", "reserved"),
        ("5f00::1", "reserved"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%1", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str, kind: str) -> None:
    problem = judged(address)
    assert problem is not None
    assert kind in problem
    assert refusal(ipaddress.ip_address(address), EVERYWHERE) is None


def test_what_python_holds_for_not_global_is_refused_too() -> None:
    for network in ("0.0.0.0/0", "::/0"):
        everything = ipaddress.ip_network(network)
        for number in range(int(everything[0]), int(everything[-1]), everything.num_addresses // 8192 + 1):
            address = type(everything[0])(number)
            assert address.is_global or refusal(address) is not None, address


def test_an_allowed_network_covers_its_mapped_and_translated_forms() -> None:
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"):
        assert judged(address, "10.1.0.0/16") is None
        assert judged(address, "10.2.0.0/16", "::/128") is not None
    assert judged("fd00::7", "fd00::/8") is None


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("10.0.0.0/8", "must be true, false or a list of networks", '["10.0.0.0/8"]'),
        (7, "must be true, false or a list of networks", '["10.0.0.0/8"]'),
        (["10.0.0.1/8"], "'10.0.0.1/8' has bits set beyond its prefix", 'write "10.0.0.0/8"'),
        (["localhost"], "'localhost' is not a network", '["10.0.0.0/8"]'),
        ([10], "10 is not a network", '["10.0.0.0/8"]'),
    ],
)
def test_networks_that_cannot_be_read_stop_the_start(value: Any, message: str, hint: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        WebhookRunner("https://example.com", secrets=[SECRET], allow_private=value)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("127.0.0.1", '"127.0.0.1"'),
        ("localhost", '"127.0.0.1", "::1"'),
        ("LOCALHOST.", '"127.0.0.1", "::1"'),
        ("[::ffff:10.0.0.1]", '"::ffff:'),
    ],
)
def test_a_url_that_is_refused_for_certain_stops_the_start(host: str, hint: str) -> None:
    with pytest.raises(InvalidConfig, match="address") as caught:
        WebhookRunner(f"http://{host}:8000/", secrets=[SECRET])
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "017700000001"])
def test_numbers_that_the_resolver_takes_for_addresses_are_judged_as_such(host: str) -> None:
    runner = WebhookRunner(f"http://{host}:9/", secrets=[SECRET])
    with pytest.raises((Permanent, Retry)) as caught:
        asyncio.run(runner.run(a_fire()))
    if isinstance(caught.value, Permanent):
        assert "127.0.0.1 is a loopback address" in str(caught.value)
    else:  # a C library that takes them for names
        assert "cannot connect" in str(caught.value)


def test_a_name_that_leads_to_a_private_address_is_refused_for_good(names: dict[str, list[list[str]]]) -> None:
    names["hooks.example.com"] = [["127.0.0.1"]]
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            url = f"http://hooks.example.com:{receiver.port}/"
            await receiver.runner(url=url, allow_private=False).run(a_fire())

    with pytest.raises(Permanent, match=r"127\.0\.0\.1 is a loopback address; allow_private can allow it"):
        asyncio.run(main())
    assert receiver.connections == 0


def test_a_name_that_leads_to_an_allowed_network_is_connected_to(names: dict[str, list[list[str]]]) -> None:
    names["hooks.example.com"] = [["127.0.0.1"]]
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            await receiver.runner(url=f"http://hooks.example.com:{receiver.port}/").run(a_fire())

    asyncio.run(main())
    assert receiver.posts[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_of_several_addresses_the_refused_ones_are_left_out(names: dict[str, list[list[str]]]) -> None:
    names["hooks.example.com"] = [["127.0.0.2", "127.0.0.1"]]
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            url = f"http://hooks.example.com:{receiver.port}/"
            await receiver.runner(url=url, allow_private=["127.0.0.1/32"]).run(a_fire())

    asyncio.run(main())
    assert len(receiver.posts) == 1


def test_the_next_address_is_tried_where_one_does_not_answer(names: dict[str, list[list[str]]]) -> None:
    names["hooks.example.com"] = [["127.0.0.9", "127.0.0.1"]]  # nobody listens on the first
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            await receiver.runner(url=f"http://hooks.example.com:{receiver.port}/").run(a_fire())

    asyncio.run(main())
    assert len(receiver.posts) == 1


def test_a_name_that_leads_elsewhere_a_moment_later_gains_nothing(names: dict[str, list[list[str]]]) -> None:
    """The first look-up is the only one of an attempt: what was judged is what is connected to."""
    names["rebinding.example.com"] = [["127.0.0.9"], ["127.0.0.1"]]
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            url = f"http://rebinding.example.com:{receiver.port}/"
            await receiver.runner(url=url, allow_private=["127.0.0.9/32"]).run(a_fire())

    with pytest.raises(Retry, match=r"cannot connect .*127\.0\.0\.9: Connection refused"):
        asyncio.run(main())
    assert receiver.connections == 0
    assert names["rebinding.example.com"] == [["127.0.0.1"]]  # the second answer was never asked for


def test_each_attempt_looks_the_name_up_again_even_if_a_connection_is_kept(
    names: dict[str, list[list[str]]],
) -> None:
    names["moving.example.com"] = [["127.0.0.1"], ["127.0.0.9"]]
    receiver = Receiver()

    async def main() -> None:
        async with receiver:
            url = f"http://moving.example.com:{receiver.port}/"
            runner = receiver.runner(url=url, allow_private=["127.0.0.1/32"])
            await runner.run(a_fire())
            await runner.run(a_fire())

    with pytest.raises(Permanent, match=r"127\.0\.0\.9 is a loopback address"):
        asyncio.run(main())
    assert len(receiver.posts) == 1


def test_a_name_that_cannot_be_looked_up_is_tried_again(names: dict[str, list[list[str]]]) -> None:
    names["lost.example.com"] = [[]]
    runner = WebhookRunner("https://lost.example.com", secrets=[SECRET])
    with pytest.raises(Retry, match=r"cannot connect to https://lost.example.com: Temporary failure"):
        asyncio.run(runner.run(a_fire()))


def test_a_name_that_no_resolver_can_take_is_one_that_cannot_be_looked_up() -> None:
    runner = WebhookRunner(f"https://{'a' * 70}.invalid", secrets=[SECRET])
    with pytest.raises(Retry, match="cannot connect"):
        asyncio.run(runner.run(a_fire()))


def test_a_look_up_that_hangs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(10) and [])
    runner = WebhookRunner("https://slow.example.com", secrets=[SECRET], connect_timeout=0.05)
    with pytest.raises(Retry, match=r"not resolved within 0\.05 s"):
        asyncio.run(runner.run(a_fire()))
    released.set()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, proxy = Receiver(), Receiver()

    async def main() -> None:
        async with receiver, proxy:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url(""))
            await receiver.runner(allow_private=LOOPBACK).run(a_fire())

    asyncio.run(main())
    assert (receiver.connections, proxy.connections) == (1, 0)
