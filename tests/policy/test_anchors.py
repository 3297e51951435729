"""How a policy names the places that keep the ledger's checkpoints."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.policy.anchors import (
    AnchorFormError,
    FileAnchor,
    GitAnchor,
    S3Anchor,
    WitnessAnchor,
    parse_place,
    problem,
)


def vkey(kind: int = 4, size: int = 32) -> str:
    return "witness.example/w1+0123abcd+" + base64.b64encode(bytes([kind]) + bytes(size)).decode()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("file:/mnt/audit/box.notes", FileAnchor("/mnt/audit/box.notes")),
        ("file:~/a b#c", FileAnchor("~/a b#c")),
        ("git:/srv/audit.git", GitAnchor("/srv/audit.git", "refs/safe-agent/ledger", "")),
        ("git:~/audit#refs/heads/box", GitAnchor("~/audit", "refs/heads/box", "")),
        ("git:/srv/audit@origin", GitAnchor("/srv/audit", "refs/safe-agent/ledger", "origin")),
        ("git:/srv/a#refs/x/y@up-stream", GitAnchor("/srv/a", "refs/x/y", "up-stream")),
        ("git:/home/me@work/a", GitAnchor("/home/me@work/a", "refs/safe-agent/ledger", "")),
        ("git:/home/me@work/a#refs/x/y@origin", GitAnchor("/home/me@work/a", "refs/x/y", "origin")),
        (f"witness:https://w.example/log/#{vkey()}", WitnessAnchor("https://w.example/log", vkey())),
        (f"witness:http://127.0.0.1:80#{vkey()}", WitnessAnchor("http://127.0.0.1:80", vkey())),
        ("s3:audit-box/laptop/7/", S3Anchor("audit-box", "laptop/7", "", 365)),
        (
            "s3:abc/x?days=36500&endpoint=http://localhost:9000/",
            S3Anchor("abc", "x", "http://localhost:9000", 36500),
        ),
    ],
)
def test_what_each_form_means(text: str, place: object) -> None:
    assert parse_place(text) == place
    assert problem(text) == ("", "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is no anchor"),
        ("file", "is no anchor"),
        ("ftp:/x", "is no anchor"),
        ("file:/a\nb", "is no anchor"),
        ("file:/" + "a" * 1000, "is no anchor"),
        ("file:notes", "not the path of a file"),
        ("file:~", "not the path of a file"),
        ("file:/a/", "not the path of a file"),
        ("file:/a/../b", "not the path of a file"),
        ("git:audit", "repository by its path"),
        ("git:https://git.example.org/x", "repository by its path"),
        ("git:/a#heads/main", "full name of a ref"),
        ("git:/a#refs/heads/a..b", "full name of a ref"),
        ("git:/a#refs/heads/a.lock", "full name of a ref"),
        ("git:/a#refs/heads/-o@{1}", "full name of a ref"),
        ("git:/a#refs/heads/x@--upload-pack", "full name of a ref"),
        (f"witness:http://w.example#{vkey()}", "not the address of a witness"),
        (f"witness:http://127.0.0.1.evil.test#{vkey()}", "not the address of a witness"),
        (f"witness:https://u:p@w.example#{vkey()}", "not the address of a witness"),
        (f"witness:https://w.example/?x#{vkey()}", "not the address of a witness"),
        ("witness:https://w.example", "witness's key"),
        ("witness:https://w.example#name+key", "witness's key"),
        (f"witness:https://w.example#{vkey(1)}", "Ed25519 cosigner"),
        (f"witness:https://w.example#{vkey(size=31)}", "Ed25519 cosigner"),
        (f"witness:https://w.example#{vkey()[:-1]}", "Ed25519 cosigner"),
        ("s3:bucket", "prefix of its own"),
        ("s3:bucket/", "prefix of its own"),
        ("s3:bucket/../x", "prefix of its own"),
        ("s3:Bucket/x", "name a bucket"),
        ("s3:bucket/x?days=0", "number of days"),
        ("s3:bucket/x?days=36501", "number of days"),
        ("s3:bucket/x?days=1&days=2", "once each"),
        ("s3:bucket/x?profile=a", "`endpoint=` or `days=`"),
        ("s3:bucket/x?endpoint=http://minio.example", "endpoint"),
        ("s3:bucket/x?endpoint=https://a.example/?b", "endpoint"),
    ],
)
def test_what_is_no_anchor_is_refused_with_the_way_to_write_it(text: str, what: str) -> None:
    assert what in problem(text)[0]
    assert problem(text)[1]


@given(st.sampled_from(["file:", "git:", "witness:", "s3:", ""]), st.text(max_size=60))
def test_any_text_is_an_anchor_or_is_refused(kind: str, rest: str) -> None:
    try:
        parse_place(kind + rest)
    except AnchorFormError as error:
        assert error.hint
    else:
        assert "\n" not in rest
        assert ".." not in rest.split("/")
