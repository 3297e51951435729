"""What is found in a request to another host, and what becomes of it; pure.

Rules of this file:
1. What policy blocks by kind stops a request, whatever it is. Of the rest counts what is certain: issuer-shaped,
   checksummed, a known value in whatever encoding, a term of the context, text of a closed file. The host's rule says
   whether that stops the request, is replaced, or only recorded. What is only likely is recorded.
2. A placeholder is no finding. So what a swap puts in later was never judged, and never recorded.
3. A credential header is there to hold a credential, perhaps one that the host gave the inside: there only known
   values count, and kinds that policy blocks.
4. Who works here (`identity:`) is replaced where that can be done, since it says nothing about the request's purpose.
5. The log gets no value, not even one that leaves: what leaves and what is recorded are two texts where something is
   only recorded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from redactors import jsonbytes
from redactors.engine import Engine
from redactors.finding import Confidence, Finding
from redactors.vault import Origin
from wrapper.gateway.bodies import says_json
from wrapper.gateway.credential import CREDENTIAL_HEADERS
from wrapper.gateway.intercept.clean import Clean
from wrapper.gateway.intercept.exchange import Headers, RequestHead
from wrapper.gateway.outgoing import ENCODINGS, Masked, redact_target
from wrapper.gateway.unfold import Unfolding

REPLACED: Final = ""
MONITORED: Final = "monitored"
BLOCKED: Final = "blocked"
_IDENTITY: Final = "identity:"
_KNOWN: Final = "known"
_CONTEXT: Final = ("context:", "fingerprint:")
_MOST_NOTES: Final = 200  # of one text: a table of hashes is full of what is likely
_CREDENTIALS: Final = frozenset(name.encode() for name in CREDENTIAL_HEADERS)


class Weighing(NamedTuple):
    """Says what becomes of a finding: REPLACED, MONITORED or BLOCKED.

    `found` is the host's `found`; `wire` decides over a kind as `Policy.wire_action`. `replaces`: whether a text can
    have another length than it came with. `excuses`: only known values count, and kinds that policy blocks.
    `unpacks`: what is packed in a text is looked at, too. `clean` remembers heads in which nothing was found.
    """

    engine: Engine
    wire: Callable[[str], str]
    found: str
    replaces: bool = True
    excuses: bool = False
    unpacks: bool = True
    clean: Clean | None = None

    def action(self, finding: Finding) -> str:
        """Decide."""
        wire = self.wire(finding.kind)
        if wire == "block":
            return BLOCKED
        if finding.rule.startswith(_IDENTITY):
            return REPLACED if self.replaces and self.found != "record" else MONITORED
        if not self._counts(finding) or (wire == "monitor" and not self._is_outsides(finding)):
            return MONITORED
        return {"stop": BLOCKED, "redact": REPLACED}.get(self.found, MONITORED)

    def _counts(self, finding: Finding) -> bool:
        if finding.rule.startswith(_KNOWN):
            return True
        return not self.excuses and (finding.confidence is Confidence.CERTAIN or finding.rule.startswith(_CONTEXT))

    def _is_outsides(self, finding: Finding) -> bool:
        vault = self.engine.vault
        placeholder = vault.issue(finding.kind, finding.value, Origin.INSIDE).encode()
        return vault.restore(placeholder, to=Origin.INSIDE) == placeholder


class Looked(NamedTuple):
    """A text that was looked at: what may leave of it, what the log keeps, and a note of every value in it."""

    leaving: bytes
    logged: bytes
    notes: tuple[Masked, ...] = ()

    @property
    def blocked(self) -> tuple[Masked, ...]:
        """Notes of what must not leave."""
        return tuple(note for note in self.notes if note.action == BLOCKED)


class LookedHead(NamedTuple):
    """The head of a request that was looked at: `head` may leave, `target` and `headers` are for the log."""

    head: RequestHead
    target: str
    headers: Headers
    notes: tuple[Masked, ...] = ()

    @property
    def blocked(self) -> tuple[Masked, ...]:
        """Notes of what must not leave."""
        return tuple(note for note in self.notes if note.action == BLOCKED)


def look_at_found(data: bytes, content_type: bytes, found: Sequence[Finding], weighing: Weighing) -> Looked:
    """Say what becomes of what was found in a whole body, its codings undone; see `searching`."""
    if not found:
        return Looked(data, data)
    if not says_json(content_type.decode("latin-1"), data):
        return replaced(data, found, weighing)
    fitted, quotes = jsonbytes.fit(data, found)
    return replaced(data, list(_with_rest(fitted, found)), weighing, quotes=quotes)


def look_at_packed(text: bytes, weighing: Weighing) -> Iterator[Masked]:
    """Look at what is packed in a body: there nothing can be replaced, so what would be stops the request."""
    for note in _certain(text, weighing, " packed"):
        yield note._replace(action=BLOCKED) if note.action == REPLACED else note


def _with_rest(fitted: Sequence[Finding], found: Sequence[Finding]) -> Iterator[Finding]:
    """Give the fitted findings, and as they are those that do not fit: a provider's own fields are none here."""
    at = 0
    for one in found:
        if at < len(fitted) and fitted[at].start < one.end:
            yield fitted[at]
            at += 1
        else:
            yield one


def replaced(
    data: bytes, found: Sequence[Finding], weighing: Weighing, *, quotes: frozenset[int] = frozenset(), at: int = 0
) -> Looked:
    """Replace what is to be replaced; `at` is where `data` begins in the body."""
    actions = [weighing.action(one) for one in found]
    logged = weighing.engine.replace(data, found, quotes=quotes).data
    going = [one for one, action in zip(found, actions, strict=True) if action == REPLACED]
    leaving = logged if len(going) == len(found) else weighing.engine.replace(data, going, quotes=quotes).data
    return Looked(leaving, logged, tuple(_notes(found, actions, weighing.engine, at=at)))


def look_at_head(head: RequestHead, weighing: Weighing) -> LookedHead:
    """Look at request line and headers, at all at once where nothing is found: that is the rule."""
    text, clean = _as_text(head), weighing.clean
    state = None if clean is None else clean.state
    if clean is not None and clean.holds(text):
        return LookedHead(head, head.target, head.headers)
    if Unfolding(weighing.engine).find(text):
        return _each_looked_at(head, weighing)
    if clean is not None and state is not None:
        clean.add(text, state)
    return LookedHead(head, head.target, head.headers)


def _as_text(head: RequestHead) -> bytes:
    lines = [head.method.encode(), *_readings(head.target.encode("latin-1"))]
    return b"\n".join((*lines, *(b"%b: %b" % header for header in head.headers)))


def _readings(target: bytes) -> Iterator[bytes]:
    """Give a target as it stands, and as it reads percent-decoded, once or several times over."""
    yield target
    text = target.replace(b"+", b"%20")
    for _ in range(ENCODINGS):
        if b"%" not in text:
            return
        text = unquote_to_bytes(text)
        yield text


def _each_looked_at(head: RequestHead, weighing: Weighing) -> LookedHead:
    target, logged, notes = _target_looked_at(head, weighing)
    going: list[tuple[bytes, bytes]] = []
    kept: list[tuple[bytes, bytes]] = []
    for name, value in head.headers:
        looked = _header_looked_at(name, value, weighing)
        notes += looked.notes
        in_name = list(_certain(name, weighing, " header"))
        notes += in_name
        if in_name:  # a name is not written anew
            continue
        going.append((name, looked.leaving))
        kept.append((name, looked.logged))
    notes += _certain(head.method.encode(), weighing, " method")
    return LookedHead(
        RequestHead(head.method, head.authority, target, tuple(going), head.upgrade), logged, tuple(kept), tuple(notes)
    )


def _target_looked_at(head: RequestHead, weighing: Weighing) -> tuple[str, str, list[Masked]]:
    """Give the target as it leaves, as the log holds it, and notes."""
    raw = head.target.encode("latin-1")
    notes = list(_certain(b"\n".join(_readings(raw)), weighing, " url"))
    if not notes:
        return head.target, head.target, notes
    logged = redact_target(raw, weighing.engine, [])
    if list(_certain(b"\n".join(_readings(logged.encode("latin-1"))), weighing, " url")):
        notes = [note._replace(action=BLOCKED) for note in notes]  # it cannot be taken out of where it stands
        logged = "/"
    return (logged if any(note.action == REPLACED for note in notes) else head.target), logged, notes


def _header_looked_at(name: bytes, value: bytes, weighing: Weighing) -> Looked:
    in_credential = name in _CREDENTIALS
    weighing = weighing._replace(excuses=weighing.excuses or in_credential)
    found = _counting(Unfolding(weighing.engine).find(value), weighing)
    if not found:
        return Looked(value, value)
    looked = replaced(value, found, weighing)
    where = f" header {name.decode('latin-1')}"
    return looked._replace(notes=tuple(note._replace(where=where) for note in looked.notes))


def _certain(text: bytes, weighing: Weighing, where: str) -> Iterator[Masked]:
    found = _counting(Unfolding(weighing.engine).find(text), weighing)
    for note in _notes(found, [weighing.action(one) for one in found], weighing.engine):
        yield note._replace(where=where)


def _counting(found: Iterable[Finding], weighing: Weighing) -> list[Finding]:
    """Leave out what is only likely: ids and versions in headers and targets look random."""
    return [
        one
        for one in found
        if (one.confidence is Confidence.CERTAIN and (not weighing.excuses or one.rule.startswith(_KNOWN)))
        or weighing.action(one) == BLOCKED
    ]


def _notes(findings: Sequence[Finding], actions: Sequence[str], engine: Engine, *, at: int = 0) -> Iterator[Masked]:
    """One note for each value and rule, at its first place; what stops the request comes first."""
    first: dict[tuple[str, bytes, str, str], list[int]] = {}
    for finding, action in zip(findings, actions, strict=True):
        first.setdefault((finding.kind, finding.value, finding.rule, action), []).append(at + finding.start)
    worst_first = sorted(first.items(), key=lambda one: (one[0][3] != BLOCKED, one[0][3] != REPLACED))
    for (kind, value, rule, action), places in worst_first[:_MOST_NOTES]:
        placeholder = engine.vault.issue(kind, value, Origin.INSIDE)
        yield Masked(kind, placeholder, rule, f"@{places[0]}", len(places), action)
