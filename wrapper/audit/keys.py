"""The keys of one user: the audit key pair (age) and the masking key, in `<config>/keys/`.

`audit.key` is an identity file of age, one private key a line, newest first, and may be protected by a passphrase;
`audit.pub` is a recipients file. Both work with the stock `age`. The private half may be taken away to another
machine: sessions are written without it. No key is ever lost by what is done here: `rotate` adds one.

A key kept elsewhere is named by SAFE_AGENT_AUDIT_IDENTITY. What loads `cryptography` is imported where it is used:
the start of a session needs the recipients only.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from wrapper.audit import keyfiles
from wrapper.audit.keyfiles import Reader
from wrapper.durable import sync_folder
from wrapper.errors import AuditError, StateError

if TYPE_CHECKING:
    from wrapper.audit.age.asking import Asking
    from wrapper.audit.age.openers import Identities, PrivateKey

AUDIT_KEY: Final = "audit.key"
AUDIT_PUB: Final = "audit.pub"
MASKING_KEY: Final = "masking.key"
MASKING_KEY_SIZE: Final = 32
ELSEWHERE: Final = "SAFE_AGENT_AUDIT_IDENTITY"

_MAKE: Final = "run `safe-agent keys make`"
_AGE_FILE: Final = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")


class _Unlocked(NamedTuple):
    """What an identity file says, and the passphrase that it took ("" for none)."""

    text: str
    words: str


class Keys:
    """The key files below `config`, the folder that ends in `safe-agent`.

    `identity` is a private key kept elsewhere, for reading; `asking` is whom to ask for its passphrase.
    """

    def __init__(self, config: Path, *, identity: Path | None = None, asking: "Asking | None" = None) -> None:
        self.folder = config / "keys"
        self._named = identity
        self._asking = asking

    @property
    def identity_path(self) -> Path:
        """The private half that belongs to this machine: who has it reads the logs."""
        return self.folder / AUDIT_KEY

    @property
    def reading_path(self) -> Path:
        """The private half to read logs with: the one that was named, else that of this machine."""
        return self._elsewhere() or self.identity_path

    @property
    def recipients_path(self) -> Path:
        """The public halves to which logs are encrypted, one `age1…` each line."""
        return self.folder / AUDIT_PUB

    @property
    def masking_path(self) -> Path:
        """The 32 bytes from which placeholders are made."""
        return self.folder / MASKING_KEY

    def make(self, *, hybrid: bool = False, words: str = "") -> tuple[str, ...]:
        """Make what is missing and return the names of the files made; safe to call from several processes at once.

        `hybrid` makes a post-quantum pair, `words` is a passphrase for its private half. Raises StateError where the
        folder cannot be written or an existing key is not usable.
        """
        with self._writing():
            for folder in (self.folder.parent, self.folder):  # the policy lies in the first
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            made = [*self._make_pair(hybrid=hybrid, words=words)]
            if _create(self.masking_path, secrets.token_bytes(MASKING_KEY_SIZE), 0o600):
                made.append(MASKING_KEY)
        self.load_recipients()
        self.masking_key()
        return tuple(made)

    def protect(self, words: str) -> bool:
        """Put `audit.key` under a passphrase; false where it is under one already, which stays."""
        with self._writing(), self._locked():
            unlocked = self._own()
            if unlocked.words:
                return False
            _replace(self.identity_path, _protected(unlocked.text, words), 0o600)
        return True

    def add(self, readers: Sequence[Reader]) -> tuple[Reader, ...]:
        """Encrypt sessions from now on to `readers`, too; returns those that are new.

        Raises AuditError where one is no recipient, or a session could not encrypt to it: its plugin is missing.
        """
        from wrapper.audit import seal  # noqa: PLC0415 (loads `cryptography`)

        for reader in readers:
            seal.encrypt([reader.recipient], b"")
        with self._writing(), self._locked():
            self.load_recipients()
            text = _read(self.recipients_path).decode(errors="replace")
            known = {reader.recipient for reader in keyfiles.read(text)}
            new = tuple(reader for reader in readers if reader.recipient not in known)
            if new:
                _replace(self.recipients_path, keyfiles.appended(text, new).encode(), 0o644)
        return new

    def rotate(self, *, hybrid: bool = False) -> str:
        """Make a new pair for this machine and return its public half; old private keys stay to read old logs.

        The new pair is hybrid where the last one was. Raises StateError where the private half is not here, or where
        `audit.pub` names none of its keys.
        """
        with self._writing(), self._locked():
            unlocked = self._own()
            mine = self._parse(self.identity_path, unlocked.text)
            public = _read(self.recipients_path).decode(errors="replace")
            old = {one.recipient for one in keyfiles.read(public)} & set(mine.recipients())
            if not old:
                raise StateError(
                    f"`{self.identity_path}` and `{self.recipients_path}` are two pairs: they have no key in common",
                    hint="put the two files of one pair there; a plugin's key is changed with its own program",
                )
            key = _generate(hybrid=hybrid or mine.keys[0].text().startswith("AGE-SECRET-KEY-PQ-"))
            text = _identity_text(key) + unlocked.text
            content = _protected(text, unlocked.words) if unlocked.words else text.encode()
            _replace(self.identity_path, content, 0o600)  # first: what is encrypted to it can then be read
            new = keyfiles.replaced(public, dict.fromkeys(old, key.recipient()))
            _replace(self.recipients_path, new.encode(), 0o644)
        return key.recipient()

    def readers(self) -> tuple[Reader, ...]:
        """Return who is in `audit.pub`. Raises StateError where it is missing or holds something else."""
        readers = keyfiles.read(_read(self.recipients_path).decode(errors="replace"))
        if not readers or not all(reader.recipient.startswith("age1") for reader in readers):
            raise StateError(
                f"`{self.recipients_path}` holds no age recipients", hint="each line must be a key that begins `age1`"
            )
        return readers

    def load_recipients(self) -> tuple[str, ...]:
        """Return the `age1…` lines of `audit.pub`. Raises StateError where it is missing or holds something else."""
        return tuple(reader.recipient for reader in self.readers())

    def load_identity(self) -> "Identities":
        """Return the private keys to read logs with; asks for the passphrase of a protected file.

        Raises StateError where there is none or it is readable by others, AuditError where it holds something else,
        NoKeyError where the passphrase is wrong or nobody can be asked.
        """
        path = self.reading_path
        if self._elsewhere() is not None and not path.exists():
            raise StateError(f"`{path}` is missing", hint=f"`--identity` or {ELSEWHERE} names this private key")
        if self.recipients_path.exists() and not path.exists():
            raise StateError("the private audit key is not on this machine", hint="read the logs where `audit.key` is")
        return self._parse(path, self._unlock(path).text)

    def check_identity(self) -> None:
        """Raise what `load_identity` would, as far as that can be known without a passphrase."""
        if not _read_private(self.reading_path).lstrip().startswith(_AGE_FILE):
            self.load_identity()

    def has_identity(self) -> bool:
        """Say whether there is a private half to read with; one that was named counts, and fails when it is loaded."""
        return self._elsewhere() is not None or self.identity_path.exists()

    def masking_key(self) -> bytes:
        """Return the masking key. Raises StateError where it is missing, readable by others or of the wrong length."""
        key = _read_private(self.masking_path)
        if len(key) != MASKING_KEY_SIZE:
            raise StateError(
                f"`{self.masking_path}` has {len(key)} bytes, not {MASKING_KEY_SIZE}",
                hint="restore it; a new one (remove it, then `safe-agent keys make`) changes every placeholder",
            )
        return key

    def _elsewhere(self) -> Path | None:
        named = os.environ.get(ELSEWHERE, "")
        return self._named or (Path(named) if named else None)

    def _make_pair(self, *, hybrid: bool, words: str) -> list[str]:
        made = []
        if not self.identity_path.exists() and not self.recipients_path.exists():
            text = _identity_text(_generate(hybrid=hybrid))
            if _create(self.identity_path, _protected(text, words) if words else text.encode(), 0o600):
                made.append(AUDIT_KEY)
        if not self.recipients_path.exists():  # from the file, since another process may have been the one to make it
            recipients = self._known(self.identity_path, words)
            if _create(self.recipients_path, f"{recipients[0]}\n".encode(), 0o644):
                made.append(AUDIT_PUB)
        return made

    def _known(self, path: Path, words: str) -> tuple[str, ...]:
        known = self._parse(path, self._unlock(path, words).text).recipients()
        if not known:
            raise StateError(
                f"`{path}` holds the keys of plugins only, and what their public halves are is not known here",
                hint=f"write them into `{self.recipients_path}`",
            )
        return known

    def _own(self) -> _Unlocked:
        if self.recipients_path.exists() and not self.identity_path.exists():
            raise StateError(
                "the private audit key is not on this machine",
                hint="bring `audit.key` back to change it; a new pair's public half can be added to `audit.pub`",
            )
        return self._unlock(self.identity_path)

    def _parse(self, path: Path, text: str) -> "Identities":
        from wrapper.audit.age.openers import Identities  # noqa: PLC0415 (loads `cryptography`)

        try:
            found = Identities.parse(text, self._asking)
        except AuditError as error:
            raise AuditError(f"`{path}` is damaged: {error.what}", hint="restore it from your copy") from error
        if not found.keys:
            raise AuditError(f"`{path}` is damaged: it holds no private key", hint="restore it from your copy")
        return found

    def _unlock(self, path: Path, words: str = "") -> _Unlocked:
        content = _read_private(path)
        if not content.lstrip().startswith(_AGE_FILE):
            return _Unlocked(content.decode(errors="replace"), "")
        words = words or self._ask(path)
        return _Unlocked(_opened(path, content, words), words)

    def _ask(self, path: Path) -> str:
        from wrapper.audit.age.asking import Terminal  # noqa: PLC0415 (rarely needed)

        return (self._asking or Terminal()).secret(f"passphrase for `{path}`")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time change the files."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateError(
                f"cannot write keys into `{self.folder}`: {error.strerror}", hint="make the folder yours and writable"
            ) from error


def _generate(*, hybrid: bool) -> "PrivateKey":
    if hybrid:
        from wrapper.audit.age.hybrid import HybridIdentity  # noqa: PLC0415 (where one is made)

        return HybridIdentity.generate()
    from wrapper.audit.age.x25519 import Identity  # noqa: PLC0415 (loads `cryptography`)

    return Identity.generate()


def _identity_text(key: "PrivateKey") -> str:
    return f"# public key: {key.recipient()}\n{key.text()}\n"


def _protected(text: str, words: str) -> bytes:
    from wrapper.audit import seal  # noqa: PLC0415 (loads `cryptography`)
    from wrapper.audit.age.passphrase import Passphrase  # noqa: PLC0415 (as above)

    return seal.protect(Passphrase(words), text.encode())


def _opened(path: Path, content: bytes, words: str) -> str:
    from wrapper.audit import seal  # noqa: PLC0415 (loads `cryptography`)
    from wrapper.audit.age.faults import DamagedError  # noqa: PLC0415 (as above)
    from wrapper.audit.age.passphrase import Passphrase  # noqa: PLC0415 (as above)
    from wrapper.audit.format import NoKeyError  # noqa: PLC0415 (as above)

    try:
        return seal.decrypt(content, [Passphrase(words)]).decode(errors="replace")
    except NoKeyError as error:
        raise NoKeyError(
            f"this is not the passphrase of `{path}`", hint="try again; nothing else opens this copy of the key"
        ) from error
    except DamagedError as error:
        raise AuditError(f"`{path}` is damaged: {error.how}", hint="restore it from your copy") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StateError(f"`{path}` is missing", hint=_MAKE) from error
    except OSError as error:
        raise StateError(f"cannot read `{path}`: {error.strerror}") from error


def _read_private(path: Path) -> bytes:
    content = _read(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise StateError(f"`{path}` is open to other users (mode {mode:04o})", hint=f"run `chmod 600 {path}`")
    return content


def _create(path: Path, content: bytes, mode: int) -> bool:
    """Write a new file, whole and durable or not at all; false where it exists already, which is left as it is."""
    if path.exists():
        return False
    draft = _draft(path, content, mode)
    try:
        os.link(draft, path)  # unlike a rename, a link never replaces
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return True


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file anew, whole and durable or not at all."""
    draft = _draft(path, content, mode)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise
    sync_folder(path.parent)


def _draft(path: Path, content: bytes, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft
