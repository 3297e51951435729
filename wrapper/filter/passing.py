"""The vault of a filter: it may run for ever, so what only passed by is forgotten after a while."""

from typing import Final

from redactors.vault import Origin, Vault

_MOST: Final = 10_000  # values that passed by; some 300 bytes each


class PassingVault(Vault):
    """Keeps the values of this machine (OUTSIDE); of others the last 10,000 or so.

    A placeholder depends on the value and the key alone, so a forgotten value gets the same one again.
    """

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self._same_key = key
        self._passing = Vault(key)
        self._count = 0

    def issue(self, kind: str, value: bytes, origin: Origin, prefix: str = "") -> str:
        """Give the placeholder of `value`, as `Vault.issue` does."""
        if origin is Origin.OUTSIDE or super().placeholder_of(value) is not None:
            return super().issue(kind, value, origin, prefix)
        if self._passing.placeholder_of(value) is None:
            self._count += 1
            if self._count > _MOST:
                self._passing, self._count = Vault(self._same_key), 1
        return self._passing.issue(kind, value, origin, prefix)
