"""All values of a list are found, the third as the first; names, words and numbers in lists stay."""

import json
from collections.abc import Sequence

import pytest

from redactors import Vault
from redactors.engine import Engine
from redactors.lists import FARTHEST
from redactors.pieces import Memory
from redactors.remembered import REACH
from redactors.rules.catalogue import expand
from tests.compiled import load

KEYS = tuple(expand(f"{{base62:24}}{number}") for number in range(5))
NAME = "api_" + "keys"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load(Vault(bytes(32)))


def lines(before: str, values: Sequence[str], behind: str = "") -> str:
    return "".join(f"{before}{value}{behind}\n" for value in values)


FOUND = {
    "JSON": json.dumps({NAME: KEYS}),
    "JSON on lines": json.dumps({NAME: KEYS}, indent=2),
    "YAML": f"{NAME}:\n" + lines("  - ", KEYS),
    "YAML in quotes": f"app:\n  {NAME}:\n" + lines('    - "', KEYS, '"  # one of them'),
    "YAML at the margin": f"{NAME}:\n" + lines("- ", KEYS),
    "flow of YAML": f"{NAME}: [{', '.join(KEYS)}]",
    "TOML": f"{NAME} = [\n" + lines("  '", KEYS, "',") + "]\n",
    "Python": f"{NAME.upper()} = [" + ", ".join(map(repr, KEYS)) + "]",
    "shell": f"{NAME.upper()}=(" + "\n".join(KEYS[:1]) + ")\n" + f"MY_{NAME.upper()}={','.join(KEYS)}\n",
    "dotenv in quotes": f'export {NAME.upper()}="{",".join(KEYS)}"\n',
    "semicolons": f"{NAME}={';'.join(KEYS)}",
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
@pytest.mark.parametrize("depth", range(3))
def test_all_values_of_a_list_are_found(engine: Engine, text: str, depth: int) -> None:
    for _ in range(depth):
        text = json.dumps({"content": text})
    redacted = engine.redact(text.encode()).data.decode()
    assert [key for key in KEYS if key in redacted] == []
    if depth:
        json.loads(redacted)


UNTOUCHED = (
    "tokens = ['IF', 'ELSE', 'end_of_file', 'T_2']",
    "tokens: [101, 2023, 2003, 102]",
    "secrets:\n  - db-" + "password\n  - api-key-of-app2\n",
    "secrets:\n  - name: one\n    file: ./one-2.txt\n",
    "passwords: [required, optional]",
    "passwords = [" + "pass" + "word, changeme, ${FIRST}, <your-secret-1>]",
    "page_tokens: [" + ", ".join(KEYS) + "]",
    "fake_tokens: [" + ", ".join(KEYS) + "]",
    "TOKENS=first,second,third",
)


@pytest.mark.parametrize("text", UNTOUCHED)
def test_names_words_and_numbers_in_lists_stay(engine: Engine, text: str) -> None:
    assert not engine.find(text.encode())


def test_a_list_is_found_as_far_as_its_name_reaches(engine: Engine) -> None:
    keys = [expand(f"{{base62:24}}{number}") for number in range(100)]
    found = engine.find(f"{NAME}: [{', '.join(keys)}]".encode())
    last = next(one.end for one in reversed(found))
    assert FARTHEST - 40 < last - len(f"{NAME}:") <= FARTHEST < REACH


def test_a_remembered_document_hides_no_value(engine: Engine) -> None:
    memory = Memory(engine)
    for before in range(1_500, 2_300, 60):
        for behind in ("", "one more"):
            data = json.dumps({"a": "x " * (before // 2), NAME: KEYS, "b": "y" * 3_000, "c": behind}).encode()
            found = {one[:2] for one in memory.find(data).findings}
            assert {one[:2] for one in engine.find(data)} <= found
