"""What the ledger of a machine says; the ledger is not encrypted, so nothing here may tell what a session was about.

An entry is one MessagePack map with its `type`. `at` is in seconds since 1970-01-01 UTC. `size` and `root` (hex) of a
session are those over all frames of its segment so far, the last checkpoint included. An entry that could not be read
back is not written, so a reader may take what stands in a proven ledger as it is.
"""

from typing import Annotated, Final, Literal

import msgspec

from wrapper.audit.format import TamperedError
from wrapper.errors import AuditError

MAX_ENTRY: Final = 1 << 16  # an entry is about 200 bytes; what people write in it (a reason) is a line or two

_At = Annotated[float, msgspec.Meta(ge=-62135596800, le=253402300799)]  # the years that a date can have, 1 to 9999
_Session = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,127})?\Z")]
_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
_Workspace = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?\Z")]


class _Entry(msgspec.Struct, frozen=True, tag_field="type"):
    at: _At


class Opened(_Entry, frozen=True, tag="opened"):
    """A session began; `header` is the hash of its log's header, which names the key file and the first key."""

    session: _Session
    segment: _Number
    header: _Hash


class Beat(_Entry, frozen=True, tag="beat"):
    """A session runs, and this much of its log stands."""

    session: _Session
    segment: _Number
    size: _Number
    root: _Hash


class Rotated(_Entry, frozen=True, tag="rotated"):
    """A session's `segment` ended so, and segment `to` goes on."""

    session: _Session
    segment: _Number
    size: _Number
    root: _Hash
    to: _Number


class Closed(_Entry, frozen=True, tag="closed"):
    """A session ended and its log is sealed."""

    session: _Session
    segment: _Number
    size: _Number
    root: _Hash


class Recovered(_Entry, frozen=True, tag="recovered"):
    """What was found of a log whose writer did not end it: `size` and `root` are proven, `torn` bytes follow them.

    Of the ledger itself where `session` is empty: its segment `segment` is not gone on with, for the reason `why`, and
    the `missing` frames that were acknowledged once are not in it.
    """

    session: _Session
    segment: _Number
    size: _Number
    root: _Hash
    torn: _Number
    missing: _Number = 0
    why: str = ""


class Reading(_Entry, frozen=True, tag="reading"):
    """The user `user` read a session by `safe-agent audit VERB`."""

    session: _Session
    verb: str
    user: str


class Shredded(_Entry, frozen=True, tag="shredded"):
    """The keys of a session were deleted: it cannot be read any more, its log still verifies."""

    session: _Session
    reason: str


class Anchored(_Entry, frozen=True, tag="anchored"):
    """The ledger's checkpoint of `size` and `root` was put to `where`."""

    where: str
    size: _Number
    root: _Hash


class Indexed(_Entry, frozen=True, tag="indexed"):
    """The index of provenance has so many `sheets` of a session; `root` is the tree's over them (RFC 6962).

    `workspace` is a keyed id, empty where there is no sheet: nothing came into being. While a session runs each such
    entry of it is about all sheets so far. Sheets that only a later one knows were made anew out of the session's log.
    """

    session: _Session
    workspace: _Workspace
    sheets: _Number
    root: _Hash


class Approved(_Entry, frozen=True, tag="approved"):
    """The user `user` judged `lines` lines of code for the reason `reason`; `digest` is that of the approval's bytes.

    It is the SHA-256 in hex of what is stored. Of several about the same lines the last one in the ledger counts.
    """

    digest: _Hash
    verdict: Literal["approved", "rejected"]
    user: str
    lines: _Number
    reason: str = ""


class Published(_Entry, frozen=True, tag="published"):
    """The user `user` gave out what of a commit is agent-written and approved; `digest` is that statement's SHA-256."""

    digest: _Hash
    user: str


Entry = Opened | Beat | Rotated | Closed | Recovered | Reading | Shredded | Anchored | Indexed | Approved | Published


def encode(entry: Entry) -> bytes:
    """Return an entry's bytes. Raises AuditError where it could not be read back, or is too long."""
    try:
        data = msgspec.msgpack.encode(entry)
        msgspec.msgpack.decode(data, type=Entry)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise AuditError(f"this cannot stand in the ledger: {error}") from error
    if len(data) > MAX_ENTRY:
        raise AuditError(f"an entry of {len(data)} bytes is too long for the ledger")
    return data


_DECODER: Final = msgspec.msgpack.Decoder[Entry](Entry)


def decode(sequence: int, data: bytes) -> Entry:
    """Read the entry of frame `sequence`.

    Raises TamperedError where it is none, AuditError where it is one that is not known here.
    """
    try:
        entry: Entry = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _has_type(data):
            raise AuditError(
                f"frame {sequence}: the entry is not one that this safe-agent knows",
                hint="read it with the safe-agent that wrote it, or a newer one",
            ) from error
        raise TamperedError(f"frame {sequence}: holds no entry of a ledger") from error
    return entry


def _has_type(data: bytes) -> bool:
    try:
        entry = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(entry, dict) and isinstance(entry.get("type"), str)
