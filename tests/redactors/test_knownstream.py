"""Known values in a stream: the same output however the bytes come, and no known value in it."""

import base64
import random
import re
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.knownstream import LONGEST_HELD, KnownStream
from redactors.matcher import Pass
from redactors.squeeze import BLANKS, ESCAPE_SEQUENCE
from redactors.vault import Origin, Vault

ALPHANUMERIC = (string.ascii_letters + string.digits).encode()


def fake_key(seed: int, size: int = 40) -> bytes:
    """Make a random key of `size` letters and digits, the same for the same seed."""
    return bytes(random.Random(seed).choices(ALPHANUMERIC, k=size))  # noqa: S311  (a fake)


KEYS = (
    b"sk-" + fake_key(1),
    fake_key(2, 24),
    b"pass w0rd!",
    b"a1ca1d",
    fake_key(3, 64),
    b"a1ca1da1ca1e",
    b"sk-sk-sk-key1",
)
GAPS = [
    b"\x1b[31m",
    b"\x1b[0m",
    b"\r\n",
    b"\n",
    b" ",
    b"\x1b]0;title\x07",
    b"\x1b]8;;u\x1b\\",
    b"\x1b[5;1H",
    b"\xe2\x94\x82 \r\n\xe2\x94\x82 ",
    b"\\",
]
FORMS = [key for value in KEYS for key in (value, value[::-1], value.hex().encode(), base64.b64encode(value))]


class Searching(KnownStream):
    """Works all values out, wherever it looks."""

    def _end_without_values(self, buffer: bytes) -> int:
        del buffer
        return -1


def make(*values: bytes, how: type[KnownStream] = KnownStream) -> KnownStream:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    for value in values:
        assert known.add("KEY", value, Origin.OUTSIDE)
    return how(known, vault)


def run(redactor: KnownStream, chunks: list[bytes]) -> bytes:
    return b"".join([*(redactor.feed(chunk) for chunk in chunks), redactor.flush()])


def steps(redactor: KnownStream, chunks: list[bytes], every: int) -> list[tuple[bytes, int, bytes]]:
    """Tell what is shown and held back after each chunk, and what each flush gives: one behind `every` so many."""
    told = []
    for number, chunk in enumerate(chunks, 1):
        shown, pending = redactor.feed(chunk), redactor.pending
        told.append((shown, pending, redactor.flush() if every and number % every == 0 else b""))
    return [*told, (b"", redactor.pending, redactor.flush())]


@st.composite
def outputs(draw: st.DrawFn) -> bytes:
    """Terminal output made of words, parts and wholes of values, and gaps inside them."""
    parts: list[bytes] = []
    for _ in range(draw(st.integers(0, 6))):
        form = draw(st.sampled_from(FORMS))
        start = draw(st.sampled_from([0, 0, 0, 1, 7, len(form) // 2]))
        end = draw(st.sampled_from([len(form), len(form), len(form) - 1, len(form) - 7, len(form) // 2]))
        cut = form[start:end]
        for place in sorted(draw(st.lists(st.integers(0, len(cut)), max_size=4)), reverse=True):
            cut = cut[:place] + draw(st.sampled_from(GAPS)) + cut[place:]
        parts += (
            cut,
            draw(st.sampled_from([b"", b" ", b"\r\n", b"\x1b[0m", b"word", b"\x1b", b"sk-", b"a1c", b"\xff\0"])),
        )
    return b"".join(parts)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(outputs(), st.data())
def test_any_chunking_gives_the_same_output(output: bytes, data: st.DataObject) -> None:
    whole = run(make(*KEYS), [output])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)), max_size=8)))
    chunks = [output[start:end] for start, end in zip([0, *cuts], [*cuts, len(output)], strict=True)]
    assert run(make(*KEYS), chunks) == whole
    assert run(make(*KEYS), [output[at : at + 1] for at in range(len(output))]) == whole


@settings(max_examples=300)
@given(outputs())
def test_no_value_is_left_in_the_output(output: bytes) -> None:
    shown = run(make(*KEYS), [output])
    for key in KEYS:
        assert not re.search(rb"(?<!\x1b)" + re.escape(key), shown)  # of `ESC c…` a terminal eats the `c`
        assert key not in ESCAPE_SEQUENCE.sub(b"", shown)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(outputs(), st.integers(1, 300), st.integers(0, 9), st.sampled_from([KEYS, KEYS[:2], KEYS[3:4]]))
def test_a_glance_skips_nothing_that_a_search_would_find(
    output: bytes, size: int, every: int, keys: tuple[bytes, ...]
) -> None:
    chunks = [output[at : at + size] for at in range(0, len(output), size)]
    assert steps(make(*keys), chunks, every) == steps(make(*keys, how=Searching), chunks, every)


@given(outputs())
def test_a_probe_says_no_only_where_a_search_finds_nothing(output: bytes) -> None:
    known = KnownValues(Vault(bytes(32)))
    known.add("KEY", KEYS[0], Origin.OUTSIDE)
    (segment,) = known.segments()
    assert segment.probe()(output) or not segment.search(output, Pass.BOTH)


@given(st.binary(max_size=300), st.integers(1, 9))
def test_what_holds_no_value_passes_unchanged(output: bytes, size: int) -> None:
    redactor = make(fake_key(9), fake_key(10))
    assert run(redactor, [output[at : at + size] for at in range(0, len(output), size)]) == output


@given(outputs(), st.lists(st.booleans(), max_size=40))
def test_a_flush_at_any_time_loses_no_byte_of_other_text(output: bytes, flushes: list[bool]) -> None:
    redactor = make(fake_key(9))
    shown = b""
    for at, flush in enumerate([*flushes, *[False] * len(output)]):
        shown += redactor.feed(output[at : at + 1]) + (redactor.flush() if flush else b"")
    assert shown + redactor.flush() == output


@pytest.mark.parametrize("gap", GAPS)
def test_a_value_cut_by_a_gap_is_masked_and_its_sequences_stay(gap: bytes) -> None:
    key = fake_key(1)
    shown = run(make(key), [b"a " + key[:20] + gap + key[20:] + b" z"])
    sequences = b"".join(ESCAPE_SEQUENCE.findall(gap))
    assert re.fullmatch(rb"a MASKED-KEY-[0-9A-Z]{8}" + re.escape(sequences) + rb" z", shown)


def test_a_value_coloured_letter_by_letter_is_masked() -> None:
    key = fake_key(1)
    shown = run(make(key), [b"".join(b"\x1b[3%dm%c" % (at % 8, byte) for at, byte in enumerate(key))])
    assert ESCAPE_SEQUENCE.sub(b"", shown).startswith(b"MASKED-KEY-")
    assert len(ESCAPE_SEQUENCE.findall(shown)) == len(key)


def test_a_value_in_the_title_of_a_window_is_masked() -> None:
    shown = run(make(fake_key(1)), [b"\x1b]0;" + fake_key(1) + b"\x07 ok\r\n"])
    assert fake_key(1) not in shown
    assert shown.endswith(b" ok\r\n")


@pytest.mark.parametrize("width", [20, 33, 80])
def test_a_value_wrapped_by_the_terminal_at_any_column_is_masked(width: int) -> None:
    key = fake_key(1, 90)
    for column in range(width):
        text = b"." * column + key
        lines = b"\r\n".join(text[at : at + width] for at in range(0, len(text), width))
        shown = run(make(key), [lines]).translate(None, BLANKS)
        assert key[3:] not in shown  # up to three bytes before a line end may stay, see the module
        assert b"MASKED-KEY-" in shown
        assert all(key[at : at + 12] not in shown for at in range(len(key) - 11))


def test_ordinary_output_is_not_held_back() -> None:
    redactor = make(*KEYS)
    for line in (
        b"total 8\r\n",
        b"\x1b[32mok\x1b[0m ",
        b"$ ",
        b"done.\r\n",
        b"\x1b[?25h",
        b"make: *** [all] Error 1\r\n",
    ):
        assert redactor.feed(line) == line
        assert not redactor.held


def test_the_beginning_of_a_value_is_held_back_until_it_is_none() -> None:
    redactor = make(fake_key(1))
    assert redactor.feed(b"x " + fake_key(1)[:20]) == b"x "
    assert redactor.held
    assert redactor.feed(b"!").startswith(b"MASKED-KEY-")  # twenty characters of it are enough
    assert not redactor.held


@pytest.mark.parametrize("sequence", [b"\x1b[0m", b"\x1b]8;;u\x1b\\", b"\x1b(\\"])
def test_a_sequence_behind_the_first_bytes_of_a_value_lets_none_of_them_pass(sequence: bytes) -> None:
    key = fake_key(1)
    for cut in range(1, 20):
        redactor = make(key)
        shown = b"".join(redactor.feed(b"%c" % byte) for byte in b"> " + key[:cut] + sequence)
        assert shown == b"> "
        assert (redactor.feed(key[cut:]) + redactor.flush()).startswith(b"MASKED-KEY-")


def test_the_rest_of_a_value_is_masked_after_a_flush_in_its_middle() -> None:
    key = fake_key(1)
    for cut in range(1, 40):
        redactor = make(key)
        shown = (
            redactor.feed(b"> " + key[:cut]) + redactor.flush() + redactor.feed(key[cut:] + b" end") + redactor.flush()
        )
        assert shown.count(b"MASKED-KEY-") == 1
        assert shown.endswith(b" end")
        assert key[12:] not in shown
        assert key[cut:] not in shown


def test_values_added_later_are_masked_in_later_bytes() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    redactor = KnownStream(known, vault)
    key = fake_key(1)
    assert redactor.feed(key) == key
    known.add("KEY", key, Origin.OUTSIDE)
    assert redactor.feed(key + b"\n") == vault.issue("KEY", key, Origin.INSIDE).encode() + b"\n"


def test_each_value_that_is_added_is_masked_from_then_on_however_those_before_were_compiled() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    redactor = KnownStream(known, vault)
    keys = [fake_key(seed) for seed in range(30, 60)]
    compiled = set()
    for number, key in enumerate(keys, 1):
        known.add("KEY", key, Origin.OUTSIDE)
        for added in keys[:number]:
            assert redactor.feed(added + b"\n") == vault.issue("KEY", added, Origin.OUTSIDE).encode() + b"\n"
        assert known.find(b"\n".join(keys * 200))  # searches enough for segments to be merged
        compiled.add(len(known.segments()))
    assert len(compiled) > 1


def test_each_mask_is_told_with_its_place_in_the_stream() -> None:
    told: list[tuple[Finding, str]] = []
    redactor = make(fake_key(1))
    redactor.on_mask = lambda found, placeholder: told.append((found, placeholder))
    text = b"a" * 5000 + fake_key(1) + b"b" * 5000 + fake_key(1) + b"c"
    run(redactor, [text[at : at + 100] for at in range(0, len(text), 100)])
    assert [(found.start, found.end) for found, _ in told] == [(5000, 5040), (10040, 10080)]
    assert all(placeholder.startswith("MASKED-KEY-") for _, placeholder in told)


@pytest.mark.parametrize("filler", [b"\x1b]", b"\x1b[", b" ", b"\r\n", b"a", b"\x1b", b"\0", b"sk-sk-"])
def test_memory_is_bounded_whatever_comes(filler: bytes) -> None:
    redactor = make(*KEYS)
    fed = shown = 0
    for piece in [KEYS[0][:10], *[filler * (4096 // len(filler))] * 60]:
        fed += len(piece)
        shown += len(redactor.feed(piece))
        assert fed - shown <= LONGEST_HELD


@given(outputs())
def test_what_is_told_of_moves_leads_back_to_the_input(output: bytes) -> None:
    redactor = make(*KEYS)
    moved = [(0, 0)]
    redactor.on_moved = lambda given, shift: moved.append((given, shift))
    shown = run(redactor, [output])
    for (start, shift), (end, _) in zip(moved, [*moved[1:], (len(shown), 0)], strict=True):
        plain = shown[start:end].partition(b"MASKED-")[0]
        assert output[start + shift : start + shift + len(plain)] == plain


def test_a_vault_of_its_own_never_makes_a_value_restorable_inside() -> None:
    known = KnownValues(Vault(bytes(32)))
    known.add("KEY", fake_key(1), Origin.INSIDE)
    vault = Vault(bytes(32))
    shown = run(KnownStream(known, vault), [fake_key(1)])
    assert vault.restore(shown, to=Origin.INSIDE) == shown


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.sampled_from([*KEYS, *FORMS, b"word", b" ", b"\n", b"\\"]), max_size=6), st.integers(0, 40))
def test_what_passes_would_be_shown_as_it_is_at_once(parts: list[bytes], cut: int) -> None:
    lines = b"".join(parts)[cut:] + b"\n"
    searching, stream = make(*KEYS, how=Searching), make(*KEYS)
    if stream.passes(lines):
        assert searching.feed(lines) == lines
        assert not searching.held


def test_nothing_passes_behind_bytes_that_are_held_back() -> None:
    stream = make(KEYS[0])
    assert stream.passes(b"word\n")
    shown = stream.feed(b"> " + KEYS[0][:8])
    assert not stream.passes(b"word\n")
    assert shown + stream.flush() == b"> " + KEYS[0][:8]
    assert not stream.passes(b"word\n")
