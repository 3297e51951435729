"""Where in a request the fields stand that belong to the provider: what leads there, and of which types they are.

Sources: the providers' API references (Messages, Message Batches, Responses, Conversations, compacting), what
codex-cli 0.169 and Claude Code 2.1 send; `thinking_blocks` and `reasoning_details` are those of servers that speak Chat
Completions for other providers (LiteLLM, OpenRouter).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

_ANY: Final = frozenset[str]()


class Shape(NamedTuple):
    """Objects at one place: which members are the provider's, of objects of which types; and where others lead."""

    own: Mapping[str, frozenset[str]]
    within: "Mapping[str, Shape]"


_RESULT: Final = Shape({
    "encrypted_content": frozenset({"web_search_result", "advisor_redacted_result"}),
    "encrypted_stdout": frozenset({"encrypted_code_execution_result"}),
}, {})  # fmt: skip
_CITATION: Final = Shape({"encrypted_index": frozenset({"web_search_result_location"})}, {})
_BLOCK: Final = Shape(
    {
        "thinking": frozenset({"thinking"}),
        "signature": _ANY,
        "data": frozenset({"redacted_thinking"}),
        "encrypted_content": _ANY,
    },
    {"content": _RESULT, "citations": _CITATION},
)
_DETAIL: Final = Shape({"signature": _ANY, "data": frozenset({"reasoning.encrypted"})}, {})
_MESSAGE: Final = Shape({}, {"content": _BLOCK, "thinking_blocks": _BLOCK, "reasoning_details": _DETAIL})
_PART: Final = Shape({"encrypted_content": frozenset({"encrypted_content"})}, {})
_ITEM: Final = Shape({"encrypted_content": _ANY}, {"content": _PART, "output": _PART})
_ASKING: Final = {"messages": _MESSAGE, "input": _ITEM, "items": _ITEM, "item": _ITEM}
_PACKED: Final = Shape({}, _ASKING)
# Of one line of a batch (`body`), of a message over WebSocket that nests what it asks (`response`), and of a batch.
BODY: Final = Shape(
    {},
    {
        **_ASKING,
        "body": _PACKED,
        "response": _PACKED,
        "requests": Shape({}, {"params": _PACKED, "body": _PACKED}),
    },
)
"""What may lead to such a field from the outermost value of a request."""


def _names(shape: Shape) -> frozenset[str]:
    return frozenset(shape.own).union(*map(_names, shape.within.values()))


NAMES: Final = _names(BODY)
"""What fields of the provider's own are called."""
