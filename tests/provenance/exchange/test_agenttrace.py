"""Records of Agent Trace: the specification's schema and examples, and what strangers write."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from wrapper.errors import ProvenanceError
from wrapper.provenance.attribution import State
from wrapper.provenance.exchange import agenttrace, giving
from wrapper.provenance.exchange.ranges import Range
from wrapper.provenance.exchange.telling import Author, File

PUBLISHED = Path(__file__).parent / "published"
COMMIT = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0"


def published(name: str) -> Any:
    return json.loads((PUBLISHED / f"agent-trace-{name}.json").read_bytes())


SCHEMA = Draft202012Validator(published("schema"), format_checker=Draft202012Validator.FORMAT_CHECKER)


def generated() -> Draft202012Validator:
    """Give the schema made from their code, but for its pattern of a version: no published example matches that."""
    schema = published("generated-schema")
    assert schema["properties"]["version"]["pattern"] == "^[0-9]+\\.[0-9]+$"
    schema["properties"]["version"]["pattern"] = published("schema")["properties"]["version"]["pattern"]
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", ["example", "minimal"])
def test_each_published_example_validates_and_survives_reading_and_writing(name: str) -> None:
    example = published(name)
    again = json.loads(agenttrace.write(agenttrace.read(json.dumps(example).encode())))
    assert again == example
    SCHEMA.validate(again)
    generated().validate(again)


def test_the_published_example_says_what_its_fields_mean() -> None:
    record = agenttrace.read(json.dumps(published("example")).encode())
    first = record.files[0].conversations[0]
    assert record.vcs == agenttrace.Vcs(type="git", revision=COMMIT)
    assert first.ranges[0].lines == Range(42, 67)
    assert first.ranges[0].content_hash == "murmur3:9f2e8a1b"
    assert first.contributor == agenttrace.Contributor(type="ai", model_id="anthropic/claude-opus-4-5-20251101")
    assert first.related == (agenttrace.Related(type="session", url="https://api.cursor.com/v1/sessions/67890"),)


def test_what_the_reference_implementation_writes_is_read() -> None:
    """Its records are of version 1.0, their tool may have no version, and their URL is a file's."""
    record = published("minimal") | {"version": "1.0", "tool": {"name": "claude-code"}}
    record["files"][0]["conversations"][0]["url"] = "file:///home/u/.claude/t.jsonl"
    assert agenttrace.read(json.dumps(record).encode()).version == "1.0"


def test_unknown_fields_are_additions_and_a_newer_major_version_is_refused() -> None:
    record = published("minimal") | {"version": "0.9.1", "new": 1}
    record["files"][0]["new"] = {}
    assert agenttrace.read(json.dumps(record).encode()).files[0].path == "src/app.ts"
    with pytest.raises(ProvenanceError, match=r"Agent Trace 2\.0\.0, newer than what is read here"):
        agenttrace.read(json.dumps(record | {"version": "2.0.0"}).encode())


_PLACES = (
    ("version",), ("id",), ("timestamp",), ("vcs",), ("vcs", "type"), ("vcs", "revision"), ("files",),
    ("files", 0, "path"), ("files", 0, "conversations"), ("files", 0, "conversations", 0, "url"),
    ("files", 0, "conversations", 0, "contributor", "type"),
    ("files", 0, "conversations", 0, "contributor", "model_id"),
    ("files", 0, "conversations", 0, "ranges"), ("files", 0, "conversations", 0, "ranges", 0, "start_line"),
    ("files", 0, "conversations", 0, "ranges", 0, "end_line"),
    ("files", 0, "conversations", 0, "ranges", 0, "content_hash"), ("metadata",),
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    1, 0, -1, 1.5, True, [], {}, "", "x", "human", "x" * 251, 2**60, "not a url", "2026-01-23", "2026-13-45T00:00:00Z",
    "0.1", "0.1.0", "v1", COMMIT, "svn", "550e8400-e29b-41d4-a716-446655440000", "550e8400",
)  # fmt: skip


@given(st.sampled_from(_PLACES), st.sampled_from(_VALUES))
def test_what_the_schema_refuses_is_refused(place: tuple[str | int, ...], value: object) -> None:
    """The other way round we are stricter: lines must not run backwards, and URLs, times and ids must be some."""
    record = copy.deepcopy(published("example"))
    inner = record
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    is_valid = SCHEMA.is_valid(record) or (record["version"] == "0.1")  # the older pattern of a version, X.Y
    try:
        read = agenttrace.read(json.dumps(record).encode())
    except ProvenanceError:
        return
    assert is_valid
    assert json.loads(agenttrace.write(read)) == record


def test_a_valid_record_is_not_refused_without_need() -> None:
    changes: tuple[dict[str, Any], ...] = ({"vcs": {"type": "jj", "revision": "kk"}}, {"metadata": {}}, {"tool": {}})
    for change in changes:
        assert agenttrace.read(json.dumps(published("minimal") | change).encode())


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    for data in agenttrace.records(noise.replace(b"[", b"(")):
        with pytest.raises(ProvenanceError):
            agenttrace.read(data)


def test_a_file_may_hold_one_record_a_list_or_one_a_line() -> None:
    one = published("example")
    line = json.dumps(one).encode()
    for data, count in (
        (line, 1), (json.dumps(one, indent=2).encode(), 1), (line + b"\n\n" + line + b"\n", 2),
        (json.dumps([one, one, one]).encode(), 3), (b"", 0), (b" \n", 0),
    ):  # fmt: skip
        found = [agenttrace.read(raw) for raw in agenttrace.records(data)]
        assert len(found) == count
    with pytest.raises(ProvenanceError, match="the list cannot be read"):
        list(agenttrace.records(b"[" + line))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("claude-opus-4-8", "anthropic/claude-opus-4-8"), ("gpt-5-codex", "openai/gpt-5-codex"), ("o3", "openai/o3"),
        ("anthropic/claude", "anthropic/claude"), ("llama", "llama"), ("", None),
    ],
)  # fmt: skip
def test_models_are_named_with_their_provider(model: str, named: str | None) -> None:
    assert agenttrace.model_id(model) == named


_WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
_AUTHORS = st.one_of(
    st.just(Author(State.HUMAN)),
    st.builds(
        Author, st.sampled_from((State.AGENT, State.EDITED)), st.sampled_from(("claude", "codex")), _WORDS,
        st.from_regex(r"2026[0-9]{4}T[0-9]{6}Z-[0-9a-f]{6}", fullmatch=True),
    ),
)  # fmt: skip
_RANGES = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 9)).map(lambda p: Range(p[0], sum(p))), min_size=1)


def _files(lines: Mapping[Author, list[Range]], prompts: Mapping[Author, list[int]]) -> list[File]:
    text = b"".join(b"line %d\n" % number for number in range(40))
    asked = {who: tuple(sorted(some)) for who, some in prompts.items()}
    return [File("src/my file.py", text, {who: tuple(ranges) for who, ranges in lines.items()}, asked)]


@given(
    st.dictionaries(_AUTHORS, _RANGES, min_size=1, max_size=3),
    st.dictionaries(_AUTHORS, st.lists(st.integers(1, 99), max_size=2), max_size=2),
    st.dictionaries(st.tuples(_WORDS, st.integers(1, 99)), _WORDS, max_size=2),
)
def test_what_we_write_validates_and_is_the_same_each_time(
    lines: dict[Author, list[Range]], asked: dict[Author, list[int]], prompts: dict[tuple[str, int], str]
) -> None:
    files = _files(lines, asked)
    made = agenttrace.write(giving.record(files, commit=COMMIT, at=1.8e9, prompts=prompts))
    SCHEMA.validate(json.loads(made))
    generated().validate(json.loads(made))
    assert agenttrace.write(agenttrace.read(made)) == made
    assert agenttrace.write(giving.record(files, commit=COMMIT, at=1.8e9, prompts=prompts)) == made


def test_a_record_says_agent_edited_and_human_as_the_specification_names_them() -> None:
    session = "20261122T080000Z-abcdef"
    agent, edited = (Author(state, "claude", "claude-opus-4-8", session) for state in (State.AGENT, State.EDITED))
    lines = {agent: [Range(1, 3)], edited: [Range(4, 4)], Author(State.HUMAN): [Range(5, 6)]}
    files = _files(lines, {agent: [7]})
    record = giving.record(files, commit="", at=0, prompts={(session, 7): "make it so"})
    kinds = {
        one.contributor.type: one.ranges[0].lines
        for one in record.files[0].conversations
        if one.contributor is not None
    }
    assert kinds == {"ai": Range(1, 3), "mixed": Range(4, 4), "human": Range(5, 6)}
    assert record.vcs is None
    url = f"safe-agent:session/{session}"
    about = json.loads(agenttrace.write(record))["metadata"]["safe-agent"]
    assert about == {"clients": {url: "claude"}, "prompts": {f"{url}#7": "make it so"}}
    assert giving.clients(record) == {url: "claude"}
    ranges = record.files[0].conversations[0].ranges
    assert not agenttrace.differs(ranges[0].content_hash or "", b"line 0\nline 1\nline 2\n")
    assert agenttrace.differs(ranges[0].content_hash or "", b"line 0\nline 1\nline 3\n")
    assert not agenttrace.differs("murmur3:9f2e8a1b", b"anything")
