"""How a covered file is shown inside, and how what is written there becomes real again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from redactors.vault import MARK, Issued, Origin, Vault


@dataclass(frozen=True, slots=True)
class Denied:
    """A file that cannot be opened inside."""

    def mask(self, data: bytes) -> bytes | None:
        """Show nothing."""
        del data
        return None

    def restore(self, data: bytes) -> bytes | None:
        """Write nothing back."""
        del data
        return None


@dataclass(frozen=True, slots=True)
class Document:
    """A file whose secrets are placeholders inside; `masked` gives the inside's content for the real one.

    `real` reads what the file holds: a withheld value that stands there stays, and no other is put in. It is a file of
    HOME, which the next job on the same machine may read without having the value.
    """

    masked: Callable[[bytes], bytes]
    vault: Vault
    real: Callable[[], bytes | None]

    def mask(self, data: bytes) -> bytes | None:
        """Show placeholders."""
        return self.masked(data)

    def restore(self, data: bytes) -> bytes | None:
        """Put the values back (promise 3)."""
        if not self.vault.withholds:  # clients save their state often: it is not read and masked anew for nothing
            return self.vault.restore_in_file(data)
        real = self.real() or b""
        return self.vault.restore_in_file(data, real, self.masked(real))


@dataclass(frozen=True, slots=True)
class WorkspaceFile:
    """The same for a file of the workspace, into which no withheld value is put that it does not hold already."""

    masked: Callable[[bytes], bytes]
    vault: Vault

    def mask(self, data: bytes) -> bytes | None:
        """Show placeholders."""
        shown = self.masked(data)
        self.vault.release(data, shown)
        return shown

    def restore(self, data: bytes) -> bytes | None:
        """Put the values back (promise 3)."""
        return self.vault.restore_in_file(data)


@dataclass(frozen=True, slots=True)
class OwnDocument:
    """A file of the client's own state: a value is put back only where the real file has held it in this session.

    What stands there the client sends as a key to its provider, or in a header to the host of an MCP server, and the
    inside writes it: any other placeholder would have one secret sent as if it were another (promise 1), in the next
    session or by the bare client. `held` are the values that were seen in the real file so far, which `real` reads.
    What the inside knows comes back too, and a login that was made inside (values of the kind `login`), where the
    client keeps it: as the entry `place` of JSON and nowhere else, or anywhere where `place` is "".
    """

    masked: Callable[[bytes], bytes]
    vault: Vault
    real: Callable[[], bytes | None]
    held: set[bytes] = field(repr=False)
    login: str = ""
    place: str | None = None

    def mask(self, data: bytes) -> bytes | None:
        """Show placeholders."""
        shown = self.masked(data)
        self.held.update(self.vault.holds(data, shown))
        return shown

    def restore(self, data: bytes) -> bytes | None:
        """Put the values back (promise 3)."""
        restored = self._restored(data)
        if MARK not in restored:  # clients save their state often: it is not read and masked anew for nothing
            return restored
        self.mask(self.real() or b"")
        return self._restored(data)

    def _restored(self, data: bytes) -> bytes:
        def may(one: Issued) -> bool:
            return one.origin is Origin.INSIDE or one.value in self.held or self._is_login(data, one)

        return self.vault.restore_where(data, may)

    def _is_login(self, data: bytes, one: Issued) -> bool:
        """Whether a placeholder stands where the client keeps its login; not in a header beside it too."""
        if self.place is None or one.kind != self.login:
            return False
        mark = one.bare.encode()
        return not self.place or (
            data.count(mark) == 1 and _entry(data.replace(mark, one.value), self.place) == one.value
        )


def _entry(data: bytes, name: str) -> bytes:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return b""
    found = told.get(name) if isinstance(told, dict) else None
    return found.encode("utf-8", "surrogatepass") if isinstance(found, str) else b""


@dataclass(frozen=True, slots=True)
class ClientState:
    """A client's state file that names a credential by a part of it.

    Claude Code keeps the last 20 characters of each API key that its user approved. Inside, the key is its placeholder,
    so `swaps` (real part, part of the placeholder) are exchanged in both directions, besides what `document` masks.
    """

    document: OwnDocument
    swaps: Sequence[tuple[bytes, bytes]]

    def mask(self, data: bytes) -> bytes | None:
        """Show the placeholder's part for the real one."""
        for real, shown in self.swaps:
            data = data.replace(real, shown)
        return self.document.mask(data)

    def restore(self, data: bytes) -> bytes | None:
        """Put the real part back."""
        restored = self.document.restore(data)
        for real, shown in self.swaps:
            restored = restored.replace(shown, real) if restored is not None else None
        return restored


@dataclass(frozen=True, slots=True)
class Fixed:
    """A client's login file: `content` gives what is shown inside. Nothing is written back.

    The login is renewed outside, by the gateway or by the bare client.
    """

    content: Callable[[], bytes | None]

    def mask(self, data: bytes) -> bytes | None:
        """Show what the client's adapter says."""
        del data
        return self.content()

    def restore(self, data: bytes) -> bytes | None:
        """Write nothing back."""
        del data
        return None
