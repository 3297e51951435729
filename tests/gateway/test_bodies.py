import gzip
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.bodies import check_plain, decoded, says_json
from wrapper.gateway.refusal import RefusedError

LIMIT = 2**20


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd,
}
EACH = pytest.mark.parametrize("name", list(CODINGS))


@EACH
@given(data=st.binary(max_size=5000))
def test_each_coding_is_undone(name: str, data: bytes) -> None:
    assert decoded(CODINGS[name](data), name, LIMIT) == data


@given(st.binary(min_size=1, max_size=3000))
def test_deflate_without_zlib_header_is_undone(data: bytes) -> None:
    assert decoded(raw_deflate(data), "deflate", LIMIT) == data


@given(st.binary(max_size=2000), st.lists(st.sampled_from(list(CODINGS)), max_size=3))
def test_several_codings_are_undone_from_the_last_to_the_first(data: bytes, names: list[str]) -> None:
    body = data
    for name in names:
        body = CODINGS[name](body)
    assert decoded(body, " , ".join(names).upper(), LIMIT) == data


@EACH
@given(data=st.binary(max_size=300), cut=st.integers(1, 1000))
def test_a_body_that_breaks_off_is_refused(name: str, data: bytes, cut: int) -> None:
    body = CODINGS[name](data)
    with pytest.raises(RefusedError) as refusal:
        decoded(body[: max(0, len(body) - cut)], name, LIMIT)
    assert refusal.value.status == 400


@EACH
@given(data=st.binary(max_size=300), tail=st.binary(min_size=1, max_size=40))
def test_no_byte_hides_behind_a_compressed_body(name: str, data: bytes, tail: bytes) -> None:
    try:
        out = decoded(CODINGS[name](data) + tail, name, LIMIT)
    except RefusedError as error:
        assert error.status == 400
    else:  # the tail was itself a whole stream of the coding, and was decoded
        assert name in {"gzip", "zstd"}
        assert tail not in out


@EACH
@given(data=st.binary(max_size=200))
def test_noise_is_refused_or_decoded_but_never_a_crash(name: str, data: bytes) -> None:
    try:
        decoded(data, name, LIMIT)
    except RefusedError as error:
        assert error.status in {400, 413}


@EACH
def test_a_bomb_is_refused_before_it_is_large(name: str) -> None:
    bomb = CODINGS[name](bytes(50 * 2**20))
    with pytest.raises(RefusedError) as refusal:
        decoded(bomb, name, LIMIT)
    assert refusal.value.status == 413


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_all_members_of_a_body_are_decoded(name: str) -> None:
    assert decoded(CODINGS[name](b"one ") + CODINGS[name](b"two"), name, LIMIT) == b"one two"


@pytest.mark.parametrize("name", ["compress", "aes128gcm", "dcb", "x", "gzip;q=1"])
def test_an_unknown_coding_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(RefusedError, match="not understood") as refusal:
        decoded(b"data", name, LIMIT)
    assert refusal.value.status == 415
    assert "uncompressed" in refusal.value.hint


def test_more_codings_than_anyone_needs_are_refused() -> None:
    with pytest.raises(RefusedError, match="4 content codings"):
        decoded(b"", "gzip, gzip, gzip, gzip", LIMIT)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"a": 1}'.encode("utf-16"), "application/json"),
        ('{"a": 1}'.encode("utf-16-le"), "application/json"),
        ('{"a": 1}'.encode("utf-32-be"), "application/json"),
        (b"{}", "application/json; charset=utf-16"),
        (b"{}", 'text/plain; charset="UTF-7"'),
        (gzip.compress(b"{}"), "application/json"),
        (zstd(b"{}"), ""),
    ],
)
def test_a_body_that_a_search_does_not_see_through_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        check_plain(body, content_type)
    assert refusal.value.status == 415


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"{}", "application/json; charset=UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
        (b"PK\x03\x04", "application/zip"),
        (b"", ""),
        ("{}".encode("utf-8-sig"), "application/json"),
    ],
)
def test_an_ordinary_body_passes(body: bytes, content_type: str) -> None:
    check_plain(body, content_type)


def test_json_is_known_by_its_type_or_by_its_look() -> None:
    assert says_json("application/json; charset=utf-8", b"")
    assert says_json("application/vnd.x+json", b"")
    assert says_json("text/plain", b' \n{"a": 1}')
    assert not says_json("text/plain", b"hello")
