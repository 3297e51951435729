"""Runs in the peers' own environment: scans texts with one peer, as its documentation says it is used in a program.

    python worker.py PEER

Each line of the standard input is a JSON list of texts; each answer is a JSON object: `seconds`, the processor time
that scanning took (not loading, not this protocol), and `found`, for each text a list of findings, each a list of
[start, end) in UTF-8 bytes. A peer that tells a value instead of a place is given every place where the value stands,
which favours it; that is still one finding. Its libraries are not there when types are checked.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

Span = tuple[int, int]
Found = list[list[Span]]


def places(text: bytes, value: str | None) -> list[Span]:
    """Give every place of a value."""
    wanted = (value or "").encode()
    spans = []
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        spans.append((at, at + len(wanted)))
        at = text.find(wanted, at + 1)
    return spans


def kingfisher() -> Callable[[str], Found]:
    """Kingfisher's Python package: all bundled rules, findings with byte offsets. It never uses the network here."""
    from kingfisher_sdk import (  # type: ignore[import-not-found]  # noqa: PLC0415 - each peer needs only its own
        Rules,
        Scanner,
    )

    scanner = Scanner(Rules(confidence="low", cache=False))

    def scan(text: str) -> Found:
        found = [one.location for one in scanner.scan(text) if one.visible]
        return [[(place["start_offset"], place["end_offset"])] for place in found]

    return scan


def detect_secrets() -> Callable[[str], Found]:
    """detect-secrets with all its plugins and its default filters, on a file named `.txt`: it tells line and value."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class  # noqa: PLC0415
    from detect_secrets.core.secrets_collection import SecretsCollection  # noqa: PLC0415
    from detect_secrets.settings import get_settings  # noqa: PLC0415

    plugins: Iterable[type] = get_mapping_from_secret_type_to_class().values()
    get_settings().configure_plugins([{"name": plugin.__name__} for plugin in plugins])
    file = Path("text.txt")  # in the folder that `main` made

    def scan(text: str) -> Found:
        file.write_text(text)
        secrets = SecretsCollection()
        secrets.scan_file(str(file))
        data = text.encode()
        return [places(data, one.secret_value) for _, one in secrets]

    return scan


def credsweeper() -> Callable[[str], Found]:
    """CredSweeper without its model (`ml_threshold` 0): it tells values."""
    from credsweeper import (  # type: ignore[import-not-found]  # noqa: PLC0415
        CredSweeper,
        StringContentProvider,
    )

    sweeper = CredSweeper(ml_threshold=0)

    def scan(text: str) -> Found:
        data = text.encode()
        found = sweeper.file_scan(StringContentProvider(text.splitlines()))
        values = {line.value for one in found for line in one.line_data_list}
        return [places(data, value) for value in values]

    return scan


PEERS = {"kingfisher": kingfisher, "detect-secrets": detect_secrets, "credsweeper": credsweeper}


def main() -> None:
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        scan = PEERS[sys.argv[1]]()
        for line in sys.stdin:
            texts = json.loads(line)
            start = time.process_time()
            found = [scan(text) for text in texts]
            seconds = time.process_time() - start
            answers.write(json.dumps({"seconds": seconds, "found": found}) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
