"""What people approved and rejected, as it is kept beside the index and signed into the ledger.

An act is a file `<its hash>.approval` in the folder of its workspace below `<state>/provenance`:
`SAFEAPV1`, the act in MessagePack, and 32 bytes that authenticate both. Rules of this file:
1. A file counts only if the proven ledger has an entry with the hash of its bytes, whose verdict and user are those in
   the file. So nothing counts that was written by hand, comes from another machine, or was changed; the files are all
   authenticated besides, since an organisation may have one key on many machines.
2. The order of the ledger is the order of the acts.
3. The file is on disk before the ledger speaks of it. A file of which it does not speak is one of an act that was not
   finished, or a forgery: it says nothing.
4. A rejection that the ledger has and whose file is gone is a fault: something may pass for approved that is not.
No code is in it: of lines their keyed codes, and what people wrote is sealed.
"""

import contextlib
import hashlib
import os
import pwd
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.entries import Approved
from wrapper.audit.ledger import Ledger, read
from wrapper.durable import sync_folder
from wrapper.errors import AuditError, ProvenanceError
from wrapper.provenance.decisions import Act
from wrapper.provenance.judgements import Block, Judged, Judgements, Verdict
from wrapper.provenance.model import Fault
from wrapper.provenance.workspaces import FOLDER

if TYPE_CHECKING:
    from wrapper.provenance.key import Key

ENDING: Final = ".approval"
_MAGIC: Final = b"SAFEAPV1"
_TAG: Final = 32
_MAX_FILE: Final = 64 << 20  # 8 bytes a line: eight million lines approved at once
_WORDS: Final = b"safe-agent approval"


class _Words(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed."""

    user: str
    at: float
    reason: str
    where: tuple[str, ...]


class _Stored(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the file holds; a block is its codes, that before and that after it."""

    key: str
    verdict: Verdict
    blocks: tuple[tuple[tuple[int, ...], int, int], ...]
    words: bytes


def encode(act: Act, key: "Key") -> bytes:
    """Return the bytes of an act's file; no two are the same."""
    words = key.seal(msgspec.msgpack.encode(_Words(act.user, act.at, act.reason, act.where)), _WORDS)
    blocks = tuple((block.codes, block.before, block.after) for block in act.blocks)
    body = _MAGIC + msgspec.msgpack.encode(_Stored(key.id, act.verdict, blocks, words))
    return body + key.authenticate(body)


def decode(data: bytes, key: "Key") -> Act:
    """Read an act's file. Raises ProvenanceError where it was not made with this key, or was changed."""
    body, tag = data[:-_TAG], data[-_TAG:]
    if not body.startswith(_MAGIC):
        raise ProvenanceError("this is no approval that is known here")
    if not secrets.compare_digest(key.authenticate(body), tag):
        raise ProvenanceError("the approval was made with another key, or was changed")
    try:
        stored = msgspec.msgpack.decode(body[len(_MAGIC) :], type=_Stored)
        words = msgspec.msgpack.decode(key.unseal(stored.words, _WORDS), type=_Words)
    except (msgspec.DecodeError, ValueError) as error:
        raise ProvenanceError(f"the approval cannot be read: {error}") from error
    return Act(
        verdict=stored.verdict,
        user=words.user,
        at=words.at,
        reason=words.reason,
        blocks=tuple(Block(*block) for block in stored.blocks),
        where=words.where,
    )


@dataclass(frozen=True, slots=True)
class Approvals:
    """All acts that count, of all workspaces of this user. `faults`: why something may pass for approved that is not.

    `remarks` are sentences about files that say nothing, and of what the ledger has to say of itself.
    """

    judgements: Judgements
    acts: Mapping[str, Act]
    faults: tuple[Fault, ...]
    remarks: tuple[str, ...]

    @classmethod
    def load(cls, state: Path, key: "Key") -> "Approvals":
        """Read them from below `state`, and prove the ledger; where that cannot be relied on, nothing is approved."""
        files, remarks = _files(state / FOLDER, key)
        ledger = state / LEDGER
        if not ledger.is_dir():
            unsaid = [f"there is no ledger, so {len(files)} approvals do not count"] if files else []
            return cls(Judgements(), {}, (), (*remarks, *unsaid))
        try:
            view = read(ledger)
        except AuditError as error:
            doubt = Fault("", f"the ledger cannot be relied on: {error.what}", error.hint)
            return cls(Judgements(), {}, (doubt,), tuple(remarks))
        judgements, acts, faults = Judgements(), {}, []
        if view.missing:
            faults.append(Fault("", f"{view.missing} frames of the ledger are gone: one may have rejected something"))
        for sequence, entry in view.entries:
            if not isinstance(entry, Approved):
                continue
            act = files.get(entry.digest)
            if act is not None and (act.verdict, act.user) == (Verdict(entry.verdict), entry.user):
                acts[entry.digest] = act
                said = Judged(act.verdict, act.user, entry.at, entry.reason, entry.digest, sequence)
                judgements.add(act.blocks, said)
            elif Verdict(entry.verdict) is Verdict.REJECTED:
                faults.append(_gone(entry))
        unheard = [digest for digest in files if digest not in acts]
        remarks += [f"`{digest[:12]}…{ENDING}` is not in the ledger: it does not count" for digest in unheard]
        return cls(judgements, acts, tuple(faults), (*remarks, *view.warnings))


def _gone(entry: Approved) -> Fault:
    return Fault(
        "",
        f"what {entry.user} rejected ({entry.lines} lines) is in the ledger, and its file is not here or was changed",
        f"bring `{entry.digest[:12]}…{ENDING}` back from a copy of this user's state folder",
    )


def _files(folder: Path, key: "Key") -> tuple[dict[str, Act], list[str]]:
    """Return the acts on disk by the hash of their bytes, and what is wrong with others."""
    found: dict[str, Act] = {}
    remarks: list[str] = []
    for path in sorted(folder.glob(f"*/*{ENDING}")):
        try:
            data = _bytes(path)
            found[hashlib.sha256(data).hexdigest()] = decode(data, key)
        except ProvenanceError as error:
            remarks.append(f"`{path.name}` does not count: {error.what}")
        except OSError as error:
            remarks.append(f"`{path.name}` cannot be read: {error.strerror}")
    return found, remarks


def _bytes(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise ProvenanceError("it is too large for an approval")
    return data


def reviewer() -> str:
    """Return the name of the system's user who runs this, or the number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def sign(state: Path, workspace: str, key: "Key", acts: Sequence[Act]) -> tuple[str, ...]:
    """Keep acts below `state`, in the folder of `workspace` (its id), and sign them into the ledger; give their hashes.

    All are on disk and signed when it returns. Raises AuditError or ProvenanceError where they are not.
    """
    folder = state / FOLDER / workspace
    entries = []
    with _failing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for act in acts:
            data = encode(act, key)
            digest = hashlib.sha256(data).hexdigest()
            _place(folder / f"{digest}{ENDING}", data)
            entries.append(_entry(act, digest))
        sync_folder(folder)
    Ledger(state / LEDGER).append(*entries)
    return tuple(entry.digest for entry in entries)


def _entry(act: Act, digest: str) -> Approved:
    return Approved(
        at=act.at, digest=digest, verdict=act.verdict.value, user=act.user, lines=act.lines, reason=act.reason
    )


def _place(path: Path, data: bytes) -> None:
    """Make a file whole or not at all; its name is its hash, so nothing is ever written over."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _failing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditError(f"cannot keep an approval in `{folder}`: {error.strerror}") from error
