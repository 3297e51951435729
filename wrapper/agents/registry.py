"""Which adapter is meant by the name of a client."""

from wrapper.agents.claude import ClaudeCode
from wrapper.agents.client import Client
from wrapper.agents.codex import Codex
from wrapper.agents.command import Command

CLIENTS: tuple[Client, ...] = (ClaudeCode(), Codex())
"""The adapters of clients that have a command of their own (`safe-NAME`)."""


def adapter_for(name: str, arguments: tuple[str, ...]) -> tuple[Client, tuple[str, ...]]:
    """Give the adapter of `claude`, `codex` or `command`, and the arguments that are the program's own."""
    for client in CLIENTS:
        if client.name == name:
            return client, arguments
    return Command(arguments[0] if arguments else ""), arguments[1:]
