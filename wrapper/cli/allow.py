"""`safe-agent allow`: what waits for the user in sessions that run, and letting it go on."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from wrapper.errors import PolicyError, SessionError, StateError
from wrapper.messages import printable, say
from wrapper.plan.facts import NESTED
from wrapper.plan.places import Places

if TYPE_CHECKING:
    from wrapper.gateway.unnamed import Held
    from wrapper.guard.allowing import Reply, Request

_NOT_THERE = 1


@click.command(
    epilog="\b\nExit codes: 0 done (also when nothing waits); 1 with --remove: it was not allowed; 2 wrong usage;\n"
    "125 a rule denies it, no such session runs, inside a session, or something cannot be written.",
    help="""List what waits for you in sessions that run, or let HOST be reached (`example.org`, `*.example.org`,
    `example.org:8443`; without a port: 443 and 80), now and in later sessions.

    A session holds a connection to a host that no rule names, where policy says `[network] unknown = "wait"` or "ask"
    and somebody sits at its terminal. A host that a rule denies is not opened: change the rule.

    \b
    Examples:
      safe-agent allow
      safe-agent allow registry.example.org
      safe-agent allow registry.example.org --once      # for the rest of the session that waits for it
      safe-agent allow registry.example.org --remove
    """,
)
@click.argument("host", required=False, metavar="[HOST[:PORT]]")
@click.option("--once", is_flag=True, help="For the rest of that session only; nothing is remembered.")
@click.option("--session", metavar="ID", help="Tell this session only: its id, or the beginning of it.")
@click.option("--remove", is_flag=True, help="Allow HOST no longer, where this command had allowed it.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON object per line.")
@click.pass_context
def allow(
    ctx: click.Context, *, host: str | None, once: bool, session: str | None, remove: bool, as_json: bool
) -> None:
    """List, allow, or take back."""
    if host is None and (once or remove):
        raise click.UsageError("--once and --remove need HOST")
    if once and remove:
        raise click.UsageError("give one of --once and --remove")
    if os.environ.get(NESTED):
        raise SessionError("this shell is inside a safe-agent session", hint="allow it outside of it")
    places = Places.from_environment()
    running = tuple(_running(places.sessions, session))
    if host is None:
        _list(running, as_json=as_json)
    elif remove:
        ctx.exit(0 if _removed(places.config, host.lower(), running) else _NOT_THERE)
    else:
        _check(places.config, host.lower())
        if once:
            _allow_once(host.lower(), running)
        else:
            _allow_always(places.config, host.lower(), running)


@dataclass(frozen=True, slots=True)
class _Session:
    """One that runs and can be asked."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    def ask(self, request: "Request") -> "Reply | None":
        """Give its answer, None where it has just ended."""
        from wrapper.guard.allowing import ask  # noqa: PLC0415 (asyncio: 50 ms, where a session runs)

        try:
            return ask(self.folder, request)
        except OSError:
            return None

    def held(self) -> "tuple[Held, ...]":
        from wrapper.guard.allowing import Show, Shown  # noqa: PLC0415 (as above)

        shown = self.ask(Show())
        return shown.held if isinstance(shown, Shown) else ()


def _running(sessions: Path, wanted: str | None) -> Iterator[_Session]:
    """Find those that have the socket, the oldest first. Raises SessionError where the one that is wanted has none."""
    try:
        folders = sorted(one.parent for one in sessions.glob("*/allow") if one.is_socket())
    except OSError as error:
        raise StateError(f"cannot read `{sessions}`: {error.strerror}") from error
    found = [one for one in folders if wanted is None or one.name.startswith(wanted)]
    if wanted is not None and len(found) != 1:
        how = "no session that can be asked begins" if not found else "several sessions begin"
        raise SessionError(f"{how} with `{wanted}`", hint="`safe-agent allow` lists what waits, and where")
    yield from map(_Session, found)


def _list(running: tuple[_Session, ...], *, as_json: bool) -> None:
    from wrapper.guard.allowing import Show, Shown  # noqa: PLC0415 (asyncio: 50 ms)

    rows = []
    for one in running:
        shown = one.ask(Show())
        if isinstance(shown, Shown):
            rows += [
                {
                    "session": one.name,
                    "host": held.host,
                    "port": held.port,
                    "since": round(held.since, 3),
                    "connections": held.clients,
                    "client": shown.client,
                    "workspace": shown.workspace,
                }
                for held in shown.held
            ]
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row).decode("utf-8", "replace"))
        return
    for row in rows:
        click.echo(printable(_line(row)))
    if not rows:
        say("nothing waits")


def _line(row: dict[str, object]) -> str:
    waited = max(0, round(time.time() - float(str(row["since"]))))
    where = f"asked by {row['client']} in {row['workspace']}, session {row['session']}"
    return f"{row['host']}:{row['port']}  for {waited} s  {where}"


def _check(config: Path, host: str) -> None:
    """Refuse what the user cannot open. Raises PolicyError."""
    from wrapper.guard.allowing import misspelt, refused  # noqa: PLC0415 (as above)
    from wrapper.policy.load import load_policy  # noqa: PLC0415

    if why := misspelt(host):
        raise PolicyError(why, hint="as in `example.org`, `*.example.org`, `example.org:8443`")
    policy = load_policy(profile="default", workspace=config / "no-workspace", config_home=config)
    if why := refused(policy, host):
        raise PolicyError(why, hint="`safe-agent explain HOST` shows the rule; a rule is changed where it stands")


def _allow_once(host: str, running: tuple[_Session, ...]) -> None:
    """Tell the session that waits for it, or the only one that runs."""
    from wrapper.gateway.unnamed import covers  # noqa: PLC0415
    from wrapper.guard.allowing import Allow  # noqa: PLC0415 (as above)

    waiting = [one for one in running if any(covers((host,), held.host, held.port) for held in one.held())]
    told = waiting or list(running)
    if not told:
        raise SessionError("no session runs that can be asked", hint="without --once it holds for later sessions")
    if not waiting and len(told) > 1:
        raise SessionError(f"several sessions run, and none waits for `{host}`", hint="say which: --session ID")
    if not _told(told, Allow(host, "once")):
        raise SessionError(f"`{host}` was not allowed", hint="see the message above")


def _allow_always(config: Path, host: str, running: tuple[_Session, ...]) -> None:
    from wrapper.guard.allowed import remember  # noqa: PLC0415 (as above)
    from wrapper.guard.allowing import Allow  # noqa: PLC0415

    try:
        remember(config, host, "by `safe-agent allow`")
    except OSError as error:
        hint = "with --once it is allowed in a session that runs, and not remembered"
        raise StateError(f"cannot write in `{config}`: {error.strerror}", hint=hint) from error
    say(f"`{host}` is allowed in later sessions too; `safe-agent allow {host} --remove` takes that back")
    if os.environ.get("SAFE_AGENT_POLICY"):
        say("but not in those that SAFE_AGENT_POLICY gives another policy: it stands in place of yours")
    _told(running, Allow(host, "always"))


def _removed(config: Path, host: str, running: tuple[_Session, ...]) -> bool:
    from wrapper.guard.allowed import forget  # noqa: PLC0415 (as above)
    from wrapper.guard.allowing import Done, TakeBack  # noqa: PLC0415

    try:
        was_there = forget(config, host)
    except OSError as error:
        raise StateError(f"cannot write in `{config}`: {error.strerror}") from error
    taken = [one.name for one in running if isinstance(done := one.ask(TakeBack(host)), Done) and done.going]
    for name in taken:
        say(f"session {name}: `{host}` is allowed no longer; connections that stand go on")
    if was_there:
        say(f"`{host}` is no longer allowed in later sessions; sessions that began with it keep it")
    elif not taken:
        say(f"`{host}` was not allowed by this command")
    return was_there or bool(taken)


def _told(sessions: "tuple[_Session, ...] | list[_Session]", request: "Request") -> bool:
    """Tell sessions; whether one at least has done it."""
    from wrapper.guard.allowing import Done, Refusing  # noqa: PLC0415 (as above)

    done = False
    for one in sessions:
        match one.ask(request):
            case Done(going):
                done = True
                say(f"session {one.name}: " + (f"{', '.join(going)} goes on" if going else "allowed from now on"))
            case Refusing(why):
                say(f"session {one.name}: {why}")
    return done
