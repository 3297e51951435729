"""Makes an engine: rules and database from the cache, or built and put there.

Rules of this file:
1. The cache holds three files per rule set: the rules without their TOML, and two compiled databases. Each is named by
   a hash of the rule files and of the library's version, and begins with its name and a checksum: another file in its
   place and a damaged one are not taken for it.
2. A file of the cache is read only if it is a regular one, of this user or root, and nobody else may write it: rules
   from another hand would find what that hand likes, and Hyperscan trusts what it deserialises. The checksum is no
   proof against a hand that can write.
3. Files are written to a temporary name and renamed: two processes that build at once end with one good file each.
4. A cache that is damaged, foreign, missing or cannot be written costs time, not protection.
"""

import contextlib
import hashlib
import os
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redactors import glance, hints, sites
from redactors.engine import Engine, Source
from redactors.known import KnownValues
from redactors.rules import catalogue, model, openings, widths
from redactors.rules.model import Rule
from redactors.scanner import (
    GlancingScanner,
    HyperscanScanner,
    compile_glances,
    compile_rules,
    dump_database,
    library_version,
    load_database,
)
from redactors.vault import KEY_BYTES, Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    import hyperscan

_TRUSTED_OWNERS = (0,)  # beside the user: root can do anyway what it likes
_FAMILIES = Path(__file__).parent / "rules"


def load(
    vault: Vault | None = None,
    known: KnownValues | None = None,
    *,
    disable: Sequence[str] = (),
    allow: Sequence[str] = (),
    sources: Sequence[Source] = (),
    cache_dir: Path | None = None,
) -> Engine:
    """Make an engine of the bundled rules without those named in `disable`, plus `sources`.

    Without a `vault`, placeholders are of a key that ends with the engine. `allow`: values that are no secrets, exactly
    as they stand. `cache_dir` may be missing, read-only or damaged.
    """
    if cache_dir is not None:
        _ready_fixed_patterns(cache_dir)
    off = frozenset(disable)
    rules = tuple(rule for rule in bundled_rules(cache_dir) if rule.id not in off)
    vault = Vault(os.urandom(KEY_BYTES)) if vault is None else vault
    return Engine(rules, _scanner(rules, cache_dir), vault, known, sources=sources, allow=allow)


def family_files() -> tuple[Path, ...]:
    """Give the TOML files of the bundled rules, in a fixed order."""
    return tuple(sorted(_FAMILIES.glob("*.toml")))


def bundled_rules(cache_dir: Path | None = None) -> tuple[Rule, ...]:
    """Give all bundled rules, from the cache if it has them."""
    texts = [path.read_bytes() for path in family_files()]
    name = f"rules-{catalogue.digest(texts)}.json"
    with contextlib.suppress(OSError, ValueError):
        return catalogue.unpack(_read(cache_dir, name))
    rules = tuple(rule for text in texts for rule in catalogue.parse(text.decode()))
    _write(cache_dir, name, catalogue.pack(rules))
    return rules


def _scanner(rules: Sequence[Rule], cache_dir: Path | None) -> HyperscanScanner:
    def glances() -> "hyperscan.Database":
        key = _database_key(rules, openings.__file__, widths.__file__, glance.__file__)
        return _database(cache_dir, f"glances-{key}.hs", lambda: compile_glances(rules))

    def compiled() -> "hyperscan.Database":
        if cache_dir is None:
            return compile_rules(rules)
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (not needed where all is in the cache)

        with ThreadPoolExecutor(1) as beside:  # both now, in little more time than one: no stream shall wait for it
            made = beside.submit(glances)
            database = compile_rules(rules)
            made.result()
        return database

    return GlancingScanner(_database(cache_dir, f"database-{_database_key(rules)}.hs", compiled), glances)


def _database(cache_dir: Path | None, name: str, compiled: "Callable[[], hyperscan.Database]") -> "hyperscan.Database":
    """Read a database from the cache, else make it and put it there."""
    with contextlib.suppress(OSError, ValueError):
        return load_database(_read(cache_dir, name))
    database = compiled()
    if cache_dir is not None:
        _write(cache_dir, name, dump_database(database))
    return database


def _ready_fixed_patterns(cache_dir: Path) -> None:
    """Have what known values are searched with besides themselves: compiling it takes 15 ms, of every first search."""
    for patterns in (*hints.fixed_patterns(), *sites.fixed_patterns()):
        key = hashlib.sha256(library_version().encode() + patterns.identity)
        name = f"patterns-{key.hexdigest()[:32]}.hs"
        try:
            patterns.take(_read(cache_dir, name))
        except (OSError, ValueError):
            _write(cache_dir, name, patterns.dump())


def _database_key(rules: Sequence[Rule], *deriving: str) -> str:
    """Name what is derived from `rules`; `deriving`: the files of the modules that do it, but for the first."""
    key = hashlib.sha256(library_version().encode() + Path(model.__file__).read_bytes())  # which derives the patterns
    for file in deriving:
        key.update(Path(file).read_bytes())
    for rule in rules:
        key.update("\0".join((rule.regex, rule.names, rule.trigger, *rule.keywords, "")).encode())
    return key.hexdigest()[:32]


def _read(cache_dir: Path | None, name: str) -> bytes:
    """Read a file of the cache; `OSError` or `ValueError` if there is none that may be trusted."""
    if cache_dir is None:
        raise FileNotFoundError(name)
    handle = os.open(cache_dir / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as file:  # megabytes are not copied
        status = os.fstat(handle)
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_mode & 0o022
            or status.st_uid not in (*_TRUSTED_OWNERS, os.geteuid())
        ):
            raise ValueError(f"{name} is not only ours to write")
        title, content = file.read(len(_title(name, b""))), file.readall()
    if title != _title(name, content):
        raise ValueError(f"{name} is another file, or damaged")
    return content


def _title(name: str, content: bytes) -> bytes:
    return f"{name} {zlib.crc32(content):08x}\n".encode()


def _write(cache_dir: Path | None, name: str, content: bytes) -> None:
    if cache_dir is None:
        return
    import tempfile  # noqa: PLC0415 (4 ms with what it imports, and only a new cache needs it)

    with contextlib.suppress(OSError):
        cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache_dir, prefix=".building-")  # of mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_title(name, content) + content)
            Path(temporary).replace(cache_dir / name)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
