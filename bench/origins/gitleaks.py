"""Negatives of gitleaks' rules (Go, MIT) beyond the shared cases, which took three of a rule.

Read, not run: of the lists `fps` what is one literal on a line of its own. Positives are not read: they are drawn when
its tests run, in the notations that the shared cases show. `--against` of `bench/unseen.py` leaves out near copies of
shared cases, held-out ones too.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bench.origins.case import Case, negative
from bench.origins.fetch import go_module

LICENCE = "MIT"
_MODULE = "github.com/zricethezav/gitleaks/v8@v8.30.1"
_RULES = "cmd/generate/config/rules"
_LIST = re.compile(r"\bfps :?= (?:append\(fps,|\[\]string\{)(.*?)\n\t[})]", re.DOTALL)
_LITERAL = re.compile(r'\s*(?:`(?P<raw>[^`]*)`|(?P<quoted>"(?:[^"\\]|\\["\\nt])*")),?\s*(?://.*)?')


def cases(folder: Path) -> Iterator[Case]:
    """Read the rules of a copy in `folder`."""
    place = go_module(_MODULE, folder, (_RULES,))
    for path in sorted((place / _RULES).glob("*.go")):
        for found in _LIST.finditer(path.read_text()):
            for literal in filter(None, map(_LITERAL.fullmatch, found[1].splitlines())):
                yield negative(literal["raw"] or json.loads(literal["quoted"] or '""'), path.stem)
