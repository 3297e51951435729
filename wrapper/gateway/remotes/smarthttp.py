"""git's requests by https, at hosts that `[[remotes]]` has repositories of; an `intercept.pipeline.Inspection`.

Rules of this file:
1. What could be git's is: a request that any server might take for one of git's is covered, however its path is
   written, also where it stands in a header (WebDAV's `Destination`). What may be is written in one way only, with none
   of these headers, so that nothing is compared which the server reads otherwise.
2. The smart protocol (gitprotocol-http(5)) for listed repositories: fetching from all of them, pushing as their `push`
   says. The dumb protocol's reads, and LFS: reading from all of them, writing where there is a `push`.
3. A push is read from its beginning, and held until it is judged.
"""

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Body, Headers, RequestHead
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.intercept.pipeline import AnsweredError
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.remotes.addresses import RECEIVE, UPLOAD, repository
from wrapper.gateway.remotes.gate import PushGate, RefusedPushError
from wrapper.policy.egress import RemoteRule, readings
from wrapper.ports import AsyncAuditSink

_HTTPS: Final = 443
_ENDS: Final = re.compile(r"(?:git|ssh)-(?:upload-pack|receive-pack|upload-archive)")  # `ssh-…`: GitLab's own
_ROUNDS: Final = 8  # of percent signs over percent signs: nobody who means well writes more
_LETTERS: Final = str.maketrans("?#", "__")
# Headers by which a request is one for another path or method: those of `intercept.routes`, and RFC 4918's.
_PATHS: Final = (b"x-original-url", b"x-rewrite-url", b"x-forwarded-path", b"x-override-url", b"destination")
_METHODS: Final = (b"x-http-method-override", b"x-http-method", b"x-method-override")
_ORIGIN: Final = re.compile(r"(?i)[a-z][a-z0-9+.-]*://[^/?#]*")
_READS: Final = ("GET", "HEAD", "OPTIONS")
_JSON: Final = (b"application/vnd.git-lfs+json", b"application/json")
_QUERY: Final = re.compile(r"(?:^|&)service=git-", re.IGNORECASE)
_REFS: Final = "info/refs"
_BATCH: Final = "info/lfs/objects/batch"
_LFS: Final = re.compile(r"(?:info/lfs|gitlab-lfs)/[\w./-]+")  # git-lfs docs/api; the second is GitLab's store
_DUMB: Final = re.compile(
    r"HEAD|objects/info/(?:packs|alternates|http-alternates)|objects/[0-9a-f]{2}/[0-9a-f]{38,62}"
    r"|objects/pack/pack-[0-9a-f]{40,64}\.(?:pack|idx)"
)
_MOST_BATCH: Final = 2**20  # bytes: git-lfs asks for 100 objects at once, some 10 kB
_MOST_DRAINED: Final = 2**30  # bytes of a refused push that git is let to send before it looks at the answer
_RESULT: Final = b"application/x-git-receive-pack-result"


class GitRequests:
    """Lets git do at intercepted hosts what `rules` (those by https) allow. `redact` as in `gate.PushGate`."""

    def __init__(
        self,
        rules: Iterable[RemoteRule],
        sink: AsyncAuditSink,
        *,
        redact: Callable[[bytes], bytes],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = tuple(one for one in rules if not one.ssh)
        self._sink = sink
        self._redact = redact
        self._clock = clock

    def covers(self, head: RequestHead, destination: Destination) -> bool:
        """Tell whether a request could be git's, at a host of which there are repositories."""
        return bool(self._at(destination)) and any(_could_be_gits(head.method, one) for one in _targets(head))

    async def inspected(self, head: RequestHead, body: Body | None) -> Body | None:
        """Give the body on. RefusedError for what no rule allows, AnsweredError for a push that may not be."""
        host, _, port = head.authority.partition(":")
        what = _wanted(head, self._at(Destination(host.lower(), int(port) if port.isdigit() else _HTTPS)))
        odd = head.upgrade or any(name in (*_PATHS, *_METHODS) for name, _ in head.headers)
        if odd or (head.get(b"content-encoding") or b"identity") != b"identity":
            raise RefusedError(403, "this is not how git asks")
        if what.endpoint == RECEIVE:
            return await self._pushed(what.rule, body)
        if what.endpoint == _BATCH and not what.rule.push:
            return await _only_downloads(what.rule, head, body)
        return body

    def is_packed(self, head: RequestHead) -> bool:
        """Tell whether a covered request's body is a push: git has compressed it, and its commands were looked at."""
        return head.method == "POST" and head.target.endswith(f"/{RECEIVE}")

    def _at(self, destination: Destination) -> tuple[RemoteRule, ...]:
        return tuple(one for one in self._rules if (one.host.lower(), one.port or _HTTPS) == destination)

    async def _pushed(self, rule: RemoteRule, body: Body | None) -> Body:
        gate = PushGate(rule, self._sink, redact=self._redact, clock=self._clock)
        first: list[bytes] = []
        if body is None:
            raise RefusedError(403, "a push without anything in it")
        pieces = aiter(body)
        try:
            async for piece in pieces:
                first.append(piece)
                if await gate.opens(piece):
                    return _Resumed(b"".join(first), pieces, body)
        except RefusedPushError as error:
            await _drain(pieces)
            raise _answered(error) from error
        raise RefusedError(403, "a push that ends before it is said what it writes")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One request of git's: by which rule, and what stands behind the repository's path."""

    rule: RemoteRule
    endpoint: str


@dataclass(frozen=True, slots=True)
class _Resumed:
    """A body of which the beginning was read."""

    first: bytes
    pieces: AsyncIterator[bytes]
    body: Body

    @property
    def length(self) -> int | None:
        return self.body.length

    @property
    def trailers(self) -> Headers:
        return self.body.trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.first
        async for piece in self.pieces:
            yield piece


def _targets(head: RequestHead) -> Iterator[str]:
    """Give all that a request may be taken to be for, in origin form."""
    yield head.target
    for name, value in head.headers:
        if name in _PATHS:
            path = _ORIGIN.sub("", value.decode("latin-1").strip())
            yield path if path.startswith("/") else f"/{path}"


def _could_be_gits(method: str, target: str) -> bool:
    path, _, query = target.partition("?")
    bare = path
    for _ in range(_ROUNDS):  # some servers undo percent signs twice
        if (undone := unquote(bare)) == bare:
            break
        bare = undone
    else:
        return True
    # `?` and `#` that were written as `%3F` and `%23` end a path for some servers, and are letters for others
    read = [readings(bare), readings(bare.translate(_LETTERS))]
    return (
        not all(read)
        or bool(_QUERY.search(unquote(query)))
        or any(_is_gits(one, reads=method in _READS) for paths in read for one in paths)
    )


def _is_gits(path: str, *, reads: bool) -> bool:
    parts = [one.partition(";")[0].lower() for one in path.rstrip("/").split("/")]
    return (
        bool(_ENDS.fullmatch(parts[-1]))
        or parts[-2:] == ["info", "refs"]
        or any(one.endswith(".git") for one in (parts[:-1] if reads else parts))
        or ("info", "lfs") in pairwise(parts)
    )


def _wanted(head: RequestHead, rules: Iterable[RemoteRule]) -> _Wanted:
    """Find the rule by which a request may be. Raises RefusedError."""
    path, mark, query = head.target.partition("?")
    one = _by_path(path, tuple(rules))
    endpoint, pushes = one.endpoint, bool(one.rule.push)
    reads, posts = head.method in ("GET", "HEAD"), head.method == "POST"
    if endpoint == _REFS and query == f"service={RECEIVE}" and not pushes:
        raise _no_push(one.rule)
    fits = (
        (endpoint == _REFS and reads and (query in (f"service={UPLOAD}", f"service={RECEIVE}") or not mark))
        or (endpoint == UPLOAD and posts and not mark)
        or (_DUMB.fullmatch(endpoint) and reads and not mark)
        or (_LFS.fullmatch(endpoint) and ".." not in endpoint and _may_lfs(head.method, endpoint, pushes=pushes))
    )
    if endpoint == RECEIVE and posts and not mark:
        if not pushes:
            raise _no_push(one.rule)
        return one
    if not fits:
        raise RefusedError(403, f"`{head.method}` of this is nothing that git does with {one.rule.url}")
    return one


def _by_path(path: str, rules: tuple[RemoteRule, ...]) -> _Wanted:
    for rule in rules:
        name = repository(rule.path)
        for start in (f"/{name}.git/", f"/{name}/"):
            if name and path.startswith(start):
                return _Wanted(rule, path.removeprefix(start))
    known = ", ".join(one.url for one in rules)
    raise RefusedError(
        403,
        f"no `[[remotes]]` of the policy is about this repository (at this host there are: {known})",
        hint="if the user wants it, they add a `[[remotes]]` with its url to their policy",
    )


def _may_lfs(method: str, endpoint: str, *, pushes: bool) -> bool:
    if method in ("GET", "HEAD"):
        return True
    if pushes:
        return method in ("POST", "PUT")
    return method == "POST" and endpoint in (_BATCH, "info/lfs/locks/verify")


def _no_push(rule: RemoteRule) -> RefusedError:
    return RefusedError(
        403,
        f"policy lets {rule.url} be fetched from only",
        hint=f"ask the user to set `push` of the `[[remotes]]` in {rule.rule.file}:{rule.rule.line}",
    )


async def _only_downloads(rule: RemoteRule, head: RequestHead, body: Body | None) -> Body:
    """Read a batch of LFS (git-lfs docs/api/batch.md) and give it on, where it takes nothing but downloads."""
    media = [value.partition(b";")[0].strip().lower() for name, value in head.headers if name == b"content-type"]
    if len(media) != 1 or media[0] not in _JSON:  # what is JSON may be a form, too, and say something else as one
        raise RefusedError(403, "a batch that is not said to be JSON")
    data = bytearray()
    async for piece in body or Whole(b""):
        data += piece
        if len(data) > _MOST_BATCH:
            raise RefusedError(413, f"a batch of more than {_MOST_BATCH} bytes")
    keys: list[tuple[str, object]] = []
    try:
        json.loads(bytes(data), object_pairs_hook=keys.extend)
    except (ValueError, RecursionError):
        raise RefusedError(403, "a batch that is no JSON") from None
    # a server may take the last of two equal keys, or not mind their case
    said = [value for key, value in keys if key.lower() == "operation"]
    if not said or any(one != "download" for one in said):
        raise _no_push(rule)
    return Whole(bytes(data))


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > _MOST_DRAINED:
            return


def _answered(error: RefusedPushError) -> RefusedError:
    if not error.report:
        return RefusedError(403, error.what, hint=error.hint)
    headers = ((b"content-type", _RESULT), (b"cache-control", b"no-cache"))
    return AnsweredError(Answer(AnswerHead(200, headers), Whole(error.report)), error.what, hint=error.hint)
