"""docs/policy.md tells the truth: every key is there, and every example is a valid policy."""

import re
from pathlib import Path

import pytest

from wrapper.policy.parse import parse
from wrapper.policy.schema import known_keys

TEXT = (Path(__file__).parents[2] / "docs/policy.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_every_key_is_documented() -> None:
    known = set(known_keys())
    leaves = {key for key in known if not any(other.startswith(f"{key}.") for other in known)}
    leaves -= {"version"}
    missing = {key for key in leaves if f"`{key}`" not in TEXT and f"`{key.rpartition('.')[2]}`" not in TEXT}
    assert missing == set()
    named = set(
        re.findall(r"`([a-z_]+(?:\.(?:[a-z_]+|NAME))+)`", TEXT.partition("## Keys")[2].partition("## Examples")[0])
    )
    assert named <= known


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str) -> None:
    parse(example.replace("age1…", "age1" + "q" * 58).encode(), "example.toml")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 9
