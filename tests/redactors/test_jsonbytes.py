"""JSON stays valid, byte for byte outside the spans, and the provider's own fields stay untouched."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Engine, KnownValues, Origin, Vault
from redactors.jsonbytes import Strings, unescaped
from redactors.rules.catalogue import expand
from tests.compiled import load

GITHUB = expand(["gh", "p_{base62:30}{crc32}"])
PEM = expand(["-----BEGIN PRIVATE ", "KEY-----\n{base64:64}\n{base64:64}\n-----END PRIVATE ", "KEY-----\n"])
SECRETS = (GITHUB, 'password = "' + expand("{base62:15}7") + '"', f"postgres://me:{expand('{base62:14}')}@db/x", PEM)


@pytest.fixture(scope="module")
def engine() -> Engine:
    vault = Vault(os.urandom(32))
    return load(vault, KnownValues(vault))


def as_body(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_secret_is_replaced_at_any_depth_of_escapes(engine: Engine, secret: str, depth: int) -> None:
    text = f"first line\n{secret}\nand \\ more"
    for _ in range(depth - 1):
        text = json.dumps({"arguments": text})
    body = as_body({"messages": [{"content": text}]})
    redaction = engine.redact_json(body)
    assert redaction.findings
    inner = json.loads(redaction.data)["messages"][0]["content"]
    for _ in range(depth - 1):
        inner = json.loads(inner)["arguments"]
    assert inner.startswith("first line\n")
    assert inner.endswith("\nand \\ more")
    assert "MASKED-" in inner


def test_bytes_outside_the_spans_stay_as_they_are(engine: Engine) -> None:
    body = b'{ "a" :1.0,"b":"\\u0041 ' + GITHUB.encode() + b'",\n"c":[1e5,null]}'
    assert engine.redact_json(body).data == body.replace(
        GITHUB.encode(), engine.redact_json(body).placeholders[0].encode()
    )


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": f"the key is {GITHUB}", "signature": GITHUB},
        {"type": "redacted_thinking", "data": GITHUB},
        {"data": GITHUB, "type": "redacted_thinking"},
        {"type": "reasoning", "encrypted_content": f'{GITHUB} \\" {GITHUB}'},
    ],
)
def test_rules_leave_opaque_fields_alone(engine: Engine, block: dict[str, str]) -> None:
    body = as_body({"messages": [{"content": [block]}], "max_tokens": 1})
    assert engine.redact_json(body).data is body


def test_the_same_name_inside_a_text_is_no_opaque_field(engine: Engine) -> None:
    body = as_body({"content": json.dumps({"thinking": GITHUB})})
    assert GITHUB.encode() not in engine.redact_json(body).data


def test_known_values_are_replaced_in_opaque_fields_too() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    known.add("MINE", GITHUB.encode(), Origin.OUTSIDE)
    body = as_body({"thinking": GITHUB})
    assert GITHUB.encode() not in load(vault, known).redact_json(body).data


def test_a_known_value_in_a_number_becomes_a_string() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    assert known.add("PIN", b"8264019375520", Origin.OUTSIDE)
    redacted = load(vault, known).redact_json(b'{"pin":8264019375520,"other":[1,8264019375520]}').data
    assert b"8264019375520" not in redacted
    assert json.loads(redacted)["pin"].startswith("MASKED-PIN-")


def test_numbers_and_structure_are_never_taken_for_a_value(engine: Engine) -> None:
    body = b'{"password":92837465019283,"api_key":{"x":["a1b2"]},"token":null,"max_tokens":32000}'
    assert json.loads(engine.redact_json(body).data) == json.loads(body)


@given(st.recursive(st.text(max_size=30), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner)))
def test_any_document_stays_valid_and_changes_in_its_spans_only(engine: Engine, document: object) -> None:
    for body in (as_body(document), json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")):
        redaction = engine.redact_json(body)
        json.loads(redaction.data.decode("utf-8", "surrogatepass"))
        back = redaction.data
        for one, placeholder in zip(reversed(redaction.findings), reversed(redaction.placeholders), strict=True):
            before, _, behind = back.rpartition(placeholder.encode())
            back = before + body[one.start : one.end] + behind
        assert back == body


@given(
    st.lists(st.one_of(st.text(max_size=20), st.sampled_from(SECRETS)), max_size=5),
    st.text(max_size=10),
    st.booleans(),
)
def test_any_document_with_secrets_stays_valid(engine: Engine, texts: list[str], key: str, twice: bool) -> None:  # noqa: FBT001
    value: object = {key: texts, "token": "".join(texts)}
    body = as_body(json.dumps(value) if twice else value)
    redacted = json.loads(engine.redact_json(body).data)
    assert json.loads(redacted).keys() if twice else redacted.keys()


TRICKY = st.text("ab9\\\"'/nrtbu0é✓😀\n\t {}[]:,", max_size=12)


@given(st.lists(st.tuples(TRICKY, st.sampled_from(SECRETS)), max_size=3), TRICKY, st.integers(0, 4), st.booleans())
def test_documents_within_documents_stay_valid_at_every_depth(
    engine: Engine,
    parts: list[tuple[str, str]],
    end: str,
    depth: int,
    ascii_only: bool,  # noqa: FBT001 (drawn)
) -> None:
    body = json.dumps({"text": "".join(before + secret for before, secret in parts) + end}, ensure_ascii=ascii_only)
    for _ in range(depth):
        body = json.dumps({"text": body, "more": end}, ensure_ascii=ascii_only)
    redacted = engine.redact_json(body.encode()).data.decode()
    for _ in range(depth):
        redacted = json.loads(redacted)["text"]
    json.loads(redacted)


class Nothing:
    """A scanner for no rules."""

    def scan(self, _data: bytes) -> tuple[tuple[int, int], ...]:
        return ()


@given(TRICKY, TRICKY, st.integers(0, 4), st.booleans())
def test_a_known_value_of_any_characters_is_masked_and_all_else_stays_at_every_depth(
    before: str,
    behind: str,
    depth: int,
    ascii_only: bool,  # noqa: FBT001 (drawn)
) -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    value = 'Tz4"q' + before.strip() + "\\w8é✓\n😀" + GITHUB[4:14]
    assert known.add("MINE", value.encode(), Origin.OUTSIDE)
    body = json.dumps({"text": f"({before}) {value} ({behind})"}, ensure_ascii=ascii_only)
    for _ in range(depth):
        body = json.dumps({"text": body}, ensure_ascii=ascii_only)
    found = Engine([], Nothing(), vault, known).redact_json(body.encode()).data.decode()
    for _ in range(depth + 1):
        found = json.loads(found)["text"]
    assert GITHUB[4:14] not in found


@pytest.mark.parametrize("depth", range(4))
def test_what_is_restored_is_what_stood_there_as_the_reader_sees_it(engine: Engine, depth: int) -> None:
    secret = expand("{base62:15}7") + '\\"w\\\\d'
    text = f'password = "{secret}"'
    for _ in range(depth):
        text = json.dumps(text)
    (found,) = engine.redact_json(as_body({"text": text})).findings
    assert found.value.decode() in text


@given(
    st.recursive(
        st.text(max_size=20) | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_the_state_of_strings_is_that_of_a_parser(document: object) -> None:
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    strings = Strings(body)
    assert [strings.covers(at) for at in range(len(body))] == inside_strings(body)


MARKS = st.text('a"\\\\', max_size=12).map(str.encode)


@given(MARKS, st.sampled_from([b"", b"a" * 3_000, b'a\\"' * 1_000, b'"' * 3_000]), MARKS, st.data())
def test_the_marks_that_no_backslash_escapes_are_the_same_however_long_the_part(
    start: bytes, middle: bytes, end: bytes, draw: st.DataObject
) -> None:
    data = start + middle + end
    lows = [at for at in range(len(start) + 1) if not data[:at].endswith(b"\\")]
    highs = [at for at in range(len(start + middle), len(data) + 1) if not data[:at].endswith(b"\\")]
    low, high = draw.draw(st.sampled_from(lows)), draw.draw(st.sampled_from(highs or [len(data)]))
    expected = [
        at for at in range(low, high) if data[at] == 0x22 and (len(data[:at]) - len(data[:at].rstrip(b"\\"))) % 2 == 0
    ]
    assert list(Strings(data)._marks_before(low, high)) == expected[::-1]


def inside_strings(body: bytes) -> list[bool]:
    """Tell of each byte of a document whether it lies inside a string, by walking over all of it."""
    expected, inside, escaped = [], False, False
    for byte in body:
        expected.append(inside)
        if escaped:
            escaped = False
        elif byte == 0x5C:
            escaped = True
        elif byte == 0x22:
            inside = not inside
    return expected


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [(rb"a\nb", b"a\nb"), (rb"a\\nb", b"a\nb"), (rb"a\/b", b"a/b"), (rb"a\u002fb", b"a/b"), (b"plain", b"plain")],
)
def test_escapes_are_undone_at_any_depth(escaped: bytes, plain: bytes) -> None:
    assert unescaped(escaped) == plain
