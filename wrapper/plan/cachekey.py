"""What a cached verdict depends on besides the file itself."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import redactors
from wrapper.plan.contents import read_regular
from wrapper.plan.judge import BASELINE
from wrapper.policy.model import Policy

_MOST_BYTES: Final = 16 << 20
_FORMAT: Final = b"1"


def cache_key(workspace: Path, policy: Policy) -> bytes:
    """Digest, 32 bytes, of the detection code and rules, the policy, the workspace's baseline and the user."""
    digest = hashlib.sha256(_FORMAT)
    for part in (str(workspace), policy.digest, str(os.geteuid()), *_code()):
        digest.update(os.fsencode(part) + b"\0")
    try:
        digest.update(read_regular(f"{workspace}/{BASELINE}", _MOST_BYTES))
    except OSError:
        digest.update(b"none")
    return digest.digest()


def code_digest() -> str:
    """Digest, in hex, of the detection code and rules alone."""
    return hashlib.sha256("\0".join(_code()).encode()).hexdigest()[:32]


def _code() -> Iterator[str]:
    """Say which version of our own code and rules this is: names, sizes and times of the files."""
    detection = Path(redactors.__file__ or "").parent
    for folder in (detection, detection / "rules", Path(__file__).parent):
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith((".py", ".toml", ".bits")):
                    about = entry.stat()
                    yield f"{entry.name} {about.st_size} {about.st_mtime_ns}"
