"""Requests of whatever size, framing, headers and target: one clean request arrives, or none.

Each property runs against one gateway that lives through all of its examples, so each example is also the proof that
the ones before it did no harm.
"""

from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.contract.apis import APIS, CODINGS, Api
from tests.gateway.contract.line import running
from tests.gateway.contract.raw import BODY, HEAD, VALUE, assert_kept_here, assert_serves, cut, exchanged, posted, tally
from wrapper.audit.events import Refused, Request

NAMED = {api.name: api for api in APIS}
PLAIN, OTHER = NAMED["messages, whole"], NAMED["responses, whole"]
LIMIT = 4000
CUTS = st.lists(st.integers(1, 60), max_size=40).map(tuple)


@pytest.mark.parametrize("api", [PLAIN, OTHER], ids=lambda api: api.kind)
def test_a_body_is_refused_exactly_where_it_is_larger_than_policy_allows(api: Api) -> None:
    with running(api, body_limit=LIMIT) as (one, run):

        @settings(max_examples=40)
        @given(
            size=st.one_of(st.integers(LIMIT - 3, LIMIT + 3), st.integers(0, 3 * LIMIT)),
            coding=st.sampled_from(("", *CODINGS)),
            framing=st.sampled_from(("length", "chunks")),
        )
        def check(size: int, coding: str, framing: str) -> None:
            plain = b'"' + b"x" * (size - 2) + b'"' if size > 1 else b""
            body = CODINGS[coding](plain) if coding else plain
            data = posted(body, *([f"Content-Encoding: {coding}"] if coding else []), target=api.target)
            if framing == "chunks":
                head, _, _ = data.replace(b"Content-Length", b"X-Length").partition(b"\r\n\r\n")
                data = head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(body, (7, 500))

            async def scenario() -> None:
                before = tally(one)
                reply = await exchanged(one, data)
                assert reply is not None
                if max(len(plain), len(body)) <= LIMIT:
                    assert reply.status == 200
                    assert one.sent[-1] == plain
                else:
                    assert reply.status == 413
                    assert_kept_here(one, before, reply)

            run(scenario())

        check()


def in_chunks(body: bytes, sizes: tuple[int, ...], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    pieces = cut(body, sizes)
    return b"".join(b"%X%b\r\n%b\r\n" % (len(one), extension, one) for one in pieces) + b"0\r\n" + trailer + b"\r\n"


def test_a_chunked_body_arrives_whole_and_nothing_of_its_framing_does() -> None:
    """Promise 1: chunk extensions and trailers could carry anything."""
    with running(PLAIN) as (one, run):
        placeholder = one.world.knows(VALUE.encode()).encode()

        @settings(max_examples=60)
        @given(
            sizes=st.lists(st.integers(1, 50), max_size=12).map(tuple),
            extension=st.sampled_from((b"", b";a=b", b';a="b c"', b";" + VALUE.encode())),
            trailer=st.sampled_from((b"", b"X-Trailer: 1\r\n", b"X-Trailer: " + VALUE.encode() + b"\r\n")),
            pieces=st.lists(st.integers(1, 90), max_size=20).map(tuple),
        )
        def check(sizes: tuple[int, ...], extension: bytes, trailer: bytes, pieces: tuple[int, ...]) -> None:
            data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(BODY, sizes, extension, trailer)

            async def scenario() -> None:
                reply = await exchanged(one, data, pieces=pieces)
                assert reply is not None
                assert reply.status == 200
                assert one.sent[-1] == BODY.replace(VALUE.encode(), placeholder)
                headers = one.provider.requests[-1].headers
                assert headers["content-length"] == str(len(one.sent[-1]))
                assert not {"transfer-encoding", "trailer", "x-trailer"} & set(headers)

            run(scenario())

        check()
        assert VALUE.encode() not in one.provider.bytes


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
ODD_FRAMING = {
    "both lengths": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED,
    "a negative length": b"Content-Length: -1\r\n\r\n{}",
    "a signed length": b"Content-Length: +2\r\n\r\n{}",
    "a length in hex": b"Content-Length: 0x2\r\n\r\n{}",
    "a length with underscores": b"Content-Length: 0_2\r\n\r\n{}",
    "a length of other digits": "Content-Length: ٢\r\n\r\n{}".encode(),
    "a long length": b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "a body that breaks off": b"Content-Length: 20\r\n\r\n{}",
    "chunks that break off": b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
    "chunks without an end": b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "a negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk in hex with 0x": b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk that is too long": b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "a chunk that is too large": b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    "chunks by LF": b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    "gzip as a transfer coding": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an unknown transfer coding": b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunked in two headers": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked behind a tab": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two content types": b"Content-Type: image/png\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": b"X-Fold: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a blank before the colon": b"X-Blank : a\r\nContent-Length: 2\r\n\r\n{}",
    "a header without a colon": b"X-Nothing\r\nContent-Length: 2\r\n\r\n{}",
    "a header without a name": b": x\r\nContent-Length: 2\r\n\r\n{}",
    "a NUL in a header": b"X-Nul: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "a CR in a header": b"X-Cr: a\rb\r\nContent-Length: 2\r\n\r\n{}",
    "a LF line": b"X-Lf: a\nX-Lg: b\r\nContent-Length: 2\r\n\r\n{}",
    "a header that is too long": b"X-Long: " + b"a" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "high bytes": b"X-High: \xff\xfe\x80\r\nContent-Length: 2\r\n\r\n{}",
    "an empty header": b"X-Empty:\r\nContent-Length: 2\r\n\r\n{}",
    "a hundred headers": b"X-A: b\r\n" * 100 + b"Content-Length: 2\r\n\r\n{}",
    "an expectation": b"Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}",
    "a second host": b"Host: other\r\nContent-Length: 2\r\n\r\n{}",
    "an upgrade": b"Upgrade: h2c\r\nHTTP2-Settings: AAA\r\nContent-Length: 2\r\n\r\n{}",
    "a header named by Connection": b"Connection: x-hop\r\nX-Hop: secret\r\nContent-Length: 2\r\n\r\n{}",
}

UNENDED = frozenset({"a body that breaks off", "chunks that break off", "chunks without an end"})


@pytest.mark.parametrize("case", list(ODD_FRAMING))
def test_odd_framing_is_refused_or_arrives_as_one_clean_request(case: str) -> None:
    """No byte of the inside's framing goes on, so nothing is smuggled behind a request."""
    with running(PLAIN) as (one, run):

        async def scenario() -> None:
            reply = await exchanged(one, HEAD + ODD_FRAMING[case], breaks_off=case in UNENDED)
            served = reply is not None and reply.status == 200
            assert len(one.provider.requests) == int(served)
            assert len(one.world.sink.of(Request)) == int(served)
            assert b"smuggled" not in one.provider.bytes
            if served:
                received = one.provider.requests[0]
                assert received.raw.count(b"\r\n\r\n") == 1
                assert received.headers["content-length"] == str(len(received.body))
                assert not {"transfer-encoding", "x-hop", "expect", "upgrade"} & set(received.headers)
                assert b"\n" not in received.raw.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
                assert received.headers["host"] == f"127.0.0.1:{one.provider.port}"
            elif reply is not None:
                assert 400 <= reply.status < 500
                assert reply.document["error"]["message"].startswith("safe-agent: ")
                assert len(one.world.sink.of(Refused)) == 1
            one.provider.requests.clear()
            await assert_serves(one)

        run(scenario())


NAME = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABC0123456789-_.!#$%&'*+^`|~", min_size=1, max_size=12)
FIELD = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)


def test_headers_of_any_form_arrive_as_they_were() -> None:
    with running(PLAIN) as (one, run):

        @settings(max_examples=60)
        @given(st.dictionaries(NAME.map(lambda name: f"x-q-{name}".lower()), FIELD, max_size=8))
        def check(headers: dict[str, str]) -> None:
            lines = [f"{name}: {value.strip(' ')}".encode() for name, value in headers.items()]
            data = HEAD + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: 2\r\n\r\n{}"

            async def scenario() -> None:
                before = len(one.provider.requests)
                reply = await exchanged(one, data)
                assert reply is not None
                assert reply.status == 200
                assert len(one.provider.requests) == before + 1
                assert set(lines) <= set(one.provider.requests[-1].raw.split(b"\r\n"))

            run(scenario())

        check()


def test_bytes_that_are_no_request_reach_nobody() -> None:
    with running(PLAIN) as (one, run):

        @settings(max_examples=60)
        @given(data=st.binary(max_size=300).filter(lambda data: b"\n\r\n" not in data), pieces=CUTS)
        def check(data: bytes, pieces: tuple[int, ...]) -> None:
            async def scenario() -> None:
                await exchanged(one, HEAD[:40] + data, pieces=pieces, breaks_off=True)
                assert not one.provider.bytes

            run(scenario())

        check()
        run(assert_serves(one))


PART = st.sampled_from((
    "v1", "messages", "..", ".", "%2e%2e", "%2E.", "..%2f", "%2f", "\\..", "%5c..", "%5C%2e%2e", "%252e%252e", "", "a b", "%00",
    "a;b=c", "..;", "a%20b", "%c0%ae%c0%ae", "\u00fc", "#x", "?", "http:", "@host", "*", "%", "%zz", "[::1]", "\t", "+", "~",
))  # fmt: skip
TARGETS = st.lists(PART, max_size=5).flatmap(
    lambda parts: st.sampled_from(("/", "//", "", "/v1/", "http://other.invalid/", "other.invalid:443")).map(
        lambda first: first + "/".join(parts)
    )
)


def climbs(path: str) -> bool:
    """Tell whether any reader could take a path for one that leaves where it begins, undoing escapes to the end."""
    before = None
    while path != before:
        before, path = path, unquote(path, "latin-1")
    depth = 0
    for part in path.replace("\\", "/").split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part.partition(";")[0], 1)
        if depth < 0:
            return True
    return False


def test_no_target_leaves_the_base_path_or_breaks_the_request_line() -> None:
    """The real credential goes to the upstream that policy names and to nothing beside it."""
    with running(PLAIN, prefix="/base/tenant") as (one, run):

        @settings(max_examples=250)
        @given(TARGETS)
        def check(target: str) -> None:
            data = b"GET " + target.encode() + b" HTTP/1.1\r\nHost: inside\r\nConnection: close\r\n\r\n"

            async def scenario() -> None:
                before = len(one.provider.requests)
                reply = await exchanged(one, data)
                if reply is not None and reply.status == 200:
                    [received] = one.provider.requests[before:]
                    path = received.target.partition("?")[0]
                    assert path.startswith("/base/tenant/")
                    assert not climbs(path.removeprefix("/base/tenant"))
                    assert received.target.isascii()
                    assert received.raw.split(b"\r\n")[0].count(b" ") == 2
                else:
                    assert len(one.provider.requests) == before
                    assert reply is None or 400 <= reply.status < 500

            run(scenario())

        check()
