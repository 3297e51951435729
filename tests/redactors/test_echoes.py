"""Known values in texts that come in parts: masked as in a terminal's stream, but for what the inside knows."""

import secrets
import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from redactors.echoes import Echoes
from redactors.knownstream import KnownStream

OUTSIDE = b"Tr0ub4dor&3-of-the-outside"
INSIDE = b"correct-horse-of-the-inside"
VAULT = Vault(bytes(32))
KNOWN = KnownValues(VAULT)
assert KNOWN.add("PASSWORD", OUTSIDE, Origin.OUTSIDE)
assert KNOWN.add("PASSWORD", INSIDE, Origin.INSIDE)
ECHOES = Echoes(KNOWN, VAULT)
TEXTS = st.lists(st.sampled_from([OUTSIDE, INSIDE, OUTSIDE[:9], OUTSIDE[4:], b"C", b" ", b"\n", b"\x1b[1m", b"x"])).map(
    b"".join
)


@given(TEXTS, st.lists(st.integers(0, 300), max_size=12))
def test_a_text_is_masked_as_a_terminal_would_but_for_what_the_inside_knows(text: bytes, cuts: list[int]) -> None:
    echo, stream = ECHOES.text(), KnownStream(KNOWN, VAULT)
    borders = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    out = b"".join(echo.feed(text[start:end]) for start, end in pairwise(borders)) + echo.flush()
    masked_inside = VAULT.issue("PASSWORD", INSIDE, Origin.INSIDE).encode()
    assert out.replace(INSIDE, masked_inside) == stream.feed(text) + stream.flush()
    assert OUTSIDE not in out


def test_texts_at_the_same_time_do_not_mix() -> None:
    first, second = ECHOES.text(), ECHOES.text()
    assert first.feed(OUTSIDE[:10]) + second.feed(b"of the ") == b"of the "
    assert OUTSIDE[10:] not in second.feed(OUTSIDE[10:]) + second.flush()
    assert first.feed(OUTSIDE[10:]) + first.flush() == VAULT.issue("PASSWORD", OUTSIDE, Origin.OUTSIDE).encode()


def test_a_value_that_is_added_is_masked_in_texts_that_have_begun_and_in_new_ones() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    echoes = Echoes(known, vault)
    old = echoes.text()
    assert old.feed(b"so ") == b"so "
    for _ in range(3):
        late = secrets.token_hex(12).encode()
        assert known.add("PASSWORD", late, Origin.OUTSIDE)
        assert not echoes.is_ready
        masked = vault.issue("PASSWORD", late, Origin.OUTSIDE).encode()
        assert old.feed(late[:5]) + old.feed(late[5:] + b"~") + old.flush() == masked + b"~"
        new = echoes.text()
        assert new.feed(late + b"~") + new.flush() == masked + b"~"
        echoes.prepare()
        assert echoes.is_ready


def test_what_all_texts_need_is_worked_out_once() -> None:
    first, second = ECHOES.text(), ECHOES.text()
    assert first._ahead is second._ahead
    assert first._short is second._short


def test_texts_of_several_threads_are_masked() -> None:
    masked = VAULT.issue("PASSWORD", OUTSIDE, Origin.OUTSIDE).encode()
    filler = b"and so on, and on " * 200
    wrong: list[bytes] = []

    def feed() -> None:
        for _ in range(200):
            text = ECHOES.text()
            said = text.feed(filler) + text.feed(OUTSIDE[:9]) + text.feed(OUTSIDE[9:] + filler) + text.flush()
            if said != filler + masked + filler:
                wrong.append(said)

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_values_added_while_others_are_prepared_are_masked() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    echoes = Echoes(known, vault)
    values = [secrets.token_hex(12).encode() for _ in range(60)]
    over = threading.Event()

    def prepare() -> None:
        while not over.is_set():
            echoes.prepare()

    thread = threading.Thread(target=prepare)
    thread.start()
    try:
        for value in values:
            assert known.add("PASSWORD", value, Origin.OUTSIDE)
            text = echoes.text()
            assert value not in text.feed(value[:7]) + text.feed(value[7:]) + text.flush()
    finally:
        over.set()
        thread.join()
