"""Which projects' policy files the user has trusted: by workspace and exact content, in `trust.json`, mode 0600.

The file decides whether text from a clone may loosen the policy, so it is believed only if nobody but the user
could have written it.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from wrapper.errors import StateError

_NAME: Final = "trust.json"
_VERSION: Final = 1
_HINT: Final = "look at the file, then delete it and trust the projects again with `safe-agent policy trust`"


class _Trusted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    projects: dict[str, str]


def digest(content: bytes) -> str:
    """SHA-256 in hex of a project's policy file: what is trusted is this content and no other."""
    import hashlib  # noqa: PLC0415 - 2 ms that only workspaces with a policy file need

    return hashlib.sha256(content).hexdigest()


def trusted(config_home: Path) -> dict[str, str]:
    """Give the trusted digests by workspace path. Raises StateError for a file that cannot be believed."""
    path = config_home / _NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StateError(f"cannot read `{path}`: {error.strerror}", hint=_HINT) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        os.close(descriptor)
        raise StateError(f"`{path}` could have been written by somebody else", hint=_HINT)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read()
    try:
        held = msgspec.json.decode(content, type=_Trusted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"`{path}` is damaged", hint=_HINT) from error
    if held.version != _VERSION:
        raise StateError(f"`{path}` has version {held.version}, which this safe-agent does not know", hint=_HINT)
    return held.projects


def is_trusted(config_home: Path, workspace: Path, content: bytes) -> bool:
    """Whether the user trusted exactly this content for this workspace (an absolute path without links)."""
    known = trusted(config_home)
    return str(workspace) in known and known[str(workspace)] == digest(content)


def trust(config_home: Path, workspace: Path, content: bytes) -> None:
    """Remember that the user trusts this content here. Raises StateError where that cannot be written."""
    _write(config_home, {**trusted(config_home), str(workspace): digest(content)})


def revoke(config_home: Path, workspace: Path) -> bool:
    """Forget it; false if there was nothing to forget."""
    known = trusted(config_home)
    if known.pop(str(workspace), None) is None:
        return False
    _write(config_home, known)
    return True


def _write(config_home: Path, projects: dict[str, str]) -> None:
    """Replace the file in one step, so that a crash leaves the old one or the new one."""
    path = config_home / _NAME
    fresh = path.with_name(f".{_NAME}.{os.getpid()}")
    content = msgspec.json.format(msgspec.json.encode(_Trusted(_VERSION, projects), order="sorted"), indent=2)
    try:
        config_home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content + b"\n")
                file.flush()
                os.fsync(descriptor)
            fresh.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
    except OSError as error:
        raise StateError(
            f"cannot write `{path}`: {error.strerror}", hint="free space there, or make the folder yours"
        ) from error
