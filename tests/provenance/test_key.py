"""The key file: private, whole, the same for everybody who comes at once."""

import base64
import concurrent.futures
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.errors import ProvenanceError
from wrapper.provenance import key as keys
from wrapper.provenance.key import Key

_SECRET = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / keys.FILE


def test_it_is_made_at_first_use_and_the_same_ever_after(path: Path) -> None:
    made = keys.load_or_make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.load_or_make(path) == keys.load(path) == made
    assert [one.name for one in path.parent.iterdir()] == [path.name]  # no draft is left


def test_all_who_come_at_once_get_the_same_key(path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as many:
        found = list(many.map(lambda _: keys.load_or_make(path), range(64)))
    assert len({key.id for key in found}) == 1


def test_two_machines_make_different_keys(tmp_path: Path) -> None:
    assert keys.load_or_make(tmp_path / "a") != keys.load_or_make(tmp_path / "b")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_file_that_others_can_read_or_write_is_refused_with_what_to_do(path: Path, mode: int) -> None:
    keys.load_or_make(path)
    path.chmod(mode)
    for read in (keys.load, keys.load_or_make):
        with pytest.raises(ProvenanceError, match="open to other users") as caught:
            read(path)
        assert caught.value.hint == f"run `chmod 600 {path}`"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no key"),
        (b"hello\n", "no key"),
        (keys.written(_SECRET, "x")[:-5], "no key"),
        (keys.written(_SECRET[:-1], "x"), "damaged"),
        (keys.written(_SECRET, "x").replace(base64.b64encode(_SECRET), b"!" * 44), "damaged"),
        (keys.written(_SECRET, "x").replace(b"key 1\n", b"key 2\n"), "later version"),
        (keys.written(_SECRET, "x") + b"more\n", "no key"),
    ],
)
def test_what_is_no_whole_key_is_refused(path: Path, content: bytes, why: str) -> None:
    path.parent.mkdir()
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ProvenanceError, match=why):
        keys.load(path)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(path: Path) -> None:
    with pytest.raises(ProvenanceError, match="missing"):
        keys.load(path)
    path.mkdir(parents=True, mode=0o700)
    with pytest.raises(ProvenanceError, match="no file"):
        keys.load(path)
    os.mkfifo(pipe := path / "pipe", 0o600)
    with pytest.raises(ProvenanceError, match="no file"):
        keys.load(pipe)


def test_nothing_that_is_printed_shows_the_key() -> None:
    key = Key(_SECRET, "somewhere")
    shown = f"{key} {key!r} {key.__dict__} {key.coder()}"
    for secret in (_SECRET.hex(), base64.b64encode(_SECRET).decode(), repr(_SECRET)[2:-1]):
        assert secret not in shown
        assert secret not in key.id
    assert str(key) == f"Key({key.id})"
    with pytest.raises(TypeError, match="load the key file"):
        pickle.dumps(key)


@given(st.text(max_size=50))
def test_a_label_of_any_characters_is_one_line(label: str) -> None:
    label = label.encode("utf-8", "replace").decode()
    assert keys.parse(keys.written(_SECRET, label)) == Key(_SECRET)


@given(st.binary(max_size=100), st.binary(max_size=20), st.integers(0, 10_000))
def test_what_is_sealed_opens_only_whole_in_its_place_and_by_its_key(data: bytes, place: bytes, at: int) -> None:
    key = Key(_SECRET)
    sealed = key.seal(data, place)
    assert key.unseal(sealed, place) == data
    flipped = bytearray(sealed)
    flipped[at % len(sealed)] ^= 1
    for opener, changed, associated in (
        (key, bytes(flipped), place),
        (key, sealed[:-1], place),
        (key, sealed, place + b"x"),
        (Key(bytes(32)), sealed, place),
    ):
        with pytest.raises(ProvenanceError):
            opener.unseal(changed, associated)


def test_the_id_names_the_key_and_the_keys_derived_of_it_differ() -> None:
    one, same, other = Key(_SECRET), Key(_SECRET, "label"), Key(bytes(32))
    assert one.id == same.id != other.id
    assert len(one.id) == 16
    assert one.authenticate(b"x") == same.authenticate(b"x") != other.authenticate(b"x")
