"""Reads the `terms_file` of `[[context]]` tables: one term on a line; blank lines and lines with `#` first say nothing.

A relative path counts from the folder of the policy file; `~/` is the home folder. A project's file names only files of
the workspace itself: whoever wrote the repository must not learn, by what becomes a placeholder, what stands elsewhere.
"""

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from wrapper.policy.contexts import MOST_TERMS, term_problem
from wrapper.policy.layered import Layered
from wrapper.policy.model import ContextTable, Layer

_MOST_BYTES: Final = 8 << 20


def with_terms(layered: Layered) -> Layered:
    """Give the same layer with the lines of its files as terms. Raises PolicyError with file and line."""
    tables = layered.source.document.context
    if not any(table.terms_file for table in tables or ()):
        return layered
    read = tuple(_read(layered, number, table) for number, table in enumerate(tables or ()))
    document = msgspec.structs.replace(layered.source.document, context=read)
    return msgspec.structs.replace(layered, source=msgspec.structs.replace(layered.source, document=document))


def _read(layered: Layered, number: int, table: ContextTable) -> ContextTable:
    if table.terms_file is None:
        return table
    place = ("context", number, "terms_file")
    try:
        text = _content(_path(layered, table.terms_file)).decode()
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        what = f'the terms file "{table.terms_file}" cannot be read: {why}'
        raise layered.source.error(place, what, "one term on a line, UTF-8 text") from error
    terms: list[str] = []
    for row, line in enumerate(text.splitlines(), 1):
        term = line.strip()
        if not term or term.startswith("#"):
            continue
        if wrong := term_problem(term) or ("has too many terms" if len(terms) >= MOST_TERMS else ""):
            raise layered.source.error(place, f'line {row} of the terms file "{table.terms_file}": {wrong}')
        terms.append(term)
    return msgspec.structs.replace(table, terms=tuple(terms))


def _path(layered: Layered, named: str) -> Path:
    folder = Path(layered.source.file).parent
    if layered.layer is not Layer.PROJECT:
        return folder / Path(named).expanduser()
    path = (folder / named).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("a project may only name files of its own folder")
    return path


def _content(path: Path) -> bytes:
    """Read a plain file, no further than a list of terms can reach; without waiting, for it may be a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a plain file")
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    return content
