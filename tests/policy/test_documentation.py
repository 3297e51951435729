"""docs/policy.md tells the truth: its reference is the code's own, and every example is a valid policy."""

import re
from pathlib import Path

import pytest

from tests.policy.writing import DEFAULT
from wrapper.errors import PolicyError
from wrapper.policy.load import beyond_tightening
from wrapper.policy.parse import parse
from wrapper.policy.reference import CHOICES, MEANINGS, Entry, entries, render
from wrapper.policy.schema import known_keys

TEXT = (Path(__file__).parents[2] / "docs/policy.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
BUNDLED = parse(DEFAULT, "default.toml").document
ENTRIES = {entry.key: entry for entry in entries(BUNDLED)}
RECIPIENT = "age1" + "q" * 58
# What a project's file would say that the bundled profile does not, or more loosely, where `["x"]` is none.
LOOSER = {
    "environment.set": '{ A = "b" }',
    "files.frozen_mounts": '["/x"]',
    "files.view": '"binds"',
    "files.scan.enabled": "false",
    "files.scan.max_bytes": "1000",
    "home.read_only": '["~/x"]',
    "home.read_write": '["~/x"]',
    "network.loopback": "[5432]",
    "network.wait_seconds": "61",
    "audit.recipients": f'["{RECIPIENT}"]',
    "audit.keystrokes": "true",
    "audit.anchors": '["file:/mnt/x"]',
    "audit.keep_days": "3",
    "audit.segment_bytes": "2000000",
    "audit.segment_hours": "2.0",
    "provenance.capture": "false",
    "provenance.sticky": "0.5",
    "provenance.unwatched": '"human"',
    "terminal.status_line": "false",
    "limits.body_bytes": "100000000",
    "wire.monitor": '["X"]',
    "wire.redact": '["X"]',
    "wire.block": '["X"]',
}
AT_ITS_LOOSEST = (
    "version",
    "files.damaged",
    "files.restore",
    "files.commits",
    "home.cache",
    "network.unknown",
    "wire.budget",
    "approved.default",
    "provenance.claims",
    "provenance.require_review",
    "provenance.require_reason",
)
REPEATED = ("secrets", "hosts", "remotes", "loopback", "tasks", "context", "redaction.rules", "approved.rules")
PLAIN = [
    key
    for key, entry in ENTRIES.items()
    if entry.table not in REPEATED and not key.startswith("upstream") and key not in AT_ITS_LOOSEST
]


def as_project(entry: Entry, value: str) -> list[str]:
    """Give the keys of which an untrusted project's file, which sets this one, is told that they are not taken."""
    table, _, key = entry.key.rpartition(".")
    text = f"version = 1\n[{table}]\n{key} = {value}\n"
    return [notice.key.partition(" ")[0] for notice in beyond_tightening(text.encode(), "project.toml")]


def test_the_reference_is_what_the_code_says() -> None:
    """Where this fails: `safe-agent policy reference` prints what belongs between `## Keys` and `## Examples`."""
    written = TEXT.partition("<!-- safe-agent policy reference -->\n\n")[2].partition("\n<!-- end -->")[0]
    assert written == render(BUNDLED)


def test_every_key_is_explained_and_nothing_else() -> None:
    known = set(known_keys())
    leaves = {key for key in known if not any(other.startswith(f"{key}.") for other in known)}
    assert set(ENTRIES) == leaves
    assert set(MEANINGS) == leaves
    assert set(CHOICES) <= leaves


@pytest.mark.parametrize("key", PLAIN)
def test_what_is_said_of_an_untrusted_project_is_what_is_done(key: str) -> None:
    refused = as_project(ENTRIES[key], LOOSER.get(key, '["x"]'))
    assert bool(refused) == (ENTRIES[key].project != "adds"), refused


@pytest.mark.parametrize("key", ["upstream.openai", "upstreams.NAME.url"])
def test_a_project_never_says_where_the_provider_is(key: str) -> None:
    assert ENTRIES[key].project == "never"
    table, _, last = key.replace("NAME", "x").rpartition(".")
    text = f'version = 1\n[{table}]\n{last} = "https://llm.example.org"\n'
    with pytest.raises(PolicyError, match="where the provider is"):
        beyond_tightening((text + 'kind = "openai"\n' * ("NAME" in key)).encode(), "project.toml")


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str) -> None:
    parse(example.replace("age1…", RECIPIENT).encode(), "example.toml")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 13
