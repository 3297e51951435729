import os
import signal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.audit import signatures

_PRIVATE = Ed25519PrivateKey.generate()
_PUBLIC = _PRIVATE.public_key().public_bytes_raw()
_FORK = os.fork
_SIGNATURES = [(_PUBLIC, _PRIVATE.sign(b"%d" % number), b"%d" % number) for number in range(40)]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 60))
def test_they_are_good_together_where_each_is(batch: int, count: int, bad: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "_BATCH", batch)
        gathered = signatures.Signatures()
        for number, (key, signature, message) in enumerate(_SIGNATURES[:count]):
            gathered.add(key, signature, b"another" if number == bad else message)
        assert gathered.all_good() == (bad >= count)


def test_what_is_no_key_is_no_good_signature() -> None:
    gathered = signatures.Signatures()
    gathered.add(b"short", bytes(64), b"")
    assert not gathered.all_good()


def test_no_process_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    forked: list[int] = []

    def fork() -> int:
        forked.append(pid := _FORK())
        return pid

    monkeypatch.setattr(signatures, "_BATCH", 5)
    monkeypatch.setattr(os, "fork", fork)
    gathered = signatures.Signatures()
    for one in _SIGNATURES:
        gathered.add(*one)
    assert gathered.all_good()
    assert len(forked) == 8
    for pid in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_a_worker_that_dies_has_not_said_that_all_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "_BATCH", 5)

    def dies(batch: list[object]) -> bool:
        if batch:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    monkeypatch.setattr(signatures, "_are_good", dies)
    gathered = signatures.Signatures()
    for one in _SIGNATURES[:5]:
        gathered.add(*one)
    assert not gathered.all_good()
