"""A second opinion on credential files: what detect-secrets finds in what the inside sees of them.

Our masking goes by notation and key; in a file of an unusual make something may stay visible. detect-secrets reads
0.2 MB/s, so this runs in the background, after all else stands, on small files only, and once for each content: what
was found clean is noted in the cache. What it finds is a known value from then on: on the wire, the screen, in the log.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from redactors.depth import LARGEST, second_opinion
from redactors.known import KnownValues
from redactors.vault import Origin
from wrapper.plan.cachekey import code_digest
from wrapper.plan.caching import keep

_MOST_OF_ALL: Final = 512 << 10  # bytes in one session: some seconds of one core
_MOST_NOTED: Final = 4096
_DIGEST: Final = 16


def ask_second_opinion(shown: Iterable[tuple[str, bytes]], known: KnownValues, *, cache: Path | None) -> int:
    """Make known what detect-secrets finds in `shown`, pairs of path and visible content; give how many values.

    `cache` is the user's cache folder, None to keep nothing.
    """
    place = cache and cache / "second-opinion" / code_digest()
    clean = _noted(place)
    before, read, count = len(clean), 0, 0
    for path, data in shown:
        digest = hashlib.blake2b(data, digest_size=_DIGEST).digest()
        if digest in clean or len(data) > LARGEST or read + len(data) > _MOST_OF_ALL:
            continue
        read += len(data)
        found = [known.add(one.kind, one.value, Origin.OUTSIDE, name=path) for one in second_opinion(data)]
        count += sum(found)
        if not any(found):
            clean.add(digest)
    if place is not None and len(clean) > before:
        keep(place, b"".join(sorted(clean)[-_MOST_NOTED:]))
    return count


def _noted(place: Path | None) -> set[bytes]:
    try:
        noted = place.read_bytes() if place is not None else b""
    except OSError:
        return set()
    return {noted[at : at + _DIGEST] for at in range(0, len(noted) - len(noted) % _DIGEST, _DIGEST)}
