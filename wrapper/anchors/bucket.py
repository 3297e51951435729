"""Checkpoints as objects of an S3-compatible storage with Object Lock: nobody takes them back before their day.

Rules of this file:
1. One object per checkpoint, named by segment and size, locked (COMPLIANCE: not even the account's owner undoes it).
2. A lock holds a version, not a name: whoever may write can put another version on top, or hide all behind a delete
   marker. So all versions are read, and each counts.
3. Credentials are those of the user's own AWS settings and variables; nothing of them is printed or kept.
Source: Amazon S3 User Guide, "Locking objects with Object Lock", "Conditional writes".
"""

import datetime as dt
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wrapper.audit import notes
from wrapper.audit.anchored import ForkedError, Prove, Receipt, UnreachableError
from wrapper.audit.format import TamperedError
from wrapper.errors import AuditError
from wrapper.policy.anchors import S3Anchor

if TYPE_CHECKING:
    from botocore.client import BaseClient

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 20
_MOST: Final = 1 << 16  # bytes of an object: a note has 300
_PAGE: Final = 1000  # what S3 gives at once
_HINT: Final = "check the bucket's name, its Object Lock and the credentials with `aws s3api`"
_TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True, slots=True)
class LockedBucket:
    """The objects below a prefix of a bucket, as `place` says; `clock` gives the moment from which the days count."""

    where: str
    place: S3Anchor
    asks: bool = False
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def put(self, note: str, prove: Prove) -> Receipt:
        """Put the note under its own name and lock it.

        Raises UnreachableError, ForkedError where another note has that name, AuditError without `boto3` or where the
        object is not locked.
        """
        del prove
        checkpoint = notes.parse(note).checkpoint
        client = self._client()
        key = f"{self.place.prefix}/{_name(checkpoint)}"
        until = self.clock() + dt.timedelta(days=self.place.days)
        try:
            version = self._put(client, key, note, until)
        except _errors() as error:
            if _code(error) not in _TAKEN:
                raise self._unreachable(error) from error
            version = self._same(client, key, checkpoint)
        return Receipt(checkpoint.size, checkpoint.root, f"object {key}, version {version}")

    def get(self) -> list[str]:
        """Return all versions of all notes, by segment and size.

        Raises UnreachableError, TamperedError for an object that is none.
        """
        client = self._client()
        try:
            return [self._read(client, key, version) for key, version in self._versions(client)]
        except _errors() as error:
            raise self._unreachable(error) from error

    def _put(self, client: "BaseClient", key: str, note: str, until: dt.datetime) -> str:
        said = client.put_object(
            Bucket=self.place.bucket,
            Key=key,
            Body=note.encode(),
            ContentType="text/plain; charset=utf-8",
            IfNoneMatch="*",
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=until,
        )
        version = str(said.get("VersionId", ""))
        head = client.head_object(Bucket=self.place.bucket, Key=key, VersionId=version) if version else {}
        if head.get("ObjectLockMode") != "COMPLIANCE":
            raise AuditError(f"`{self.where}`: the storage took the object and did not lock it", hint=_HINT)
        return version

    def _same(self, client: "BaseClient", key: str, checkpoint: notes.Checkpoint) -> str:
        """Return the version of an object that is there already. Raises ForkedError where it holds another root."""
        try:
            for name, version in self._versions(client, key):
                there = notes.parse(self._read(client, name, version)).checkpoint
                if there == checkpoint:
                    return version
        except _errors() as error:
            raise self._unreachable(error) from error
        raise ForkedError(
            f"`{self.where}` holds another checkpoint of {checkpoint.size} frames than the ledger here has",
            hint="somebody wrote the ledger anew, or two machines use one prefix: `audit anchor --check` says more",
        )

    def _versions(self, client: "BaseClient", key: str = "") -> Iterator[tuple[str, str]]:
        """Yield name and version of all that lies below the prefix, oldest name first, or of `key` alone."""
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=self.place.bucket,
            Prefix=key or f"{self.place.prefix}/",
            PaginationConfig={"PageSize": _PAGE},
        )
        for page in pages:
            for one in page.get("Versions", ()):
                if not key or one["Key"] == key:
                    yield str(one["Key"]), str(one["VersionId"])

    def _read(self, client: "BaseClient", key: str, version: str) -> str:
        body = client.get_object(Bucket=self.place.bucket, Key=key, VersionId=version)["Body"]
        data = body.read(_MOST + 1)
        try:
            text: str = data.decode()
            notes.parse(text)
        except (UnicodeDecodeError, TamperedError) as error:
            raise TamperedError(
                f"`{self.where}`: the object `{key}` is no signed checkpoint",
                hint="somebody else writes below this prefix: give it to safe-agent alone",
            ) from error
        return text

    def _client(self) -> "BaseClient":
        if importlib.util.find_spec("boto3") is None:
            raise AuditError(f"`{self.where}` needs boto3", hint="install safe-agent with its extra `s3`")
        import boto3  # noqa: PLC0415 (the extra `s3`)
        from botocore.config import Config  # noqa: PLC0415

        settings = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"max_attempts": 2, "mode": "standard"},
        )
        try:
            return boto3.client("s3", endpoint_url=self.place.endpoint or None, config=settings)
        except _errors() as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        what = " ".join(str(error).split())
        return UnreachableError(f"`{self.where}`: {what}", hint=_HINT)


def _name(checkpoint: notes.Checkpoint) -> str:
    """Return a name that sorts by segment and size, and is the ledger's own."""
    ledger, _, segment = checkpoint.origin.rpartition("/")
    return f"{re.sub(r'[^A-Za-z0-9.-]', '-', ledger)}/{segment:>06}/{checkpoint.size:020d}.note"


def _errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (the extra `s3`)

    return BotoCoreError, ClientError


def _code(error: Exception) -> str:
    response: Mapping[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
