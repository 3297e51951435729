"""`safe-agent policy`: what is in effect, whether a file is valid, and which projects' files are trusted."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from wrapper.cli.options import policy_options
from wrapper.errors import PolicyError, SafeAgentError
from wrapper.messages import report, say
from wrapper.plan.chosen import load_chosen
from wrapper.plan.facts import find_workspace
from wrapper.plan.places import Places
from wrapper.policy import trust
from wrapper.policy.layered import OWN
from wrapper.policy.load import PROJECT_FILE, USER_FILE, beyond_tightening, read
from wrapper.policy.model import Notice, Policy
from wrapper.policy.parse import parse, printable

_CODES = "\b\nExit codes: 0 done; 125 when a file cannot be read or is not valid; 2 for wrong usage."


@click.group(
    epilog=_CODES,
    help="""Write, show, check and trust policy files.

    \b
    Example:
      safe-agent policy init              # a file of your own, in which each line says what it could do
      safe-agent policy show --origin     # what is in effect here, and which file says so
      safe-agent policy check             # the files of this project
      safe-agent policy trust             # let this project's file loosen the policy, as it is now
      safe-agent policy reference         # every key there is, with its values
    """,
)
def group() -> None:
    """Group the commands about policy."""


def _effective(profile: str | None, policy: Path | None) -> Policy:
    """Load what a session started here would have."""
    places = Places.from_environment()
    workspace = find_workspace(None, places)[1]
    return load_chosen(profile, policy, environ=os.environ, workspace=workspace, places=places)


def _warn(notices: tuple[Notice, ...]) -> None:
    for notice in notices:
        say(f"warning: {notice.what}")
        click.echo(f"hint: {notice.hint}", err=True)


@group.command(
    epilog=_CODES,
    short_help="Write a policy file to begin with.",
    help=f"""Write a policy file that says nothing yet, with each table in a comment: yours, or this project's.

    \b
    Example:
      safe-agent policy init              # ~/.config/safe-agent/{USER_FILE}
      safe-agent policy init --project    # {PROJECT_FILE} at the top of the workspace
    """,
)
@click.option("--project", is_flag=True, help="Write the project's file, which may only tighten.")
def init(*, project: bool) -> None:
    """Write a first file."""
    from wrapper.policy import starting  # noqa: PLC0415 (for this command only)

    places = Places.from_environment()
    file = find_workspace(None, places)[1] / PROJECT_FILE if project else places.config / USER_FILE
    starting.write_new(file, starting.PROJECT if project else starting.USER)
    click.echo(f"{file}: written")


@group.command(
    epilog=_CODES,
    help="""Print the effective policy of the current project.

    \b
    Example:
      safe-agent policy show --origin | grep network
      safe-agent policy show --json | jq .digest
    """,
)
@policy_options
@click.option("--origin", is_flag=True, help="Say for each value which layer, file and line it comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (with origins).")
def show(*, profile: str | None, policy: Path | None, origin: bool, as_json: bool) -> None:
    """Print the settings."""
    effective = _effective(profile, policy)
    _warn(effective.notices)
    if as_json:
        click.echo(effective.to_json())
        return
    click.echo(f"# profile {effective.profile}, digest {effective.digest}")
    rows = effective.settings()
    widths = max(len(row.key) for row in rows), max(len(row.value) for row in rows)
    for row in rows:
        line = f"{row.key:<{widths[0]}}  {printable(row.value)}"
        if origin:
            line = f"{line:<{sum(widths) + 2}}  {row.rule.layer.value}  {row.rule.file}:{row.rule.line}"
        click.echo(line)


@group.command(
    epilog=_CODES,
    short_help="Say whether policy files are valid.",
    help="""Say whether policy files are valid: the given ones, or all that are in effect here.

    \b
    Example:
      safe-agent policy check .safe-agent.toml
    """,
)
@policy_options
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.pass_context
def check(ctx: click.Context, *, files: tuple[Path, ...], profile: str | None, policy: Path | None) -> None:
    """Check files."""
    if not files:
        effective = _effective(profile, policy)
        _warn((*effective.notices, *_unknown_fields(effective)))
        click.echo(f"valid: profile {effective.profile}, digest {effective.digest}")
        return
    codes = [_check_file(file) for file in files]
    ctx.exit(max(codes))


def _unknown_fields(policy: Policy) -> Iterator[Notice]:
    """Say which names in `[identity]` no client has; patterns may be meant for what is to come."""
    from wrapper.gateway.identity import FIELDS  # noqa: PLC0415 (for this command only)
    from wrapper.policy.wirechecks import nearest  # noqa: PLC0415

    known = sorted({field for fields in FIELDS.values() for field in fields})
    for rule in (*policy.identity.rules, *policy.identity.tightening):
        if rule.pattern.strip("!") not in known and not any(char in rule.pattern for char in "*?["):
            why = f'names "{rule.pattern}", which no client sends'
            yield Notice(rule.file, rule.line, f"identity.{rule.action}", why, nearest(rule.pattern, known))


def _check_file(file: Path) -> int:
    try:
        content = read(file)
        if content is None:
            raise PolicyError(f"{file}: no such file")
        parse(content, str(file))
    except SafeAgentError as error:
        return report(error)
    click.echo(f"{file}: valid")
    return 0


@group.command(
    name="trust",
    epilog=_CODES,
    short_help="Let this project's file loosen the policy.",
    help=f"""Let this project's {PROJECT_FILE} loosen the policy, as long as its content stays exactly what it is now.

    \b
    Example:
      safe-agent policy trust             # prints what the file asks for, and trusts it
      safe-agent policy trust --revoke
      safe-agent policy trust --list
    """,
)
@click.option("--revoke", is_flag=True, help="Trust this project's file no longer.")
@click.option("--list", "as_list", is_flag=True, help="Print the projects whose file is trusted.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
def trust_project(*, revoke: bool, as_list: bool, as_json: bool) -> None:
    """Trust, revoke or list."""
    if (revoke and as_list) or (as_json and not as_list):
        raise click.UsageError("give one of --revoke and --list; --json goes with --list")
    places = Places.from_environment()
    if as_list:
        _list_trusted(trust.trusted(places.config), as_json=as_json)
        return
    workspace = find_workspace(None, places)[1]
    if revoke:
        known = trust.revoke(places.config, workspace)
        click.echo(f"{workspace}: {'no longer trusted' if known else 'was not trusted'}")
        return
    _trust(places.config, workspace)


def _list_trusted(projects: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        rows = [{"workspace": path, "sha256": digest} for path, digest in sorted(projects.items())]
        click.echo(msgspec.json.encode({"version": 1, "trusted": rows}).decode())
        return
    for path, digest in sorted(projects.items()):
        click.echo(f"{digest}  {printable(path)}")


def _said(document: Mapping[str, Any], content: bytes, notice: Notice) -> str:
    """Give what a file says under a key, all of it, letters beyond ASCII as escapes: some look like others."""
    value: Any = document
    for name in notice.key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    line = content.splitlines()[notice.line - 1].decode().strip()
    return json.dumps(line if value is None else value, default=str)


def _trust(config_home: Path, workspace: Path) -> None:
    """Trust what was read, not what the file holds a moment later."""
    file = workspace / PROJECT_FILE
    content = read(file)
    if content is None:
        raise PolicyError(f"{file}: no such file", hint=f"only a project with a `{PROJECT_FILE}` can be trusted")
    notices = beyond_tightening(content, str(file))
    document = tomllib.loads(content.decode())
    for notice in notices:
        granted = notice.hint != OWN
        said = f" = {_said(document, content, notice)}" if granted else ""
        click.echo(f"{'granted' if granted else 'never granted'}: line {notice.line}: `{notice.key}`{said}")
    trust.trust(config_home, workspace, content)
    click.echo(f"{file}: trusted as it is (SHA-256 {trust.digest(content)})")


@group.command(
    epilog=_CODES,
    short_help="Print every key that a policy file may have.",
    help="""Print every key that a policy file may have: its values, what is bundled, who may set it, what it means.

    \b
    Example:
      safe-agent policy reference | grep audit
    """,
)
def reference() -> None:
    """Print the reference as Markdown."""
    from wrapper.policy import bundled  # noqa: PLC0415 (for this command only)
    from wrapper.policy.reference import render  # noqa: PLC0415

    file = bundled.chain("default")[0]
    click.echo(render(parse(file.read_bytes(), str(file)).document), nl=False)
