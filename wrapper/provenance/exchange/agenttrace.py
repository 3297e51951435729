"""Agent Trace 0.1.0: records of which lines of which files a conversation with a model gave, read and written; pure.

The source is the specification in the README of cursor/agent-trace (CC BY 4.0) and the schema in its section 6.1. Rules
of this file:
- A record is read as the specification says: fields that are not known are additions of a newer minor version and
  passed over; a newer major version is refused. `1.0` is read, too: the specification's own reference implementation
  writes that version into records of this form.
- `content_hash` has no rule in the specification but an example (`murmur3:…`). Written here is `sha256:` and the hash
  of the range's lines with their line ends; hashes of other names are carried, and never compared.
- Records come from strangers: what is of wrong types or too large is refused with the reason.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec

from wrapper.errors import ProvenanceError
from wrapper.provenance.exchange.ranges import Range as Lines

VERSION: Final = "0.1.0"
MEDIA_TYPE: Final = "application/vnd.agent-trace.record+json"
LARGEST: Final = 256 << 20
"""Bytes of a file of records: a stranger's, and read into memory."""

_MAJORS: Final = ("0", "1")
_VERSION: Final = re.compile(r"(\d{1,6})\.\d{1,6}(\.\d{1,6})?", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+", re.IGNORECASE)  # RFC 3986, as far as a pointer needs it

Kind = Literal["human", "ai", "mixed", "unknown"]


class _Part(msgspec.Struct, frozen=True, omit_defaults=True):
    pass


class Contributor(_Part, frozen=True, kw_only=True):
    """Who wrote: `type`, and the model as `provider/name` (the convention of models.dev)."""

    type: Kind
    model_id: Annotated[str, msgspec.Meta(max_length=250)] | None = None


class Range(_Part, frozen=True, kw_only=True):
    """Lines of the file at the record's revision, inclusive, from 1; `contributor` overrides the conversation's."""

    start_line: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    end_line: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    content_hash: str | None = None
    contributor: Contributor | None = None

    @property
    def lines(self) -> Lines:
        """The same as the other formats have it."""
        return Lines(self.start_line, self.end_line)


class Related(_Part, frozen=True, kw_only=True):
    """Another resource of a conversation, by what it is."""

    type: str
    url: str


class Conversation(_Part, frozen=True, kw_only=True):
    """What one conversation gave to one file."""

    url: str | None = None
    contributor: Contributor | None = None
    ranges: tuple[Range, ...]
    related: tuple[Related, ...] | None = None


class File(_Part, frozen=True, kw_only=True):
    """A file, path from the repository's top."""

    path: str
    conversations: tuple[Conversation, ...]


class Vcs(_Part, frozen=True, kw_only=True):
    """Where line numbers hold: a commit's id for git."""

    type: Literal["git", "jj", "hg", "svn"]
    revision: str


class Tool(_Part, frozen=True, kw_only=True):
    """What made the record. The specification asks for neither field, the schema made from its code for both."""

    name: str | None = None
    version: str | None = None


class Record(_Part, frozen=True, kw_only=True):
    """A trace record. `timestamp`: RFC 3339. `metadata`: anything, as JSON by its name."""

    version: str
    id: str
    timestamp: str
    vcs: Vcs | None = None
    tool: Tool | None = None
    files: tuple[File, ...]
    metadata: dict[str, msgspec.Raw] | None = None


_RECORD: Final = msgspec.json.Decoder(Record)
_MANY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read(data: bytes) -> Record:
    """Parse one record. Raises ProvenanceError, which says what is wrong with it."""
    try:
        record = _RECORD.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(str(error)) from error
    match = _VERSION.fullmatch(record.version)
    if match is None:
        raise _wrong(f"its version is {record.version[:40]!r}")
    if match[1] not in _MAJORS:
        raise ProvenanceError(
            f"a record of Agent Trace {record.version}, newer than what is read here ({VERSION})",
            hint="look for a newer safe-agent",
        )
    _check(record)
    return record


def write(record: Record) -> bytes:
    """Give the record as one line of JSON, without the line end. Raises ProvenanceError where it is none."""
    _check(record)
    return msgspec.json.encode(record)


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a file, not parsed: one, a list of them, or one on each line (`traces.jsonl`).

    Raises ProvenanceError where a list does not end.
    """
    text = data.strip()
    if text.startswith(b"["):
        try:
            yield from (bytes(raw) for raw in _MANY.decode(text))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _wrong(f"the list cannot be read: {error}") from error
        return
    lines = [line for line in text.split(b"\n") if line.strip()]
    is_single = len(lines) > 1 and not lines[0].rstrip().endswith(b"}")
    yield from ([text] if is_single else lines)


def hashed(lines: bytes) -> str:
    """Give the `content_hash` of the lines of a range, line ends included."""
    return f"sha256:{sha256(lines).hexdigest()}"


def differs(content_hash: str, lines: bytes) -> bool:
    """Say whether a range was of other content; a hash that cannot be compared here says nothing."""
    return content_hash.startswith("sha256:") and content_hash != hashed(lines)


_PROVIDERS: Final[Mapping[str, str]] = {"claude-": "anthropic", "gpt-": "openai", "codex-": "openai", "o1": "openai",
                                        "o3": "openai", "o4": "openai", "gemini-": "google"}  # fmt: skip


def model_id(model: str) -> str | None:
    """Give a model's name as `provider/name`; as it is where the provider does not follow from it, None for none."""
    if not model or "/" in model:
        return model[:250] or None
    provider = next((name for begin, name in _PROVIDERS.items() if model.startswith(begin)), "")
    return f"{provider}/{model}"[:250] if provider else model[:250]


def _check(record: Record) -> None:
    if _UUID.fullmatch(record.id) is None:
        raise _wrong(f"its id is {record.id[:40]!r}")
    if not _is_time(record.timestamp):
        raise _wrong(f"its time is {record.timestamp[:40]!r}")
    for conversation in (one for file in record.files for one in file.conversations):
        urls = [conversation.url, *(related.url for related in conversation.related or ())]
        for url in urls:
            if url is not None and _URI.fullmatch(url) is None:
                raise _wrong(f"it has {url[:40]!r} where a URL belongs")
        for one in conversation.ranges:
            if one.end_line < one.start_line:
                raise _wrong(f"it has lines {one.start_line} to {one.end_line}")


def _is_time(text: str) -> bool:
    try:
        return _TIME.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def _wrong(why: str) -> ProvenanceError:
    return ProvenanceError(f"not a record of Agent Trace that can be read: {why}")
