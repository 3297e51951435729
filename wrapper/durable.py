"""What stands on disk for good: a new name survives a power cut only if its folder was written, too (fsync(2))."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
