"""Folders whose names say who works here, found wherever they stand in a request. Pure.

Rules of this file:
1. A path is found as it is, as a JSON string holds it (twice over, too), percent-encoded, and as Claude Code names
   folders of its own after it (`/-home-jane-work`). Not found: a path cut by line ends, or in another encoding.
2. `/home/jane` is not found in `/home/janet`.
3. What is masked is restored exactly: each spelling that a JSON reader tells apart has its own value.
4. A path of one folder (`/root`) names nobody, and would be found in ordinary text: it is left alone.
They are findings like those of secrets, so a secret that holds such a path stays one, and reasoning that the provider
signed stays as it is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from redactors.finding import Confidence, Finding
from redactors.patterns import Patterns

_WORD: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_DEEPEST: Final = 2  # JSON within JSON: tool arguments
_LEAST_FOLDERS: Final = 2


class _Form(NamedTuple):
    """One spelling: what is searched, how much of it stays, what the reader of the document sees, whose field it is."""

    written: bytes
    kept: int
    value: bytes
    field: str


class FolderNames:
    """A source of findings: `folders` by field, absolute paths. Rule `identity:FIELD`, kind of the field's name."""

    def __init__(self, folders: Mapping[str, tuple[str, ...]]) -> None:
        forms = {
            form.written: form
            for field, paths in folders.items()
            for path in paths
            if path.count("/") >= _LEAST_FOLDERS and not path.endswith("/")
            for form in _forms(field, path)
        }
        self._forms = tuple(forms.values())
        self._present = Patterns((form.written for form in self._forms), literal=True, once=True)

    def __len__(self) -> int:
        """How many spellings are searched for."""
        return len(self._forms)

    def find(self, data: bytes) -> list[Finding]:
        """Find the folders; where one lies in another, both."""
        present = {number for number, _ in self._present.scan(data)}
        return [found for number in present for found in _found(data, self._forms[number])]


def _found(data: bytes, form: _Form) -> Iterator[Finding]:
    at = data.find(form.written)
    while at >= 0:
        end = at + len(form.written)
        if end == len(data) or data[end] not in _WORD:
            start = at + form.kept
            yield Finding(start, end, form.field.upper(), Confidence.CERTAIN, f"identity:{form.field}", form.value)
        at = data.find(form.written, end)


def _forms(field: str, path: str) -> Iterator[_Form]:
    value = path.encode("utf-8", "surrogateescape")
    for ascii_only in (False, True):
        text = path
        for _ in range(_DEEPEST + 1):
            yield _Form(text.encode("utf-8", "surrogateescape"), 0, value, field)
            text = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    for escaped in (quote(value, safe=""), quote(value, safe="").replace("%2F", "%2f")):
        yield _Form(escaped.encode(), 0, escaped.encode(), field)
    named = re.sub(r"[^A-Za-z0-9]", "-", path).encode()
    yield _Form(b"/" + named, 1, named, field)
