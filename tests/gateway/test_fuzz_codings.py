"""Request bodies in whatever coding: they arrive plain and redacted, or are refused and recorded.

Each property runs against one gateway that lives through all of its examples, so each example is also the proof that
the ones before it did no harm.
"""

import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.contract.apis import APIS, CODINGS, Api
from tests.gateway.contract.line import running
from tests.gateway.contract.raw import BODY, VALUE, assert_kept_here, assert_serves, exchanged, posted, tally

NAMED = {api.name: api for api in APIS}
PLAIN, OTHER = NAMED["messages, whole"], NAMED["responses, whole"]


def _raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def _two_members(data: bytes) -> bytes:
    return gzip.compress(data[:9]) + gzip.compress(data[9:])


def _two_frames(data: bytes) -> bytes:
    return zstandard.compress(data[:9]) + zstandard.compress(data[9:])


CODERS: dict[str, tuple[Callable[[bytes], bytes], ...]] = {
    "gzip": (CODINGS["gzip"], _two_members),
    "x-gzip": (CODINGS["gzip"],),
    "deflate": (CODINGS["deflate"], _raw_deflate),
    "br": (CODINGS["br"],),
    "zstd": (CODINGS["zstd"], _two_frames),
    "identity": (bytes,),
}
CODER = st.sampled_from([(name, coder) for name, coders in CODERS.items() for coder in coders])


@pytest.mark.parametrize("api", [PLAIN, OTHER], ids=lambda api: api.kind)
def test_a_body_in_up_to_three_codings_arrives_plain_and_redacted(api: Api) -> None:
    """Promise 1."""
    with running(api) as (one, run):
        placeholder = one.world.knows(VALUE.encode()).encode()

        @settings(max_examples=60)
        @given(
            coders=st.lists(CODER, max_size=3),
            as_is=st.sampled_from((str.upper, str.lower)),
            apart=st.sampled_from((0, 1)),
        )
        def check(coders: list[tuple[str, Callable[[bytes], bytes]]], as_is: Callable[[str], str], apart: int) -> None:
            body = BODY
            for _, coder in coders:
                body = coder(body)
            names = [as_is(name) for name, _ in coders]
            headers = [f"Content-Encoding: {name}" for name in names]
            headers = headers if apart else ["Content-Encoding: " + " , ".join(names)] if names else []

            async def scenario() -> None:
                reply = await exchanged(one, posted(body, *headers, target=api.target))
                assert reply is not None
                assert reply.status == 200
                assert one.sent[-1] == BODY.replace(VALUE.encode(), placeholder)
                assert "content-encoding" not in one.provider.requests[-1].headers

            run(scenario())

        check()
        assert VALUE.encode() not in one.provider.bytes


@pytest.mark.parametrize("api", [PLAIN, OTHER], ids=lambda api: api.kind)
def test_a_body_that_is_not_what_its_coding_says_is_refused_and_recorded(api: Api) -> None:
    """Promise 1: what cannot be read cannot be searched."""
    broken = st.one_of(
        st.tuples(CODER, st.integers(1, 12), st.just(b"")),  # breaks off
        st.tuples(CODER, st.just(0), st.binary(min_size=1, max_size=9)),  # goes on behind its end
    )
    with running(api) as (one, run):
        one.world.knows(VALUE.encode())

        @settings(max_examples=60)
        @given(broken)
        def check(case: tuple[tuple[str, Callable[[bytes], bytes]], int, bytes]) -> None:
            (name, coder), gone, more = case
            whole = coder(BODY)
            body = whole[: len(whole) - gone] + more

            async def scenario() -> None:
                before = tally(one)
                reply = await exchanged(one, posted(body, f"Content-Encoding: {name}", target=api.target))
                assert reply is not None
                if name == "identity":  # nothing says where it ends
                    assert reply.status == 200
                else:
                    assert reply.status == 400
                    assert_kept_here(one, before, reply)

            run(scenario())

        check()
        run(assert_serves(one))
        assert VALUE.encode() not in one.provider.bytes


def _bomb(name: str) -> bytes:
    data = bytes(20 * 2**20)
    return CODINGS[name](data)


LYING = {
    "gzip, says nothing": (CODINGS["gzip"](BODY), []),
    "zstd, says nothing": (CODINGS["zstd"](BODY), []),
    "plain, says gzip": (BODY, ["Content-Encoding: gzip"]),
    "plain, says br": (BODY, ["Content-Encoding: br"]),
    "plain, says zstd": (BODY, ["Content-Encoding: zstd"]),
    "plain, says deflate": (BODY, ["Content-Encoding: deflate"]),
    "gzip, says zstd": (CODINGS["gzip"](BODY), ["Content-Encoding: zstd"]),
    "br, says gzip in a second header": (CODINGS["br"](BODY), ["Content-Encoding: br", "Content-Encoding: gzip"]),
    "gzip once, says twice": (CODINGS["gzip"](BODY), ["Content-Encoding: gzip, gzip"]),
    "gzip twice, says once": (CODINGS["gzip"](CODINGS["gzip"](BODY)), ["Content-Encoding: gzip"]),
    "four codings": (BODY, ["Content-Encoding: identity, identity, identity, identity"]),
    "unknown": (BODY, ["Content-Encoding: rot13"]),
    "unknown, with a value": (BODY, [f"Content-Encoding: {VALUE}"]),
    "compress": (BODY, ["Content-Encoding: compress"]),
    "in UTF-16": (BODY.decode().encode("utf-16"), []),
    "in UTF-32": (BODY.decode().encode("utf-32-be"), []),
    "a window too large": (
        zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
        ).compressobj().compress(BODY),
        ["Content-Encoding: zstd"],
    ),
    **{f"bomb, {name}": (_bomb(name), [f"Content-Encoding: {name}"]) for name in CODINGS},
    "bomb in a bomb": (CODINGS["gzip"](_bomb("gzip")), ["Content-Encoding: gzip, gzip"]),
}  # fmt: skip


@pytest.mark.parametrize("case", list(LYING))
def test_a_body_that_lies_about_its_coding_is_refused_and_recorded(case: str) -> None:
    """Promise 1."""
    body, headers = LYING[case]
    with running(PLAIN, body_limit=2**20) as (one, run):
        one.world.knows(VALUE.encode())

        async def scenario() -> None:
            before = tally(one)
            reply = await exchanged(one, posted(body, *headers))
            assert reply is not None
            assert reply.status in (400, 413, 415)
            assert_kept_here(one, before, reply)
            await assert_serves(one)

        run(scenario())


def test_a_body_in_another_character_set_is_refused_and_recorded() -> None:
    """Promise 1: a byte-wise search would not see through it."""
    with running(PLAIN) as (one, run):
        one.world.knows(VALUE.encode())

        async def scenario() -> None:
            for charset in ("utf-16", "utf-7", "ebcdic-cp-us", '"UTF-32LE"'):
                before = tally(one)
                data = posted(BODY).replace(b"application/json", f"application/json; charset={charset}".encode())
                assert_kept_here(one, before, await exchanged(one, data))
            await assert_serves(one)

        run(scenario())
