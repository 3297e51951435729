import json
import secrets
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from redactors.echoes import Echoes
from tests.gateway.wire import MASKING_KEY, events
from wrapper.gateway import anthropic, openai
from wrapper.gateway.incoming import Inward, InwardDocument, InwardMessages, InwardStream
from wrapper.gateway.sse import EventParser

OUTSIDE = "Tr0ub4dor&3-of-the-outside"
ODD = 'odd-"quoted\\back-of-ä-the/outside'
INSIDE = "correct-horse-of-the-inside"
CREDENTIAL = "sk-credential-0123456789"
VAULT = Vault(MASKING_KEY)
KNOWN = KnownValues(VAULT)
assert KNOWN.add("PASSWORD", OUTSIDE.encode(), Origin.OUTSIDE)
assert KNOWN.add("PASSWORD", ODD.encode(), Origin.OUTSIDE)
assert KNOWN.add("PASSWORD", INSIDE.encode(), Origin.INSIDE)
ECHOES = Echoes(KNOWN, VAULT)
MASKED_OUTSIDE = VAULT.issue("PASSWORD", OUTSIDE.encode(), Origin.OUTSIDE)
MASKED_ODD = VAULT.issue("PASSWORD", ODD.encode(), Origin.OUTSIDE)
MASKED_INSIDE = VAULT.issue("PASSWORD", INSIDE.encode(), Origin.INSIDE)
MASKED_CREDENTIAL = VAULT.issue("API-KEY", CREDENTIAL.encode(), Origin.OUTSIDE)

PIECES = [OUTSIDE, ODD, INSIDE, CREDENTIAL, MASKED_OUTSIDE, MASKED_INSIDE, "MASKED-", "M", " x ", "\n", '"', "é", "😀"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join)
CUTS = st.lists(st.integers(0, 5000), max_size=15)


def inward() -> Inward:
    return Inward(VAULT, KNOWN, (f"Bearer {CREDENTIAL}",), ECHOES)


def by_hand(text: str) -> str:
    """What is meant, said without any of the code that is tested."""
    for value, placeholder in ((OUTSIDE, MASKED_OUTSIDE), (ODD, MASKED_ODD), (CREDENTIAL, MASKED_CREDENTIAL)):
        text = text.replace(value, placeholder)
    return text.replace(MASKED_INSIDE, INSIDE)


def text_delta(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def input_delta(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}


def thought(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": text}}


STOP = {"type": "content_block_stop", "index": 0}


def pieces(text: str, places: list[int]) -> list[str]:
    borders = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(borders)]


def fed(raw: bytes, places: list[int]) -> tuple[bytes, bytes]:
    stream = InwardStream(inward(), anthropic.DIALECT, 2**20)
    borders = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    out = b"".join(stream.feed(raw[start:end]) for start, end in pairwise(borders))
    return out + stream.end(), bytes(stream.seen)


def texts_of(raw: bytes, member: str) -> str:
    deltas = [json.loads(event.data).get("delta", {}) for event in EventParser().feed(raw)]
    return "".join(delta.get(member, "") for delta in deltas)


@given(st.lists(TEXTS, max_size=5), CUTS, st.integers(0, 40))
def test_a_stream_gives_the_same_however_it_is_cut_and_never_a_secret_of_the_outside(
    texts: list[str], places: list[int], missing: int
) -> None:
    raw = b"".join(events(*map(text_delta, texts), STOP))
    raw = raw[: max(0, len(raw) - missing)]
    out, seen = fed(raw, places)
    assert (out, seen) == fed(raw, [])
    for data in (out, seen):
        assert OUTSIDE.encode() not in data
        assert CREDENTIAL.encode() not in data
    assert MASKED_INSIDE.encode() not in out


@given(TEXTS, CUTS)
def test_a_text_is_masked_and_restored_however_it_is_cut_into_deltas(text: str, places: list[int]) -> None:
    out, seen = fed(b"".join(events(*map(text_delta, pieces(text, places)), STOP)), [])
    assert texts_of(out, "text") == by_hand(text)
    assert texts_of(seen, "text") == by_hand(text.replace(MASKED_INSIDE, "\0")).replace("\0", MASKED_INSIDE)


@given(TEXTS, CUTS, st.booleans())
def test_arguments_are_masked_and_restored_however_they_are_cut(
    text: str,
    places: list[int],
    ascii_only: bool,  # noqa: FBT001
) -> None:
    arguments = json.dumps({"command": text}, ensure_ascii=ascii_only)
    out, _ = fed(b"".join(events(*map(input_delta, pieces(arguments, places)), STOP)), [])
    assert json.loads(texts_of(out, "partial_json")) == {"command": by_hand(text)}


@given(TEXTS, CUTS)
def test_thoughts_are_masked_and_not_restored(text: str, places: list[int]) -> None:
    out, _ = fed(b"".join(events(*map(thought, pieces(text, places)), STOP)), [])
    assert texts_of(out, "thinking") == by_hand(text.replace(MASKED_INSIDE, "\0")).replace("\0", MASKED_INSIDE)


def test_the_end_of_a_thought_comes_before_its_signature_and_before_a_chats_words() -> None:
    signed = {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}
    out, _ = fed(b"".join(events(thought(f"so {OUTSIDE[:9]}"), signed, STOP)), [])
    kinds = [json.loads(event.data).get("delta", {}).get("type") for event in EventParser().feed(out)]
    assert kinds == ["thinking_delta", "thinking_delta", "signature_delta", None]

    def chunk(delta: dict[str, Any]) -> dict[str, Any]:
        return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}

    words, _ = messages(chunk({"reasoning_content": f"so {OUTSIDE[:9]}"}), chunk({"content": "well "}))
    deltas = [one["choices"][0]["delta"] for one in words]
    assert deltas == [{"reasoning_content": "so "}, {"reasoning_content": OUTSIDE[:9]}, {"content": "well "}]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("form", ["raw", "base64", "hex", "JSON"])
def test_a_value_in_small_parts_is_masked_in_the_usual_encodings(size: int, form: str) -> None:
    import base64

    value = OUTSIDE if form != "JSON" else ODD
    written = {
        "raw": value,
        "base64": base64.b64encode(value.encode()).decode(),
        "hex": value.encode().hex(),
        "JSON": json.dumps(value),
    }[form]
    text = f"so {written} it is"
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    out, seen = fed(b"".join(events(*map(text_delta, parts), STOP)), [])
    for data in (out, seen):
        assert written[6:-6] not in texts_of(data, "text")
        assert "MASKED-PASSWORD-" in texts_of(data, "text")
        assert texts_of(data, "text").startswith("so ")
        assert texts_of(data, "text").endswith(" it is")


def test_two_texts_at_the_same_time_are_masked_each_by_itself() -> None:
    def delta(text: str, index: int) -> dict[str, object]:
        return text_delta(text) | {"index": index}

    parts = [delta(part, index) for part in pieces(OUTSIDE, [5, 11, 17]) for index in (0, 1)]
    out, _ = fed(b"".join(events(*parts, STOP, STOP | {"index": 1})), [])
    for index in (0, 1):
        got = [json.loads(event.data) for event in EventParser().feed(out)]
        text = "".join(one["delta"]["text"] for one in got if one["index"] == index and "delta" in one)
        assert text == MASKED_OUTSIDE


def test_a_harmless_text_is_held_back_by_no_more_than_may_begin_a_value() -> None:
    stream = InwardStream(inward(), anthropic.DIALECT, 2**20)
    shown = ""
    for sent in ("The quick ", "brown fox jumps ", "over the lazy ", "dog. ", "Und da "):
        shown += texts_of(stream.feed(events(text_delta(sent))[0]), "text")
    whole = "The quick brown fox jumps over the lazy dog. Und da "
    assert whole.startswith(shown)
    assert len(whole) - len(shown) <= 3


def test_a_value_that_becomes_known_is_masked_from_the_next_delta_on() -> None:
    vault = Vault(MASKING_KEY)
    known = KnownValues(vault)
    stream = InwardStream(Inward(vault, known, ()), anthropic.DIALECT, 2**20)
    late = "late-" + secrets.token_hex(12)
    stream.feed(events(text_delta("begun "))[0])
    assert known.add("PASSWORD", late.encode(), Origin.OUTSIDE)
    out = b"".join(stream.feed(event) for event in events(text_delta(late[:9]), text_delta(late[9:]), STOP))
    assert texts_of(out, "text") == vault.issue("PASSWORD", late.encode(), Origin.OUTSIDE)


@pytest.mark.parametrize("escape", ["\\u%04x", "\\u%04X"])
def test_what_escapes_hide_is_masked(escape: str) -> None:
    hidden = "".join(escape % ord(character) for character in OUTSIDE)
    assert (
        OUTSIDE
        not in json.loads(InwardDocument(inward(), anthropic.DIALECT).whole(f'{{"a":"{hidden}"}}'.encode()))["a"]
    )
    for line in (
        f'{{"type":"ping","x":["{hidden}"]}}',
        f'{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{hidden}"}}}}',
        "\n\ndata: ".join(
            f'{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{part}"}}}}'
            for part in (hidden[:60], hidden[60:])
        ),
    ):
        out, seen = fed(f"data: {line}\n\n".encode(), [])
        for data in (out, seen):
            whole = [json.loads(event.data) for event in EventParser().feed(data)]
            assert OUTSIDE not in "".join(json.dumps(one) for one in whole)
            assert "MASKED-PASSWORD" in json.dumps(whole)


def test_values_of_the_inside_are_neither_masked_nor_counted() -> None:
    here = inward()
    assert here.mask(INSIDE.encode()) == INSIDE.encode()
    assert here.masked == {}
    part = here.masking(anthropic.MessageReading().quoting({}, ""))
    assert part.feed(f"so {INSIDE[:5]}") + part.feed(INSIDE[5:]) + part.end() == f"so {INSIDE}"
    assert here.masked == {}


def test_masked_values_are_counted_by_rule() -> None:
    here = inward()
    assert CREDENTIAL.encode() not in here.mask(f"{CREDENTIAL} {OUTSIDE} {OUTSIDE}".encode())
    assert {(rule, count) for (_, _, rule), count in here.masked.items()} == {("credential", 1), ("known:raw", 2)}


def test_values_masked_in_parts_are_counted() -> None:
    here = inward()
    stream = InwardStream(here, anthropic.DIALECT, 2**20)
    for part in pieces(f"{OUTSIDE} {CREDENTIAL} {OUTSIDE} ", [7, 33, 44, 60]):
        stream.feed(events(text_delta(part))[0])
    stream.end()
    assert {(rule, count) for (_, _, rule), count in here.masked.items()} == {("credential", 1), ("known:raw", 2)}


def test_a_document_that_is_no_json_is_only_masked() -> None:
    document = InwardDocument(inward(), anthropic.DIALECT)
    assert document.whole(f"<p>{OUTSIDE} {MASKED_INSIDE}".encode()) == f"<p>{MASKED_OUTSIDE} {MASKED_INSIDE}".encode()


def test_a_document_nested_beyond_measure_is_no_crash() -> None:
    deep = ("[" * 100_000 + f'"\\u0041{MASKED_INSIDE}"' + "]" * 100_000).encode()
    assert InwardDocument(inward(), anthropic.DIALECT).whole(deep) == deep
    event = b'data: {"a":' + deep + b"}\n\n"
    assert fed(event, [])[0] == event


def test_what_is_kept_for_the_log_is_bounded() -> None:
    raw = b"".join(events(*[text_delta("x " * 50)] * 20))
    stream = InwardStream(inward(), anthropic.DIALECT, 1000)
    assert stream.feed(raw) == raw
    assert len(stream.seen) == 1000
    assert stream.truncated


def test_a_short_credential_masks_nothing() -> None:
    assert Inward(VAULT, KNOWN, ("x",)).mask(b"x-ray") == b"x-ray"


def test_a_restored_document_stays_json() -> None:
    placeholder = VAULT.issue("PASSWORD", b'in"side\\', Origin.INSIDE)
    data = json.dumps({"content": [{"type": "text", "text": placeholder}]}).encode()
    out = json.loads(InwardDocument(inward(), anthropic.DIALECT).whole(data))
    assert out["content"][0]["text"] == 'in"side\\'


def codex(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": "i", "content_index": 0, "delta": text}


def messages(*documents: dict[str, Any]) -> tuple[list[Any], InwardMessages]:
    stream = InwardMessages(inward(), openai.DIALECT, 2**20)
    out = [one for document in documents for one in stream.message(json.dumps(document).encode())] + stream.end()
    return [json.loads(one) for one in out], stream


@given(TEXTS, CUTS)
def test_messages_are_masked_and_restored_like_events(text: str, places: list[int]) -> None:
    done = {"type": "response.completed", "response": {"output": [text]}}
    out, stream = messages(*map(codex, pieces(text, places)), done)
    assert "".join(one.get("delta", "") for one in out) == by_hand(text)
    assert out[-1] == {"type": "response.completed", "response": {"output": [by_hand(text)]}}
    logged = [json.loads(line) for line in bytes(stream.seen).split(b"\n")]
    meant = by_hand(text.replace(MASKED_INSIDE, "\0")).replace("\0", MASKED_INSIDE)
    assert "".join(one.get("delta", "") for one in logged) == meant
    assert logged[-1]["response"]["output"] == [meant]


@pytest.mark.parametrize("kind", ["response.completed", "response.failed", "response.incomplete", "error"])
def test_the_message_that_ends_a_response_is_told(kind: str) -> None:
    stream = InwardMessages(inward(), openai.DIALECT, 2**20)
    assert not stream.finished
    stream.message(json.dumps(codex("a")).encode())
    assert not stream.finished
    stream.message(json.dumps({"type": kind}).encode())
    assert stream.finished
    stream.message(json.dumps({"type": "response.created"}).encode())
    assert not stream.finished


def test_a_message_that_is_no_json_is_only_masked() -> None:
    stream = InwardMessages(inward(), openai.DIALECT, 2**20)
    assert stream.message(f"{OUTSIDE} {MASKED_INSIDE}".encode()) == [f"{MASKED_OUTSIDE} {MASKED_INSIDE}".encode()]
    assert stream.message(b"[1]") == [b"[1]"]
    assert bytes(stream.seen) == f"{MASKED_OUTSIDE} {MASKED_INSIDE}\n[1]".encode()


def test_a_last_event_that_ends_with_a_bare_cr_is_restored() -> None:
    raw = b"".join(events(text_delta("see MASK"), {"type": "ping", "x": MASKED_INSIDE})).replace(b"\n", b"\r")
    out, seen = fed(raw, [len(raw) // 2])
    assert INSIDE.encode() in out
    assert MASKED_INSIDE.encode() in seen
    assert out.count(b"MASK") == 1


def test_a_connection_that_ends_gives_what_was_held_back() -> None:
    out, stream = messages(codex("see MASKED-PASS"))
    assert [one["delta"] for one in out] == ["see ", "MASKED-PASS"]
    assert not stream.finished
