import itertools
import ssl
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.hellos import extension, fragmented, hello, real, record, sni, vector
from wrapper.gateway.hello import Beginning, BrokenHelloError, FrontedError, Hello, read_hello

HOST = "allowed.example"
NAMED = record(hello([sni(HOST.encode())]))
GREASE = extension(0x0A0A, b"") + sni(HOST.encode()) + extension(0xFE0D, bytes(200)) + extension(0xFAFA, b"\0")


def fed(pieces: Iterable[bytes], *, host: str = HOST, must: bool = True) -> bytes:
    beginning = Beginning(host, must=must)
    return b"".join([*map(beginning.feed, pieces), beginning.end()])


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(one % (len(data) + 1) for one in places)})
    return [data[begin:end] for begin, end in itertools.pairwise(marks)]


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1")])
def test_the_name_that_openssl_sends_is_read(newest: ssl.TLSVersion, alpn: tuple[str, ...]) -> None:
    said = real(HOST, alpn=alpn, newest=newest)
    assert read_hello(said) == Hello(HOST, len(said))
    assert fed([said]) == said


def test_a_real_hello_without_a_name_is_read_as_such() -> None:
    assert read_hello(real(None)) == Hello(None, len(real(None)))


@pytest.mark.parametrize("name", [b"ALLOWED.Example", b"allowed.example."])
def test_case_and_a_final_dot_make_no_other_host(name: bytes) -> None:
    assert fed([record(hello([sni(name)]))])


def test_unknown_and_grease_extensions_do_not_matter() -> None:
    assert read_hello(record(hello([GREASE], ciphers=b"\x0a\x0a\x13\x01"))) == Hello(
        HOST, len(record(hello([GREASE]))) + 2
    )


@given(st.lists(st.integers(0, 5000), max_size=12), st.integers(20, 400), st.binary(max_size=300))
def test_any_split_and_any_fragmentation_gives_the_same_bytes_and_verdict(
    places: list[int], size: int, rest: bytes
) -> None:
    said = fragmented(hello([GREASE]), size) + record(rest, 21)
    assert fed(cut(said, places)) == said
    with pytest.raises(FrontedError, match=r"names `allowed\.example`"):
        fed(cut(said, places), host="other.example")


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_where_anything_may_be_spoken_bytes_pass_unchanged_or_are_cut_as_another_hosts(
    data: bytes, places: list[int]
) -> None:
    assert fed(cut(data, places), must=False) == data


@given(st.integers(0, len(NAMED) - 1), st.integers(0, 255), st.lists(st.integers(0, 300), max_size=4))
def test_a_damaged_hello_passes_only_if_it_still_names_the_host(at: int, byte: int, places: list[int]) -> None:
    damaged = NAMED[:at] + bytes((byte,)) + NAMED[at + 1 :]
    try:
        passed = fed(cut(damaged, places))
    except FrontedError:
        return
    assert passed == damaged
    assert isinstance(found := read_hello(damaged), Hello)
    assert found.name == HOST


@given(st.lists(st.integers(0, 300), max_size=6))
def test_nothing_leaves_before_the_name_is_known(places: list[int]) -> None:
    other = record(hello([sni(b"other.example")])) + b"more"
    beginning, passed = Beginning(HOST, must=True), b""
    with pytest.raises(FrontedError, match="other"):
        for piece in cut(other, places):
            passed += beginning.feed(piece)
    assert passed == b""


BROKEN = {
    "two names": hello([sni(HOST.encode(), b"other.example")]),
    "the extension twice": hello([sni(HOST.encode()), sni(b"other.example")]),
    "another kind of name": hello([sni(HOST.encode(), kind=1)]),
    "an empty name": hello([sni(b"")]),
    "no list of names": hello([extension(0, b"")]),
    "bytes behind the list": hello([extension(0, vector(b"\0" + vector(HOST.encode(), 2), 2) + b"x")]),
    "bytes behind the extensions": b"\x01" + vector(hello([sni(HOST.encode())])[4:] + b"x", 3),
    "an extension that is too long": hello([b"\0\0\xff\xff\0"]),
    "another message": b"\x02" + hello([sni(HOST.encode())])[1:],
    "a second message in the record": hello([sni(HOST.encode())]) + hello([sni(b"other.example")]),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_hello_that_servers_may_read_differently_is_cut(what: str) -> None:
    with pytest.raises(BrokenHelloError):
        read_hello(record(BROKEN[what]))
    with pytest.raises(FrontedError):
        fed([record(BROKEN[what])])


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-x\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x80\x2e\x01\x03\x01",
        b"\x16\x02\x01\0\x05hello",
        b"\x17\x03\x03\0\x05hello",
    ],
)
def test_what_is_not_tls_passes_only_where_anything_may(said: bytes) -> None:
    assert fed([said], must=False) == said
    with pytest.raises(FrontedError):
        fed([said])


def test_no_name_passes_only_where_anything_may() -> None:
    for said in (record(hello()), record(hello(bare=True))):
        assert fed([said], must=False) == said
        with pytest.raises(FrontedError, match="names no server"):
            fed([said])


def test_a_name_with_odd_bytes_is_no_host_and_is_shown_harmlessly() -> None:
    with pytest.raises(FrontedError) as caught:
        fed([record(hello([sni(b"allowed.example\0.evil\xff")]))])
    assert caught.value.named == "allowed.example\0.evil\\xff"


def test_a_hello_is_bounded_in_bytes_and_records() -> None:
    with pytest.raises(BrokenHelloError, match="longer"):
        read_hello(fragmented(hello([sni(HOST.encode()), extension(21, bytes(20_000))]), 16_000)[:17_000])
    with pytest.raises(BrokenHelloError, match="records"):
        read_hello(fragmented(hello([sni(HOST.encode())]), 2))


BETWEEN = {
    "nothing": b"",
    "a change of ciphers": record(b"\x01", 20),
    "early data": record(b"\x01", 20) + record(bytes(3000), 23),
    "an alert that servers pass over": record(b"\x01\x5a", 21),  # user_canceled
    "empty records": record(b"", 20) + record(b"", 21) + record(b"", 22) + record(b"", 23),
}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_a_second_hello_must_name_the_same_host(between: bytes) -> None:
    same, other = NAMED + between + NAMED, NAMED + between + record(hello([sni(b"other.example")]))
    for places in ([], [len(NAMED) + 1], range(0, len(other), 7)):
        assert fed(cut(same, places)) == same
        with pytest.raises(FrontedError, match="other"):
            fed(cut(other, places))


def test_a_begun_hello_that_is_not_gone_on_with_does_not_leave() -> None:
    with pytest.raises(FrontedError, match="not gone on"):
        fed([NAMED[:-1]])
    assert fed([]) == b""
    assert fed([NAMED[:-1]], must=False) == NAMED[:-1]
