"""Authorship logs of git-ai: the standard's own examples, what its implementation computes, and what strangers write."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.errors import ProvenanceError
from wrapper.provenance.exchange import gitai
from wrapper.provenance.exchange.gitai import Agent, Entry, File, Person
from wrapper.provenance.exchange.ranges import MOST, Range, joined, merged, topmost, within

PUBLISHED = Path(__file__).parent / "published"
METADATA = '{"schema_version": "authorship/3.0.0", "base_commit_sha": "", "prompts": {}}'


def published(name: str) -> bytes:
    return (PUBLISHED / f"git-ai-{name}.txt").read_bytes().rstrip(b"\n")


def noted(files: str = "", metadata: str = METADATA) -> gitai.Log:
    return gitai.read(f"{files}---\n{metadata}".encode())


@pytest.mark.parametrize("name", ["sessions", "legacy", "mixed", "first"])
def test_each_published_example_comes_out_byte_for_byte(name: str) -> None:
    assert gitai.write(gitai.read(published(name))) == published(name)


def test_the_published_example_says_who_wrote_which_lines() -> None:
    log = gitai.read(published("sessions"))
    main, library = log.files
    assert main.path == "src/main.rs"
    assert main.entries[0] == Entry("s_c9883b05a2487d::t_9f8e7d6c5b4a32", (Range(1, 10), Range(15, 20)))
    agents = [log.agent(entry.key) for entry in (*main.entries, *library.entries)]
    assert [agent and agent.tool for agent in agents] == ["cursor", "cursor", None, "claude"]
    assert agents[3] is not None
    assert (agents[3].id, agents[3].model) == ("conv_abc123def456", "claude-sonnet-4-5-20250514")
    assert agents[3].attributes() == {"team": "backend"}
    assert log.humans["h_31dce776f88375"].author == "Developer <dev@example.com>"
    assert gitai.is_persons(main.entries[2].key)


def test_keys_are_those_that_git_ai_itself_computes() -> None:
    assert gitai.session_key("cursor", "session_123") == "s_c9883b05a2487d"  # from git-ai's own snapshots of its tests
    assert gitai.trace_key("s_c9883b05a2487d", "x").startswith("s_c9883b05a2487d::t_")
    assert len(gitai.trace_key("s_c9883b05a2487d", "x")) == len("s_c9883b05a2487d::t_9f8e7d6c5b4a32")
    assert len(gitai.person_key("A <a@example.org>")) == len("h_31dce776f88375")


_LINES = st.integers(1, MOST)
_RANGES = st.lists(st.tuples(_LINES, _LINES).map(lambda pair: Range(min(pair), max(pair))), min_size=1, max_size=4)
_WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
_PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=20)
_KEYS = st.from_regex(r"s_[0-9a-f]{14}::t_[0-9a-f]{14}|h_[0-9a-f]{14}|[0-9a-f]{16}", fullmatch=True)
_FILES = st.builds(
    File,
    _PATHS,
    st.lists(st.builds(Entry, _KEYS, _RANGES.map(lambda ranges: tuple(sorted(ranges)))), min_size=1, max_size=3).map(
        tuple
    ),
)
_AGENTS = st.builds(Agent.made, _WORDS, _WORDS, _WORDS, st.dictionaries(_WORDS, _WORDS, max_size=2))
_LOGS = st.builds(
    gitai.made,
    st.lists(_FILES, max_size=3),
    _WORDS,
    st.dictionaries(_WORDS, _AGENTS, max_size=2),
    st.dictionaries(_WORDS, st.builds(Person.made, _WORDS), max_size=2),
)


@given(_LOGS)
def test_what_is_written_is_read_again_whatever_paths_and_names_hold(log: gitai.Log) -> None:
    again = gitai.read(gitai.write(log))
    assert again.files == log.files
    assert {key: agent[:3] for key, agent in again.sessions.items()} == {k: a[:3] for k, a in log.sessions.items()}
    assert {key: person.author for key, person in again.humans.items()} == {k: p.author for k, p in log.humans.items()}
    assert gitai.write(again) == gitai.write(log)


@pytest.mark.parametrize("path", ["a\nb", "", "\udcff"])
def test_a_path_that_the_format_cannot_hold_is_refused_when_written(path: str) -> None:
    assert not gitai.can_hold(path)
    with pytest.raises(ValueError, match="cannot hold"):
        gitai.write(gitai.made([File(path, (Entry("h_0", (Range(1, 1),)),))], "", {}, {}))


def test_fields_of_a_newer_minor_version_survive() -> None:
    metadata = {
        "schema_version": "authorship/3.7.0",
        "colour": {"deep": [1, None, "é"]},
        "sessions": {"s_1": {"agent_id": {"tool": "t", "id": "i", "model": "m", "mood": 1}, "new": [True]}},
    }
    again = gitai.write(noted("a\n  s_1::t_2 1\n", json.dumps(metadata))).partition(b"---\n")[2]
    assert json.loads(again) == metadata


def test_a_note_without_the_fields_that_only_the_standard_asks_for_is_read() -> None:
    log = noted("a\n  s_1::t_2 1\n", '{"schema_version": "authorship/3.0.0", "sessions": {"s_1": {"agent_id": {}}}}')
    assert log.agent("s_1::t_2") == Agent("", "", "", b'{"agent_id": {}}')


@pytest.mark.parametrize(
    ("version", "word"), [("4.0.0", "newer"), ("11.0.0", "newer"), ("2.9.9", "older"), ("0.0.1", "older")]
)
def test_another_major_version_is_refused_in_words(version: str, word: str) -> None:
    with pytest.raises(ProvenanceError, match=f"{word} than what is read here") as refused:
        noted("", f'{{"schema_version": "authorship/{version}"}}')
    assert refused.value.hint


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (b"", "no line `---`"),
        (b"a\n  k 1\n", "no line `---`"),
        (b" ---\n{}", "no line `---`"),
        (b"---\n", "no JSON object"),
        (b"---\n[]", "no JSON object"),
        (b'---\n{"schema_version": "authorship/3.0.0"', "no JSON object"),
        (b"---\n{}", "schema_version is no text"),
        (b'---\n{"schema_version": 3}', "schema_version is no text"),
        (b'---\n{"schema_version": "3.0.0"}', "`schema_version` is '3.0.0'"),
        (b'---\n{"schema_version": "authorship/3.0.0", "sessions": []}', "`sessions` is no JSON object"),
        (b'---\n{"schema_version": "authorship/3.0.0", "sessions": {"s_1": {}}}', "`agent_id` of `s_1`"),
        (b'---\n{"schema_version": "authorship/3.0.0", "humans": {"h_1": {"author": 1}}}', "author of `h_1`"),
        (b'---\n{"schema_version": "authorship/3.0.0", "prompts": {"p": {"agent_id": {"tool": []}}}}', "tool of `p`"),
        (b'---\n{"schema_version": "authorship/3.0.0", "x": ' + b"[" * 100_000, "no JSON object"),
        (b"---\n\xff", "byte 4 is not UTF-8"),
        (b"x" * (gitai.LARGEST + 1), "more than"),
    ],
)
def test_what_is_no_authorship_log_is_refused_with_the_reason(note: bytes, why: str) -> None:
    with pytest.raises(ProvenanceError, match=why.replace("[", r"\[")):
        gitai.read(note)


@pytest.mark.parametrize(
    "ranges",
    ["", "0", "2-1", "1-", "-1", "1 2", "1,,2", "a", "1-2-3", "٣", "4294967296", "1-99999999999999999999", "1,"],
)
def test_line_numbers_that_are_none_are_refused_with_their_line(ranges: str) -> None:
    with pytest.raises(ProvenanceError, match="line 2"):
        noted(f"a\n  s_1::t_2 {ranges}\n")
    with pytest.raises(ProvenanceError, match="line 1 stands before any file"):
        noted("  s_1::t_2 1\n")


@given(st.binary(max_size=300), st.integers(0, 1500))
def test_a_cut_or_damaged_note_is_read_or_refused_and_nothing_else_happens(noise: bytes, at: int) -> None:
    whole = published("mixed")
    for note in (noise, whole[:at], whole[:at] + noise + whole[at:]):
        try:
            log = gitai.read(note)
        except ProvenanceError:
            continue
        assert gitai.write(gitai.read(gitai.write(log))) == gitai.write(log)


def test_a_huge_range_costs_no_more_than_the_file_has_lines() -> None:
    entry = noted(f"a\n  s_1::t_2 1-{MOST},5-{MOST}\n").files[0].entries[0]
    assert list(within(entry.ranges, 3)) == [1, 2, 3]


_LAYERS = st.lists(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 8)).map(lambda pair: Range(pair[0], sum(pair))), max_size=4),
    max_size=4,
)


@given(_LAYERS)
def test_of_layers_each_line_is_left_to_the_last_one_that_has_it(layers: list[list[Range]]) -> None:
    last = {line: layer for layer, ranges in enumerate(layers) for line in within(ranges, 99)}
    for layer, ranges in enumerate(topmost(layers)):
        assert list(within(ranges, 99)) == sorted(line for line, of in last.items() if of == layer)
        assert ranges == merged(ranges) == joined(within(ranges, 99))
