"""A baseline that is written is one that detect-secrets reads, and keeps what people put into it."""

import json
from pathlib import Path

import pytest
from detect_secrets.core import baseline as theirs

from redactors.baseline import Baseline, parse_baseline
from redactors.finding import Confidence, Finding
from tests.machine import private_key
from tests.scan.project import Project, certain
from wrapper.errors import PolicyError
from wrapper.scan import baselines
from wrapper.scan.content import Located
from wrapper.scan.hits import Hit, Place

NOW = "2026-01-01T00:00:00Z"


def hit(path: str, line: int, value: str) -> Hit:
    place = Place(line, 1, line, 2)
    hashed = baselines.hashed(value.encode())
    return Hit(path, place, "KEY", Confidence.CERTAIN, "rule", "MASKED-KEY-00000000", hashed=hashed)


def entries(text: bytes) -> dict[str, list[tuple[int, str]]]:
    results = json.loads(text)["results"]
    return {path: [(one["line_number"], one["hashed_secret"]) for one in rows] for path, rows in results.items()}


def test_a_new_baseline_lists_every_finding_once() -> None:
    text = baselines.updated(None, [hit("b", 2, "x"), hit("a", 9, "y"), hit("b", 7, "x")], {"a", "b"}, NOW)
    assert entries(text) == {"a": [(9, baselines.hashed(b"y"))], "b": [(2, baselines.hashed(b"x"))]}
    assert parse_baseline(text, audited_only=False).allows("a", b"y")
    assert not parse_baseline(text, audited_only=False).allows("a", b"x")


def test_no_value_and_no_placeholder_is_written() -> None:
    value = certain()
    text = baselines.updated(None, [hit("a", 1, value)], {"a"}, NOW)
    assert value.encode() not in text
    assert b"MASKED" not in text


def test_what_is_gone_from_a_scanned_file_is_taken_out_and_nothing_else() -> None:
    old = json.loads(baselines.updated(None, [hit("a", 1, "x"), hit("a", 2, "y"), hit("c", 1, "z")], {"a", "c"}, NOW))
    theirs_entry = {"type": "Secret Keyword", "filename": "a", "hashed_secret": "f" * 40, "line_number": 5}
    old["results"]["a"].append(theirs_entry)
    old["plugins_used"] = [{"name": "KeywordDetector"}]
    text = baselines.updated(json.dumps(old).encode(), [hit("a", 3, "y")], {"a"}, NOW)
    assert set(entries(text)) == {"a", "c"}
    assert {mark for _, mark in entries(text)["a"]} == {baselines.hashed(b"y"), "f" * 40}
    assert json.loads(text)["plugins_used"] == old["plugins_used"]


def test_an_audit_outlives_an_update() -> None:
    first = json.loads(baselines.updated(None, [hit("a", 1, "x")], {"a"}, NOW))
    first["results"]["a"][0]["is_secret"] = False
    text = baselines.updated(json.dumps(first).encode(), [hit("a", 4, "x"), hit("a", 6, "y")], {"a"}, NOW)
    audited = [one.get("is_secret") for one in json.loads(text)["results"]["a"]]
    assert sorted(audited, key=str) == [False, None]


def test_detect_secrets_reads_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "baseline"
    baselines.write(file, [hit("a.py", 3, "x")], {"a.py"})
    loaded = theirs.load(theirs.load_from_file(str(file)), str(file))
    assert {secret.secret_hash for secrets in loaded.data.values() for secret in secrets} == {baselines.hashed(b"x")}


def test_a_key_block_that_detect_secrets_has_listed_is_accepted(project: Project) -> None:
    key = private_key()
    project.write("key.pem", key)
    header = key.splitlines()[0].strip("-")
    listed = {"version": "1.5.0", "results": {"key.pem": [{"hashed_secret": baselines.hashed(header.encode())}]}}
    file = project.cache / "baseline"
    file.write_text(json.dumps(listed))
    assert project.found() == ["key.pem"]
    assert project.scan(baseline=file).hits == ()


def test_a_header_does_not_speak_for_another_kind() -> None:
    header = b"BEGIN RSA PRIVATE KEY"
    finding = Finding(30, 40, "TOKEN", Confidence.CERTAIN, "rule", b"value")
    found = Located(finding, Place(1, 1, 1, 2), b"-----" + header + b"-----\n")
    allowed = Baseline(frozenset({("a", baselines.hashed(header))}))
    assert not baselines.accepts(allowed, "a", found)
    assert baselines.accepts(allowed, "a", found._replace(finding=finding._replace(kind="PRIVATE-KEY")))


@pytest.mark.parametrize("old", [b"", b"{}", b"[" * 100_000, b'{"results": {"a": [{}]}}', b"\xff\xfe"])
def test_what_is_no_baseline_is_never_written_over(tmp_path: Path, old: bytes) -> None:
    file = tmp_path / "precious"
    file.write_bytes(old)
    with pytest.raises(PolicyError, match="no baseline"):
        baselines.write(file, [hit("a", 1, "x")], {"a"})
    assert file.read_bytes() == old
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot write"):
        baselines.write(tmp_path / "missing/baseline", [], set())
