"""Secrets that a rule found once, found again where nothing says any more that they are one.

`DB_PASSWORD=…` is found by its key. What stands behind it leaves as a placeholder, the model repeats that, the inside
gets the value for it, and the next request holds the value in the model's own words, without a key.

Rules of this file:
1. What the inside got for a placeholder is searched for from then on, before any of it can be sent back: it needs no
   key and no border. But words that are found for certain standing alone, as a policy's terms are, would so be found
   within other words: of them that counts which were put into the middle of a word.
2. It counts as known: it is found in what is named like a field of the provider's own, too.
3. Searched for is also what looks random, as soon as a rule has found it: elsewhere in the same request, and in all
   later ones; of so many values that whoever invents secrets does not make the search slow.
4. What stands there in another form (base64, hex) has a placeholder of its own: what is put back is what stood there.
5. What is too short or too common to be searched for (`KnownValues`) is not.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from redactors.commonplace import windows
from redactors.context import as_read
from redactors.finding import Confidence, Finding
from redactors.known import KnownValues
from redactors.terms import spelled
from redactors.vault import MARK, Origin, Vault
from wrapper.gateway.attached import PACKED

_RULE: Final = "again:"
_KNOWN: Final = "known:"
_DECIDED: Final = ("fingerprint:", "identity:")  # of these policy has a word of its own, and tells them by their rules
_FOUND_OTHERWISE: Final = (_KNOWN, _RULE, *_DECIDED)  # not by a rule
_ANY: Final = "SECRET"
_LONGEST: Final = 1 << 16  # bytes; keys have a few thousand, and each form of a value is kept
_MOST: Final = 1_000  # random values; each costs a quarter of a millisecond, once
_LONGEST_TERM: Final = 64  # bytes, generously


class Recurring:
    """Finds them: a source of an engine (`Engine.with_sources`); may be used from any thread.

    `alone` finds what the engine finds without this; `changed` is called when there is more to be found.
    """

    def __init__(self, vault: Vault, alone: Callable[[bytes], Sequence[Finding]], changed: Callable[[], None]) -> None:
        self._vault = vault
        self._alone = alone
        self._changed = changed
        self._known = KnownValues(vault)
        self._kinds: dict[bytes, str] = {}
        self._restored: set[tuple[bytes, bool]] = set()
        self._terms: tuple[bytes, ...] = ()
        self._spelled: re.Pattern[bytes] | None = None
        self._changing = threading.Lock()

    def find(self, data: bytes) -> Iterator[Finding]:
        """Find them, in whatever form; see `KnownValues.find`."""
        for found in self._known.find(data):
            rule = _KNOWN if (found.value, False) in self._restored else _RULE
            rule += found.rule.rpartition(":")[2]
            yield found._replace(rule=rule, value=as_read(data[found.start : found.end]))
        for term in self._spelled.finditer(data) if self._spelled is not None else ():
            value = as_read(term[0])
            yield Finding(*term.span(), self._kind(value), Confidence.CERTAIN, f"{_RULE}term", value)

    def marked(self, findings: Iterable[Finding]) -> list[Finding]:
        """Say of those that the inside got for a placeholder that they are known, whatever has found them."""
        return [self._marked(found) if (found.value, False) in self._restored else found for found in findings]

    def learn(self, replaced: Iterable[Finding]) -> bool:
        """Take notice of what is replaced in a request; whether something in it may stand elsewhere in it too."""
        fresh = {found.value: found.kind for found in replaced if _is_fresh(found, self._kinds)}
        self._kinds |= fresh
        before = self._known.generation
        for value in fresh:
            if self._known.generation < _MOST and windows(value).edges:
                self._search_for(value)
        if self._known.generation == before:
            return False
        self._changed()
        return True

    def restored(self, value: bytes, *, joined: bool = False) -> None:
        """Take notice, before it happens, that the inside gets a value for a placeholder; `joined`: within a word."""
        if (value, joined) in self._restored:
            return
        with self._changing:
            if not self._is_term(value):
                self._search_for(value)
            elif joined:
                self._terms = tuple(dict.fromkeys((*self._terms, value)))
                self._spelled = re.compile(b"|".join(spelled(one.decode()) for one in self._terms))
            self._restored |= {(value, False), (value, joined)}  # last: another thread then has to wait for nothing
            self._changed()

    def _marked(self, found: Finding) -> Finding:
        keeps = found.rule.startswith((_KNOWN, *_DECIDED))
        return found if keeps else found._replace(rule=_KNOWN + found.rule)

    def _search_for(self, value: bytes) -> None:
        if len(value) <= _LONGEST:
            self._known.add(self._kind(value), value, Origin.INSIDE)

    def _kind(self, value: bytes) -> str:
        """Give the kind under which it was found; of what no rule has found, the one that its placeholder tells."""
        placeholder = self._vault.placeholder_of(value) or ""
        return self._kinds.get(value) or placeholder.partition(MARK.decode())[2].rpartition("-")[0] or _ANY

    def _is_term(self, value: bytes) -> bool:
        return len(value) <= _LONGEST_TERM and any(
            found.confidence is Confidence.CERTAIN and found.start == 0 and found.end == len(value)
            for found in self._alone(value)
        )


def _is_fresh(found: Finding, seen: dict[bytes, str]) -> bool:
    return found.value not in seen and not found.rule.removeprefix(PACKED).startswith(_FOUND_OTHERWISE)
