"""Makes an engine: rules and database from the cache, or built and put there.

The cache holds two files per rule set: the rules without their TOML, and the compiled database. Both are named by a
hash of the rule files and of the library's version, written to a temporary name and renamed: two processes that build
at once end with one good file each, and a damaged one is built anew. A cache that cannot be written costs time, not
protection.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from redactors.engine import Engine
from redactors.known import KnownValues
from redactors.rules import catalogue, model
from redactors.rules.model import Rule
from redactors.scanner import (
    HyperscanScanner,
    SpanScanner,
    compile_rules,
    dump_database,
    library_version,
    load_database,
)
from redactors.vault import Vault

_FAMILIES = Path(__file__).parent / "rules"


def load(
    vault: Vault,
    known: KnownValues | None = None,
    *,
    disable: Sequence[str] = (),
    allow: Sequence[str] = (),
    extra: Sequence[Rule] = (),
    cache_dir: Path | None = None,
) -> Engine:
    """Make an engine of the bundled rules without those named in `disable`, plus `extra`.

    Of an extra rule `id`, `kind`, `regex` and `confidence` count; a match is the whole expression.
    `allow`: regular expressions of values that are no secrets. `cache_dir` may be missing, read-only or damaged.
    `ValueError` names the rule of `extra`, or the expression of `allow`, that does not compile.
    """
    for expression in allow:
        _must_compile(expression)
    off = frozenset(disable)
    rules = tuple(rule for rule in bundled_rules(cache_dir) if rule.id not in off)
    own = (tuple(extra), SpanScanner(extra)) if extra else None
    return Engine(rules, _scanner(rules, cache_dir), vault, known, extra=own, allow=allow)


def family_files() -> tuple[Path, ...]:
    """Give the TOML files of the bundled rules, in a fixed order."""
    return tuple(sorted(_FAMILIES.glob("*.toml")))


def bundled_rules(cache_dir: Path | None = None) -> tuple[Rule, ...]:
    """Give all bundled rules, from the cache if it has them."""
    texts = [path.read_bytes() for path in family_files()]
    cached = cache_dir / f"rules-{catalogue.digest(texts)}.json" if cache_dir else None
    if cached is not None:
        with contextlib.suppress(OSError, ValueError):
            return catalogue.unpack(cached.read_bytes())
    rules = tuple(rule for text in texts for rule in catalogue.parse(text.decode()))
    if cached is not None:
        _write(cached, catalogue.pack(rules))
    return rules


def _scanner(rules: Sequence[Rule], cache_dir: Path | None) -> HyperscanScanner:
    if cache_dir is None:
        return HyperscanScanner(compile_rules(rules))
    key = hashlib.sha256(library_version().encode() + Path(model.__file__).read_bytes())  # which derives the patterns
    for rule in rules:
        key.update(f"{rule.regex}\x00{rule.names}\x00{rule.trigger}\x00{rule.issuer}\x00".encode())
    cached = cache_dir / f"database-{key.hexdigest()[:32]}.hs"
    with contextlib.suppress(OSError, ValueError):
        return HyperscanScanner(load_database(cached.read_bytes()))
    database = compile_rules(rules)
    _write(cached, dump_database(database))
    return HyperscanScanner(database)


def _write(path: Path, content: bytes) -> None:
    import tempfile  # noqa: PLC0415 (4 ms with what it imports, and only a new cache needs it)

    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".building-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def _must_compile(expression: str) -> None:
    try:
        re.compile(expression.encode())
    except re.error as error:
        raise ValueError(f"allowed value `{expression}`: {error}") from error
