"""A mnemonic is found by its words and its checksum, wherever it stands among other words."""

import hashlib
import pkgutil
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Vault
from redactors.mnemonics import holds_mnemonic
from tests.compiled import load

LIST = (pkgutil.get_data("redactors", "bip39.words") or b"").decode().split()
KEYS = st.sampled_from((16, 20, 24, 28, 32)).flatmap(lambda size: st.binary(min_size=size, max_size=size))
VECTORS = (  # BIP 39's own, of Trezor: entropy and words
    ("7f" * 16, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
    ("80" * 16, "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"),
    (
        "66" + "10b25967cdcca9d59875f5cb50b0ea75433311869e930b",
        "gravity machine north sort system female filter attitude volume fold club stay feature office ecology stable narrow fog",
    ),
)


def mnemonic(key: bytes) -> list[str]:
    """Spell a key as BIP 39 says."""
    checked = len(key) // 4
    bits = f"{int.from_bytes(key, 'big'):0{len(key) * 8}b}" + f"{hashlib.sha256(key).digest()[0]:08b}"[:checked]
    return [LIST[int(bits[at : at + 11], 2)] for at in range(0, len(bits), 11)]


def is_drawn(words: list[str]) -> bool:
    """Tell what a generator draws but in one of 10^8: neither the list itself nor few words again and again."""
    return len(set(words)) >= 6 and any(LIST.index(one) > LIST.index(other) for one, other in pairwise(words))


def test_the_list_is_the_one_of_the_standard() -> None:
    content = pkgutil.get_data("redactors", "bip39.words") or b""
    assert hashlib.sha256(content).hexdigest() == "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    assert sorted(LIST) == LIST
    assert all(3 <= len(word) <= 8 for word in LIST), "the rule looks for words of these lengths"


@pytest.mark.parametrize(("key", "words"), VECTORS, ids=["12 words", "12 others", "18 words"])
def test_the_words_of_the_standard_are_found(key: str, words: str) -> None:
    assert " ".join(mnemonic(bytes.fromhex(key))) == words
    assert holds_mnemonic(words.encode())


@given(KEYS, st.sampled_from((" ", "\n", ", ", '", "', "\\n", "\n- ", "\t")))
def test_a_mnemonic_is_found_whatever_stands_between_its_words(key: bytes, between: str) -> None:
    words = mnemonic(key)
    if is_drawn(words):
        assert holds_mnemonic(between.join(words).encode())
        assert holds_mnemonic(between.join(map(str.capitalize, words)).encode())


@given(KEYS, st.lists(st.sampled_from(("the", "words", "are", "zzz", *LIST[:9])), max_size=8))
def test_other_words_around_it_do_not_hide_it(key: bytes, others: list[str]) -> None:
    words = mnemonic(key)
    if is_drawn(words):
        assert holds_mnemonic(" ".join((*others, *words, *reversed(others))).encode())


def test_of_all_last_words_only_those_with_the_checksum_make_one() -> None:
    words = mnemonic(hashlib.sha256(b"a key").digest()[:16])
    fit = [last for last in LIST if holds_mnemonic(" ".join((*words[:-1], last)).encode())]
    assert len(fit) == 128, "seven bits of the last word are the key's"


@pytest.mark.parametrize(
    "words",
    [
        "test " * 11 + "junk",
        "abandon " * 11 + "about",
        "zoo " * 11 + "wrong",
        " ".join(LIST[:48]),
        " ".join(LIST),
    ],
    ids=["development chains", "zeros", "ones", "a piece of the list", "the list"],
)
def test_what_repeats_and_the_list_itself_are_none(words: str) -> None:
    assert not holds_mnemonic(words.encode())


@pytest.mark.parametrize(
    "text",
    [
        "mnemonic: {}",
        'MNEMONIC="{}"\n',
        "export HD_WALLET_SEED='{}'",
        "the recovery phrase of the new wallet is: {}",
        '{{"seedPhrase": "{}"}}',
        'const phrase = "{}";',
        "  seed:\n    {}\n",
        "your words, 12 words: {}.",
        '{{"text": "my seed phrase:\\n{}"}}',
    ],
)
def test_a_mnemonic_is_masked_behind_the_words_that_announce_it(text: str) -> None:
    words = " ".join(mnemonic(hashlib.sha256(text.encode()).digest()))
    data = text.format(words).encode()
    (found,) = load(Vault(bytes(32))).find(data)
    assert found.kind == "MNEMONIC"
    assert found.confidence.name == "CERTAIN"
    assert words.encode() in data[found.start : found.end]


def test_words_in_a_list_of_json_are_masked() -> None:
    words = mnemonic(hashlib.sha256(b"of a list").digest())
    data = b'{"mnemonic": [' + ", ".join(f'"{word}"' for word in words).encode() + b"]}"
    redacted = load(Vault(bytes(32))).redact(data).data
    assert not any(f'"{word}"'.encode() in redacted for word in words)


def test_a_mnemonic_with_the_word_example_is_masked_too() -> None:
    drawn = (mnemonic(hashlib.sha256(b"%d" % number).digest()[:16]) for number in range(2000))
    words = " ".join(next(one for one in drawn if "example" in one))
    (found,) = load(Vault(bytes(32))).find(f"mnemonic: {words}\n".encode())
    assert found.value == words.encode()


@pytest.mark.parametrize("line_end", ["\n", "\\n", "\r\n"])
def test_the_key_of_the_next_line_stays(line_end: str) -> None:
    words = " ".join(mnemonic(hashlib.sha256(b"of a line").digest()))
    data = f"MNEMONIC={words}{line_end}PORT=3000{line_end}".encode()
    assert load(Vault(bytes(32))).redact(data).data.endswith(f"{line_end}PORT=3000{line_end}".encode())
