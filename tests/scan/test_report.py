"""What a scan prints: lines, JSON and a sentence, none of which acts on a terminal."""

import base64
import json
import os
from pathlib import Path

from redactors.finding import Confidence
from wrapper.scan.hits import Counts, Hit, Place, Result
from wrapper.scan.report import document, lines, sentence

ODD = os.fsdecode(b"na\xffme\x1b[31m\n.py")


def hit(path: str = "a.py", *, commit: str = "", confidence: Confidence = Confidence.CERTAIN) -> Hit:
    return Hit(path, Place(3, 7, 4, 1), "STRIPE-KEY", confidence, "stripe-key", "MASKED-STRIPE-KEY-00000000", commit)


def result(*hits: Hit, unreadable: tuple[tuple[str, str], ...] = (), counts: Counts | None = None) -> Result:
    return Result(Path("/somewhere"), hits, unreadable, counts or Counts(files=2))


def test_a_line_is_what_editors_jump_to() -> None:
    (line,) = lines(result(hit()), lambda path: f"sub/{path}", colours=False)
    assert line == "sub/a.py:3:7: STRIPE-KEY certain stripe-key MASKED-STRIPE-KEY-00000000"


def test_a_finding_of_history_is_what_git_show_takes() -> None:
    (line,) = lines(result(hit(commit="0123456789abcdef" * 2)), lambda path: f"sub/{path}", colours=False)
    assert line.startswith("0123456789ab:a.py:3:7: ")


def test_colours_are_only_there_if_asked_for() -> None:
    for confidence, colour in ((Confidence.CERTAIN, "\x1b[31m"), (Confidence.LIKELY, "\x1b[33m")):
        found = result(hit(confidence=confidence))
        assert colour in next(lines(found, str, colours=True))
        assert "\x1b" not in next(lines(found, str, colours=False))


def test_a_strangers_file_name_is_one_line_and_does_nothing_to_the_terminal() -> None:
    (line,) = lines(result(hit(ODD)), str, colours=False)
    assert line.isprintable()
    assert r"na\udcffme\x1b[31m\n.py:3:7:" in line


def test_the_schema_of_the_json_is_stable() -> None:
    found = json.loads(document(result(hit(), hit(commit="f" * 40), unreadable=(("b", "why"),))))
    assert list(found) == ["version", "root", "findings", "unreadable", "counts"]
    assert (found["version"], found["root"]) == (1, "/somewhere")
    assert found["findings"][0] == {
        "path": "a.py",
        "line": 3,
        "column": 7,
        "end_line": 4,
        "end_column": 1,
        "kind": "STRIPE-KEY",
        "confidence": "certain",
        "rule": "stripe-key",
        "placeholder": "MASKED-STRIPE-KEY-00000000",
    }
    assert found["findings"][1]["commit"] == "f" * 40
    assert found["unreadable"] == [{"path": "b", "why": "why"}]
    assert found["counts"] == {"files": 2, "scanned": 0, "cached": 0, "binary": 0, "accepted": 0}


def test_a_name_that_is_no_utf8_is_whole_in_base64_beside_one_that_json_can_hold() -> None:
    text = document(result(hit(ODD)))
    assert text.isascii()
    assert text.isprintable()
    (found,) = json.loads(text)["findings"]
    assert found["path"] == "na\ufffdme\x1b[31m\n.py"
    assert base64.b64decode(found["path_base64"]) == os.fsencode(ODD)


def test_the_sentence_counts_in_the_singular_too() -> None:
    assert sentence(result(counts=Counts(files=1))) == "no secrets found; 1 file scanned"
    counts = Counts(files=1234, scanned=4, cached=1230, binary=2, accepted=1)
    assert sentence(result(hit(), hit("b"), unreadable=(("c", ""),), counts=counts)) == (
        "2 findings in 2 files; 1,234 files scanned (1,230 unchanged since the last scan, 2 binary, 1 not readable); "
        "1 finding accepted by the baseline"
    )
