"""The test files of ripsecrets (crate, MIT): each line of `one_per_line` holds one secret, `none` holds none.

Which bytes of a line are the secret its tests do not say: something must be found.
"""

from collections.abc import Iterator
from pathlib import Path

from bench.origins.case import Case, is_filler, negative, nospan
from bench.origins.fetch import crate

LICENCE = "MIT"
_VERSION = "0.1.11"
# Lines of `none` whose value is a secret by its rules, but is allowed by a comment or listed in `.secretsignore`.
_ALLOWED = ("pragma: allowlist", ".secretsignore", "http://public:secret@")


def cases(folder: Path) -> Iterator[Case]:
    """Read the test folder of the crate."""
    place = crate("ripsecrets", _VERSION, folder) / "test"
    for path in sorted((place / "one_per_line").iterdir()):
        for line in path.read_text().splitlines():
            if not is_filler(line) and ":PASSWORD@" not in line:
                yield nospan(line, path.name)
    for path in sorted((place / "one_per_file").iterdir()):
        yield nospan(path.read_text(), path.name)
    for line in (place / "none").read_text().splitlines():
        if not any(allowed in line for allowed in _ALLOWED):
            yield negative(line, f"none: {line[:20]}")
