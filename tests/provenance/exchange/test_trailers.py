"""Commit messages: what clients and projects are known to write, and what only looks like it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.provenance.exchange import trailers

_GITHUB = "users.noreply.github.com"


@pytest.mark.parametrize(
    ("line", "agent", "model"),
    [
        ("Co-Authored-By: Claude <noreply@anthropic.com>", "claude", ""),
        ("Co-Authored-By: Claude Code <noreply@anthropic.com>", "claude", ""),
        (
            "Co-Authored-By: Claude Opus 4.8 (1M context) <noreply@anthropic.com>",
            "claude",
            "Claude Opus 4.8 (1M context)",
        ),
        ("Co-authored-by: Codex <noreply@openai.com>", "codex", ""),
        ("co-authored-by: Codex <codex@openai.com>", "codex", ""),
        ("Co-authored-by: Cursor <cursoragent@cursor.com>", "cursor", ""),
        (f"Co-authored-by: Copilot <223556219+Copilot@{_GITHUB}>", "copilot", ""),
        (f"Co-authored-by: gemini-code-assist[bot] <176961590+gemini-code-assist[bot]@{_GITHUB}>", "gemini", ""),
        (f"Co-authored-by: devin-ai-integration[bot] <158243242+devin-ai-integration[bot]@{_GITHUB}>", "devin", ""),
        ("Co-authored-by: aider (openai/gpt-4o) <noreply@aider.chat>", "aider", "openai/gpt-4o"),
        ("Co-authored-by: Amp <amp@ampcode.com>", "amp", ""),
        ("Co-authored-by: GitHub Copilot", "copilot", ""),
        ("Assisted-by: Claude:claude-3-opus coccinelle sparse", "claude", "claude-3-opus"),
        ("Assisted-by: Codex:gpt-5-codex", "codex", "gpt-5-codex"),
        ("Assisted-by: ChatGPTv5", "ChatGPTv5", ""),
        ("Assisted-by: generic LLM chatbot", "generic LLM chatbot", ""),
        ("Assisted-By: Claude Code <noreply@anthropic.com>", "claude", ""),
        ("Generated-by: GitHub Copilot", "copilot", ""),
        ("\U0001f916 Generated with [Claude Code](https://claude.com/claude-code)", "claude", ""),
        ("Generated with [Codex](https://openai.com/codex/).", "codex", ""),
    ],
)
def test_a_known_line_names_its_agent(line: str, agent: str, model: str) -> None:
    told = trailers.read(f"subject\n\nbody\n\n{line}\n")
    assert [(one.agent, one.model) for one in told] == [(agent, model)]


@pytest.mark.parametrize(
    "line",
    [
        "Co-authored-by: Claude Monet <claude@example.org>",
        "Co-authored-by: Jane <jane@example.org>",
        "Co-authored-by: <noreply@anthropic.com.example.org>",
        "Assisted-by: Jane Doe <jane@example.org>",
        "Signed-off-by: Claude <noreply@anthropic.com>",
        "> Co-Authored-By: Claude <noreply@anthropic.com>",
        "  Co-Authored-By: Claude <noreply@anthropic.com>",
        "This was not Generated with [Claude Code]",
        "Assisted-by:",
        "Co-authored-by: x" + "x" * 500 + " <noreply@anthropic.com>",
    ],
)
def test_people_quotations_and_other_trailers_claim_nothing(line: str) -> None:
    assert trailers.read(f"subject\n\n{line}\n") == ()
    assert trailers.read(f"subject\n\n{line}\nAssisted-by: Codex\n")  # the control: the same message with a claim


def test_a_subject_is_no_trailer() -> None:
    assert trailers.read("Assisted-by: Claude") == ()


def test_what_claude_code_writes_together_is_one_agent_with_model_and_session() -> None:
    message = (
        "fix\n\n\U0001f916 Generated with [Claude Code](https://claude.com/claude-code)\n\n"
        "Co-Authored-By: Claude Opus 4.8 <noreply@anthropic.com>\n"
        "Claude-Session: https://claude.ai/code/session_01\n"
    )
    (told,) = trailers.read(message)
    assert (told.agent, told.model, told.session) == (
        "claude", "Claude Opus 4.8", "https://claude.ai/code/session_01",
    )  # fmt: skip


def test_messages_that_a_server_squashed_into_one_tell_of_each_agent() -> None:
    message = (
        "feature (#1)\n\n* one\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n\n* two\n\n"
        "Co-authored-by: Codex <noreply@openai.com>\n\n* three\n\nby hand\n"
    )
    assert [one.agent for one in trailers.read(message)] == ["claude", "codex"]


def test_the_address_of_an_author_may_be_an_agents() -> None:
    (told,) = trailers.read("subject", f"198982749+Copilot@{_GITHUB}")
    assert told.agent == "copilot"
    assert trailers.read("subject", "copilot@example.org") == ()


@given(
    st.sets(st.tuples(st.sampled_from(("claude", "codex", "my agent")), st.text(max_size=20)), max_size=4), st.data()
)
def test_what_we_write_is_trailers_for_git_and_is_read_again(agents: set[tuple[str, str]], data: st.DataObject) -> None:
    sessions = data.draw(st.sets(st.from_regex(r"2026[0-9]{4}T[0-9]{6}Z-[0-9a-f]{6}", fullmatch=True), max_size=2))
    written = trailers.written(agents, sessions)
    assert all(re.fullmatch(r"[A-Z][A-Za-z-]+: [\w.+/@:-]+", line) for line in written)
    told = trailers.read("\n".join(("subject", "", *written)))
    names = {"claude": "claude", "codex": "codex", "my agent": "my-agent"}
    assert {one.agent for one in told if one.agent} == {names[agent] for agent, _ in agents}
    assert bool(told) == bool(written)


def test_ours_are_as_the_kernel_asks() -> None:
    assert trailers.written([("claude", "claude-opus-4-8"), ("codex", "")], ["20261122T080000Z-abcdef"]) == (
        "Assisted-by: Claude:claude-opus-4-8",
        "Assisted-by: Codex",
        "Safe-Agent-Session: 20261122T080000Z-abcdef",
    )


@given(st.text(max_size=300), st.text(max_size=60))
def test_any_message_is_read(message: str, author: str) -> None:
    for told in trailers.read(message, author):
        assert told.agent or told.session
