"""What the user is asked before text of a file leaves: which file, which lines, and what an answer holds for."""

import json
import unicodedata
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from redactors.finding import Confidence, Finding
from wrapper.gateway.sending import Held, closed_path, held, question

CODE = "def rate(sample):\n    total = sample.weight\n    return total * 2\n"


def found(body: bytes, text: str, path: str = "training/x.py", *, start: int = 0) -> Finding:
    """Give the finding of a piece of a JSON body that reads as `text`."""
    written = json.dumps(text)[1:-1].encode()
    at = body.index(written, start)
    return Finding(at, at + len(written), "DENIED-CODE", Confidence.CERTAIN, f"fingerprint:{path}", text.encode())


def body_of(*outputs: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": one} for one in outputs]}).encode()


def asks(_: str) -> str:
    return "ask"


def test_text_of_a_file_that_policy_asks_about_is_held_with_its_place() -> None:
    body = body_of("hello", f"first\nsecond\n{CODE}end")
    finding = found(body, CODE.strip())
    [one] = held(body, [finding], asks)
    assert (one.path, one.lines, one.findings) == ("training/x.py", "3-5 of the text", (finding,))
    assert one.excerpt == tuple(CODE.splitlines())


def test_lines_are_those_of_the_file_where_they_can_be_told() -> None:
    body = body_of(CODE)
    asked: list[tuple[str, bytes]] = []

    def lines(path: str, text: bytes) -> str:
        asked.append((path, text))
        return "12-14"

    [one] = held(body, [found(body, CODE)], asks, lines)
    assert one.lines == "12-14"
    assert asked == [("training/x.py", CODE.encode())]


def test_only_files_that_are_asked_about_are_held_and_never_other_findings() -> None:
    body = body_of(CODE + "one", CODE + "two", CODE + "three")
    findings = [found(body, CODE + name, f"{name}.py") for name in ("one", "two", "three")]
    secret = findings[0]._replace(rule="known:raw")
    words = {"one.py": "never", "two.py": "ask", "three.py": "always"}
    assert [one.path for one in held(body, [secret, *findings], words.__getitem__)] == ["two.py"]
    assert closed_path(secret) is None
    assert closed_path(findings[2]) == "three.py"


def test_what_stands_in_one_string_is_one_question() -> None:
    body = body_of(f"{CODE}secret{CODE}more")
    first = found(body, CODE)
    second = found(body, CODE, start=first.end)
    [one] = held(body, [first, second], asks)
    assert one.findings == (first, second)


def test_the_same_text_twice_is_one_question() -> None:
    body = body_of(CODE, CODE)
    first = found(body, CODE)
    second = found(body, CODE, start=first.end)
    [one] = held(body, [first, second], asks)
    assert one.findings == (first, second)


def test_a_key_is_the_same_each_turn() -> None:
    early, late = body_of(CODE), body_of("hello", "more", CODE, "end")
    keys = {held(body, [found(body, CODE)], asks)[0].key for body in (early, late)}
    assert len(keys) == 1
    assert all(one in "0123456789abcdef" for one in keys.pop())


def test_a_key_holds_for_that_text_of_that_file_only() -> None:
    body = body_of(CODE, CODE + "more")
    path, text = "training/x.py", CODE
    other = found(body, CODE + "more")
    keys = {
        held(body, [finding], asks)[0].key
        for finding in (found(body, text, path), found(body, text, "training/y.py"), other)
    }
    assert len(keys) == 3


@given(st.lists(st.tuples(st.text(max_size=4), st.lists(st.text(max_size=4), max_size=3)), min_size=2, unique_by=str))
def test_no_two_contents_share_a_key(contents: list[tuple[str, list[str]]]) -> None:
    keys = set()
    for path, values in contents:
        one = Finding(0, 1, "DENIED-CODE", Confidence.CERTAIN, f"fingerprint:{path}", b"")
        pieces = [one._replace(start=at, value=value.encode()) for at, value in enumerate(values or [""])]
        keys.add(held(b"x" * 9, pieces, asks)[0].key)
    assert len(keys) == len({(path, tuple(values or [""])) for path, values in contents})


def excerpt(text: str) -> Sequence[str]:
    return held(b"x", [Finding(0, 1, "K", Confidence.CERTAIN, "fingerprint:a", text.encode())], asks)[0].excerpt


def test_an_excerpt_is_short() -> None:
    shown = excerpt("\n\n".join(f"line {number} {'x' * 200}" for number in range(30)))
    assert len(shown) == 5
    assert shown[0].startswith("line 0 xxx")
    assert shown[-1] == "… and 26 more lines"
    assert all(len(line) <= 100 for line in shown)


@given(st.text(max_size=300))
def test_an_excerpt_does_nothing_to_a_terminal(text: str) -> None:
    assert not [one for line in excerpt(text) for one in line if unicodedata.category(one).startswith("C")]


def test_the_question_names_file_and_lines_and_its_first_answer_sends_nothing() -> None:
    asked = question(Held("training/x.py", "12-40", ("def f():",), "ab12", ()))
    assert "`training/x.py` (lines 12-40)" in asked.what
    assert (asked.lines, asked.answers, asked.key) == (("def f():",), ("no", "yes", "always", "never"), "ab12")


def test_text_that_is_no_json_is_held_too() -> None:
    body = f"--boundary\n{CODE}--".encode()
    finding = Finding(11, len(body) - 2, "DENIED-CODE", Confidence.CERTAIN, "fingerprint:a.py", CODE.encode())
    [one] = held(body, [finding], asks)
    assert one.lines == "2-5 of the text"
