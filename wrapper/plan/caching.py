"""Files of the user's own, replaced in one step and readable by the user alone; a cache's are never necessary."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from wrapper.errors import StateError


def replace_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Make `path` hold `content`, mode 0600, its folder made if it is missing. Raises OSError.

    `durable`: on disk before it takes the old one's place, as for what cannot be made anew.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        draft.unlink()  # of a process that had our number and died; or somebody else's, who must not get the content
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, so that the mode is set from the start
            file.write(content)
            if durable:
                file.flush()
                os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def keep(path: Path, content: bytes) -> None:
    """Do the same where it can be done: a cache that cannot be written costs time, not protection."""
    with suppress(OSError):
        replace_file(path, content)


def copied(files: Mapping[str, bytes], folder: Path) -> dict[str, str]:
    """Write contents into `folder`, each under its hash; give for each path that of its copy.

    Raises StateError where that fails.
    """
    import hashlib  # noqa: PLC0415 (2 ms, where there is something to copy)

    copies = {}
    for path, data in files.items():
        file = folder / hashlib.sha256(data).hexdigest()
        try:
            if not file.is_file() or file.read_bytes() != data:
                replace_file(file, data)  # other sessions start at the same moment
        except OSError as error:
            raise StateError(
                f"cannot write `{file}`: {error.strerror}", hint="free space there, or point XDG_CACHE_HOME elsewhere"
            ) from error
        copies[path] = str(file)
    return copies
