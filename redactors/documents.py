"""What a file looks like inside: its secrets masked, its keys, comments, quotes and layout as they are.

Two depths. `whole` is for files that policy calls credentials (mode `mask`): every value that may be secret goes. The
other one is for any file: only what is certainly a secret, so that sources and fixtures still work.

A placeholder here stands for the exact bytes of its span, escapes included: written back outside, the file is the
same again, byte for byte. The value as a program sees it is what joins the known values.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import NamedTuple

from redactors import dotenv, fields, filters, jsonbytes
from redactors.baseline import Baseline, has_pragma
from redactors.engine import Engine
from redactors.finding import Confidence, Finding, Redaction
from redactors.vault import Origin

_SECRET_KEY = re.compile(
    r"(?i)pass(?:w|phrase|$|_)|(?:^|[_.-])(?:pass|pw|pwd|pin|otp|psk)$|secret|token|[_.-]key$|^key$|credential"
    r"|(?:api|access|auth|private|client|account|signing|encryption|master|session|service|ssh|host|license|deploy|app"
    r"|application)[_.-]?key|(?:^|[_.:-])auth$|_auth|authorization|webhook|dsn|conn(?:ection)?[_.-]?str|cookie|salt|jwt"
    r"|bearer|signature|seed|mnemonic"
)
_PUBLIC_KEY = re.compile(
    r"(?i)public|pubkey|_uri$|endpoint|_file$|_path$|_name$|_type$|algorithm|expir|username|lifetime|ttl"
)
_PLAIN = re.compile(
    rb"(?i)^(?:true|false|yes|no|on|off|null|none|nil|enabled?|disabled?|default|auto"
    rb"|[-+]?\d{1,6}(?:\.\d+)?(?:ms|s|m|h|d|kb|mb|gb|k|g|%)?|v?\d{1,4}(?:\.\d{1,4}){1,3}"
    rb"|dev(?:elopment)?|prod(?:uction)?|stag(?:e|ing)|test(?:ing)?|local(?:host)?|ci|debug|info|warn(?:ing)?|error|trace"
    rb"|verbose|fatal|127\.0\.0\.1|0\.0\.0\.0|::1|localhost:\d{1,5}|utf-?8|json|text|utc|[a-z]{2}_[A-Z]{2}(?:\.utf-?8)?|\*"
    rb"|https?|tcp|smtp|(?:us|eu|ap|ca|sa|af|me)-[a-z]+-\d|postgres(?:ql)?|mysql|redis|sqlite|memory|file|s3|console)$"
)
_REFERENCE = re.compile(rb"^(?:\$\{[^}]*\}|\$\w+|\{\{[^}]*\}\}|<[^>]*>|%\(?\w+\)?s?%?|\$\([^)]*\))$")
_DEFAULT = re.compile(rb"^\$\{\w+:?[-=+](.+)\}$", re.DOTALL)  # of shells, compose and dotenv: what stands for it else
_URL = re.compile(rb"^[a-z][a-z0-9+.-]*://(?P<user>[^/@\s]*@)?(?P<rest>[^\s]*)$", re.IGNORECASE)
_LONGEST_HOST = 100
_LONGEST_WORD = 24
_SHORTEST_SECRET = 8
_USER = re.compile(rb"//[^/@\s]*@")
_MARKS = re.compile(rb"[^A-Za-z0-9]+")
_SHORTEST_REST = 6  # letters and digits; fewer are no secret that could be searched for
_JSON_START = re.compile(rb"\s*(?:\{\s*[\"}/]|\[\s*[\[{\"])")
_INNER = frozenset({"private-key", "private-key-lines", "url-password", "url-token"})
_BEFORE_PASSWORD = (b":", b"/")


class _Value(NamedTuple):
    start: int
    end: int
    kind: str
    value: bytes
    name: str


def mask_document(
    path: str, data: bytes, engine: Engine, *, whole: bool, baseline: Baseline | None = None
) -> Redaction:
    """Mask the secrets of the file `path` (`/` between its parts; its name chooses the reader).

    `whole=False`: certain findings, but those that a remark or `baseline` allows. `whole=True`: besides all findings,
    every value that its notation and its key make a secret. Values are issued as OUTSIDE and join the known values.
    """
    found = [one for one in engine.find(data) if whole or one.confidence is Confidence.CERTAIN]
    if not whole:
        found = [one for one in found if not _is_allowed(path, data, one, baseline)]
    values = [_of_finding(one) for one in found]
    if whole:
        values = _merge(list(_of_fields(path, data, found, engine)), values)
    return _replace(data, values, engine)


def mask_known(data: bytes, engine: Engine) -> Redaction:
    """Mask the values that are known already and nothing else, whatever file it is."""
    found = [] if engine.known is None else engine.known.find(data)
    return _replace(data, [_of_finding(one) for one in found], engine)


def is_dotenv(path: str) -> bool:
    """Tell a dotenv file by its name: `.env`, `.env.local`, `prod.env`, `.envrc`, `.flaskenv`."""
    name = path.rpartition("/")[2].lower()
    return name in {".env", ".envrc", ".flaskenv", "env"} or name.startswith(".env.") or name.endswith(".env")


def _fields(path: str, data: bytes) -> Iterator[fields.Field]:
    name = path.rpartition("/")[2].lower()
    folder = path.rpartition("/")[0].rpartition("/")[2].lower()
    if is_dotenv(path):
        yield from (fields.Field(one.name(data), one.start, one.end) for one in dotenv.parse(data))
    elif name in {".netrc", "_netrc"}:
        yield from fields.netrc_fields(data)
    elif name in {".pgpass", "pgpass.conf"}:
        yield from fields.colon_fields(data, 4)
    elif name in {".htpasswd", "htpasswd", "shadow"}:
        yield from fields.colon_fields(data, 1)
    elif name.endswith((".json", ".jsonc", ".json5")) or _JSON_START.match(data):
        yield from fields.json_fields(data)
    elif name.endswith((".yaml", ".yml")) or "kubeconfig" in name or folder == ".kube":
        yield from fields.yaml_fields(data)
    else:
        yield from fields.ini_fields(data)


def _of_fields(path: str, data: bytes, found: Sequence[Finding], engine: Engine) -> Iterator[_Value]:
    every = is_dotenv(path)
    for key, start, end in _fields(path, data):
        text = data[start:end]
        named = key.startswith("secret.") or bool(_SECRET_KEY.search(key) and not _PUBLIC_KEY.search(key))
        if not text or _was_masked(text, engine) or not _may_be_secret(text, named=named, every=every):
            continue
        first, last = bisect_left(found, start, key=_start), bisect_left(found, end, key=_start)
        within = [one for one in found[first:last] if one.end <= end]
        is_url = bool(_URL.match(text))
        inner = [one for one in within if (one.start, one.end) != (start, end) and _is_inner(data, one, is_url=is_url)]
        if inner:
            yield from (_of_finding(one) for one in inner)
        else:
            kind = next((one.kind for one in within if (one.start, one.end) == (start, end)), _kind(key))
            yield _Value(start, end, kind, jsonbytes.unescaped(text), key)


def _is_inner(data: bytes, found: Finding, *, is_url: bool) -> bool:
    """Tell a finding that is all there is to hide in a longer value, which keeps its shape.

    A known value is, if it is a URL's password or token: once the password of a URL is known, the rule that finds it
    no longer has its say, and the placeholder must not change by that.
    """
    if found.rule in _INNER:
        return True
    stands = data[found.start - 1 : found.start] in _BEFORE_PASSWORD and data[found.end : found.end + 1] == b"@"
    return is_url and stands and found.rule == "known:raw"


def _may_be_secret(text: bytes, *, named: bool, every: bool) -> bool:
    default = _DEFAULT.match(text)
    if default:
        return _may_be_secret(default[1], named=named, every=every)
    if _REFERENCE.match(text):
        return False
    if named:
        return not re.match(rb"(?i)^(?:true|false|yes|no|null|none|nil)?$", text) and not _is_plain_url(text)
    return every and not _PLAIN.match(text) and not _is_plain_url(text)


def _was_masked(text: bytes, engine: Engine) -> bool:
    """Tell a value that is placeholders and what shows the shape of the value that they stand in.

    What else stands beside one is judged as ever: text that only looks like a placeholder must not shield a secret.
    """
    ours = engine.ours(text)
    if not ours:
        return False
    borders = pairwise((0, *chain.from_iterable(ours), len(text)))
    rest = b"".join(text[start:end] for start, end in islice(borders, 0, None, 2))
    url = _URL.match(rest)
    if url is None:
        return len(_MARKS.sub(b"", rest)) < _SHORTEST_REST
    name = (url["user"] or b"").removesuffix(b"@").removesuffix(b":")
    is_name = len(name) <= _LONGEST_WORD and b":" not in name and not _is_random_segment(name)
    return is_name and _is_plain_url(_USER.sub(b"//", rest))


def _is_plain_url(text: bytes) -> bool:
    """Tell an address that says nothing: no user, no query, a path of short words."""
    url = _URL.match(text)
    if url is None or url["user"] or b"?" in url["rest"]:
        return False
    host, _, path = url["rest"].partition(b"/")
    telling = any(len(one) > _LONGEST_WORD or _is_random_segment(one) for one in path.split(b"/"))
    return len(host) <= _LONGEST_HOST and not telling


def _is_random_segment(text: bytes) -> bool:
    return len(text) >= _SHORTEST_SECRET and filters.is_random(text)


def _kind(key: str) -> str:
    name = key.upper()
    for word in ("PASSWORD", "PASSPHRASE", "TOKEN", "SECRET", "KEY"):
        if word in name:
            return word
    return "PASSWORD" if "PASS" in name or "PWD" in name else "VALUE"


def _of_finding(found: Finding) -> _Value:
    return _Value(found.start, found.end, found.kind, found.value, "")


def _is_allowed(path: str, data: bytes, found: Finding, baseline: Baseline | None) -> bool:
    if found.rule.startswith("known"):
        return False
    if baseline is not None and baseline.allows(path, found.value):
        return True
    return has_pragma(data, found.start, found.end)


def _merge(first: Sequence[_Value], second: Sequence[_Value]) -> list[_Value]:
    """Put values in order; of those that overlap the earlier one of `first`, then of `second`, is taken."""
    taken: list[_Value] = []
    for value in (*first, *second):
        at = bisect_right(taken, value.start, key=_start)
        if (at and taken[at - 1].end > value.start) or (at < len(taken) and taken[at].start < value.end):
            continue
        taken.insert(at, value)
    return taken


def _start(one: _Value | Finding) -> int:
    return one.start


def _replace(data: bytes, values: Sequence[_Value], engine: Engine) -> Redaction:
    if not values:
        return Redaction(data, (), ())
    findings: list[Finding] = []
    placeholders: list[str] = []
    pieces: list[bytes] = []
    at = 0
    for value in values:
        span = data[value.start : value.end]
        placeholder = engine.vault.issue(value.kind, span, Origin.OUTSIDE)
        if engine.known is not None:
            engine.known.add(value.kind, value.value, Origin.OUTSIDE, name=value.name)
        pieces += (data[at : value.start], placeholder.encode())
        at = value.end
        findings.append(Finding(value.start, value.end, value.kind, Confidence.CERTAIN, "document", value.value))
        placeholders.append(placeholder)
    pieces.append(data[at:])
    return Redaction(b"".join(pieces), tuple(findings), tuple(placeholders))
