"""An answer on its way in: secrets of the outside masked, placeholders of the inside's own values restored.

Rules of this file:
1. Masking comes first and looks at the provider's bytes, so what was restored is never masked again.
2. Only values that the inside must not know are masked: known ones of origin OUTSIDE, and the credential that the
   gateway itself put into the request (providers quote it in error messages).
3. `seen` is what the log gets: masked, not restored.
4. What is almost a placeholder is not restored; `near` has it, for the user.
"""

import json
from collections.abc import Callable, Sequence
from typing import Protocol

from redactors.finding import Finding
from redactors.vault import Origin
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.nearly import Near, NearMisses
from wrapper.gateway.restore import StreamRestorer, restore_document
from wrapper.gateway.sse import EventParser, ServerSentEvent

_LEAST_CREDENTIAL = 8  # a shorter "credential" is a test's `x`, and masking it would tear answers apart


class Values(Near, Protocol):
    """What is needed of the vault."""

    def issue(self, kind: str, value: bytes, origin: Origin) -> str:
        """Give a value's placeholder."""

    def restore(self, data: bytes, *, to: Origin, quote: Callable[[bytes], bytes] = ...) -> bytes:
        """Put values back for placeholders."""


class Known(Protocol):
    """What is needed of the known values."""

    def find(self, data: bytes) -> list[Finding]:
        """Find known values in whatever encoding."""


class Inward:
    """Masks and restores the answer to one request.

    `credentials` are the header values that authenticated the request.
    """

    def __init__(self, vault: Values, known: Known, credentials: Sequence[str]) -> None:
        self._vault = vault
        self._known = known
        secrets = [secret for secret in map(_bare, credentials) if len(secret) >= _LEAST_CREDENTIAL]
        self._credentials = {secret: vault.issue("API-KEY", secret, Origin.OUTSIDE).encode() for secret in secrets}
        self.masked: dict[tuple[str, str, str], int] = {}
        self.near = NearMisses(vault)

    def mask(self, data: bytes) -> bytes:
        """Replace what the inside must not learn; `masked` counts by kind, placeholder and rule."""
        for secret, placeholder in self._credentials.items():
            if secret in data:
                self._note("API-KEY", placeholder.decode(), "credential")
                data = data.replace(secret, placeholder)
        out: list[bytes] = []
        end = 0
        for finding in self._known.find(data):
            placeholder = self._vault.issue(finding.kind, finding.value, Origin.INSIDE).encode()
            if self._is_insides(placeholder):
                continue
            out += [data[end : finding.start], placeholder]
            end = finding.end
            self._note(finding.kind, placeholder.decode(), finding.rule)
        return b"".join([*out, data[end:]]) if out else data

    def fill(self, text: str, nested: bool) -> str:  # noqa: FBT001  the shape of `restore.Fill`
        """Restore the inside's own values in `text`; text that would be no UTF-8 then stays as it is."""
        raw = text.encode("utf-8", "surrogatepass")
        filled = self._vault.restore(raw, to=Origin.INSIDE, quote=_as_json if nested else _as_it_is)
        try:
            return filled.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return text

    def _is_insides(self, placeholder: bytes) -> bool:
        return self._vault.restore(placeholder, to=Origin.INSIDE) != placeholder

    def _note(self, kind: str, placeholder: str, rule: str) -> None:
        key = (kind, placeholder, rule)
        self.masked[key] = self.masked.get(key, 0) + 1


class InwardDocument:
    """An answer that comes in whole: JSON is restored, anything else only masked."""

    def __init__(self, inward: Inward, dialect: Dialect) -> None:
        self._inward = inward
        self._dialect = dialect
        self.seen = bytearray()

    def whole(self, data: bytes) -> bytes:
        """Return what the inside gets."""
        masked = self._inward.mask(data)
        self.seen += masked
        self._inward.near.whole(masked)
        try:
            return restore_document(masked, self._dialect, self._inward.fill)
        except (ValueError, RecursionError):
            return masked


class InwardStream:
    """An answer that comes as server-sent events, each passed on as soon as it is whole.

    `limit` bounds one event (ValueError beyond it) and what is kept for the log.
    """

    def __init__(self, inward: Inward, dialect: Dialect, limit: int) -> None:
        self._inward = inward
        self._limit = limit
        self._parser = EventParser(limit)
        self._restorer = StreamRestorer(dialect, self._fill)
        self._is_text = False
        self.seen = bytearray()
        self.truncated = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the provider, return those that may go in now."""
        return b"".join(self._event(event) for event in self._parser.feed(chunk))

    def end(self) -> bytes:
        """Return what was still held back at the end of the stream."""
        rest = self._inward.mask(self._parser.rest())
        self._keep(rest)
        restored = self._restorer.end() + rest
        self._inward.near.end()
        return restored

    def _event(self, event: ServerSentEvent) -> bytes:
        event = ServerSentEvent(self._inward.mask(event.raw))
        self._keep(event.raw)
        self._is_text = False
        restored = self._restorer.event(event)
        if not self._is_text:
            self._inward.near.end()
        return restored

    def _fill(self, text: str, nested: bool) -> str:  # noqa: FBT001  the shape of `restore.Fill`
        self._is_text = True
        self._inward.near.part(text.encode("utf-8", "surrogatepass"))
        return self._inward.fill(text, nested)

    def _keep(self, data: bytes) -> None:
        room = self._limit - len(self.seen)
        self.truncated = self.truncated or len(data) > room
        self.seen += data[: max(0, room)]


def _bare(credential: str) -> bytes:
    """Take the scheme off an Authorization header's value (`Bearer`, RFC 6750)."""
    return credential.encode("latin-1", "replace").rpartition(b" ")[2]


def _as_json(value: bytes) -> bytes:
    """Escape a value as the content of a JSON string."""
    text = value.decode("utf-8", "surrogateescape")
    return json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape")


def _as_it_is(value: bytes) -> bytes:
    return value
