"""What every detector returns, and how sure it is."""

import enum
from typing import NamedTuple


class Confidence(enum.Enum):
    """CERTAIN: issuer-shaped, checksummed, PEM or a known value. LIKELY: entropy or keyword only."""

    LIKELY = 1
    CERTAIN = 2


class Finding(NamedTuple):
    """One secret in a piece of data.

    `start` and `end` are byte offsets of the span to replace. `value` is the canonical secret: for an encoded, cut
    or trimmed known value it is the known value itself, else the bytes of the span. `kind` is upper case, words
    joined by `-`. `rule` is the id of the rule, or `known` with the encoding (`known:base64`).
    """

    start: int
    end: int
    kind: str
    confidence: Confidence
    rule: str
    value: bytes


class Redaction(NamedTuple):
    """Redacted data, and what was replaced; `findings[i]` became `placeholders[i]`. Offsets are those of the input."""

    data: bytes
    findings: tuple[Finding, ...]
    placeholders: tuple[str, ...]
