"""Where corpora, packs and results lie: local paths, or any address that fsspec knows (`s3://`, `gs://`, `memory://`).

Credentials come from the user's own environment and configuration, as the store's client library finds them
(botocore for `s3://`): never from our options, so they stand in no command line, no journal and no message.
"""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from wrapper.durable import sync_folder
from wrapper.errors import ProvenanceError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

DRAFT: Final = ".draft-"
_OURS: Final = frozenset({"s3", "s3a"})  # schemes whose client an extra of ours brings


class Storage(msgspec.Struct, frozen=True):
    """How object stores are reached. `endpoint`: of an S3-compatible server; `anonymous`: without credentials."""

    endpoint: str = ""
    anonymous: bool = False


def is_remote(address: str) -> bool:
    """Say whether an address is that of a store, and no local path."""
    return "://" in address and not address.startswith("file://")


def shown(address: str) -> str:
    """Give an address as it may be shown and kept: without a user's name, a password or a signed query."""
    if not is_remote(address):
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def filesystem(address: str, storage: Storage | None = None) -> "tuple[AbstractFileSystem, str]":
    """Give the file system of an address, and the path in it.

    Raises ProvenanceError where fsspec or the client of this kind of store is missing, or the address is none.
    """
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ProvenanceError("reading a corpus needs fsspec", hint="`./install.sh --corpus` brings it") from error
    try:
        filesystem, path = url_to_fs(address, **_options(address, storage or Storage()))
    except ImportError as error:
        is_ours = urlsplit(address).scheme in _OURS
        hint = "`./install.sh --corpus` brings it" if is_ours else "install the package that fsspec names for it"
        raise ProvenanceError(f"`{shown(address)}` needs a package that is missing", hint=hint) from error
    except ValueError as error:
        raise ProvenanceError(f"`{shown(address)}` is no address that can be read") from error
    return filesystem, path


class Folder:
    """A folder of results whose files appear whole or not at all; several processes may write files of other names."""

    def __init__(self, address: str, storage: Storage | None = None) -> None:
        self.address = (
            address.rstrip("/") if is_remote(address) else str(Path(address.removeprefix("file://")).absolute())
        )
        self.storage = storage
        self._remote = is_remote(address)

    def below(self, name: str) -> "Folder":
        """Give a folder in it."""
        return Folder(f"{self.address}/{name}", self.storage)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others of this machine from working in it; of a store, nobody is kept. Raises ProvenanceError."""
        if self._remote:
            yield
            return
        descriptor = os.open(self.address, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise ProvenanceError(f"another run is writing to `{self.address}`", hint="wait for its end") from error
        finally:
            os.close(descriptor)

    def make(self) -> None:
        """Make the folder. Raises ProvenanceError."""
        if not self._remote:
            with _told("make", self.address):
                Path(self.address).mkdir(parents=True, exist_ok=True)

    def names(self) -> set[str]:
        """List the names of its files. Raises ProvenanceError."""
        found, path = filesystem(self.address, self.storage)
        with _told("list", self.address):
            found.invalidate_cache()
            if not found.exists(path):
                return set()
            return {Path(name).name for name in found.ls(path, detail=False)}

    def read(self, name: str) -> bytes | None:
        """Read a file; None: there is none. Raises ProvenanceError."""
        found, path = filesystem(self.address, self.storage)
        with _told("read", f"{self.address}/{name}"):
            try:
                data: bytes = found.cat_file(f"{path}/{name}")
            except FileNotFoundError:
                return None
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a small file in one go. Raises ProvenanceError."""
        with self.draft(name) as draft:
            draft.write_bytes(data)

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """Give a local file to write to; it becomes the file `name` when the block ends without an exception.

        Raises ProvenanceError where it cannot be written, as when the disk is full.
        """
        with _told("write", f"{self.address}/{name}"):
            if self._remote:
                with tempfile.TemporaryDirectory(prefix="safe-agent-") as folder:
                    draft = Path(folder, name)
                    yield draft
                    found, path = filesystem(self.address, self.storage)
                    found.put_file(str(draft), f"{path}/{name}")  # an object appears when it is complete
                return
            draft = Path(self.address, f"{DRAFT}{name}")
            try:
                yield draft
                _settle(draft, Path(self.address, name))
            except BaseException:
                with suppress(OSError):
                    draft.unlink()
                raise

    def sweep(self) -> None:
        """Remove drafts that a run left behind when it was killed."""
        if not self._remote:
            for draft in Path(self.address).glob(f"{DRAFT}*"):
                draft.unlink(missing_ok=True)


@contextmanager
def _told(deed: str, address: str) -> Iterator[None]:
    """Say in words what went wrong; botocore's errors name no credential."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__  # Arrow words it its own way
        hint = "make room, and go on with `--resume`" if error.errno == errno.ENOSPC else ""
        raise ProvenanceError(f"cannot {deed} `{shown(address)}`: {why}", hint=hint) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"botocore", "aiobotocore", "aiohttp", "s3fs"}:
            raise
        hint = "check the bucket's name, the endpoint and your credentials"
        raise ProvenanceError(f"cannot {deed} `{shown(address)}`: {type(error).__name__}", hint=hint) from error


def _settle(draft: Path, final: Path) -> None:
    """Bring a draft to disk, then give it its name: so a power cut leaves no half file under that name."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(final)
    sync_folder(final.parent)


def _options(address: str, storage: Storage) -> dict[str, Any]:
    """Give what fsspec is told of a store."""
    if urlsplit(address).scheme not in _OURS:
        return {}
    return {"anon": storage.anonymous, **({"endpoint_url": storage.endpoint} if storage.endpoint else {})}
