"""How two versions of a file differ, said without any value of either; pure.

Named are keys that both have, with another value in each. Other names are only counted: where a line begins with a
secret, it looks like a name (`=` ends base64).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from redactors import dotenv, fields

_MOST_PARSED: Final = 1 << 20  # bytes; settings are short
_MOST_NAMED: Final = 20


def differences(path: str, now: bytes, kept: bytes) -> Iterator[str]:
    """Yield lines that say how `now` differs from `kept`; none where they are equal. `path` tells the notation."""
    if now == kept:
        return
    yield f"{len(now)} bytes now, {len(kept)} bytes kept"
    if max(len(now), len(kept)) <= _MOST_PARSED:
        yield from _names(_values(path, now), _values(path, kept))
    gone, new = _only_in(kept, now), _only_in(now, kept)
    yield f"{_counted(gone, 'line')} in what is kept only, {new} in the file now only"


def _names(now: Counter[tuple[str, bytes]], kept: Counter[tuple[str, bytes]]) -> Iterator[str]:
    here, there = {name for name, _ in now}, {name for name, _ in kept}
    changed = sorted({name for name, _ in (now - kept) + (kept - now)} & here & there)
    if changed:
        more = f", and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
        yield f"other values: {', '.join(changed[:_MOST_NAMED])}{more}"
    if there - here:
        yield f"{_counted(len(there - here), 'name')} in what is kept only"
    if here - there:
        yield f"{_counted(len(here - there), 'name')} in the file now only"


def _values(path: str, data: bytes) -> Counter[tuple[str, bytes]]:
    if path.lower().endswith(".json"):
        return Counter((one.key, data[one.start : one.end]) for one in fields.json_fields(data) if one.key)
    return Counter((one.name(data), one.text(data)) for one in dotenv.parse(data))


def _only_in(one: bytes, other: bytes) -> int:
    return (Counter(one.splitlines()) - Counter(other.splitlines())).total()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
