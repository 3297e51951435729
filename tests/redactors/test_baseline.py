"""Baselines and remarks allow what was audited, and nothing else."""

import hashlib
import json

import pytest

from redactors.baseline import Baseline, has_pragma, parse_baseline


def entry(value: bytes, **more: object) -> dict[str, object]:
    return {"hashed_secret": hashlib.sha1(value, usedforsecurity=False).hexdigest(), "line_number": 1, **more}


def baseline(**files: list[dict[str, object]]) -> Baseline:
    return parse_baseline(json.dumps({"version": "1.5.0", "results": files}).encode())


def test_only_values_audited_as_no_secret_are_allowed() -> None:
    read = baseline(a=[entry(b"no", is_secret=False), entry(b"yes", is_secret=True), entry(b"unknown")])
    assert read.allows("a", b"no")
    assert read.allows("./a", b"no")
    assert not read.allows("a", b"yes")
    assert not read.allows("a", b"unknown")
    assert not read.allows("b", b"no")


def test_a_path_with_backslashes_is_the_same_path() -> None:
    read = parse_baseline(json.dumps({"results": {"a\\b": [entry(b"no", is_secret=False)]}}).encode())
    assert read.allows("a/b", b"no")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"results": []}', b'{"results": {"a": [1]}}', b"\xff", b"[" * 99_999]
)
def test_what_is_no_baseline_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_baseline(data)


@pytest.mark.parametrize("remark", ["pragma: allowlist secret", "Pragma: whitelist secret", "gitleaks:allow"])
def test_a_remark_allows_its_own_line_only(remark: str) -> None:
    data = f"a = 'x'\nb = 'y'  # {remark}\nc = 'z'\n".encode()
    assert has_pragma(data, data.index(b"'y'"), data.index(b"'y'") + 3)
    assert not has_pragma(data, 4, 7)
    assert not has_pragma(data, data.index(b"'z'"), data.index(b"'z'") + 3)


def test_a_nextline_remark_allows_the_line_below_only() -> None:
    data = b"# pragma: allowlist nextline secret\na = 'x'\nb = 'y'\n"
    assert has_pragma(data, data.index(b"'x'"), data.index(b"'x'") + 3)
    assert not has_pragma(data, data.index(b"'y'"), data.index(b"'y'") + 3)
