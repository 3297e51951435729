"""`safe-agent action`: the steps of the GitHub action, which `action.yml` calls; nobody types them."""

import os
import traceback

import click

from wrapper.action.speaking import command, harmless
from wrapper.action.steps import Steps
from wrapper.errors import SafeAgentError

_CODES = "\b\nExit codes: 0 done; 125 when safe-agent refuses or fails; 2 wrong usage."


def _help(name: str, what: str) -> str:
    return f"{what}\n\n\b\nExample:\n  safe-agent action {name}        # a step of action.yml\n"


class _Step(click.Command):
    """A step: what refuses it is told to the runner, which shows it at the job's top and in the log.

    It is told in no other way: `##[…]` is obeyed anywhere in a line, and an error quotes a stranger's policy file.
    """

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SafeAgentError as error:
            hint = f"\n{error.hint}" if error.hint else ""
            click.echo(command("error", f"{error.what}{hint}", title="safe-agent"))
            ctx.exit(error.exit_code)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except Exception:  # noqa: BLE001 (a name in it may be a stranger's: nothing is printed as it is)
            click.echo(harmless(traceback.format_exc()), err=True)
            click.echo(command("error", "this is a mistake in safe-agent itself", title="safe-agent"))
            ctx.exit(SafeAgentError.exit_code)


@click.group(
    epilog="\b\nExit codes: 0 done; 125 when safe-agent refuses or fails; 2 wrong usage; of `finish` the job's.",
    help="""Do a step of the GitHub action: `action.yml` calls these in order, docs/ci.md says how to use it.

    They read the inputs from variables SAFE_AGENT_INPUT_…, never from a command line, and work in a job of GitHub
    Actions only. In another build service use `safe-agent run --profile ci --report FILE`.

    \b
    Example:
      safe-agent action --help
    """,
)
def group() -> None:
    """Do a step."""


@group.command(cls=_Step, epilog=_CODES, help=_help("begin", "Check the inputs, and make the job's folder and keys."))
def begin() -> None:
    """Do it."""
    _steps().begin()


@group.command(cls=_Step, epilog=_CODES, help=_help("client", "Install the client at its version, unless PATH has it."))
def client() -> None:
    """Do it."""
    _steps().client()


@group.command(
    cls=_Step,
    epilog=_CODES,
    short_help="Allow user namespaces and FUSE, or say what to do.",
    help=_help("machine", "Allow user namespaces and FUSE where the runner forbids them, or say what to do."),
)
def machine() -> None:
    """Do it."""
    _steps().machine()


@group.command(
    cls=_Step,
    epilog=_CODES,
    short_help="Register the job's secrets with the runner.",
    help=_help("masks", "Register the job's secrets with the runner; prints them, for the runner alone."),
)
def masks() -> None:
    """Do it."""
    _steps().masks()


@group.command(cls=_Step, epilog=_CODES, help=_help("run", "Run the agent, whose output the runner does not obey."))
def run() -> None:
    """Do it."""
    _steps().run()


@group.command(
    cls=_Step,
    epilog="\b\nExit codes: the agent's own; 1 where `fail-on` holds or no session began; 125 when safe-agent fails.",
    short_help="Write the summary, and fail where the job must.",
    help=_help("finish", "Write the job's summary, and fail where the agent failed or `fail-on` holds."),
)
@click.pass_context
def finish(ctx: click.Context) -> None:
    """Do it."""
    ctx.exit(_steps().finish())


def _steps() -> Steps:
    return Steps(os.environ, click.echo)
