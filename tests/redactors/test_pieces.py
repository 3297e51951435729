"""What is remembered of a conversation hides nothing that a search of the whole shows."""

import base64
import functools
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redactors import Engine, Finding, KnownValues, Origin, Vault
from redactors.finding import Confidence
from redactors.fingerprint import Fingerprints
from redactors.jsonbytes import fit
from redactors.pieces import _APART, Memory
from redactors.remembered import REACH
from redactors.rules.catalogue import expand
from tests.compiled import load

GITHUB = expand(["gh", "p_{base62:30}{crc32}"])
VALUE = expand("{base62:26}9")
WORDS = "Tr0ub4dor&3 correct horse/battery"
KEY = expand(
    ["-----BEGIN RSA PRIVATE ", "KEY-----\n{base64:64}\n{base64:64}\n{base64:40}==\n-----END RSA PRIVATE ", "KEY-----"]
)
PROSE = "The quick brown fox reads `config.py` and returns {'a': [1, 2]}, {\"b\": 3}; 100% of it, see <b>%20</b>.\n"
SECRETS = (
    GITHUB,
    VALUE,
    WORDS,
    KEY,
    "postgres://app:" + expand("{base62:14}4") + "@db/x",
    "api_key = '" + expand("{base62:32}7") + "'",
    "secret_access_key:",
    expand("{base64:40}"),
    base64.b64encode(VALUE.encode()).decode(),
    VALUE.encode().hex(),
    "\n  ".join((VALUE[:9], VALUE[9:17], VALUE[17:])),
    quote(WORDS, safe=""),
    "".join(f"%{ord(one):02x}" for one in GITHUB),
    "".join(f"\\u{ord(one):04x}" for one in VALUE),
    '"},{"type":"text","text":"' + VALUE[:13] + '"},{"a":"' + VALUE[13:],
    json.dumps({"password": WORDS, "list": [{"x": 1}, {"token": GITHUB}]}),
)


class Whole(NamedTuple):
    """An engine, and what it knows."""

    engine: Engine
    known: KnownValues


@functools.cache
def rules() -> Engine:
    return load(Vault(bytes(32)))


@functools.cache
def whole() -> Whole:
    vault = Vault(bytes(range(32)))
    known = KnownValues(vault)
    for value in (VALUE, WORDS):
        assert known.add("PASSWORD", value.encode(), Origin.OUTSIDE)
    return Whole(load(vault, known), known)


class Counting:
    """An engine that counts the bytes it is given."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.known = engine.known
        self.searched = 0

    def find(self, data: bytes) -> Sequence[Finding]:
        self.searched += len(data)
        return self.engine.find(data)


def covered(findings: Sequence[Finding]) -> set[int]:
    return {at for found in findings for at in range(found.start, found.end)}


def text_block(text: str, *, marked: bool = False) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text}
    return {**block, "cache_control": {"type": "ephemeral"}} if marked else block


def claude(texts: Sequence[str]) -> dict[str, Any]:
    """Make a body as Claude Code writes it: system and tools behind the messages, markers that move on."""
    messages = [
        {"role": "user" if at % 2 else "assistant", "content": [text_block(text, marked=at >= len(texts) - 2)]}
        for at, text in enumerate(texts)
    ]
    system = [text_block("You are an agent. " * 20), text_block(PROSE * 40, marked=True)]
    tools = [{"name": f"T{at}", "input_schema": {"type": "object", "properties": {}}} for at in range(60)]
    return {"model": "m", "messages": messages, "system": system, "tools": tools, "stream": True}


def codex(texts: Sequence[str]) -> dict[str, Any]:
    """Make a body as Codex writes it: instructions first."""
    items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]} for text in texts]
    return {"model": "m", "instructions": PROSE * 30, "input": items, "tools": [{"type": "function"}], "store": False}


PLANTED = st.builds(
    lambda secret, before, behind: (PROSE * 80)[:before] + " " + secret + " " + (PROSE * 80)[:behind],
    st.sampled_from(("", *SECRETS)),
    st.integers(0, 4_000) | st.integers(0, 60),
    st.integers(0, 4_000) | st.integers(0, 60),
)
EDIT = st.tuples(st.sampled_from(("append", "replace", "remove", "insert", "cut")), st.integers(0, 20), PLANTED)
CONVERSATIONS = st.lists(st.tuples(st.integers(0, 1), EDIT), min_size=1, max_size=6)
WRITTEN = st.sampled_from(({"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 1}))


def edited(texts: list[str], edit: tuple[str, int, str]) -> list[str]:
    how, at, text = edit
    at %= len(texts) + 1
    match how:
        case "append":
            return [*texts, text]
        case "replace":
            return [*texts[:at], text, *texts[at + 1 :]]
        case "remove":
            return [*texts[:at], *texts[at + 1 :]]
        case "insert":
            return [*texts[:at], text, *texts[at:]]
        case _:
            return texts[:at]


@pytest.mark.parametrize("shape", [claude, codex])
@settings(max_examples=60)
@given(
    first=st.lists(PLANTED, min_size=1, max_size=5),
    turns=CONVERSATIONS,
    written=WRITTEN,
    most=st.sampled_from((200_000, 2**26)),
)
def test_all_that_a_search_of_the_whole_covers_is_covered_in_every_turn(
    shape: Any, first: list[str], turns: list[tuple[int, tuple[str, int, str]]], written: dict[str, Any], most: int
) -> None:
    memory = Memory(whole().engine, most=most)
    conversations = [first, list(reversed(first))]
    for which, edit in [(0, ("cut", 99, "")), *turns]:
        conversations[which] = edited(conversations[which], edit)
        body = json.dumps(shape(conversations[which]), **written).encode()
        found = memory.find(body)
        assert found.is_json
        assert all(one.end <= other.start for one, other in zip(found.findings, found.findings[1:], strict=False))
        fitted, quotes = fit(body, whole().engine.find(body))
        assert covered(fitted) <= covered(found.findings)
        assert quotes <= found.quotes
        assert json.loads(whole().engine.replace(body, found.findings, quotes=found.quotes).data)


@given(texts=st.lists(PLANTED, min_size=1, max_size=6))
def test_what_was_never_seen_gives_the_findings_of_the_whole(texts: list[str]) -> None:
    body = json.dumps(claude(texts)).encode()
    findings, quotes = fit(body, whole().engine.find(body))
    assert Memory(whole().engine).find(body) == (findings, quotes, True)
    lines = body + b"\n" + body + b"\n"
    assert Memory(whole().engine).find(lines) == (*fit(lines, whole().engine.find(lines)), True)
    assert list(Memory(whole().engine).find(body * 2).findings) == list(whole().engine.find(body * 2))


def test_the_next_turn_of_a_conversation_searches_little_more_than_what_is_new() -> None:
    engine = Counting(whole().engine)
    memory = Memory(engine)
    texts = [f"{at} " + PROSE * 50 for at in range(60)]
    for turn in range(40, 60):
        body = json.dumps(claude(texts[:turn])).encode()
        engine.searched = 0
        memory.find(body)
    assert len(body) > 200_000
    assert engine.searched < 40_000
    engine.searched = 0
    memory.find(body)
    assert engine.searched == 0


def test_a_value_that_becomes_known_is_found_in_what_was_seen_before() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    compiled = rules()
    engine = Engine([one.rule for one in compiled._detectors], compiled._scanner, vault, known)
    memory = Memory(engine)
    word = "my-" + "grandmothers-maiden-name"
    body = json.dumps(claude([PROSE * 60, f"it is {word}", PROSE * 60])).encode()
    assert memory.find(body).findings == []
    assert known.add("PASSWORD", word.encode(), Origin.OUTSIDE)
    assert [one.value for one in memory.find(body).findings] == [word.encode()]


def test_a_source_that_learns_is_asked_again_once_it_says_so() -> None:
    class Source:
        word = b"nothing of that"

        def find(self, data: bytes) -> list[Finding]:
            at = data.find(self.word)
            return [Finding(at, at + len(self.word), "WORD", Confidence.CERTAIN, "word", self.word)] if at >= 0 else []

    source = Source()
    memory = Memory(rules().with_sources(source))
    body = json.dumps(claude([PROSE * 60, "the blue falcon"])).encode()
    memory.find(body)
    source.word = b"blue falcon"
    memory.forget()
    assert [one.value for one in memory.find(body).findings] == [b"blue falcon"]


def test_what_is_compared_in_large_stretches_keeps_its_findings() -> None:
    memory = Memory(whole().engine)
    texts = [f"{at} {SECRETS[at % 6]} {PROSE * 60}" for at in range(60)]
    for turn in range(50, 60):
        document = codex(texts[:turn])
        document["input"][turn // 2]["data"] = GITHUB  # what its neighbours may have a say in
        body = json.dumps(document).encode()
        found = memory.find(body)
        assert covered(fit(body, whole().engine.find(body))[0]) <= covered(found.findings)


def test_a_keyword_at_the_end_of_a_piece_counts_for_the_start_of_a_new_neighbour() -> None:
    """The value and its key were both seen before, but never beside each other."""
    memory = Memory(Marking())
    ending, starting = PROSE * 40 + "LEFT", "RIGHT" + PROSE * 40
    for texts in ([ending, PROSE * 40], [PROSE * 41, starting]):
        assert memory.find(json.dumps(codex(texts)).encode()).findings == []
    body = json.dumps(codex([ending, starting])).encode()
    [found] = memory.find(body).findings
    assert body[found.start : found.end] == b"LEFT"  # the rest is structure and a string of its own


class Marking:
    """Finds all from `LEFT` to a `RIGHT` near behind it."""

    known = None

    def find(self, data: bytes) -> list[Finding]:
        left = data.find(b"LEFT")
        right = data.find(b"RIGHT", left, left + 700) if left >= 0 else -1
        return [Finding(left, right + 5, "X", Confidence.CERTAIN, "x", b"x")] if right >= 0 else []


@pytest.mark.parametrize("body", [b"", b"plain text", b'{"a": 1', b'[{"a":1},{"b":2}' * 500, b"\xff" * 9_000])
def test_what_is_no_document_is_searched_whole(body: bytes) -> None:
    found = Memory(whole().engine).find(body + b" " + GITHUB.encode())
    assert not found.is_json
    assert found.findings[-1].value == GITHUB.encode()


def test_what_a_neighbour_makes_the_providers_own_is_found_without_that_neighbour() -> None:
    """Promise 1: nobody gets a secret past the search by first sending it as what the provider wrote."""
    memory = Memory(whole().engine)
    data = "x" * 5_000 + " " + GITHUB

    def block(kind: str) -> bytes:
        items = [text_block(PROSE * 40), {"type": kind, "data": data}, text_block(PROSE * 40)]
        return json.dumps({"messages": [{"content": items}]}).encode()

    assert memory.find(block("redacted_thinking")).findings == []
    for _ in range(3):
        assert [one.value for one in memory.find(block("text")).findings] == [GITHUB.encode()]
        assert memory.find(block("redacted_thinking")).findings == []


@pytest.mark.parametrize("number", [8_400, 70_000])
def test_a_known_number_gets_quotation_marks_in_every_turn(number: int) -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    pin = "4716" + "2983" + "5501" + "9923"
    assert known.add("PIN", pin.encode(), Origin.OUTSIDE)
    compiled = rules()
    engine = Engine([one.rule for one in compiled._detectors], compiled._scanner, vault, known)
    memory = Memory(engine)
    for turn in range(4):
        items = [{"type": "text", "text": PROSE * (number // 100), "pin": int(pin)}, *[text_block(PROSE * 40)] * turn]
        body = json.dumps({"messages": items}).encode()
        found = memory.find(body)
        out = json.loads(engine.replace(body, found.findings, quotes=found.quotes).data)
        assert out["messages"][0]["pin"] == vault.issue("PIN", pin.encode(), Origin.OUTSIDE)


def test_lines_of_documents_keep_what_the_provider_signed_and_stay_documents() -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    pin = "4716" + "2983" + "5501" + "9923"
    assert known.add("PIN", pin.encode(), Origin.OUTSIDE)
    compiled = rules()
    engine = Engine([one.rule for one in compiled._detectors], compiled._scanner, vault, known)
    item = {"encrypted_content": GITHUB, "text": GITHUB, "pin": int(pin)}
    line = json.dumps({"body": {"input": [item]}}).encode()
    found = Memory(engine).find(line + b"\r\n" + line + b"\n")
    out = engine.replace(line + b"\r\n" + line + b"\n", found.findings, quotes=found.quotes).data
    for document in (json.loads(one)["body"]["input"][0] for one in out.splitlines()):
        assert document["encrypted_content"] == GITHUB
        assert GITHUB not in document["text"]
        assert document["pin"] == vault.issue("PIN", pin.encode(), Origin.OUTSIDE)


def test_what_is_remembered_stays_within_its_bound() -> None:
    memory = Memory(whole().engine, most=300_000)
    for turn in range(60):
        memory.find(json.dumps(codex([f"{turn} {at} {PROSE * 30}" for at in range(8)])).encode())
    held = sum(
        len(piece.text) for half in (memory._pieces._young, memory._pieces._old) for piece in half.pieces.values()
    )
    assert 0 < held < 300_000


def test_threads_that_search_at_once_find_what_one_finds() -> None:
    memory = Memory(whole().engine, most=400_000)
    bodies = [
        json.dumps(codex([f"{one} {at} {SECRETS[(one + at) % 6]} " + PROSE * 20 for at in range(12)])).encode()
        for one in range(6)
    ]
    wrong: list[int] = []

    def search(first: int) -> None:
        for at in range(24):
            body = bodies[(first + at) % len(bodies)]
            if not covered(fit(body, whole().engine.find(body))[0]) <= covered(memory.find(body).findings):
                wrong.append(at)

    threads = [threading.Thread(target=search, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class Keyed:
    """Finds runs of at least 40 `R`, however long, behind a `KEY` near before them; counts how often it is asked."""

    known = None

    def __init__(self) -> None:
        self.asked = 0

    def find(self, data: bytes) -> list[Finding]:
        self.asked += 1
        runs = [run for run in re.finditer(rb"R{40,}", data) if b"KEY" in data[max(0, run.start() - 700) : run.start()]]
        return [Finding(*run.span(), "R", Confidence.CERTAIN, "r", run[0]) for run in runs]


def far_apart(first: str, second: str, behind: str, before: str = "") -> bytes:
    """Make a body of which `first` and `second` are small and stand far from each other."""
    items = [PROSE * 60, first, behind, PROSE * 60, before, second, behind, PROSE * 60]
    return json.dumps(codex(items), separators=(",", ":")).encode()


@settings(max_examples=150)
@given(
    keys=st.tuples(*[st.sampled_from(("", "KEY", "KEY" + "R" * 50))] * 2),
    near=st.integers(0, 30) | st.integers(500, 1_100),
    run=st.integers(0, 60) | st.integers(0, 8_000),
)
def test_what_is_searched_at_once_though_it_stands_apart_is_found_as_far_as_it_goes(
    keys: tuple[str, str], near: int, run: int
) -> None:
    memory = Memory(Keyed())
    behind = "." * near + "R" * run + PROSE * 60
    memory.find(far_apart("a", "b", behind))
    body = far_apart(keys[0], keys[1], behind)
    assert covered(fit(body, Keyed().find(body))[0]) <= covered(memory.find(body).findings)


class Grasping(Keyed):
    """Finds runs as `Keyed` does; behind a `LEY`, by another rule, `S` belongs to them too; `CUT` makes them short.

    Or runs of two files' code: of these nothing before them tells how long they are.
    """

    def __init__(self, *, code: bool) -> None:
        super().__init__()
        self.kinds: tuple[tuple[str, bytes, bytes], ...] = (
            ("l", b"LEY", rb"[RS]{40,}"), ("k", b"KEY", rb"R{40,}"), ("k", b"CUT", rb"R{40,400}"),
        )  # fmt: skip
        if code:
            self.kinds = tuple((f"fingerprint:{rule}", key, run) for rule, key, run in self.kinds[:2])

    def find(self, data: bytes) -> list[Finding]:
        self.asked += 1
        taken: list[Finding] = []
        for rule, key, run_of in self.kinds:
            for run in re.finditer(run_of, data):
                near = key in data[max(0, run.start() - 700) : run.start()]
                if near and all(run.end() <= one.start or one.end <= run.start() for one in taken):
                    taken.append(Finding(*run.span(), "R", Confidence.CERTAIN, rule, run[0]))
        return sorted(taken)


@settings(max_examples=200)
@given(
    code=st.booleans(),
    before=st.sampled_from(("a", "KEY", "LEY", "CUT")),
    now=st.sampled_from(("b", "KEY b", "LEY b", "CUT b")),
    near=st.integers(0, 30) | st.integers(500, 1_100),
    runs=st.tuples(st.integers(0, 2_500), st.integers(0, 60), st.integers(0, 4_000)),
)
@example(code=False, before="CUT", now="KEY b", near=5, runs=(3_000, 0, 0))
@example(code=False, before="CUT", now="KEY b", near=500, runs=(55, 60, 3_000))
@example(code=True, before="KEY", now="LEY b", near=5, runs=(1_500, 60, 0))
def test_what_a_new_neighbour_makes_longer_is_found_as_far_as_it_goes(
    *, code: bool, before: str, now: str, near: int, runs: tuple[int, int, int]
) -> None:
    memory = Memory(Grasping(code=code))
    behind = "." * near + "R" * runs[0] + "S" * runs[1] + "R" * runs[2] + PROSE * 60
    memory.find(far_apart(before, before, behind))
    for body in (far_apart(now, before, behind), far_apart(now, now, behind)):
        assert covered(fit(body, Grasping(code=code).find(body))[0]) <= covered(memory.find(body).findings)


@pytest.mark.parametrize("key", ["KEY", "LEY"])
def test_code_that_was_found_whole_in_a_piece_is_not_followed_again_from_its_border(key: str) -> None:
    engine = Grasping(code=True)
    memory = Memory(engine)
    behind = "." * 30 + "R" * 9_000 + PROSE * 60
    memory.find(far_apart(f"{key} a", f"{key} a", behind))
    engine.asked = 0
    body = far_apart(f"{key} b", f"{key} b", behind)
    assert [one.end - one.start for one in memory.find(body).findings] == [9_000, 9_000]
    assert engine.asked == 1


@pytest.mark.parametrize("far", range(300, 1_100, 40))
def test_a_keyword_counts_for_nothing_that_is_only_searched_with_it(far: int) -> None:
    memory = Memory(Keyed())
    bodies = [
        far_apart(one, one, "." * far + "KEY" + PROSE * 60, PROSE * 60 + "R" * 300 + "." * 600) for one in ("a", "b")
    ]
    assert [memory.find(body).findings for body in bodies] == [[], []]


@settings(max_examples=80)
@given(
    secrets=st.tuples(*[st.sampled_from(("", *SECRETS))] * 3),
    far=st.tuples(*[st.integers(0, 40) | st.integers(600, 1_100)] * 2),
)
def test_places_that_are_searched_at_once_hide_nothing_from_each_other(
    secrets: tuple[str, str, str], far: tuple[int, int]
) -> None:
    memory = Memory(whole().engine)
    rest = (PROSE * 20)[: far[0]] + secrets[2] + PROSE * 60
    memory.find(far_apart("a", "b", rest))
    body = far_apart("a" + (PROSE * 20)[: far[1]] + secrets[0], secrets[1] + "b", rest)
    assert covered(fit(body, whole().engine.find(body))[0]) <= covered(memory.find(body).findings)


def test_changes_far_apart_cost_one_search_and_no_more_than_they_are_large() -> None:
    engine = Keyed()
    memory = Memory(engine)
    memory.find(far_apart("a", "b", PROSE * 60))
    engine.asked = 0
    assert memory.find(far_apart("c", "d", PROSE * 60)).findings == []
    assert engine.asked == 1


@pytest.mark.parametrize("comment", ["", "# ", "// "])
def test_code_does_not_go_on_from_one_place_that_is_searched_to_the_next(comment: str) -> None:
    """Else each of them would be searched a second time, alone."""
    denied = Fingerprints()
    denied.add("denied.py", Path(base64.__file__).read_bytes())
    lines = [comment + line for line in Path(base64.__file__).read_text().splitlines(keepends=True)]
    before, behind = ("".join(some).encode() for some in (lines[150:200], lines[200:250]))
    ends = [(one.start, one.end) for one in denied.find(before + _APART + behind)]
    assert {end <= len(before) for _, end in ends} == {True, False}
    assert all(end <= len(before) or start >= len(before) + len(_APART) for start, end in ends)
    assert len(_APART) >= REACH


def test_what_was_found_at_a_border_is_not_fitted_anew_in_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(Marking())
    texts = [PROSE * 40 + "LEFT", "RIGHT" + PROSE * 40, *[PROSE * 40] * 4]
    [found] = memory.find(json.dumps(codex(texts)).encode()).findings
    monkeypatch.setattr("redactors.pieces.fit", None)
    assert memory.find(json.dumps(codex([*texts, PROSE * 40])).encode()).findings == [found]
