"""The keys of records: each from the one before, none leads back.

A log begins with its 32-byte log key. Each epoch takes a secret from the chain, each record a key from its epoch's
secret, by HMAC-SHA256; the steps that were taken are erased. So who has the writer's memory at a moment opens no
record written before it. In version 1 an epoch's records had one key together.
"""

import ctypes
import hmac
from typing import Final

_EPOCH_KEY: Final = b"safe-agent alog v1 epoch key"
_NEXT_EPOCH: Final = b"safe-agent alog v1 next epoch"
_EPOCH_SECRET: Final = b"safe-agent alog v2 epoch secret"
_RECORD_KEY: Final = b"safe-agent alog v2 record key"
_NEXT_RECORD: Final = b"safe-agent alog v2 next record"

_OBJECT_HEAD: Final = bytes.__basicsize__ - 1  # where CPython keeps the bytes of a bytes object


def erase(secret: bytes) -> None:
    """Overwrite `secret` in memory; only for bytes of a key's length that nobody else holds.

    Python shares short and constant bytes objects, never the result of a computation.
    """
    ctypes.memset(id(secret) + _OBJECT_HEAD, 0, len(secret))


class Ratchet:
    """Gives the keys of a log's records in order. `log_key` stays the caller's to erase."""

    def __init__(self, log_key: bytes, version: int) -> None:
        self._is_first = version == 1
        self._chain = bytes(bytearray(log_key))  # a copy that can be erased
        self._secret = b""

    def next_epoch(self) -> None:
        """Begin the next epoch; there is none before the first call."""
        self._step("_secret", hmac.digest(self._chain, _EPOCH_KEY if self._is_first else _EPOCH_SECRET, "sha256"))
        self._step("_chain", hmac.digest(self._chain, _NEXT_EPOCH, "sha256"))

    def next_key(self) -> bytes:
        """Return the 32-byte AES key of the next record in this epoch; erase it after use, but in version 1."""
        if self._is_first:
            return self._secret
        key = hmac.digest(self._secret, _RECORD_KEY, "sha256")
        self._step("_secret", hmac.digest(self._secret, _NEXT_RECORD, "sha256"))
        return key

    def skip(self, records: int) -> None:
        """Pass over the keys of so many records of this epoch."""
        for _ in range(0 if self._is_first else records):
            self._step("_secret", hmac.digest(self._secret, _NEXT_RECORD, "sha256"))

    def forget(self) -> None:
        """Erase what is left of the keys; there are none any more."""
        for secret in (self._chain, self._secret):
            erase(secret)
        self._chain = self._secret = b""

    def _step(self, name: str, following: bytes) -> None:
        erase(getattr(self, name))
        setattr(self, name, following)
