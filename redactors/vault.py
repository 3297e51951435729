"""Placeholders and the values behind them.

Rules of this file:
1. A placeholder is `MASKED-<KIND>-<TAG>`; TAG is the first 40 bits of HMAC-SHA256(masking key, value) in Crockford
   base32, so one value has one tag for ever on this machine and a tag says nothing about its value.
2. Values live in memory only. `repr` and exceptions never show one.
3. A value once known to come from outside (a masked file, a masked variable) stays so: towards the inside it is never
   restored again, whoever else claims it later.
4. What was restored is never searched again: a value that looks like a placeholder cannot pull in another one.
5. A withheld value is not put into files: its placeholder stays in them, until a file is seen to hold the value.
6. A value may have a prefix (`ghp_`), which clients look for: from then on its placeholder is the prefix and then
   `MASKED-<KIND>-<TAG>`. The form without stands for the value too: it may have been given out before.
"""

import enum
import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from redactors.nearly import NearMiss, Parts, near_misses

# No kind is longer than that may be; without an end, text full of marks would be read again from each of them.
PLACEHOLDER = rb"MASKED-[A-Z0-9]{1,64}(?:-[A-Z0-9]{1,64}){0,31}-[0-9A-HJKMNP-TV-Z]{8}"
"""The shape of a placeholder as a regular expression over bytes (not anchored)."""

MARK = b"MASKED-"
"""What every placeholder begins with, behind its prefix if it has one."""
LONGEST_PREFIX = 32
"""Bytes. The longest that an issuer's tokens begin with has some 20."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U, so a tag survives being read aloud
_TAG_BITS = 40
_TAG_CHARACTERS = 8
_LONGEST_KIND = 64
_RUN = re.compile(rb"MASKED-[A-Z0-9-]{1,80}")  # longer than any placeholder
_TAG_BEHIND = re.compile(rb"-(?=[0-9A-HJKMNP-TV-Z]{8})")
_OPEN_END = re.compile(rb"MASKED-[A-Z0-9-]{0,121}\Z")
_WHOLE_END = re.compile(PLACEHOLDER + rb"\Z")
_LONGEST_OPEN = 128  # bytes: a placeholder without its prefix has 80 at most
_UNFIT = re.compile(r"[^A-Z0-9]+")
# What stays valid wherever a placeholder does; two of the characters are in no placeholder, but in what issuers write.
_PREFIX = re.compile(r"(?!.*MASKED-)[A-Za-z0-9_.-]{0,%d}" % LONGEST_PREFIX)  # noqa: UP031 (braces)
KEY_BYTES = 32


class Origin(enum.Enum):
    """Who knows the value: OUTSIDE, only the user's machine; INSIDE, the sandboxed agent has it already."""

    OUTSIDE = "outside"
    INSIDE = "inside"


class Issued(NamedTuple):
    """One placeholder that was given out, and what stands behind it; `placeholder` begins with its `prefix`."""

    placeholder: str
    kind: str
    value: bytes
    origin: Origin
    prefix: str = ""

    def __repr__(self) -> str:
        """Show all but the value: rule 2."""
        return f"Issued({self.placeholder!r}, {self.kind!r}, {self.origin})"

    @property
    def bare(self) -> str:
        """The placeholder without its prefix."""
        return self.placeholder[len(self.prefix) :]


def identity(value: bytes) -> bytes:
    """Give back `value` as it is: the quoting of a context that needs none."""
    return value


class Vault:
    """Issues placeholders and turns them back into values; safe to share between threads of one process.

    `key` is the user's 32-byte masking key; `ValueError` if its length is another.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a masking key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._by_value: dict[bytes, Issued] = {}
        self._by_placeholder: dict[bytes, Issued] = {}
        self._parts = Parts()
        self._withheld: frozenset[bytes] = frozenset()
        self._prefixes: tuple[bytes, ...] = ()
        self._writing = threading.Lock()

    def __repr__(self) -> str:
        return f"<Vault of {len(self._by_value)} values>"

    def __len__(self) -> int:
        return len(self._by_value)

    def issue(self, kind: str, value: bytes, origin: Origin, prefix: str = "") -> str:
        """Give the placeholder of `value`, the same one for ever, but that it gets a `prefix` when one is first given.

        `kind` is made fit (upper case, words joined by `-`) and stays that of the first call, as does `prefix`. An
        OUTSIDE value stays OUTSIDE. `ValueError` for an empty value, and for a prefix of other characters than
        letters, digits, `_`, `.` and `-`.
        """
        known = self._by_value.get(value)
        if known is not None and not _is_news(known, origin, prefix):
            return known.placeholder
        if not value:
            raise ValueError("an empty value has no placeholder")
        if not _PREFIX.fullmatch(prefix):
            raise ValueError("a prefix has letters, digits, `_`, `.` and `-` only, and no placeholder in it")
        with self._writing:
            issued = self._now(self._by_value.get(value), kind, value, origin, prefix)
            self._by_value[value] = issued
            self._by_placeholder[issued.bare.encode()] = issued
            self._parts.add(issued.bare)
            if prefix:
                self._prefixes = tuple(dict.fromkeys((*self._prefixes, issued.prefix.encode())))
            return issued.placeholder

    def _now(self, known: Issued | None, kind: str, value: bytes, origin: Origin, prefix: str) -> Issued:
        """Say what is issued for a value from now on."""
        if known is None:
            return Issued(prefix + self._free_placeholder(_fit(kind), value), _fit(kind), value, origin, prefix)
        return Issued(
            (known.prefix or prefix) + known.bare,
            known.kind,
            value,
            Origin.OUTSIDE if Origin.OUTSIDE in (known.origin, origin) else Origin.INSIDE,
            known.prefix or prefix,
        )

    def restore(self, data: bytes, *, to: Origin, quote: Callable[[bytes], bytes] = identity) -> bytes:
        """Put values back for their placeholders.

        `to=OUTSIDE` restores every issued placeholder; `to=INSIDE` only those whose value the inside already had.
        `quote` escapes a value for the place it goes to (a JSON string, a shell word). Placeholders that were never
        issued stay as they are. Data without the mark is given back as the same object.
        """
        return self._restored(data, lambda one: to is Origin.OUTSIDE or one.origin is Origin.INSIDE, quote)

    def restore_in_file(self, data: bytes, real: bytes = b"", shown: bytes = b"") -> bytes:
        """Put values back in what was written to a file: all that were issued, but those that are withheld.

        Of these, `real` content that is `shown` with placeholders keeps those that it holds; see `release`.
        """
        withheld = self._withheld - self._held(real, shown)
        return self._restored(data, lambda one: one.value not in withheld)

    def restore_where(self, data: bytes, may: Callable[[Issued], bool]) -> bytes:
        """Put values back in what was written to a file, of the placeholders of which `may` says so."""
        return self._restored(data, may)

    def holds(self, real: bytes, shown: bytes) -> frozenset[bytes]:
        """Give the values that `real` content holds, which is `shown` with placeholders; see `release`."""
        return self._holds(real, shown, lambda _value: True)

    @property
    def withholds(self) -> bool:
        """Whether any value is withheld."""
        return bool(self._withheld)

    def withhold(self, values: Iterable[bytes]) -> None:
        """Keep these values out of files; adds to those that are withheld already."""
        self._withheld |= frozenset(values)

    def release(self, real: bytes, shown: bytes) -> None:
        """Withhold no longer what a file holds; `shown` is its `real` content with placeholders.

        A placeholder that stands in the real content, as one that was withheld does, is none of a value it holds.
        """
        self._withheld -= self._held(real, shown)

    def _held(self, real: bytes, shown: bytes) -> frozenset[bytes]:
        return self._holds(real, shown, self._withheld.__contains__) if self._withheld else frozenset()

    def _holds(self, real: bytes, shown: bytes, wanted: Callable[[bytes], bool]) -> frozenset[bytes]:
        marks = (self._longest_issued(shown, mark.start()) for mark in _RUN.finditer(shown))
        found = {one.value: one.bare.encode() for one in marks if one is not None and wanted(one.value)}
        return frozenset(value for value, mark in found.items() if shown.count(mark) > real.count(mark))

    def _restored(
        self, data: bytes, may: Callable[[Issued], bool], quote: Callable[[bytes], bytes] = identity
    ) -> bytes:
        if MARK not in data:
            return data

        out: list[bytes] = []
        done, at = 0, data.find(MARK)
        while at >= 0:
            found = self._longest_issued(data, at)
            if found is None or not may(found):
                at = data.find(MARK, at + 1)
                continue
            out += data[done : at - _before(found, data, at, done)], quote(found.value)
            done = at + len(found.bare)
            at = data.find(MARK, done)
        return b"".join((*out, data[done:])) if out else data

    def near_misses(self, data: bytes) -> list[NearMiss]:
        """Find text that was meant as an issued placeholder and is none, so that it is not restored: see `nearly`."""
        return near_misses(data, self._parts)

    def prefix_before(self, data: bytes, mark: int) -> int:
        """Give how many bytes before `mark`, where a placeholder begins, are its prefix."""
        found = self._longest_issued(data, mark)
        return 0 if found is None else _before(found, data, mark)

    def may_go_on(self, data: bytes) -> int:
        """Give where the end of `data` begins that may become a placeholder when more comes; its length for none."""
        run = _OPEN_END.search(data, max(0, len(data) - _LONGEST_OPEN))
        if run:
            before = max((len(one) for one in self._prefixes if data.endswith(one, 0, run.start())), default=0)
            # A prefix may be the end of the placeholder before, where nothing stands between the two.
            behind = before and _WHOLE_END.search(data, max(0, run.start() - _LONGEST_OPEN), run.start())
            return run.start() if behind else run.start() - before
        return len(data) - max((overlap(data, one + MARK) for one in (b"", *self._prefixes)), default=0)

    def issued(self) -> Iterator[Issued]:
        """Everything issued so far, in order of first issue; later issues do not disturb the iteration."""
        return iter(tuple(self._by_value.values()))

    def value_of(self, placeholder: str) -> bytes | None:
        """Give the value behind `placeholder`, with its prefix or without, or None if it was never issued."""
        text = placeholder.encode("utf-8", "replace")
        found = self._by_placeholder.get(text[max(0, text.find(MARK)) :])
        return found.value if found is not None and placeholder in (found.placeholder, found.bare) else None

    def placeholder_of(self, value: bytes) -> str | None:
        """Give the placeholder of `value`, or None if it was never issued."""
        found = self._by_value.get(value)
        return None if found is None else found.placeholder

    def _longest_issued(self, data: bytes, at: int) -> Issued | None:
        """Find the issued placeholder at `at`; what follows may look like more: `MASKED-KEY-ABCDEFGH-12345678`."""
        run = _RUN.match(data, at)
        for border in reversed([tag.start() for tag in _TAG_BEHIND.finditer(run.group())] if run else []):
            found = self._by_placeholder.get(data[at : at + border + _TAG_CHARACTERS + 1])
            if found is not None:
                return found
        return None

    def _free_placeholder(self, kind: str, value: bytes) -> str:
        """Use the digest's next 40 bits if another value owns this placeholder: two values must never share one."""
        digest = int.from_bytes(hmac.digest(self._key, value, hashlib.sha256), "big")
        for place in range(256 // _TAG_BITS):
            bits = digest >> (256 - _TAG_BITS * (place + 1)) & ((1 << _TAG_BITS) - 1)
            tag = "".join(_ALPHABET[bits >> shift & 31] for shift in range(_TAG_BITS - 5, -1, -5))
            placeholder = f"MASKED-{kind}-{tag}"
            if placeholder.encode() not in self._by_placeholder:
                return placeholder
        raise ValueError("no free placeholder: the masking key is not random")


def _is_news(known: Issued, origin: Origin, prefix: str) -> bool:
    is_new_origin = known.origin is Origin.INSIDE and origin is Origin.OUTSIDE
    return is_new_origin or (prefix != "" and known.prefix == "")


def _before(issued: Issued, data: bytes, mark: int, low: int = 0) -> int:
    """Give how many bytes before `mark`, from `low` on, are the prefix of what was issued."""
    return len(issued.prefix) if data.endswith(issued.prefix.encode(), low, mark) else 0


def overlap(data: bytes, text: bytes) -> int:
    """Give how much of `text` the end of `data` may begin; less than all of it."""
    return next((size for size in range(min(len(text) - 1, len(data)), 0, -1) if data.endswith(text[:size])), 0)


def _fit(kind: str) -> str:
    """Make `kind` fit for a placeholder: `aws_secret.key` becomes `AWS-SECRET-KEY`."""
    return _UNFIT.sub("-", kind.upper())[:_LONGEST_KIND].strip("-") or "SECRET"
