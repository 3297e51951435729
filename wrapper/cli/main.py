"""The `safe-agent` command: finds the subcommand's module only when it is called, since imports cost start-up time."""

import os
import signal
import sys
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import click

from wrapper.cli.elsewhere import refuse_elsewhere
from wrapper.cli.lazily import LazyGroup
from wrapper.errors import SafeAgentError, StateError
from wrapper.messages import report, report_mistake
from wrapper.version import VERSION

# command → (module, name in it, what `--help` says of it)
_COMMANDS: Final = MappingProxyType(
    {
        "run": ("wrapper.cli.run", "run", "Start Claude Code or Codex in the sandbox."),
        "exec": ("wrapper.cli.run", "execute", "Run any command in the same sandbox, gateway and log."),
        "explain": ("wrapper.cli.explain", "explain", "Show the plan, or what happens to one path, variable or host."),
        "allow": ("wrapper.cli.allow", "allow", "List hosts that wait for you in sessions that run, or allow one."),
        "scan": ("wrapper.cli.scan", "scan", "Find secrets in files, in what is staged, or in git's history."),
        "redact": ("wrapper.cli.redact", "redact", "Replace secrets in a stream by placeholders, or put them back."),
        "policy": ("wrapper.cli.policy", "group", "Show, check and trust policy files."),
        "blame": ("wrapper.cli.blame", "blame", "Say of each line of a file whether an agent wrote it."),
        "audit": ("wrapper.cli.audit", "group", "List, read and verify the logs of sessions."),
        "left": ("wrapper.cli.left", "command", "Say whether any part of a file left, when, and to whom."),
        "provenance": ("wrapper.cli.provenance", "group", "Look after the index of what agents wrote and read."),
        "review": ("wrapper.cli.review", "review", "List what agents wrote and nobody approved; approve or reject it."),
        "corpus": ("wrapper.cli.corpus", "group", "Judge corpora by what agents wrote; leave a proof."),
        "recover": ("wrapper.cli.recover", "recover", "Put back a file in which the agent damaged a placeholder."),
        "keys": ("wrapper.cli.keys", "group", "Make and show the keys of this machine."),
        "doctor": ("wrapper.cli.doctor", "doctor", "Say what is missing on this machine, and the fix; attack itself."),
        "action": ("wrapper.cli.action", "group", "Do a step of the GitHub action."),
        "demo": ("wrapper.cli.demo", "demo", "See it work on a throw-away project: no account, no network."),
        "alias": ("wrapper.cli.aliases", "alias", "Print the lines for your shell's rc file, or write them there."),
        "completion": (
            "wrapper.cli.completion",
            "completion",
            "Print what makes your shell complete our commands.",
        ),
    }
)


class _Commands(LazyGroup):
    table = _COMMANDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        refuse_elsewhere(cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader of our output went away: end like any tool in a pipe, not with click's 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered has nowhere to go
            ctx.exit(128 + signal.SIGPIPE)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="safe-agent")
def cli() -> None:
    """Run Claude Code and Codex so that no secret gets in or out, with an encrypted log of every session.

    \b
    Example:
      cd my-project && safe-claude        # as `claude`, in the sandbox
      safe-agent explain .env             # what the agent would see of it
      safe-agent audit show last          # what happened

    \b
    Exit codes: the client's own; 128+n when it died of signal n; 125 when safe-agent refuses or fails;
    127 when the client is not found; 2 for wrong usage.
    """  # noqa: D301 (click's mark for lines that stay as they are)


def _report_lost_output() -> int:
    """Say why standard output takes nothing; 0 where it does. What it did not take is still in its buffer."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return report(
            StateError(f"cannot write to standard output: {error.strerror}", hint="free space, or write elsewhere")
        )
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(args=arguments, prog_name="safe-agent", standalone_mode=False)
    except SafeAgentError as error:
        code = report(error)
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except click.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception:  # noqa: BLE001 (whatever it was, the caller must be able to tell it from a command's own code)
        code = _report_lost_output() or report_mistake()
    sys.exit(code if isinstance(code, int) else 0)
