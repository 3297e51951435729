"""Where a CONNECT wants to go: the name it gives, and whether an address may be dialled. Pure.

Rules of this file:
1. A destination is a DNS name in letters, digits, `-` and `_`, and a port, of which policy decides. Everything that
   some resolver or URL library reads as an address is no name: a last label of digits or `0x…` (WHATWG URL, "ends in a
   number"), brackets, percent signs. So an allow-list of names is never met by an address in disguise.
2. An address may be dialled if it is global unicast (IANA special-purpose registries, RFC 6890), and so is every
   IPv4 address written inside it (mapped, compatible, 6to4, Teredo, NAT64, ISATAP). Where policy says that a host is
   of the user's own network, also one that such networks give their hosts, this machine's own among them; never
   loopback or the link, where clouds answer with credentials.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wrapper.gateway.refusal import RefusedError
from wrapper.policy.wirechecks import INTERNAL

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST_NAME = 253  # RFC 1035 section 2.3.4, in its text form
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CONNECT = re.compile(rb"CONNECT ([!-~]+) HTTP/1\.[01]")
_METHOD = re.compile(rb"([A-Z]{1,16}) [!-~]+ HTTP/1\.[01]")
_HEADER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*")
_DIGITS = re.compile(r"[0-9]{1,5}")

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 section 2.5.5.1, deprecated
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 section 6.1: above the IPv4 address, in any prefix
_REFUSED_EVEN_IF_GLOBAL = (
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ipaddress.ip_network("100.64.0.0/10"),  # carrier-grade NAT, RFC 6598
    ipaddress.ip_network("64:ff9b:1::/48"),  # local NAT64, RFC 8215
    ipaddress.ip_network("fec0::/10"),  # site-local, RFC 3879
    ipaddress.ip_network("fc00::/7"),  # unique local, RFC 4193
    ipaddress.ip_network("3fff::/20"),  # documentation, RFC 9637
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's host, from each of its machines
)
# where clouds tell their machines' credentials, in ranges that networks otherwise use as their own
_METADATA = (
    ipaddress.ip_network("100.100.100.200/32"),  # Alibaba
    ipaddress.ip_network("fd00:ec2::/32"),  # Amazon
    ipaddress.ip_network("fd20:ce::/32"),  # Google
    ipaddress.ip_network("fd00:c1::a9fe:a9fe/128"),  # Oracle
    ipaddress.ip_network("fd00:42::42/128"),  # Scaleway
    ipaddress.ip_network("fd00:a9fe:a9fe::1/128"),  # Akamai
    ipaddress.ip_network("fd00:100::100:200/128"),  # Alibaba
    ipaddress.ip_network("100.100.100.100/32"),  # Tailscale's: answered by this machine
    ipaddress.ip_network("fd7a:115c:a1e0::53/128"),
)
_METADATA_NAMES = frozenset({
    "instance-data", "instance-data.ec2.internal", "metadata.azure.internal", "metadata.goog",
    "metadata.google.internal", "metadata.tencentyun.com",
})  # fmt: skip
_OWN_NETWORKS = (
    ipaddress.ip_network("10.0.0.0/8"),  # RFC 1918
    ipaddress.ip_network("172.16.0.0/12"),
    ipaddress.ip_network("192.168.0.0/16"),
    ipaddress.ip_network("100.64.0.0/10"),  # RFC 6598; VPNs use it too
    ipaddress.ip_network("fc00::/7"),  # RFC 4193
)
_HINT = "name the host itself, for example `https://host.example/`"


class Destination(NamedTuple):
    """A host name in lower case without a final dot, and a port."""

    host: str
    port: int


def parse_request(head: bytes) -> Destination:
    r"""Read the head of a proxy request, without the empty line that ends it.

    Lines end with CRLF (a bare LF or CR, and any control character, is refused). RefusedError: 405 for what is no
    CONNECT, 400 for what is no HTTP, 403 for a destination that is never served.
    """
    first, *headers = head.split(b"\r\n")
    if any(not _HEADER.fullmatch(header) for header in headers):
        raise RefusedError(400, "a proxy request has a header that is no header")
    connect = _CONNECT.fullmatch(first)
    if connect:
        return parse_authority(connect[1].decode("ascii"))
    if _METHOD.fullmatch(first) and not first.startswith(b"CONNECT "):
        raise RefusedError(
            405,
            "this proxy passes on CONNECT to allowed hosts only, not plain requests",
            hint="use `https://`, and list the host under `[network] allow` in your policy",
        )
    raise RefusedError(400, "a proxy request is not valid HTTP")


def parse_authority(authority: str) -> Destination:
    """Read `host:port`. RefusedError (403) for addresses, user names and whatever is no DNS name."""
    if "@" in authority:
        raise RefusedError(403, "a destination with a user name is never allowed", hint=_HINT)
    host, colon, port = authority.rpartition(":")
    if not colon or not _DIGITS.fullmatch(port):
        raise RefusedError(400, "a destination is written `host:port`")
    if not 0 < int(port) < 65536:
        raise RefusedError(400, "a destination has a port between 1 and 65535")
    return Destination(_name(host.lower().removesuffix(".")), int(port))


def _name(host: str) -> str:
    labels = host.split(".")
    if host.startswith("[") or ":" in host or _NUMBER.fullmatch(labels[-1]):
        raise RefusedError(403, "a destination given as an address is never allowed", hint=_HINT)
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise RefusedError(403, "the destination is no DNS name", hint=_HINT)
    return host


def is_private(address: str) -> bool:
    """Whether `address` is one that networks give their own hosts, and nothing else in disguise."""
    if "%" in address:
        return False
    parsed = ipaddress.ip_address(address)
    return _within(parsed, _OWN_NETWORKS) and not _within(parsed, _METADATA)


def is_internal_name(host: str) -> bool:
    """Whether `host` is a name that only the user's own network knows, whoever is asked for it."""
    return "." not in host or f".{host}".endswith(INTERNAL)


def is_metadata_name(host: str) -> bool:
    """Whether `host` is a name under which a cloud tells its machines' credentials, a proxy's as well."""
    return host in _METADATA_NAMES


def is_public(address: str) -> bool:
    """Whether `address`, as a resolver gives it, is a host of the public Internet. ValueError if it is no address."""
    if "%" in address:  # a scope: only link-local and multicast addresses have one (RFC 4007)
        return False
    return all(_is_public(one) for one in _readings(ipaddress.ip_address(address)))


def _readings(address: _Address) -> Iterator[_Address]:
    """Give the address, and the IPv4 addresses that some gateway on the way may read in it."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in _NAT64 or address in _COMPATIBLE or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _is_public(address: _Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    if special or address.is_link_local or address.is_private or not address.is_global:
        # 64:ff9b::/96 is reserved to some versions of the library, but routes to the IPv4 address inside it.
        return isinstance(address, ipaddress.IPv6Address) and address in _NAT64
    return not _within(address, _REFUSED_EVEN_IF_GLOBAL)


def _within(address: _Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
