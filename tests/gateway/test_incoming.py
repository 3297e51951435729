import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from tests.gateway.wire import MASKING_KEY, events
from wrapper.gateway import anthropic
from wrapper.gateway.incoming import Inward, InwardDocument, InwardStream

OUTSIDE = "Tr0ub4dor&3-of-the-outside"
INSIDE = "correct-horse-of-the-inside"
CREDENTIAL = "sk-credential-0123456789"
VAULT = Vault(MASKING_KEY)
KNOWN = KnownValues(VAULT)
assert KNOWN.add("PASSWORD", OUTSIDE.encode(), Origin.OUTSIDE)
assert KNOWN.add("PASSWORD", INSIDE.encode(), Origin.INSIDE)
MASKED_OUTSIDE = VAULT.issue("PASSWORD", OUTSIDE.encode(), Origin.OUTSIDE)
MASKED_INSIDE = VAULT.issue("PASSWORD", INSIDE.encode(), Origin.INSIDE)

FRAGMENTS = st.sampled_from(
    [OUTSIDE, INSIDE, CREDENTIAL, MASKED_OUTSIDE, MASKED_INSIDE, "MASKED-", "M", " x ", "\n", '"']
)
TEXTS = st.lists(FRAGMENTS, max_size=6).map(" ".join)


def inward() -> Inward:
    return Inward(VAULT, KNOWN, (f"Bearer {CREDENTIAL}",))


def text_delta(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def fed(raw: bytes, places: list[int]) -> tuple[bytes, bytes]:
    stream = InwardStream(inward(), anthropic.DIALECT, 2**20)
    borders = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    out = b"".join(stream.feed(raw[start:end]) for start, end in pairwise(borders))
    return out + stream.end(), bytes(stream.seen)


@given(st.lists(TEXTS, max_size=5), st.lists(st.integers(0, 5000), max_size=15), st.integers(0, 40))
def test_a_stream_gives_the_same_however_it_is_cut_and_never_a_secret_of_the_outside(
    texts: list[str], places: list[int], missing: int
) -> None:
    raw = b"".join(events(*map(text_delta, texts), {"type": "content_block_stop", "index": 0}))
    raw = raw[: max(0, len(raw) - missing)]
    out, seen = fed(raw, places)
    assert (out, seen) == fed(raw, [])
    for data in (out, seen):
        assert OUTSIDE.encode() not in data
        assert CREDENTIAL.encode() not in data
    assert MASKED_INSIDE.encode() not in out


def test_values_of_the_inside_are_neither_masked_nor_counted() -> None:
    here = inward()
    assert here.mask(INSIDE.encode()) == INSIDE.encode()
    assert here.masked == {}


def test_masked_values_are_counted_by_rule() -> None:
    here = inward()
    assert CREDENTIAL.encode() not in here.mask(f"{CREDENTIAL} {OUTSIDE} {OUTSIDE}".encode())
    assert {(rule, count) for (_, _, rule), count in here.masked.items()} == {("credential", 1), ("known:raw", 2)}


def test_a_document_that_is_no_json_is_only_masked() -> None:
    document = InwardDocument(inward(), anthropic.DIALECT)
    assert document.whole(f"<p>{OUTSIDE} {MASKED_INSIDE}".encode()) == f"<p>{MASKED_OUTSIDE} {MASKED_INSIDE}".encode()


def test_a_document_nested_beyond_measure_is_no_crash() -> None:
    deep = ("[" * 100_000 + f'"{MASKED_INSIDE}"' + "]" * 100_000).encode()
    assert InwardDocument(inward(), anthropic.DIALECT).whole(deep) == deep


def test_what_is_kept_for_the_log_is_bounded() -> None:
    raw = b"".join(events(*[text_delta("x" * 100)] * 20))
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
