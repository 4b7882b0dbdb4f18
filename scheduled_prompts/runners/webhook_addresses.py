"""Which addresses may be connected to: public ones, and what the configuration allows.

A daemon often stands where private services trust their neighbours (a cloud's metadata, a database, another daemon),
and whoever controls a name's DNS decides where that name leads. So the name is never judged, only the addresses it has
at this moment; and it is one of those, as a number, that is connected to. A name that leads elsewhere a moment later
(DNS rebinding) gains nothing.

The tables follow IANA's registries of special-purpose addresses. They are written out because `ipaddress.is_global`
differs between Python's patch releases, and takes multicast for global. IPv6 is judged the other way round: only global
unicast (2000::/3) can be public.

What cannot be seen: a network's own translation prefix (NAT64 other than 64:ff9b::/96), or a public address that the
network routes inwards. Only a firewall helps there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from scheduled_prompts.errors import InvalidConfig

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOT_PUBLIC: dict[Network, str] = {
    ipaddress.ip_network(network): kind
    for network, kind in (
        ("0.0.0.0/8", "an unspecified"),
        ("10.0.0.0/8", "a private"),
        ("100.64.0.0/10", "a shared (carrier-grade NAT)"),
        ("127.0.0.0/8", "a loopback"),
        ("169.254.0.0/16", "a link-local"),
        ("172.16.0.0/12", "a private"),
        ("192.0.0.0/24", "a reserved"),
        ("192.0.2.0/24", "a documentation"),
        ("192.88.99.0/24", "a reserved"),
        ("192.168.0.0/16", "a private"),
        ("198.18.0.0/15", "a benchmarking"),
        ("198.51.100.0/24", "a documentation"),
        ("203.0.113.0/24", "a documentation"),
        ("224.0.0.0/4", "a multicast"),
        ("240.0.0.0/4", "a reserved"),
        ("::/128", "an unspecified"),
        ("::1/128", "a loopback"),
        ("64:ff9b:1::/48", "a private"),
        ("2001::/23", "a reserved"),
        ("2001:db8::/32", "a documentation"),
        ("2002::/16", "a 6to4"),
        ("3fff::/20", "a documentation"),
        ("fc00::/7", "a private"),
        ("fe80::/10", "a link-local"),
        ("fec0::/10", "a private"),
        ("ff00::/8", "a multicast"),
    )
}
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
EVERYWHERE: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
ALLOW_HINT = 'name the networks to be allowed, as in allow_private = ["10.0.0.0/8"]'


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Why an address may not be connected to (`10.0.0.1 is a private address`), or None."""
    seen = _embedded(address) or address
    if any(seen in network or address in network for network in allowed):
        return None
    kind = next((kind for network, kind in NOT_PUBLIC.items() if seen in network), None)
    if kind is None and isinstance(seen, IPv6Address) and seen not in GLOBAL_UNICAST:
        kind = "a reserved"
    return None if kind is None else f"{address} is {kind} address"


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, or translated by the well-known NAT64 prefix."""
    if not isinstance(address, IPv6Address):
        return None
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else address.ipv4_mapped


def literal(host: str) -> Address | None:
    """The address that a host already is, if it is not a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, in the order to be tried. Raises OSError (`socket.gaierror`).

    Looked up in a thread of its own: in the loop's executor, names that do not answer would hold up others that look
    up names (the store's connections), and the end of the process.
    """
    known = literal(host)
    if known is not None:
        return [known]
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[list[Address]] = loop.create_future()

    def deliver(found: list[Address], error: OSError | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(found)
        else:
            outcome.set_exception(error)

    def look_up() -> None:
        found: list[Address] = []
        failure: OSError | None = None
        try:
            # As bytes: for a text, Python would apply an IDNA of its own.
            answers = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
            found = [ipaddress.ip_address(str(answer[4][0])) for answer in answers]
        except OSError as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            loop.call_soon_threadsafe(deliver, list(dict.fromkeys(found)), failure)

    threading.Thread(target=look_up, name=f"fire looks up {host}", daemon=True).start()
    return await outcome


def read_allowed(allow_private: object) -> tuple[Network, ...]:
    """The networks of the option `allow_private`. Raises InvalidConfig."""
    if isinstance(allow_private, bool):
        return EVERYWHERE if allow_private else ()
    if isinstance(allow_private, str | bytes) or not isinstance(allow_private, Sequence):
        raise InvalidConfig(
            f"allow_private must be true, false or a list of networks, not {allow_private!r}", hint=ALLOW_HINT
        )
    return tuple(_network(item) for item in allow_private)


def _network(text: object) -> Network:
    if not isinstance(text, str):
        raise InvalidConfig(f"allow_private: {text!r} is not a network", hint=ALLOW_HINT)
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        with contextlib.suppress(ValueError):
            meant = ipaddress.ip_network(text, strict=False)
            raise InvalidConfig(
                f"allow_private: {text!r} has bits set beyond its prefix", hint=f'write "{meant}"'
            ) from error
        raise InvalidConfig(f"allow_private: {text!r} is not a network", hint=ALLOW_HINT) from error
