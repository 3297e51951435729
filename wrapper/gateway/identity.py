"""What a client says of its user and machine without being asked: passed, masked or dropped, field by field. Pure.

Rules of this file:
1. Bytes outside of what is replaced are those the client sent, and the document stays valid JSON.
2. The same request gives the same bytes: prompts that the provider has cached stay cached.
3. What is masked is restored towards the inside, which knows it: a tool call on a masked path works.
4. What the provider wrote and checks again (signed reasoning) is not touched.
5. Fields are replaced before secrets are searched for, each as a whole: no secret is cut in two by it.
6. The folders of home and workspace are masked wherever they stand, so they are findings among those of secrets
   (`sources`). All else is replaced only where the client itself puts it. What an agent reads and sends besides, such
   as `git log`, is for `[[context]]`.
A folder that is dropped is masked in paths: without it none would lead anywhere. docs/identity.md has the list.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from redactors.context import as_read
from redactors.jsonbytes import closing_quote
from redactors.patterns import Patterns
from redactors.vault import Origin, Vault
from wrapper.gateway import claude_fields, codex_fields
from wrapper.gateway.credential import CREDENTIAL_HEADERS
from wrapper.gateway.fields import Client, Place
from wrapper.gateway.outgoing import Masked
from wrapper.gateway.paths import FolderNames

RawHeaders = Sequence[tuple[bytes, bytes]]

FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"claude": claude_fields.CLIENT.fields, "codex": codex_fields.CLIENT.fields}
)
"""Client -> names of its fields, as `[identity]` of the policy has them."""

_CLIENTS: Final[Mapping[str, Client]] = MappingProxyType(
    {"anthropic": claude_fields.CLIENT, "openai": codex_fields.CLIENT}
)


_ITEM_END: Final = len("},")
_MOST_SEEN: Final = 16 << 20  # bytes of pieces and what became of them, twice over: some conversations at once


class Folders(NamedTuple):
    """Absolute paths, each in every form by which the inside may reach it."""

    home: tuple[str, ...] = ()
    workspace: tuple[str, ...] = ()


class Rewritten(NamedTuple):
    """A request with its fields replaced; `notes` say what was, for the log."""

    headers: RawHeaders
    body: bytes
    notes: tuple[Masked, ...]


class _Edit(NamedTuple):
    start: int
    end: int
    instead: bytes


class _Note(NamedTuple):
    """What was replaced at `offset` of a piece; without a placeholder it was dropped."""

    field: str
    placeholder: str
    offset: int


class _Piece(NamedTuple):
    """A part of a request, rewritten."""

    data: bytes
    notes: tuple[_Note, ...]


class _Notes:
    """Counts what is replaced, by field, placeholder and action; keeps where it was first."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, note: _Note, where: str) -> None:
        key = note.field, note.placeholder
        self._first.setdefault(key, where)
        self._counts[key] = self._counts.get(key, 0) + 1

    def told(self) -> tuple[Masked, ...]:
        return tuple(
            Masked(
                field.upper(),
                placeholder,
                f"identity:{field}",
                self._first[field, placeholder],
                times,
                "" if placeholder else "dropped",
            )
            for (field, placeholder), times in self._counts.items()
        )


class _Seen:
    """Remembers rewritten pieces by their bytes, what was asked for least lately goes first."""

    def __init__(self) -> None:
        self._young: dict[bytes, _Piece] = {}
        self._old: dict[bytes, _Piece] = {}
        self._size = 0

    def get(self, data: bytes) -> _Piece | None:
        found = self._young.get(data)
        if found is None and (found := self._old.get(data)) is not None:
            self.put(data, found)
        return found

    def put(self, data: bytes, piece: _Piece) -> None:
        if self._size > _MOST_SEEN:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[data] = piece
        self._size += 2 * len(data)


def folder_sources(action: Callable[[str], str], folders: Folders) -> tuple[FolderNames, ...]:
    """Give what finds the folders that do not pass; `action` as for `Identity`."""
    names = FolderNames({field: paths for field, paths in folders._asdict().items() if action(field) != "pass"})
    return (names,) if names else ()


class Identity:
    """Rewrites the requests of one client. `action` says `pass`, `mask` or `drop` for a field; it is asked once.

    `dialect` is `anthropic` or `openai`. May be used from any thread. `sources` find the folders: the engine that then
    searches for secrets must have them (`Engine.with_sources`); empty where none is to be masked. A conversation comes
    again whole with each request: items of it that were seen before are not searched again.
    """

    def __init__(self, dialect: str, action: Callable[[str], str], folders: Folders, vault: Vault) -> None:
        self._client = _CLIENTS[dialect]
        self._vault = vault
        self._actions = {field: action(field) for field in self._client.fields}
        self.sources = folder_sources(action, folders)
        self._marks = Patterns((*self._client.marks, *self._client.opaque), literal=True)
        self._lookers = tuple(self._client.marks.values())
        self._seen = _Seen()
        self.passes = not any(self._rewrites(field) for field in self._client.fields)

    def rewrite(self, headers: RawHeaders, body: bytes) -> Rewritten:
        """Rewrite a request before it is searched for secrets; `body` is decoded, or one WebSocket message."""
        if self.passes:
            return Rewritten(headers, body, ())
        notes = _Notes()
        return Rewritten(tuple(self._headers(headers, notes)), self._body(body, notes), notes.told())

    def _headers(self, headers: RawHeaders, notes: _Notes) -> Iterator[tuple[bytes, bytes]]:
        for name, value in headers:
            known = name.decode("latin-1").lower()
            if known in CREDENTIAL_HEADERS:
                yield name, value
                continue
            piece = self._header(known, value)
            for note in piece.notes:
                notes.add(note, f" header {known}")
            if piece.data or not value:
                yield name, piece.data

    def _header(self, name: str, value: bytes) -> _Piece:
        """Rewrite a header's value: empty where the header is dropped."""
        field = self._client.headers.get(name)
        action = self._actions[field] if field else "pass"
        if field and action != "pass" and value:
            place = Place(field, 0, len(value), (0, len(value)))
            return self._applied(value, [place])
        looker = self._client.members.get(name)
        return self._applied(value, looker(value)) if looker else _Piece(value, ())

    def _body(self, body: bytes, notes: _Notes) -> bytes:
        out: list[bytes] = []
        start = 0
        while start < len(body):
            found = body.find(self._client.between, start)
            end = found + _ITEM_END if found >= 0 else len(body)
            piece = self._piece(body[start:end])
            for note in piece.notes:
                notes.add(note, f"@{start + note.offset}")
            out.append(piece.data)
            start = end
        return b"".join(out)

    def _piece(self, data: bytes) -> _Piece:
        piece = self._seen.get(data)
        if piece is None:
            piece = self._searched(data)
            self._seen.put(data, piece)
        return piece

    def _searched(self, data: bytes) -> _Piece:
        places: list[Place] = []
        closed = 0  # where the last string ends that the provider wrote
        for number, end in self._marks.scan(data):
            if end <= closed:
                continue
            if number < len(self._lookers):
                places += self._lookers[number](data, end)
            else:
                closed = closing_quote(data, end, len(data))
        return self._applied(data, places)

    def _applied(self, data: bytes, places: Iterable[Place]) -> _Piece:
        """Replace what stands at `places`."""
        notes: list[_Note] = []
        out: list[bytes] = []
        done = 0
        for edit in self._edits(data, places, notes):
            out += (data[done : edit.start], edit.instead)
            done = edit.end
        return _Piece(b"".join((*out, data[done:])), tuple(notes)) if out else _Piece(data, ())

    def _edits(self, data: bytes, places: Iterable[Place], notes: list[_Note]) -> Iterator[_Edit]:
        """Decide over each place. Of places within each other the outer one counts: it leaves nothing of the inner."""
        done = 0
        for start, end, place in sorted(self._wanted(places)):
            if start < done:
                continue
            done = end
            if self._is_masked(place):
                placeholder = self._vault.issue(place.field, as_read(data[start:end]), Origin.INSIDE)
                notes.append(_Note(place.field, placeholder, start))
                yield _Edit(start, end, placeholder.encode())
            else:
                notes.append(_Note(place.field, "", start))
                yield _Edit(start, end, place.instead)

    def _wanted(self, places: Iterable[Place]) -> Iterator[tuple[int, int, Place]]:
        """Give the places that change, by the bytes that do."""
        for place in places:
            start, end = (place.start, place.end) if self._is_masked(place) else place.cut
            if self._rewrites(place.field) and start < end:
                yield start, end, place

    def _rewrites(self, field: str) -> bool:
        """Whether a field is replaced here. Of a folder only the line about it can be: its name is for `sources`."""
        return self._actions[field] == "drop" or (self._actions[field] == "mask" and field not in Folders._fields)

    def _is_masked(self, place: Place) -> bool:
        return place.is_text and self._actions[place.field] == "mask"
