"""Engines with the bundled rules, which are compiled once for all tests of a process: that takes seconds."""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import redactors
from redactors import Engine, KnownValues, Vault
from redactors.engine import Source


def load(vault: Vault | None = None, known: KnownValues | None = None, *, sources: Sequence[Source] = ()) -> Engine:
    """Load the engine as `redactors.load` does."""
    return redactors.load(vault, known, sources=sources, cache_dir=rules())


@functools.cache
def rules() -> Path:
    """Give a cache folder in which they are compiled."""
    folder = Path(tempfile.mkdtemp(prefix="safe-agent-test-rules-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    redactors.load(Vault(bytes(32)), cache_dir=folder)
    return folder
