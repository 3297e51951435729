"""Values known outside do not come back in answers: heads, bodies in any pieces and codings, trailers, frames."""

import asyncio
import base64
import gzip
import secrets
import zlib
from collections.abc import Callable, Iterable
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from tests.gateway.intercept.echoing import MASKER, ODD, OWN, Heard, Line, P, Q, V, answered, masked
from tests.gateway.intercept.exchanges import Pieces, asked, cut, gathered, read
from wrapper.gateway.intercept.codings import BrokenCodingError, Undoing
from wrapper.gateway.intercept.exchange import Answer, AnswerHead
from wrapper.gateway.intercept.masking import Masker, asking_readable
from wrapper.gateway.refusal import RefusedError

CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstandard.compress,
}


def coded(name: str, data: bytes, sizes: Iterable[int]) -> Answer:
    return answered(Pieces(cut(CODERS[name](data), list(sizes))), (b"content-encoding", name.encode()))


# Heads.

FORMS = {
    "raw": V, "base64": base64.b64encode(b"user:" + V), "hex": V.hex().encode(), "reversed": V[::-1],
    "escaped": "".join(f"%{byte:02x}" for byte in V).encode(), "in part": b"%67" + V[1:],
}  # fmt: skip


@pytest.mark.parametrize("name", [b"location", b"set-cookie", b"www-authenticate", b"etag", b"x-anything"])
@pytest.mark.parametrize("form", FORMS)
def test_a_value_in_a_header_becomes_its_placeholder(name: bytes, form: str) -> None:
    told = Heard()
    other = (b"date", b"today")
    head = answered(None, other, (name, b"https://x/?a=" + FORMS[form] + b"&b=1"), told=told).head
    value = head.get(name) or b""
    assert FORMS[form][1:-1] not in value
    assert P in value
    assert head.get(b"date") == b"today"
    assert told.masks == {P.decode(): 1}


def test_a_header_whose_name_is_a_value_is_dropped() -> None:
    assert answered(None, (V, b"1"), (b"a", b"b")).head.headers == ((b"a", b"b"),)


def test_a_head_without_values_is_the_same() -> None:
    head = AnswerHead(200, ((b"content-length", b"5"), (b"etag", b'"x"'), (b"x", b"%41%zz " + OWN)))
    assert MASKER.answer(Answer(head), asked(method="HEAD"), Heard()).head is head


@pytest.mark.parametrize("status", [200, 204, 304])
def test_an_answer_without_a_body_has_none(status: int) -> None:
    given = answered(None, (b"content-length", b"7"), (b"etag", b'"x"'), status=status)
    assert given.body is None
    assert given.head.headers == ((b"content-length", b"7"), (b"etag", b'"x"'))
    assert answered(None, (b"content-encoding", b"gzip"), (b"content-length", b"7"), status=status).head.headers == ()


# Bodies.


@pytest.mark.parametrize("value", [V, ODD])
def test_a_value_in_a_body_becomes_its_placeholder_in_each_form(value: bytes) -> None:
    encoded = base64.b64encode(value).rstrip(b"=")[:-1]
    for form in (value, value.hex().encode(), value[::-1], encoded, quote(value, safe="").encode()):
        text = masked(b'{"echo":"' + form + b'","rest":1}')
        assert form not in text
        assert text.endswith(b'","rest":1}')
        assert text.startswith(b'{"echo":"' + (P if value is V else Q))


def test_a_part_of_an_encoded_value_is_masked_and_what_escapes_hide() -> None:
    parts = (
        base64.b64encode(V)[:-9],
        V.hex()[6:-8].encode(),
        b"".join(b"\\u%04x" % byte for byte in V),
        b"\\u0067" + V[1:],
    )
    for part in parts:
        text = masked(b'{"echo":"' + part + b'"}')
        assert part not in text
        assert P in text


def test_what_the_inside_has_already_is_left_to_it() -> None:
    assert masked(b"a " + OWN + b" b") == b"a " + OWN + b" b"


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([V, ODD, b"ghp_", b" ", b'{"a":"', b"\x1b[1m", b"\n", b"text", b"\0"]), max_size=9),
    st.lists(st.integers(1, 50), min_size=1),
    st.sampled_from([None, *CODERS]),
)
def test_any_pieces_and_codings_of_a_body_give_the_same(
    bits: list[bytes], sizes: list[int], coding: str | None
) -> None:
    data = b"".join(bits)
    given = answered(Pieces(cut(data, sizes))) if coding is None else coded(coding, data, sizes)
    assert read(given.body) == data.replace(V, P).replace(ODD, Q)


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1))
def test_what_holds_no_value_passes_byte_for_byte(data: bytes, sizes: list[int]) -> None:
    assert masked(data, sizes) == data


def test_a_masked_body_announces_no_length() -> None:
    given = answered(
        Pieces([V], len(V), ((b"x-echo", V), (b"x-sum", b"1"))), (b"content-length", b"40"), (b"etag", b'"x"')
    )
    assert given.body is not None
    assert given.body.length is None
    assert given.head.headers == ((b"etag", b'"x"'),)
    assert not given.body.trailers
    assert read(given.body) == P
    assert given.body.trailers == ((b"x-echo", P), (b"x-sum", b"1"))


def test_each_mask_is_told() -> None:
    told = Heard()
    read(answered(Pieces([V + b" " + V, b" " + ODD]), told=told).body)
    assert told.masks == {P.decode(): 2, Q.decode(): 1}


def test_an_event_goes_on_after_a_pause_and_what_is_long_at_once() -> None:
    async def run() -> None:
        line = Line()
        body = answered(line).body
        assert body is not None
        pieces = aiter(body)
        line.give(b"data: 1\n\n")
        assert await anext(pieces) == b"data: 1\n\n"  # nothing else came, and nobody ends it
        line.give(b"x" * 1000)
        assert await anext(pieces) == b"x" * 744
        line.give(b"y" * 256)
        assert await anext(pieces) == b"x" * 256
        line.give(None)
        assert [piece async for piece in pieces] == [b"y" * 256]

    asyncio.run(run())


def test_of_a_value_that_comes_with_pauses_the_rest_is_masked() -> None:
    pieces: list[bytes | float] = [b"x ", V[:9], 0.05, V[9:], b" y"]
    assert read(answered(Pieces(pieces)).body) == b"x " + V[:9] + P + b" y"


def test_what_is_held_back_does_not_tell_whether_it_begins_a_value() -> None:
    async def pieces(end: bytes, upgrade: str) -> list[int]:
        line = Line()
        answer = Answer(AnswerHead(101 if upgrade else 200, ()), line)
        body = MASKER.answer(answer, asked(upgrade=upgrade), Heard()).body
        assert body is not None
        text = b"." * 300 + end
        line.give(b"\x01\x7e" + len(text).to_bytes(2, "big") + text if upgrade else text)
        given = aiter(body)
        sizes = [len(await anext(given)), len(await anext(given))]
        line.give(None)
        return sizes

    async def run() -> None:
        for upgrade in ("", "websocket"):
            for size in (1, 2, 3, 4, 5, 8, 11, 12, 15):  # 12 of its random ones are the value, by any search
                wrong = V[: size - 1] + (b"%" if V[size - 1 : size] != b"%" else b"&")
                assert await pieces(V[:size], upgrade) == await pieces(wrong, upgrade), size

    asyncio.run(run())


def test_a_body_that_breaks_off_is_an_error_and_one_given_up_is_read_no_more() -> None:
    async def run() -> None:
        line = Line()
        body = answered(line).body
        line.give(b"x")
        line.give(ConnectionResetError("gone"))
        with pytest.raises(ConnectionResetError):
            await gathered(body)

    asyncio.run(run())


# Codings.


@pytest.mark.parametrize("coding", CODERS)
def test_a_coding_is_undone_as_it_comes(coding: str) -> None:
    data = b"x" * 100_000 + V + secrets.token_bytes(100_000)
    given = coded(coding, data, [1000])
    assert given.head.headers == ()
    assert read(given.body) == data.replace(V, P)


def test_codings_upon_codings_are_undone() -> None:
    data = gzip.compress(brotli.compress(b"a" + V))
    assert read(answered(Pieces([data]), (b"content-encoding", b"br, GZIP")).body) == b"a" + P


def test_members_frames_and_raw_deflate_are_read() -> None:
    two = gzip.compress(b"a") + gzip.compress(V)
    assert read(answered(Pieces(cut(two, [1])), (b"content-encoding", b"gzip")).body) == b"a" + P
    frames = zstandard.compress(b"a") + zstandard.compress(V)
    assert read(answered(Pieces(cut(frames, [1])), (b"content-encoding", b"zstd")).body) == b"a" + P
    raw = zlib.compressobj(wbits=-15)
    assert read(answered(Pieces(cut(raw.compress(V) + raw.flush(), [1])), (b"content-encoding", b"deflate")).body) == P


def test_what_stands_behind_a_coded_stream_does_not_go_in() -> None:
    assert read(answered(Pieces([gzip.compress(b"a") + V]), (b"content-encoding", b"gzip")).body) == b"a"
    assert read(answered(Pieces([zlib.compress(b"a"), V]), (b"content-encoding", b"deflate")).body) == b"a"


@pytest.mark.parametrize("coding", CODERS)
def test_a_coded_body_that_breaks_off_or_is_none_is_an_error(coding: str) -> None:
    data = CODERS[coding](secrets.token_bytes(5000))
    for broken in (data[:-20], data[:1], b"\xff" + V + bytes(50)):
        with pytest.raises(BrokenCodingError):
            read(answered(Pieces([broken]), (b"content-encoding", coding.encode())).body)


@pytest.mark.parametrize("name", [b"UTF-8", b"none", b"identity, aws-chunked", b""])
def test_what_is_only_called_coded_is_read_as_it_is(name: bytes) -> None:
    assert read(answered(Pieces([b"a" + V]), (b"content-encoding", name)).body) == b"a" + P


def test_an_empty_body_that_says_it_is_coded_is_empty() -> None:
    assert read(answered(Pieces([]), (b"content-encoding", b"gzip")).body) == b""
    given = answered(Pieces([], 0), (b"content-encoding", b"gzip"), (b"content-length", b"0"))
    assert read(given.body) == b""


@pytest.mark.parametrize("coding", [b"rot13", b"gzip, compress", b"gzip,gzip,gzip,gzip", b"dcb"])
def test_an_answer_in_a_coding_that_is_not_known_is_refused(coding: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        answered(Pieces([V]), (b"content-encoding", coding))
    assert refused.value.status == 502


def test_a_range_of_bytes_passes_and_one_of_coded_bytes_does_not() -> None:
    given = answered(Pieces([b"a" + V]), (b"content-range", b"bytes 0-40/99"), status=206)
    assert read(given.body) == b"a" + P
    assert given.head.headers == ((b"content-range", b"bytes 0-40/99"),)
    with pytest.raises(RefusedError):
        answered(Pieces([V]), (b"content-encoding", b"gzip"), status=206)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_is_given_out_in_bounded_pieces_and_ends(coding: str) -> None:
    bomb = CODERS[coding](bytes(2**27))
    undoing = Undoing((coding,))
    most = seen = 0
    with pytest.raises(BrokenCodingError):
        for part in cut(bomb, [2**14]):
            for piece in undoing.feed(part):
                most, seen = max(most, len(piece)), seen + len(piece)
    assert seen < 2**27
    assert most <= 2**25


@pytest.mark.parametrize(
    ("asks", "gets"),
    [
        (b"gzip, deflate, br, zstd", b"gzip, deflate, br, zstd"), (b"gzip;q=0.5, dcb, *", b"gzip;q=0.5"),
        (b"*", b"identity"), (b"", b"identity"), (b"compress;q=1, GZIP", b"GZIP"), (b"identity;q=0, br", b"identity;q=0, br"),
    ],
)  # fmt: skip
def test_a_request_asks_for_codings_that_can_be_undone(asks: bytes, gets: bytes) -> None:
    assert asking_readable(asked("/", (b"accept-encoding", asks))).get(b"accept-encoding") == gets


def test_a_request_for_a_range_asks_for_plain_bytes_and_one_for_a_websocket_for_plain_frames() -> None:
    ranged = asking_readable(asked("/", (b"range", b"bytes=1-"), (b"accept-encoding", b"gzip")))
    assert ranged.get(b"accept-encoding") == b"identity"
    socket = asked("/", (b"sec-websocket-key", b"x"), (b"sec-websocket-extensions", b"permessage-deflate"))
    assert asking_readable(socket).headers == ((b"sec-websocket-key", b"x"),)
    plain = asked("/", (b"accept", b"*/*"))
    assert asking_readable(plain) is plain


def test_values_that_become_known_later_are_masked_from_then_on() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    masker = Masker(known, vault)
    late = secrets.token_hex(20).encode()

    def given() -> bytes:
        return read(masker.answer(Answer(AnswerHead(200, ()), Pieces([late])), asked(), Heard()).body)

    masker.prepare()
    assert masker.is_ready
    assert given() == late
    known.add("token", late, Origin.OUTSIDE)
    assert not masker.is_ready
    assert given() == (vault.placeholder_of(late) or "").encode()


def test_the_prefixed_form_stands_for_a_value_that_has_one() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    known.add("github-token", V, Origin.OUTSIDE)
    placeholder = vault.issue("github-token", V, Origin.OUTSIDE, "ghp_").encode()
    answer = Answer(AnswerHead(200, ((b"x", V),)), Pieces([V, b" ", placeholder]))
    given = Masker(known, vault).answer(answer, asked(), Heard())
    assert given.head.get(b"x") == placeholder
    assert read(given.body) == placeholder + b" " + placeholder


@given(st.sampled_from(["%%%02x", "\\u%04x"]), st.integers(0, 600), st.integers(1, 700))
@settings(max_examples=60, deadline=None)
def test_a_value_behind_escapes_is_masked_to_its_last_letter_however_it_comes(form: str, place: int, size: int) -> None:
    escaped = "".join(form % byte for byte in V).encode()
    before = (b"a line of text\n" * 40)[:place]
    assert masked(before + escaped, [size]) == before + P
