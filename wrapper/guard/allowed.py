"""Hosts that the user has allowed for good: `allowed.toml` in the configuration folder, replaced in one step.

Where the words of the file are made is `policy.allowed`. Two terminals may write at once: the folder is locked.
"""

import contextlib
import fcntl
import os
import pwd
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wrapper.durable import sync_folder
from wrapper.errors import PolicyError
from wrapper.plan.caching import replace_file
from wrapper.policy.allowed import with_host, without_host
from wrapper.policy.load import ALLOWED_FILE, read


def remember(config: Path, host: str, how: str) -> None:
    """Add a host, written as in `network.allow`; who, when and `how` go beside it. Raises PolicyError and OSError."""
    remark = f"{_user()}, {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {how}"
    _change(config, lambda text, file: with_host(text, host, remark, file))


def forget(config: Path, host: str) -> bool:
    """Take a host off; whether it was there. Raises PolicyError and OSError."""
    return _change(config, lambda text, file: without_host(text, host, file))


def _change(config: Path, change: Callable[[str, str], str]) -> bool:
    config.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = config / ALLOWED_FILE
    with _locked(config):
        text = _text(path)
        changed = change(text, str(path))
        if changed == text:
            return False
        replace_file(path.resolve(), changed.encode(), durable=True)  # a link into a folder of settings stays one
        sync_folder(path.resolve().parent)
    return True


def _text(path: Path) -> str:
    content = read(path) or b""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: is not UTF-8", hint="correct it, or remove it") from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
