"""Checkpoints that a witness signs: C2SP tlog-witness, `add-checkpoint`.

A witness signs a checkpoint only if it goes on from the last one that it signed, so asking it is the check: who wrote
the ledger anew cannot prove that. Its cosignatures are kept in `<state>/ledger/cosigned/`, so that others can verify
them without asking. Rules of this file:
1. What comes back is believed only under the key that the policy names; signatures of other keys are ignored.
2. Plain requests: no redirect is followed, no proxy variable, no cookie; an answer is read up to 64 KiB.
Source: c2sp.org/tlog-witness, c2sp.org/tlog-cosignature.
"""

import asyncio
import base64
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from wrapper.audit import notes
from wrapper.audit.anchored import ForkedError, Prove, Receipt, UnreachableError
from wrapper.audit.format import TamperedError, TruncatedError
from wrapper.durable import sync_folder
from wrapper.errors import AuditError
from wrapper.policy.anchors import label

_TRIES: Final = 4  # each but the first after an answer that says how far the witness is
_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 5.0
_MOST: Final = 1 << 16  # bytes of an answer: a handful of lines
_MOST_PROOF: Final = 63  # lines, as the specification has it
_SIZE: Final = "text/x.tlog.size"


class _Answer(NamedTuple):
    status: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Witness:
    """The witness at `url` (its submission prefix) with the key `vkey`; `kept` is the folder of what it signed."""

    where: str
    url: str
    vkey: str
    kept: Path
    asks: bool = True

    def put(self, note: str, prove: Prove) -> Receipt:
        """Let the witness sign, from the size on that it signed last.

        Raises ForkedError and TruncatedError where it has signed another or a longer ledger, TamperedError where it
        answers with no good signature, UnreachableError, AuditError where it does not know this ledger.
        """
        checkpoint = notes.parse(note).checkpoint
        old = self._newest(checkpoint)
        for _ in range(_TRIES):
            answer = self._sent(old, prove(old) if old else [], note)
            if answer.status == 200:
                return self._cosigned(note, answer.body)
            known = self._known(answer, checkpoint, old)
            if known == old:
                raise self._conflict(checkpoint.size, old)
            old = known
        raise UnreachableError(f"`{label(self.where)}`: it names another size each time", hint="try again later")

    def get(self) -> list[str]:
        """Return the notes that it signed, as they are kept here.

        Raises TamperedError where one is not signed by it, UnreachableError where the folder cannot be read.
        """
        try:
            found = [path.read_text(encoding="utf-8") for path in sorted(self.kept.glob("*.note"))]
        except (OSError, UnicodeDecodeError) as error:
            raise UnreachableError(f"`{self.kept}` cannot be read: {error}") from error
        return [note for note in found if self._is_mine(note)]

    def _is_mine(self, note: str) -> bool:
        parsed = notes.parse(note)
        name = self.vkey.partition("+")[0]
        if all(signature.name != name for signature in parsed.signatures):
            return False  # of another witness: one folder is for all
        notes.verify(parsed, self.vkey)
        return True

    def _newest(self, checkpoint: notes.Checkpoint) -> int:
        """Return the largest size of this log that it signed, as far as is known here, up to the one to be signed."""
        known = [notes.parse(note).checkpoint for note in self.get()]
        return max(
            (one.size for one in known if one.origin == checkpoint.origin and one.size <= checkpoint.size), default=0
        )

    def _sent(self, old: int, proof: list[bytes], note: str) -> _Answer:
        if len(proof) > _MOST_PROOF:
            raise AuditError(f"a proof of {len(proof)} lines is longer than a witness takes")
        lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof), "", note]
        return asyncio.run(self._exchange("\n".join(lines).encode()))

    async def _exchange(self, body: bytes) -> _Answer:
        import aiohttp  # noqa: PLC0415 (186 ms, for those who have a witness)

        timeout = aiohttp.ClientTimeout(total=_SECONDS, sock_connect=_CONNECT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(
                    f"{self.url}/add-checkpoint",
                    data=body,
                    allow_redirects=False,
                    headers={"Accept-Encoding": "identity", "Content-Type": "text/plain; charset=utf-8"},
                ) as response,
            ):
                data = await response.content.read(_MOST + 1)
                while len(data) <= _MOST and (more := await response.content.read(_MOST + 1 - len(data))):
                    data += more
                return _Answer(response.status, response.content_type, data)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            raise UnreachableError(f"`{label(self.where)}` cannot be reached: {why}") from error

    def _known(self, answer: _Answer, checkpoint: notes.Checkpoint, old: int) -> int:
        """Return how far the witness is, from an answer that is no signature; raises for every other answer."""
        match answer.status:
            case 409:
                return self._size(answer, checkpoint)
            case 404:
                raise AuditError(
                    f"`{label(self.where)}` does not know the ledger `{checkpoint.origin}`",
                    hint="give its operator that name and the key: `safe-agent audit anchor --key` prints both",
                )
            case 403:
                raise AuditError(
                    f"`{label(self.where)}` knows the ledger `{checkpoint.origin}` with another key",
                    hint="the ledger's key was replaced; `safe-agent audit anchor --key` prints the one of now",
                )
            case 422:
                raise ForkedError(
                    f"`{label(self.where)}` signed another ledger at {old} frames: this one does not go on from it",
                    hint="somebody wrote the ledger anew from before that point on",
                )
            case 400:
                raise AuditError(f"`{label(self.where)}` does not understand the request: {_said(answer.body)}")
        raise UnreachableError(
            f"`{label(self.where)}` answers {answer.status}: {_said(answer.body)}", hint="try again later"
        )

    def _size(self, answer: _Answer, checkpoint: notes.Checkpoint) -> int:
        text = answer.body.decode(errors="replace")
        if answer.kind != _SIZE or not re.fullmatch(r"(?:0|[1-9][0-9]{0,18})\n", text, re.ASCII):
            raise UnreachableError(
                f"`{label(self.where)}` answers 409 without the size that it knows", hint="is it a witness?"
            )
        size = int(text)
        if size > checkpoint.size:
            raise TruncatedError(
                f"`{label(self.where)}` signed {size} frames of `{checkpoint.origin}`; here are {checkpoint.size}",
                hint="the ledger was cut back after that, or a copy from before was put in its place",
            )
        return size

    def _conflict(self, size: int, old: int) -> AuditError:
        if old == size:
            return ForkedError(
                f"`{label(self.where)}` signed another root at {size} frames than the ledger here has",
                hint="somebody wrote the ledger anew from before that point on",
            )
        return UnreachableError(
            f"`{label(self.where)}` does not take the size {old} that it named", hint="try again later"
        )

    def _cosigned(self, note: str, body: bytes) -> Receipt:
        """Keep the note with the witness's lines. Raises TamperedError where they do not hold."""
        if len(body) > _MOST:
            raise TamperedError(f"`{label(self.where)}` answers with more than {_MOST} bytes")
        try:
            mine = self._mine(body.decode())
            whole = note + "".join(mine)
            parsed = notes.parse(whole)
            at = notes.witnessed_at(parsed, self.vkey)
        except (TamperedError, UnicodeDecodeError) as error:
            what = error.what if isinstance(error, AuditError) else "that is no text"
            raise TamperedError(
                f"`{label(self.where)}` did not sign: {what}", hint="its key is not the one named"
            ) from error
        checkpoint = parsed.checkpoint
        self._keep(checkpoint, whole)
        return Receipt(checkpoint.size, checkpoint.root, f"signed at {at}")

    def _mine(self, lines: str) -> Iterable[str]:
        """Yield the lines of this witness: what others signed is not verified, hence not kept."""
        name, key_id, _ = self.vkey.split("+", 2)
        for line in lines.splitlines(keepends=True):
            dash, _, rest = line.partition(" ")
            of, _, encoded = rest.partition(" ")
            if dash == "\N{EM DASH}" and of == name and _key_id(encoded) == key_id:
                yield line

    def _keep(self, checkpoint: notes.Checkpoint, note: str) -> None:
        segment = checkpoint.origin.rpartition("/")[2]
        ledger = re.sub(r"[^A-Za-z0-9]", "-", checkpoint.origin.rpartition("/")[0])
        key_id = self.vkey.split("+", 2)[1]
        path = self.kept / f"{ledger}-{int(segment):06d}-{checkpoint.size:020d}-{key_id}.note"
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            self.kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            with draft.open("x", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            sync_folder(self.kept)
        except OSError as error:
            raise UnreachableError(f"`{path}` cannot be written: {error.strerror}") from error


def _key_id(encoded: str) -> str:
    try:
        return base64.b64decode(encoded.strip())[:4].hex()
    except ValueError:
        return ""


def _said(body: bytes) -> str:
    text = body[:200].decode(errors="replace").strip().partition("\n")[0]
    return text if text.isprintable() and text else "nothing"
