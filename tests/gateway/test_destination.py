import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.destination import Destination, is_public, parse_authority, parse_request
from wrapper.gateway.refusal import RefusedError


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("Host.Example:443", "host.example", 443),
        ("host.example.:80", "host.example", 80),
        ("xn--bcher-kva.example:443", "xn--bcher-kva.example", 443),
        ("_dmarc.host.example:443", "_dmarc.host.example", 443),
        ("1password.com:443", "1password.com", 443),
        ("0x.tools:443", "0x.tools", 443),
        ("localhost:443", "localhost", 443),
    ],
)
def test_a_name_and_a_port_are_read(authority: str, host: str, port: int) -> None:
    assert parse_authority(authority) == Destination(host, port)


@given(st.text(max_size=40))
def test_whatever_passes_is_a_plain_dns_name_and_an_open_port(authority: str) -> None:
    try:
        host, port = parse_authority(authority)
    except RefusedError as error:
        assert error.status in {400, 403}
        return
    assert port in {80, 443}
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
    assert not host.startswith((".", "-"))
    assert not host.split(".")[-1].isdigit()


@given(st.binary(max_size=200))
def test_noise_is_refused(head: bytes) -> None:
    with pytest.raises(RefusedError):
        parse_request(head)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_public_inside_ipv6_only_if_it_is_public_itself(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    inside = [(0xFFFF << 32) + number, (0x2002 << 112) + (number << 80), (0x64FF9B << 96) + number, number]
    for one in inside:
        if not is_public(str(address)):
            assert not is_public(str(ipaddress.IPv6Address(one)))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


def test_the_first_header_lines_are_read() -> None:
    head = b"CONNECT host.example:443 HTTP/1.1\r\nHost: other.example:443\r\nUser-Agent: tool/1.0 (x)\r\nX:"
    assert parse_request(head) == Destination("host.example", 443)
