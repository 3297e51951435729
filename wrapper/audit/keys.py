"""The keys of one user: the audit key pair (age, X25519) and the masking key, in `<config>/keys/`.

`audit.key` is what `age-keygen` would write, `audit.pub` a recipients file; both work with the stock `age`. The
private half may be taken away to another machine: sessions are written without it. No key is ever replaced.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wrapper.durable import sync_folder
from wrapper.errors import StateError

if TYPE_CHECKING:
    from wrapper.audit.seal import Identity  # loads `cryptography`, 17 ms that the start of a session does not have

AUDIT_KEY: Final = "audit.key"
AUDIT_PUB: Final = "audit.pub"
MASKING_KEY: Final = "masking.key"
MASKING_KEY_SIZE: Final = 32

_MAKE: Final = "run `safe-agent keys make`"


class Keys:
    """The key files below `config`, the folder that ends in `safe-agent`."""

    def __init__(self, config: Path) -> None:
        self.folder = config / "keys"

    @property
    def identity_path(self) -> Path:
        """The private half: who has it reads the logs."""
        return self.folder / AUDIT_KEY

    @property
    def recipients_path(self) -> Path:
        """The public halves to which logs are encrypted, one `age1…` each line."""
        return self.folder / AUDIT_PUB

    @property
    def masking_path(self) -> Path:
        """The 32 bytes from which placeholders are made."""
        return self.folder / MASKING_KEY

    def make(self) -> tuple[str, ...]:
        """Make what is missing and return the names of the files made; safe to call from several processes at once.

        Raises StateError where the folder cannot be written or an existing key is not usable.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            made = [*self._make_pair()]
            if _create(self.masking_path, secrets.token_bytes(MASKING_KEY_SIZE), 0o600):
                made.append(MASKING_KEY)
        except OSError as error:
            raise StateError(
                f"cannot write keys into `{self.folder}`: {error.strerror}", hint="make the folder yours and writable"
            ) from error
        self.load_recipients()
        self.masking_key()
        return tuple(made)

    def _make_pair(self) -> list[str]:
        from wrapper.audit.seal import Identity  # noqa: PLC0415 (loads `cryptography`)

        made = []
        if not self.identity_path.exists() and not self.recipients_path.exists():
            identity = Identity.generate()
            text = f"# public key: {identity.recipient()}\n{identity.text()}\n"
            if _create(self.identity_path, text.encode(), 0o600):
                made.append(AUDIT_KEY)
        if not self.recipients_path.exists():  # from the file, since another process may have been the one to make it
            recipient = self.load_identity().recipient()
            if _create(self.recipients_path, f"{recipient}\n".encode(), 0o644):
                made.append(AUDIT_PUB)
        return made

    def load_recipients(self) -> tuple[str, ...]:
        """Return the `age1…` lines of `audit.pub`. Raises StateError where it is missing or holds something else."""
        lines = _read(self.recipients_path).decode(errors="replace").splitlines()
        recipients = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
        if not recipients or not all(line.startswith("age1") for line in recipients):
            raise StateError(
                f"`{self.recipients_path}` holds no age recipients", hint="each line must be a key that begins `age1`"
            )
        return recipients

    def load_identity(self) -> "Identity":
        """Return the private half.

        Raises StateError where it is missing or readable by others, AuditError where it is no age identity.
        """
        from wrapper.audit.seal import Identity  # noqa: PLC0415 (loads `cryptography`)

        if self.recipients_path.exists() and not self.has_identity():
            raise StateError("the private audit key is not on this machine", hint="read the logs where `audit.key` is")
        lines = _read_private(self.identity_path).decode(errors="replace").splitlines()
        keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if len(keys) != 1:
            raise StateError(f"`{self.identity_path}` must hold one age identity, it holds {len(keys)}")
        return Identity.parse(keys[0])

    def has_identity(self) -> bool:
        """Say whether the private half is on this machine."""
        return self.identity_path.exists()

    def masking_key(self) -> bytes:
        """Return the masking key. Raises StateError where it is missing, readable by others or of the wrong length."""
        key = _read_private(self.masking_path)
        if len(key) != MASKING_KEY_SIZE:
            raise StateError(
                f"`{self.masking_path}` has {len(key)} bytes, not {MASKING_KEY_SIZE}",
                hint="restore it; a new one (remove it, then `safe-agent keys make`) changes every placeholder",
            )
        return key


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
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, a link never replaces
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return True
