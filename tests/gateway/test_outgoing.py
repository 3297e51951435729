import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from redactors import KnownValues, Origin, Vault
from tests.gateway.wire import MASKING_KEY, engine, forge_token
from wrapper.gateway.outgoing import Decide, Outgoing, examine_request, outgoing, recorded
from wrapper.gateway.unfold import remembering

SECRET = b"correct horse/battery&staple"
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G")
HOST = [(b"Host", b"inside")]


class Desk:
    """An engine that knows one value, and what it makes of requests."""

    def __init__(self) -> None:
        self.vault = Vault(MASKING_KEY)
        self.known = KnownValues(self.vault)
        assert self.known.add("PASSWORD", SECRET, Origin.OUTSIDE)
        self.placeholder = self.vault.issue("PASSWORD", SECRET, Origin.OUTSIDE)
        self.engine = engine(self.vault, self.known)
        self.memory = remembering(self.engine)

    def out(self, target: bytes = b"/", headers: list[tuple[bytes, bytes]] = HOST, body: bytes = b"") -> Outgoing:
        return self.judged(lambda _: "redact", target, headers, body)

    def judged(
        self, decide: Decide, target: bytes = b"/", headers: list[tuple[bytes, bytes]] = HOST, body: bytes = b""
    ) -> Outgoing:
        return outgoing(examine_request(target, headers, body, self.engine, self.memory), self.engine, decide)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_bytes_outside_the_replaced_spans_stay_as_they_were(desk: Desk) -> None:
    body = b'{ "b" : 1.50,\t"a":"\\u00e9 %s", "b": 2 }\n' % SECRET
    assert desk.out(body=body).body == body.replace(SECRET, desk.placeholder.encode())


def test_a_clean_request_leaves_as_it_came(desk: Desk) -> None:
    target = b"/v1/messages?beta=true&x=%C3%A9+y"
    headers = [(b"anthropic-version", b"2023-06-01"), (b"X-Request-Id", b"0193d5c2-aa11-7f00-b2f1-2f39a1f4d0aa")]
    out = desk.out(target, headers, b'{"model":"m"}')
    assert out.target == target.decode()
    assert out.headers == (("anthropic-version", "2023-06-01"), ("X-Request-Id", headers[1][1].decode()))
    assert (out.body, out.masked) == (b'{"model":"m"}', ())


@pytest.mark.parametrize(
    "written",
    [
        quote(SECRET, safe="").encode(),
        quote(quote(SECRET, safe=""), safe="").encode(),
        b"".join(b"%%%02x" % byte for byte in SECRET),
        quote(SECRET, safe="").replace("%20", "+").encode(),
        b"co%72rect%20horse%2fbattery%26staple",
        b64encode(SECRET),
        SECRET.hex().encode(),
    ],
)
def test_a_secret_in_the_target_is_replaced_however_it_is_written(desk: Desk, written: bytes) -> None:
    out = desk.out(b"/v1/files/" + written + b"/x?q=" + written + b"&z=1")
    assert out.target.count(desk.placeholder) == 2
    assert out.target.endswith("&z=1")
    assert "horse" not in out.target
    assert {note.where for note in out.masked} == {" url"}


def test_an_issuers_token_hidden_by_percent_encoding_is_replaced(desk: Desk) -> None:
    out = desk.out(b"/x?t=" + TOKEN.replace(b"_", b"%5F"))
    assert "MASKED-" in out.target
    assert TOKEN[4:].decode() not in out.target


def test_a_secret_in_a_header_is_replaced_and_one_in_its_name_drops_it(desk: Desk) -> None:
    out = desk.out(headers=[(b"X-Note", b"it is " + SECRET), (TOKEN, b"1"), (b"X-Other", b"2")])
    assert out.headers == (("X-Note", f"it is {desk.placeholder}"), ("X-Other", "2"))
    assert {note.where for note in out.masked} == {" header x-note", " header"}


def test_headers_of_this_hop_and_credentials_do_not_go_on(desk: Desk) -> None:
    names = [
        "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "Host",
        "Content-Length", "Content-Encoding", "Accept-Encoding", "Expect", "X-Api-Key", "Authorization",
        "Proxy-Authorization", "Api-Key", "X-Hop",
    ]  # fmt: skip
    headers = [(name.encode(), b"X-Hop" if name == "Connection" else b"v") for name in names]
    assert desk.out(headers=[*headers, (b"X-Kept", b"1")]).headers == (("X-Kept", "1"),)


def test_the_log_holds_no_credential_header() -> None:
    headers = [("X-Api-Key", "k"), ("AUTHORIZATION", "k"), ("Cookie", "k"), ("Set-Cookie", "k"), ("X-Kept", "1")]
    assert recorded(headers) == {"x-kept": "1"}


def test_json_is_read_as_json_whatever_its_type_says(desk: Desk) -> None:
    body = json.dumps({"a": SECRET.decode(), "n": 1}).encode()
    out = desk.out(headers=[(b"Content-Type", b"image/png")], body=body)
    assert json.loads(out.body) == {"a": desk.placeholder, "n": 1}


@pytest.mark.parametrize("body", [b'{"a": "%s', b"\xff\xfe%s", b"[" * 100_000 + b"%s", b'{"thinking": "%s'])
def test_what_says_json_and_is_none_is_searched_as_bytes(desk: Desk, body: bytes) -> None:
    out = desk.out(headers=[(b"Content-Type", b"application/json")], body=body.replace(b"%s", SECRET + b" " + TOKEN))
    assert SECRET not in out.body
    assert TOKEN not in out.body


def test_one_note_stands_for_all_places_of_one_value(desk: Desk) -> None:
    [note] = desk.out(body=b"text " + SECRET + b" and " + SECRET).masked
    assert (note.kind, note.placeholder, note.where, note.times) == ("PASSWORD", desk.placeholder, "@5", 2)


def test_a_kind_that_is_only_watched_leaves_and_is_noted(desk: Desk) -> None:
    body = json.dumps({"a": f"{TOKEN.decode()} and {TOKEN.decode()}"}).encode()
    out = desk.judged(lambda _: "monitor", body=body)
    assert out.body == body
    [note] = out.masked
    assert (note.action, note.times, note.where) == ("monitored", 2, "@7")
    assert out.blocked == ()


@pytest.mark.parametrize("written", [SECRET, SECRET.hex().encode()])
def test_a_value_of_the_outside_is_replaced_though_its_kind_is_only_watched(desk: Desk, written: bytes) -> None:
    out = desk.judged(lambda _: "monitor", body=json.dumps({"a": written.decode(), "b": TOKEN.decode()}).encode())
    assert json.loads(out.body) == {"a": desk.placeholder, "b": TOKEN.decode()}
    assert {note.action for note in out.masked} == {"", "monitored"}


def test_a_blocked_kind_is_told_apart_and_still_not_in_the_body(desk: Desk) -> None:
    body = json.dumps({"a": SECRET.decode(), "b": TOKEN.decode()}).encode()
    out = desk.judged(lambda found: "block" if found.kind == "PASSWORD" else "monitor", body=body)
    assert [(note.kind, note.placeholder, note.action) for note in out.blocked] == [
        ("PASSWORD", desk.placeholder, "blocked")
    ]
    assert [note.action for note in out.masked] == ["monitored"]
    assert SECRET not in out.body


@pytest.mark.parametrize(
    ("target", "headers"),
    [(b"/x?q=" + quote(SECRET, safe="").encode(), HOST), (b"/", [(b"X-Note", SECRET)]), (b"/", [(SECRET, b"1")])],
)
def test_a_blocked_kind_blocks_in_target_and_headers_too(
    desk: Desk, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    out = desk.judged(lambda found: "block" if found.kind == "PASSWORD" else "redact", target, headers)
    assert [note.placeholder for note in out.blocked] == [desk.placeholder]
    watched = desk.judged(lambda _: "monitor", target, headers)
    assert watched.blocked == ()
    assert desk.placeholder in {note.placeholder for note in watched.masked}
    assert all(b"horse" not in text.encode() for text in (watched.target, *(value for _, value in watched.headers)))


def test_what_was_examined_says_where_and_what_and_changes_nothing(desk: Desk) -> None:
    body = b'{"n": 1.0, "a": "%s"}' % SECRET
    examined = examine_request(b"/", HOST, body, desk.engine, desk.memory)
    assert examined.body is body
    [found] = examined.findings
    assert (body[found.start : found.end], found.value) == (SECRET, SECRET)


@pytest.mark.parametrize("hidden", ["\\u0063orrect horse/battery&staple", "%63orrect horse/battery&staple"])
def test_escapes_far_from_a_hidden_secret_stay_as_they_were(desk: Desk, hidden: str) -> None:
    around = '\\u003cp\\u003e%41 \\u0041 "'.replace('"', '\\"')
    body = f'["{around} {hidden} {around}"]'.encode()
    assert desk.out(body=body).body == f'["{around} {desk.placeholder} {around}"]'.encode()


def test_a_form_and_a_binary_upload_are_searched_as_bytes(desk: Desk) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n\x00\xff%s\x80\r\n--x--\r\n'
    out = desk.out(headers=[(b"Content-Type", b"multipart/form-data; boundary=x")], body=part % SECRET)
    assert out.body == part % desk.placeholder.encode()
