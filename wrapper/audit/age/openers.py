"""What opens an age file, and the files that hold it: one identity a line, as `age-keygen` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wrapper.audit.age.asking import Asking, Terminal
from wrapper.audit.age.header import Stanza
from wrapper.audit.age.x25519 import Identity
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError


class Opener(Protocol):
    """Finds the file key in a header."""

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the 16 bytes of the file key, None where no stanza is for this opener.

        Raises HeaderError where a stanza of its kind is malformed, NoKeyError where it cannot be asked.
        """


class PrivateKey(Opener, Protocol):
    """A line of an identity file."""

    def text(self) -> str:
        """Return the line."""

    def recipient(self) -> str:
        """Return the public half, "" where only a plugin knows it."""


@dataclass(frozen=True, slots=True)
class Identities:
    """All private keys of a file, tried in this order."""

    keys: tuple[PrivateKey, ...]

    @classmethod
    def parse(cls, text: str, asking: Asking | None = None) -> "Identities":
        """Read an identity file. Raises AuditError with the number of the line that is none, which is not quoted."""
        lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
        keys = [_key(number, line, asking or Terminal()) for number, line in lines if line and not line.startswith("#")]
        keys.sort(key=lambda key: not key.recipient())  # plugins last: a person may have to touch something
        return cls(tuple(keys))

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the file key that one of the keys finds; a plugin's failure is raised only where none does."""
        failed: NoKeyError | None = None
        for key in self.keys:
            try:
                found = key.unwrap(stanzas)
            except NoKeyError as error:
                failed = failed or error
                continue
            if found is not None:
                return found
        if failed is not None:
            raise failed
        return None

    def text(self) -> str:
        """Return the lines."""
        return "".join(f"{key.text()}\n" for key in self.keys)

    def recipients(self) -> tuple[str, ...]:
        """Return the public halves that are known."""
        return tuple(filter(None, (key.recipient() for key in self.keys)))


def _key(number: int, line: str, asking: Asking) -> PrivateKey:
    try:
        if line.upper().startswith("AGE-PLUGIN-"):
            from wrapper.audit.age.plugins import PluginIdentity  # noqa: PLC0415 (it starts programs)

            return PluginIdentity.parse(line, asking)
        if line.upper().startswith("AGE-SECRET-KEY-PQ-1"):
            from wrapper.audit.age.hybrid import HybridIdentity  # noqa: PLC0415 (where such a key is used)

            return HybridIdentity.parse(line)
        return Identity.parse(line)
    except AuditError as error:
        raise AuditError(f"line {number} is no private key of age: {error.what}", hint=error.hint) from error
