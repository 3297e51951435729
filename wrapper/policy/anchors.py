"""Places outside of this machine that keep a copy of the ledger's checkpoints, as a policy names them; pure.

`file:PATH`, `git:REPO[#REF][@REMOTE]`, `witness:URL#VKEY`, `s3:BUCKET/PREFIX[?endpoint=URL&days=N]`. What they do is in
`wrapper/anchors/`.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

GIT_REF: Final = "refs/safe-agent/ledger"
S3_DAYS: Final = 365  # how long an object is locked where the policy does not say
MOST_DAYS: Final = 36_500  # a century: what S3's Object Lock takes, too

_MOST: Final = 1000  # characters
# Expressions as texts: most policies name no anchor, and start-up should not pay for compiling them.
_PATH: Final = r"~?(?:/[^/\0]+)+"
_REF: Final = r"refs(?:/(?!\.)(?:(?!\.\.|@\{|\.lock(?:/|$))[^\s\0-\x1f\x7f ~^:?*\[\\@/])+)+"
_REMOTE: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"
_URL: Final = (
    r"(?i:https)://[A-Za-z0-9._-]+(?::[0-9]{1,5})?(?:/[!-~]*)?"
    r"|(?i:http)://(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\])(?::[0-9]{1,5})?(?:/[!-~]*)?"
)
_VKEY: Final = r"(?P<name>[^\s+#]+)\+(?P<hash>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+={0,2})"
_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_PREFIX: Final = r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*/?"
_COSIGNATURE: Final = 4  # the type of an Ed25519 cosigner's key (C2SP tlog-cosignature)


class FileAnchor(msgspec.Struct, frozen=True):
    """A file that is only ever appended to; `path` as written, absolute or below `~`."""

    path: str


class GitAnchor(msgspec.Struct, frozen=True):
    """A ref of a repository; with `remote` it is also pushed there, and read from there."""

    repository: str
    ref: str
    remote: str


class WitnessAnchor(msgspec.Struct, frozen=True):
    """A C2SP tlog-witness: its submission prefix without a final slash, and the key it signs with."""

    url: str
    vkey: str


class S3Anchor(msgspec.Struct, frozen=True):
    """Objects below `prefix` (which ends in no slash) of a bucket with Object Lock; `endpoint` empty: that of AWS."""

    bucket: str
    prefix: str
    endpoint: str
    days: int


Place = FileAnchor | GitAnchor | WitnessAnchor | S3Anchor


class AnchorFormError(ValueError):
    """A text that names no anchor: what is wrong with it, and how to write it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def parse_place(text: str) -> Place:
    """Read one anchor as a policy names it. Raises AnchorFormError."""
    kind, colon, rest = text.partition(":")
    readings: Mapping[str, Callable[[str], Place]] = {"file": _file, "git": _git, "witness": _witness, "s3": _s3}
    reading = readings.get(kind)
    if not colon or reading is None or len(text) > _MOST or not text.isprintable():
        hint = "write `file:PATH`, `git:REPO[#REF][@REMOTE]`, `witness:URL#VKEY` or `s3:BUCKET/PREFIX`"
        raise AnchorFormError("is no anchor", hint)
    return reading(rest)


def label(text: str) -> str:
    """Return an anchor's name as people say it: that of a witness without its key."""
    return text.partition("#")[0] if text.startswith("witness:") else text


def problem(text: str) -> tuple[str, str]:
    """Say what is wrong with an anchor, and how to write it; empty if nothing is."""
    try:
        parse_place(text)
    except AnchorFormError as error:
        return error.what, error.hint
    return "", ""


def _file(rest: str) -> FileAnchor:
    if not re.fullmatch(_PATH, rest) or _climbs(rest):
        raise AnchorFormError("is not the path of a file", "write `file:/mnt/audit/box.notes`, absolute or below `~/`")
    return FileAnchor(rest)


def _git(rest: str) -> GitAnchor:
    # From the right: a folder's name may hold `#` and `@`, a ref's (here) and a remote's may not
    repository, remote = rest, ""
    if at := re.fullmatch(rf"(?P<before>[^@]*|.*#[^@#]*)@(?P<remote>{_REMOTE})", rest):
        repository, remote = at["before"], at["remote"]
    path, mark, ref = repository.rpartition("#")
    path, ref = (path, ref) if mark else (repository, GIT_REF)
    hint = "write `git:/srv/audit.git#refs/safe-agent/ledger@origin`; `#REF` and `@REMOTE` may be left out"
    if not re.fullmatch(_PATH, path) or _climbs(path):
        raise AnchorFormError("does not name a repository by its path", hint)
    if not re.fullmatch(_REF, ref):
        raise AnchorFormError(f'has "{ref}" where the full name of a ref belongs', hint)
    return GitAnchor(path, ref, remote)


def _witness(rest: str) -> WitnessAnchor:
    url, _, vkey = rest.partition("#")
    hint = "write `witness:https://HOST[/PATH]#NAME+HASH+KEY`, as its operator gives them"
    if not re.fullmatch(_URL, url) or "?" in url:
        raise AnchorFormError("is not the address of a witness (https, or plain http on this machine)", hint)
    found = re.fullmatch(_VKEY, vkey)
    if found is None:
        raise AnchorFormError("does not say the witness's key after `#`", hint)
    if not _is_cosigner(found["key"]):
        raise AnchorFormError(
            "has a key that is none of an Ed25519 cosigner", "its type must be 0x04 (tlog-cosignature)"
        )
    return WitnessAnchor(url.rstrip("/"), vkey)


def _is_cosigner(text: str) -> bool:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return len(key) == 33 and key[0] == _COSIGNATURE


def _s3(rest: str) -> S3Anchor:
    place, _, query = rest.partition("?")
    bucket, _, prefix = place.partition("/")
    hint = "write `s3:BUCKET/PREFIX`, with `?endpoint=URL&days=N` if need be"
    if not re.fullmatch(_BUCKET, bucket):
        raise AnchorFormError("does not name a bucket", hint)
    if not re.fullmatch(_PREFIX, prefix) or _climbs(prefix):
        raise AnchorFormError("does not name a prefix of its own in the bucket", hint)
    options = _options(query, hint)
    endpoint, days = options.get("endpoint", ""), options.get("days", str(S3_DAYS))
    if endpoint and (not re.fullmatch(_URL, endpoint) or "?" in endpoint or "#" in endpoint):
        raise AnchorFormError("has an endpoint that is no address (https, or plain http on this machine)", hint)
    if not re.fullmatch(r"[1-9][0-9]{0,4}", days) or int(days) > MOST_DAYS:
        raise AnchorFormError(f"locks for a number of days from 1 to {MOST_DAYS}", hint)
    return S3Anchor(bucket, prefix.rstrip("/"), endpoint.rstrip("/"), int(days))


def _options(query: str, hint: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for option in query.split("&") if query else ():
        key, sign, value = option.partition("=")
        if key not in ("endpoint", "days") or not sign or key in found:
            raise AnchorFormError(f'has "{option}" where `endpoint=` or `days=` may stand, once each', hint)
        found[key] = value
    return found


def _climbs(path: str) -> bool:
    return any(part in ("..", ".") for part in path.split("/"))
