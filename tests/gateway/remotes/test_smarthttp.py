"""Which requests at a host with repositories are git's, and which of them may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.remotes.forge import by_https, by_ssh
from tests.gateway.remotes.sshing import as_it_is
from tests.gateway.wire import MemorySink, in_loop
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Headers, RequestHead
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.remotes.smarthttp import GitRequests

HOST = "forge.test"
READS, WRITES = by_https("/org/read.git"), by_https("/org/repo.git", "agent/*")
ELSEWHERE = by_https("/org/repo.git", port=8443)
GIT = GitRequests((READS, WRITES, ELSEWHERE, by_ssh("org/ssh.git", "*")), MemorySink(), redact=as_it_is)


def head(method: str, target: str, authority: str = HOST, headers: Headers = ()) -> RequestHead:
    return RequestHead(method, authority, target, headers)


JSON = ((b"content-type", b"application/vnd.git-lfs+json; charset=utf-8"),)


async def passes(
    method: str, target: str, data: bytes | None = None, authority: str = HOST, headers: Headers = JSON
) -> bool:
    body = None if data is None else Whole(data)
    try:
        given_on = await GIT.inspected(head(method, target, authority, headers), body)
    except RefusedError:
        return False
    got = None if given_on is None else b"".join([piece async for piece in given_on])
    assert got == data
    return True


NOT_GITS = [
    "/", "/org/repo", "/org/repo/issues?q=git-upload-pack", "/org/other/pull/1", "/api/v4/projects/org%2Frepo/issues",
    "/org/repo/blob/main/docs/git-upload-pack.md", "/org/repo.git", "/login", "/org/other/info", "/explore?service=x",
]  # fmt: skip


@pytest.mark.parametrize("target", NOT_GITS)
def test_what_is_not_gits_is_for_others_to_judge(target: str) -> None:
    assert not GIT.covers(head("GET", target), Destination(HOST, 443))


def test_only_hosts_with_repositories_by_https_are_looked_at() -> None:
    one = head("POST", "/org/repo.git/git-receive-pack")
    assert GIT.covers(one, Destination(HOST, 443))
    assert GIT.covers(one, Destination(HOST, 8443))
    assert not GIT.covers(one, Destination(HOST, 444))
    assert not GIT.covers(one, Destination("other.test", 443))


@pytest.mark.parametrize(
    ("method", "rest", "reads", "writes"),
    [
        ("GET", "info/refs?service=git-upload-pack", True, True),
        ("GET", "info/refs?service=git-receive-pack", False, True),
        ("GET", "info/refs", True, True),
        ("POST", "info/refs?service=git-upload-pack", False, False),
        ("POST", "git-upload-pack", True, True),
        ("GET", "git-upload-pack", False, False),
        ("POST", "git-receive-pack", False, True),
        ("GET", "HEAD", True, True),
        ("GET", "objects/info/packs", True, True),
        ("GET", f"objects/ab/{'c' * 38}", True, True),
        ("GET", f"objects/pack/pack-{'d' * 40}.idx", True, True),
        ("PUT", f"objects/ab/{'c' * 38}", False, False),
        ("MKCOL", "objects/ab", False, False),
        ("GET", "info/lfs/objects/1234", True, True),
        ("POST", "info/lfs/locks/verify", True, True),
        ("POST", "info/lfs/locks", False, True),
        ("PUT", "gitlab-lfs/objects/1234/5", False, True),
        ("DELETE", "info/lfs/objects/1234", False, False),
        ("GET", "config", False, False),
        ("GET", "x", False, False),
    ],
)
@in_loop
async def test_each_of_gits_requests_may_be_where_its_repository_lets_it(
    method: str, rest: str, *, reads: bool, writes: bool
) -> None:
    data = b"0000" if method == "POST" else None
    for ending in (".git", ""):
        assert await passes(method, f"/org/read{ending}/{rest}", data) is reads
        assert await passes(method, f"/org/repo{ending}/{rest}", data) is writes
    assert not await passes(method, f"/org/ssh.git/{rest}", data)
    assert not await passes(method, f"/org/read.git/{rest}", data, authority=f"{HOST}:8443")


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        (json.dumps({"operation": "download", "objects": []}), True),
        (json.dumps({"operation": "upload", "objects": []}), False),
        ('{"operation": "download", "operation": "upload"}', False),
        ('{"operation": "upload", "operation": "download"}', False),
        ('{"operation": "download", "Operation": "upload"}', False),
        ('{"operation": ["download"]}', False),
        ("{}", False),
        ("[]", False),
        ('"download"', False),
        ('{"operation": "download"', False),
        ("[" * 100_000, False),
        ("", False),
    ],
)
@in_loop
async def test_a_batch_of_large_files_is_only_of_downloads_where_nothing_may_be_pushed(
    text: str, *, reads: bool
) -> None:
    assert await passes("POST", "/org/read.git/info/lfs/objects/batch", text.encode()) is reads
    assert await passes("POST", "/org/repo.git/info/lfs/objects/batch", text.encode())


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"content-type", b"application/x-www-form-urlencoded"),),
        (*JSON, (b"content-type", b"application/x-www-form-urlencoded")),
    ],
)
@in_loop
async def test_a_batch_that_a_server_may_read_as_a_form_is_refused(headers: Headers) -> None:
    both = b'{"operation": "download", "x": "&operation=upload&"}'
    assert await passes("POST", "/org/read.git/info/lfs/objects/batch", both)  # the control
    assert not await passes("POST", "/org/read.git/info/lfs/objects/batch", both, headers=headers)


@pytest.mark.parametrize("data", [None, b"", b"00", b"hello", b"0000extra", b"0000"])
@in_loop
async def test_a_push_that_writes_nothing_passes_and_one_that_does_not_say_what_it_writes_does_not(
    data: bytes | None,
) -> None:
    whole = data is not None and data.startswith(b"0000")
    assert await passes("POST", "/org/repo.git/git-receive-pack", data) is whole


_PARTS = st.lists(
    st.sampled_from(
        ["org", "repo.git", "other.git", "..", ".", "", "git-receive-pack", "info", "refs", "%2e%2e", "%2F", "lfs",
         "git%2dreceive-pack", ";x", "\\", "ORG", "repo", "objects", "%00", "HEAD"]
    ),
    max_size=7,
)  # fmt: skip


@given(_PARTS, st.sampled_from(["", "?service=git-receive-pack", "?x", "?service=git-upload-pack"]))
@in_loop
async def test_whatever_is_let_through_is_a_listed_repositorys_in_its_plain_spelling(
    parts: list[str], query: str
) -> None:
    target = "/" + "/".join(parts) + query
    for method in ("GET", "POST"):
        if await passes(method, target, b"0000" if method == "POST" else None):
            plain = target.partition("?")[0].replace("%2d", "-")
            assert plain.startswith(("/org/repo/", "/org/repo.git/"))
            assert not {"..", ".", ""} & set(plain[1:].split("/"))
