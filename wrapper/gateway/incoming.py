"""An answer on its way in: secrets of the outside masked, placeholders of the inside's own values restored.

Rules of this file:
1. Masking comes first and looks at what the provider wrote, so what was restored is never masked again. A text that
   comes in parts is masked as a text: a value that several events carry would be seen in none of them.
2. Only values that the inside must not know are masked: known ones of origin OUTSIDE, and the credential that the
   gateway itself put into the request (providers quote it in error messages).
3. `seen` is what the log gets: masked, not restored.
4. What is almost a placeholder is not restored; `near` has it, for the user.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from redactors.echoes import Echoes
from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from wrapper.gateway.dialect import Dialect, Reading
from wrapper.gateway.eventstream import Frame, FrameParser, chunk
from wrapper.gateway.inparts import Masking
from wrapper.gateway.nearly import NearMisses
from wrapper.gateway.parts import Event, Message, Part, StreamEditor, Verbatim, read, written
from wrapper.gateway.quoting import Quoting
from wrapper.gateway.restore import Filling, Restored, restore_document, restore_event
from wrapper.gateway.sse import EventParser, ServerSentEvent

_LEAST_CREDENTIAL: Final = 8  # a shorter "credential" is a test's `x`, and masking it would tear answers apart
_LAST_BLANK_LINE: Final = (b"\r\r", b"\n\r")  # an event whose end was not sure before the stream's: see `sse`
_HIDING: Final = re.compile(rb"\\u00[2-7]")  # printable ASCII as an escape: a search over bytes does not see through it


class Inward:
    """Masks and restores the answer to one request.

    `credentials` are the header values that authenticated the request. `echoes` mask `known` in texts that come in
    parts; they are best made once for all requests. `restored` is told each value before it goes in.
    """

    def __init__(
        self,
        vault: Vault,
        known: KnownValues,
        credentials: Sequence[str],
        echoes: Echoes | None = None,
        restored: Restored = lambda _value, _joined: None,
    ) -> None:
        self._vault = vault
        self._known = known
        self._echoes = echoes or Echoes(known, vault)
        self._restored = restored
        secrets = [secret for secret in map(_bare, credentials) if len(secret) >= _LEAST_CREDENTIAL]
        self._credentials = {secret: vault.issue("API-KEY", secret, Origin.OUTSIDE).encode() for secret in secrets}
        self.masked: dict[tuple[str, str, str], int] = {}
        self.near = NearMisses(vault)

    @property
    def is_ready(self) -> bool:
        """Whether a text can begin without delay; else `prepare` comes first."""
        return self._echoes.is_ready

    def prepare(self) -> None:
        """Work out what masking in parts needs; may take tens of milliseconds where values are new."""
        self._echoes.prepare()

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

    def mask_json(self, data: bytes) -> bytes:
        """Mask JSON, and what escapes hide in its strings; bytes that are none are only masked."""
        data = self.mask(data)
        if not _HIDING.search(data):
            return data
        try:
            document = json.loads(data)
            masked = self._masked_strings(document)
        except (ValueError, RecursionError):
            return data
        return data if masked == document else written(masked)

    def masking(self, quoting: Quoting) -> Part:  # noqa: ARG002  (the provider's own text is masked like any other)
        """Begin to mask a text that comes in parts."""
        return Masking(self._credentials, self._echoes.text(), self._note)

    def filling(self, quoting: Quoting) -> Part:
        """Begin to restore a text that comes in parts."""
        return Verbatim() if quoting is Quoting.OWN else Filling(self._vault, self.near.text(), quoting, self._restored)

    def _masked_strings(self, value: Any) -> Any:
        if isinstance(value, str):
            raw = value.encode("utf-8", "surrogatepass")
            masked = self.mask(raw)
            return value if masked is raw else masked.decode("utf-8", "replace")
        if isinstance(value, list):
            return [self._masked_strings(item) for item in value]
        if isinstance(value, dict):
            return {self._masked_strings(name): self._masked_strings(item) for name, item in value.items()}
        return value

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
        masked = self._inward.mask_json(data)
        self.seen += masked
        self._inward.near.whole(masked)
        try:
            return restore_document(masked, self._dialect, self._inward.filling)
        except (ValueError, RecursionError):
            return masked


class _Passing:
    """What event streams and messages share: masks, keeps for the log, restores.

    `limit`: bytes that are kept; `between` stands between two events there.
    """

    def __init__(self, inward: Inward, dialect: Dialect, limit: int, between: bytes = b"") -> None:
        self._inward = inward
        self._dialect = dialect
        self._limit = limit
        self._between = between
        self._masker = StreamEditor(dialect, inward.masking, lambda event, _: event)
        self._restorer = StreamEditor(dialect, inward.filling, self._whole)
        self.seen = bytearray()
        self.truncated = False

    def keep(self, data: bytes) -> None:
        """Keep for the log what is within the limit."""
        if self.seen:
            data = self._between + data
        room = self._limit - len(self.seen)
        self.truncated = self.truncated or len(data) > room
        self.seen += data[: max(0, room)]

    def event(self, event: Event) -> list[bytes]:
        """Give what may go in for `event`."""
        return list(self._restored(self._masker.event(event)))

    def end(self) -> list[bytes]:
        """Give what was held back of all texts."""
        out = list(self._restored(self._masker.end()))
        return out + [event.frame.raw for event in self._restorer.end()]

    def _restored(self, events: Iterable[Event]) -> Iterator[bytes]:
        for event in events:
            masked = self._masked(event)
            self.keep(masked.frame.raw)
            yield from (one.frame.raw for one in self._restorer.event(masked))

    def _masked(self, event: Event) -> Event:
        """Mask what stands in one event, besides its part of a text."""
        raw = self._inward.mask(event.frame.raw)
        if raw != event.frame.raw:
            event = read(event.frame.with_raw(raw))
        if event.document is None or not _HIDING.search(raw):
            return event
        data = self._inward.mask_json(event.frame.data)
        return event if data == event.frame.data else read(event.frame.with_data(data))

    def _whole(self, event: Event, reading: Reading) -> Event:
        return restore_event(event, self._dialect, reading, self._inward.filling)


class _InEvents:
    """An answer that comes event by event."""

    _passing: _Passing

    @property
    def seen(self) -> bytearray:
        """What the log gets; messages are joined by LF."""
        return self._passing.seen

    @property
    def truncated(self) -> bool:
        """Whether the log gets less than came."""
        return self._passing.truncated


class InwardStream(_InEvents):
    """An answer that comes as server-sent events, each passed on as soon as it is whole.

    `limit` bounds one event (ValueError beyond it) and what is kept for the log.
    """

    def __init__(self, inward: Inward, dialect: Dialect, limit: int) -> None:
        self._inward = inward
        self._parser = EventParser(limit)
        self._passing = _Passing(inward, dialect, limit)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the provider, return those that may go in now."""
        return b"".join(self._event(event) for event in self._parser.feed(chunk))

    def end(self) -> bytes:
        """Return what was still held back at the end of the stream."""
        rest = self._parser.rest()
        if rest.endswith(_LAST_BLANK_LINE):
            return self._event(ServerSentEvent(rest)) + b"".join(self._passing.end())
        held = self._passing.end()
        rest = self._inward.mask(rest)
        self._passing.keep(rest)
        return b"".join([*held, rest])

    def _event(self, event: ServerSentEvent) -> bytes:
        return b"".join(self._passing.event(read(event)))


class InwardFrames(_InEvents):
    """An answer that comes in frames of Amazon's encoding, each event of which is passed on in a frame of ours.

    `limit` bounds one frame and what is kept for the log, which gets server-sent events. ValueError for what is no such
    stream, and for what comes behind an exception: a text that ended with it cannot go on.
    """

    def __init__(self, inward: Inward, dialect: Dialect, limit: int) -> None:
        self._inward = inward
        self._parser = FrameParser(limit)
        self._passing = _Passing(inward, dialect, limit)
        self._is_over = False

    @property
    def truncated(self) -> bool:
        """Whether the log gets less than came; the beginning of a frame that never ended is not given to anybody."""
        return self._passing.truncated or not self._parser.is_between

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the provider, return those that may go in now."""
        return b"".join(self._frame(frame) for frame in self._parser.feed(data))

    def end(self) -> bytes:
        """Return what was still held back at the end of the stream."""
        return b"".join(map(_chunked, self._passing.end()))

    def _frame(self, frame: Frame) -> bytes:
        if self._is_over:
            raise ValueError("something comes behind an exception")
        event = frame.event
        if event is None:
            return self._exception(frame)
        return b"".join(map(_chunked, self._passing.event(read(_as_event(event)))))

    def _exception(self, frame: Frame) -> bytes:
        """Give what was held back, then the exception, masked."""
        self._is_over = True
        payload = self._inward.mask_json(frame.payload)
        if self._inward.mask(frame.headers) != frame.headers:
            raise ValueError("an exception is named like a secret")
        held = self.end()
        self._passing.keep(_as_event(payload or b"{}").raw)
        return held + bytes(frame.with_payload(payload))


class InwardMessages(_InEvents):
    """An answer that comes as text messages of a WebSocket: events without the framing of a stream.

    `limit` bounds what is kept for the log. One for each answer: it ends with the message that makes it `finished`.
    """

    def __init__(self, inward: Inward, dialect: Dialect, limit: int) -> None:
        self.inward = inward
        self._ends = dialect.ends
        self._passing = _Passing(inward, dialect, limit, b"\n")
        self.finished = False

    def message(self, data: bytes) -> list[bytes]:
        """Take the next message, return those that may go in now; `finished` if it ended the answer."""
        event = read(Message(data))
        self.finished = event.document is not None and event.document.get("type") in self._ends
        return self._passing.event(event)

    def end(self) -> list[bytes]:
        """Return what was still held back when the connection ended."""
        return self._passing.end()


def _as_event(data: bytes) -> ServerSentEvent:
    """Make a server-sent event of JSON, without line ends. ValueError for what is none."""
    document = json.loads(data)
    kind = document.get("type") if isinstance(document, dict) else None
    if b"\n" in data or b"\r" in data:
        data = written(document)
    named = f"event: {kind}\n".encode() if isinstance(kind, str) and kind.isidentifier() else b""
    return ServerSentEvent(named + b"data: " + data + b"\n\n")


def _chunked(event: bytes) -> bytes:
    return bytes(chunk(ServerSentEvent(event).data))


def _bare(credential: str) -> bytes:
    """Take the scheme off an Authorization header's value (`Bearer`, RFC 6750)."""
    return credential.encode("latin-1", "replace").rpartition(b" ")[2]
