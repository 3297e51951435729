"""The stream redactor: known values first, then what rules find; the same output however the bytes come."""

import json
import random
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redactors.engine import Engine
from redactors.finding import Finding
from redactors.glance import Glance
from redactors.known import KnownValues
from redactors.knownstream import KnownStream
from redactors.rules.catalogue import expand
from redactors.rulestream import LONGEST_HELD, RuleStream
from redactors.stream import StreamRedactor
from redactors.vault import Origin, Vault
from tests.compiled import load

VAULT = Vault(bytes(32))
KNOWN = bytes(random.Random(5).choices((string.ascii_letters + string.digits).encode(), k=40))  # noqa: S311  (a fake)
LATER = bytes(random.Random(6).choices((string.ascii_letters + string.digits).encode(), k=40))  # noqa: S311  (a fake)
TOKEN = expand(["gh", "p_{base62:30}{crc32}"]).encode()
KEY = expand(["-----BEGIN PRIVATE ", "KEY-----\n{base64:64}\n{base64:64}\n-----END PRIVATE ", "KEY-----\n"]).encode()
PARTS = [
    b". \n" + KNOWN + b"\n",
    TOKEN,
    KEY,
    json.dumps(KEY.decode()).encode(),
    expand('api_key = "{base62:24}"\n').encode(),
    expand("Authorization: Bearer {base62:40}").encode(),
    expand("postgres://app:{base62:14}@db.test/x ").encode(),
    LATER + b"\n",
    b"an ordinary line of words\n",
    b"a" * 300,
]
NETRC = expand("machine a.test\n  login me\n  password {base62:16}\n").encode()
SEQUENCES = [b"\x1b[31m", b"\x1b[0m", b"\x1b[K", b"\x1b[5;1H", b"\x1b]0;title\x07", b"\x1b"]


@pytest.fixture(scope="module")
def engine() -> Engine:
    known = KnownValues(VAULT)
    assert known.add("VALUE", KNOWN, Origin.OUTSIDE)
    return load(VAULT, known)


def redactor(engine: Engine) -> StreamRedactor:
    assert engine.known is not None
    return StreamRedactor(engine.known, VAULT, engine=engine)


def run(stream: StreamRedactor, chunks: list[bytes]) -> bytes:
    return b"".join([*(stream.feed(chunk) for chunk in chunks), stream.flush()])


def outputs(*more: bytes) -> st.SearchStrategy[bytes]:
    glue = st.sampled_from([b"", b" ", b"\n", b"\r\n", b", ", b"\t", *more])
    return st.lists(st.tuples(st.sampled_from(PARTS), glue).map(b"".join), max_size=6).map(b"".join)


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(outputs(*SEQUENCES), st.integers(1, 700))
def test_any_chunking_gives_the_same_output(engine: Engine, output: bytes, size: int) -> None:
    whole = run(redactor(engine), [output])
    assert run(redactor(engine), [output[at : at + size] for at in range(0, len(output), size)]) == whole
    assert run(redactor(engine), [output[at : at + 1] for at in range(len(output))]) == whole


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(outputs())
def test_the_output_is_that_of_the_engine_for_the_whole(engine: Engine, output: bytes) -> None:
    assert run(redactor(engine), [output]) == engine.redact(output).data


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(outputs(*SEQUENCES, b"\r", b"50%\r", KNOWN[:20] + b"\n"), st.integers(1, 300))
def test_what_waits_for_a_lines_end_is_shown_no_later_for_it(engine: Engine, output: bytes, size: int) -> None:
    assert engine.known is not None
    values, rules, stream = KnownStream(engine.known, VAULT), RuleStream(engine, VAULT), redactor(engine)
    shown = waited = b""
    for at in range(0, len(output), size):
        shown += rules.feed(values.feed(output[at : at + size]))
        waited += stream.feed(output[at : at + size])
        assert waited.startswith(shown)
        assert stream.held <= (values.held or rules.held)
    assert waited + stream.flush() == shown + rules.feed(values.flush()) + rules.flush()


def looking_at_all(engine: Engine, known: KnownValues) -> StreamRedactor:
    """Give one that lets nothing pass: both streams are fed all that comes, and rules search it."""
    stream = StreamRedactor(known, VAULT, engine=engine)
    stream._values.passes = lambda lines: False  # type: ignore[method-assign]
    assert stream._rules is not None
    stream._rules._glance = lambda data: Glance.MAY_FIND
    return stream


def told_by(stream: StreamRedactor) -> list[tuple[int, int, str]]:
    told: list[tuple[int, int, str]] = []
    stream.on_mask = lambda found, _: told.append((found.start, found.end, found.rule))
    return told


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    outputs(*SEQUENCES, b"\r", b"\r\n" * 300, b"-----BEGIN CERTIFICATE-----\n", KNOWN[:20] + b"\n", NETRC),
    st.integers(1, 300),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_lines_that_pass_are_those_in_which_nothing_is_found(
    engine: Engine, output: bytes, size: int, flush_every: int, add_at: int
) -> None:
    known = [KnownValues(VAULT) for _ in range(2)]
    for values in known:
        values.add("VALUE", KNOWN, Origin.OUTSIDE)
    letting, looking = StreamRedactor(known[0], VAULT, engine=engine), looking_at_all(engine, known[1])
    told = told_by(letting), told_by(looking)
    for number, at in enumerate(range(0, len(output), size), 1):
        if number == add_at:
            for values in known:
                values.add("VALUE", LATER, Origin.OUTSIDE)
        chunk = output[at : at + size]
        assert letting.feed(chunk) == looking.feed(chunk)
        if flush_every and number % flush_every == 0:
            assert letting.flush() == looking.flush()
        assert letting.held == looking.held
    assert letting.flush() == looking.flush()
    assert told[0] == told[1]


def test_most_lines_pass(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = redactor(engine)
    stream.feed(b"ordinary\n" * 9)
    monkeypatch.setattr(KnownStream, "feed", None)
    monkeypatch.setattr(RuleStream, "feed", None)
    assert stream.feed(b"words and \nwords") == b"words and \n"
    assert stream.feed(b" and\n") == b"words and\n"


BODY = b"".join(KEY.splitlines()[1:-1])
LINES = [BODY[at : at + 16] + b"\n" for at in range(0, len(BODY), 16)]  # so short that one says nothing


@pytest.mark.parametrize(
    ("chunks", "secret"),
    [
        ([KNOWN[:20] + b"\x1b[7m" + KNOWN[20:] + b"\n"], KNOWN[20:]),
        ([TOKEN[:20] + b"\x1b[7m" + TOKEN[20:] + b"\n"], TOKEN[20:]),
        ([b"\x1b[1mmachine\x1b[0m a.test\n", NETRC.partition(b"\n")[2]], NETRC.split()[-1]),
        ([KEY.splitlines(keepends=True)[0], *LINES, KEY.splitlines(keepends=True)[-1]], LINES[0]),
        ([KNOWN.hex()[:40].encode() + b"\n", None, KNOWN.hex()[40:].encode() + b"\n"], KNOWN.hex()[40:].encode()),
    ],
)
def test_no_line_passes_that_says_more_beside_what_stands_before_it(
    engine: Engine, chunks: list[bytes | None], secret: bytes
) -> None:
    stream = redactor(engine)
    stream.feed(b"ordinary\n" * 60)
    shown = b"".join(stream.flush() if chunk is None else stream.feed(chunk) for chunk in chunks)
    assert secret not in shown
    assert b"MASKED-" in shown


def test_a_value_that_is_added_where_lines_pass_is_masked_from_then_on(engine: Engine) -> None:
    known = KnownValues(VAULT)
    stream = StreamRedactor(known, VAULT, engine=engine)
    assert stream.feed(LATER + b"\n") == LATER + b"\n"
    known.add("VALUE", LATER, Origin.OUTSIDE)
    assert LATER not in stream.feed(LATER + b"\n")


def test_a_new_value_that_cannot_be_compiled_lets_no_line_pass(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownValues(VAULT)
    stream = StreamRedactor(known, VAULT, engine=engine)
    stream.feed(b"ordinary\n")
    known.add("VALUE", LATER, Origin.OUTSIDE)
    with monkeypatch.context() as patched, pytest.raises(TypeError):
        patched.setattr(KnownValues, "segments", None)
        stream.feed(LATER + b"\n")
    assert LATER not in stream.feed(LATER + b"\n")


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([b"50%\r60%\r70"], b"50%\r60%\r"),
        ([b"50%\r60%\r", b"70"], b"50%\r60%\r"),
        ([b"ab\r", b"c"], b"ab\r"),
        ([b"ab\r", b"", b"c"], b"ab\r"),
        ([b"x\nab\r", b"c"], b"x\nab\r"),
        ([b"x\nab\r", b"\n", b"c"], b"x\nab\r\n"),
        ([b"ab", b"c\r", b"\n"], b"abc\r\n"),
        ([b"ab", b"", b"c\nd", b"e"], b"abc\n"),
        ([], b""),
    ],
)
def test_a_line_is_shown_once_it_is_over(engine: Engine, chunks: list[bytes], shown: bytes) -> None:
    stream = redactor(engine)
    assert b"".join(map(stream.feed, chunks)) == shown
    assert stream.held == (b"".join(chunks) != shown)
    assert shown + stream.flush() == b"".join(chunks)


@pytest.mark.parametrize("size", [1, 1000, 2 * LONGEST_HELD])
def test_a_line_that_does_not_end_is_shown_in_pieces(engine: Engine, size: int) -> None:
    stream = redactor(engine)
    fed = shown = 0
    for _ in range(-(-3 * LONGEST_HELD // size)):
        fed += size
        shown += len(stream.feed(b"." * size))
        assert fed - shown <= LONGEST_HELD
    assert shown > 0


def test_without_an_engine_only_known_values_are_masked(engine: Engine) -> None:
    assert engine.known is not None
    shown = run(StreamRedactor(engine.known, VAULT), [TOKEN + b" " + KNOWN + b"\n"])
    assert shown == TOKEN + b" " + VAULT.issue("VALUE", KNOWN, Origin.OUTSIDE).encode() + b"\n"


def test_the_engine_goes_on_finding_known_values(engine: Engine) -> None:
    redactor(engine)
    assert [found.rule for found in engine.find(KNOWN)] == ["known:raw"]


def test_each_mask_is_told_with_its_place_in_the_stream(engine: Engine) -> None:
    stream = redactor(engine)
    told: list[Finding] = []
    stream.on_mask = lambda found, _: told.append(found)
    text = (b"words and words\n" * 9 + KNOWN + b"\n" + TOKEN + b" x\n") * 20
    run(stream, [text[at : at + 77] for at in range(0, len(text), 77)])
    assert sorted(text[found.start : found.end] for found in told) == sorted([KNOWN, TOKEN] * 20)
    assert sorted(found.start for found in told) == sorted({found.start for found in told})


@pytest.mark.parametrize("text", [b"> " + KNOWN[:8], b"> " + TOKEN[:20]])
def test_held_says_whether_either_holds_bytes_back(engine: Engine, text: bytes) -> None:
    stream = redactor(engine)
    assert not stream.held
    shown = stream.feed(text)
    assert stream.held
    assert shown + stream.flush() == text
    assert not stream.held


def test_a_line_of_many_megabytes_passes(engine: Engine) -> None:
    stream = redactor(engine)
    piece = b"ordinary words; " * 4096
    shown = 0
    for _ in range(100):
        shown += len(stream.feed(piece))
    assert shown + len(stream.flush()) == 100 * len(piece)
