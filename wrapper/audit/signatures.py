"""Checks many signatures at once, in as many processes as there are processors.

A ledger has a signature per append, 100,000 in a year, and each takes 0.1 ms to check. They are gathered while the log
is walked; a full batch goes to a process of its own, which has it from the fork and says by its exit code whether all
are good. Which one is not is for the caller to find, one by one.
"""

import os
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_BATCH: Final = 4096  # half a second's work, beside which a fork (5 ms) is nothing; a session's log has fewer


class _Signature(NamedTuple):
    key: bytes
    signature: bytes
    message: bytes


def check_signature(key: bytes, signature: bytes, message: bytes) -> None:
    """Check one Ed25519 signature. Raises InvalidSignature, and ValueError where `key` is not one."""
    Ed25519PublicKey.from_public_bytes(key).verify(signature, message)


class Signatures:
    """Signatures to check; `add` has the shape of `check_signature`, and does not raise."""

    def __init__(self) -> None:
        self._batch: list[_Signature] = []
        self._workers: list[int] = []
        self._good = True
        self._most = len(os.sched_getaffinity(0))

    def add(self, key: bytes, signature: bytes, message: bytes) -> None:
        """Take one Ed25519 signature."""
        self._batch.append(_Signature(key, signature, message))
        if len(self._batch) >= _BATCH:
            self._hand_over()

    def all_good(self) -> bool:
        """Say whether every signature added so far is good; call it once, also where nobody wants to know any more."""
        self._good &= _are_good(self._batch)
        while self._workers:
            self._wait()
        return self._good

    def _hand_over(self) -> None:
        if len(self._workers) >= self._most:
            self._wait()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if _are_good(self._batch) else 1
            finally:  # whatever happened, nothing of the parent's must run here
                os._exit(code)
        self._workers.append(pid)
        self._batch = []

    def _wait(self) -> None:
        _, status = os.waitpid(self._workers.pop(0), 0)
        self._good &= status == 0


def _are_good(batch: list[_Signature]) -> bool:
    try:
        for one in batch:
            check_signature(*one)
    except (InvalidSignature, ValueError):
        return False
    return True
