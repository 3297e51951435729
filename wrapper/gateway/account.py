"""Says under which login a request goes without its secret: the kind, and the placeholder of the key or token; pure."""

from collections.abc import Callable, Mapping
from typing import Final

_SCHEME: Final = "Bearer "
# header, beginning of its value, what it is; the first that fits (prefixes of Anthropic's and OpenAI's own keys)
_KINDS: Final = (
    ("x-api-key", "sk-ant-", "Anthropic API key"),
    ("authorization", "sk-ant-oat", "Claude login"),
    ("authorization", "sk-ant-", "Anthropic API key"),
    ("authorization", "sk-", "OpenAI API key"),
    ("x-api-key", "", "API key"),
    ("authorization", "", "token"),
)
_LEAST: Final = 8  # bytes; what is shorter is a test's `x`, of which a placeholder would tell too much
_CHATGPT: Final = "chatgpt-account-id"  # goes with a ChatGPT login only


def account(credentials: Mapping[str, str], placeholder: Callable[[bytes], str]) -> str:
    """Describe the headers (lower-case names, real values) that authenticate a request; "" where none does.

    `placeholder` gives the placeholder of a value, which is the same one for ever on this machine.
    """
    for header, beginning, kind in _KINDS:
        value = credentials.get(header, "").removeprefix(_SCHEME).strip()
        if value and value.startswith(beginning):
            told = "ChatGPT login" if kind == "token" and credentials.get(_CHATGPT) else kind
            return f"{told} {placeholder(value.encode('latin-1', 'replace'))}" if len(value) >= _LEAST else told
    return ""
