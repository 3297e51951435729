"""The SARIF log has what the standard (OASIS, SARIF 2.1.0) requires of what is in it."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from redactors.finding import Confidence
from wrapper.scan.hits import Counts, Hit, Place, Result
from wrapper.scan.sarif import document

ODD = os.fsdecode(b"odd #1/na\xffme%.py")


def hit(path: str, line: int = 1, rule: str = "stripe-key", confidence: Confidence = Confidence.CERTAIN) -> Hit:
    return Hit(path, Place(line, 2, line, 9), "STRIPE-KEY", confidence, rule, "MASKED-STRIPE-KEY-00000000")


def log(*hits: Hit, unreadable: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document(Result(Path("/some where"), hits, unreadable, Counts())))
    return found


def test_what_the_standard_requires_is_there() -> None:
    found = log(hit("a.py"), hit("b.py", rule="other", confidence=Confidence.LIKELY))
    assert found["version"] == "2.1.0"  # 3.13.2
    assert found["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = found["runs"]  # 3.13.4
    assert run["tool"]["driver"]["name"]  # 3.19.8
    assert run["columnKind"] == "unicodeCodePoints"  # 3.14.17
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert result["message"]["text"]  # 3.27.11
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]  # 3.27.5, 3.27.6
        assert result["level"] in {"error", "warning"}  # 3.27.10
        region = result["locations"][0]["physicalLocation"]["region"]
        assert all(isinstance(region[name], int) and region[name] >= 1 for name in region)  # 3.30
        assert {"startLine", "startColumn", "endLine", "endColumn"} == set(region)
    assert len({rule["id"] for rule in rules}) == len(rules)  # 3.19.23: no two alike
    assert isinstance(run["invocations"][0]["executionSuccessful"], bool)  # 3.20.14


def test_no_finding_is_an_empty_list_not_a_missing_one() -> None:
    """A missing list says that no scan was made (3.14.23)."""
    assert log()["runs"][0]["results"] == []


def test_addresses_are_relative_references_below_a_root_that_ends_in_a_slash() -> None:
    (run,) = log(hit(ODD))["runs"]
    artifact = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uri"].isascii()
    assert not set(artifact["uri"]) & set(" #?:")
    assert unquote_to_bytes(artifact["uri"]) == os.fsencode(ODD)
    assert run["originalUriBaseIds"][artifact["uriBaseId"]] == {"uri": "file:///some%20where/"}  # 3.14.14


def test_how_sure_a_finding_is_is_its_level() -> None:
    (run,) = log(hit("a"), hit("b", confidence=Confidence.LIKELY))["runs"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]


def fingerprints(*hits: Hit) -> list[str]:
    return [result["partialFingerprints"]["safeAgent/v1"] for result in log(*hits)["runs"][0]["results"]]


def test_a_fingerprint_moves_with_its_line_and_tells_findings_apart() -> None:
    before = fingerprints(hit("a", 1), hit("a", 5), hit("b", 1), hit("a", 7, "other"))
    after = fingerprints(hit("a", 11), hit("a", 15), hit("b", 3), hit("a", 17, "other"))
    assert before == after
    assert len(set(before)) == 4


def test_what_was_not_read_is_told() -> None:
    (run,) = log(unreadable=(("secret.key", "Permission denied"),))["runs"]
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "not read: secret.key: Permission denied"
