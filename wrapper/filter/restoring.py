"""Placeholders back into values, in a stream.

What it promises:
1. Any chunking of the same bytes gives the same output, as long as nobody calls `flush`.
2. Held back is only what may still become a placeholder, at most some 160 bytes: see `Vault.may_go_on`.
3. A placeholder whose value is not known here stays as it is, and so does what is almost a placeholder; both are
   remembered, for a word to the user.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from redactors.vault import MARK, PLACEHOLDER, Origin, Vault, identity

_PLACEHOLDER: Final = re.compile(PLACEHOLDER)
_MOST_REMEMBERED: Final = 1000
_STRANGER: Final = "its value is not known here"


class Restorer:
    """Bytes in, bytes out; `left` has the first thousand placeholders that were not restored."""

    def __init__(self, vault: Vault, quote: Callable[[bytes], bytes] = identity) -> None:
        self._vault = vault
        self._quote = quote
        self._rest = b""
        self._left: dict[str, str] = {}

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""
        return bool(self._rest)

    @property
    def left(self) -> Mapping[str, str]:
        """What looks like a placeholder and was not restored: the text, and why."""
        return MappingProxyType(self._left)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what is settled."""
        text = self._rest + data
        end = self._vault.may_go_on(text)
        self._rest = text[end:]
        return self._restored(text[:end])

    def flush(self) -> bytes:
        """Give out what is held back."""
        text, self._rest = self._rest, b""
        return self._restored(text)

    def whole(self, text: bytes) -> bytes:
        """Restore a text by itself."""
        return self._restored(text)

    def _restored(self, text: bytes) -> bytes:
        for near in self._vault.near_misses(text):
            self._remember(near.text, f"{near.how}, meant was `{near.placeholder}`")
        if MARK not in text:
            return text
        for found in _PLACEHOLDER.findall(text):
            if self._vault.restore(found, to=Origin.OUTSIDE) == found:
                self._remember(found.decode(), _STRANGER)
        return self._vault.restore(text, to=Origin.OUTSIDE, quote=self._quote)

    def _remember(self, text: str, why: str) -> None:
        if len(self._left) < _MOST_REMEMBERED:
            self._left.setdefault(text, why)
