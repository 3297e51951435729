"""`safe-agent audit keys`: who can read the logs, and whether they really can."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from wrapper.audit import reader
from wrapper.audit.age.asking import Asking, NoTerminalError, Terminal
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.drill import Drilled, Outcome, drill, is_lost_without, readers_of
from wrapper.audit.entries import Shredded
from wrapper.audit.keyfiles import Reader
from wrapper.audit.keys import AUDIT_KEY, Keys
from wrapper.audit.ledger import read as read_ledger
from wrapper.audit.readers import Standing, is_mixed, reads_new, standings
from wrapper.audit.seal import Identities
from wrapper.cli.auditing.opening import record_reading
from wrapper.cli.auditing.policies import policy_here
from wrapper.cli.keys import say_made
from wrapper.errors import AuditError, StateError
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.review import render

_CODES = "\b\nExit codes: 0 done; 2 wrong usage; 13 no passphrase or a wrong one; 125 a key cannot be made or used."
_ELSEWHERE = "SAFE_AGENT_AUDIT_IDENTITY=FILE names a private key that is kept elsewhere."
_SHOWN = 80  # characters of a recipient in a table: a hybrid one has 1959


@click.group(
    "keys",
    epilog=_CODES,
    help="""Say who can read the logs, and try it.

    Logs are encrypted to the public keys in `audit.pub`; the private halves in `audit.key` open them. All files are
    those of age: its own tool reads them, too.

    \b
    Examples:
      safe-agent audit keys init --passphrase
      safe-agent audit keys add age1… --name 'security team'
      safe-agent audit keys drill
    """,
)
def command() -> None:
    """Hold the verbs."""


@command.command(
    epilog=_CODES,
    help="""Make the keys that are missing. Existing keys stay.

    With --hybrid the pair is safe from quantum computers, too (ML-KEM-768 with X25519). With --passphrase the private
    half is encrypted; where one is there already, it is put under the passphrase. Sessions need no passphrase, reading
    their logs does.

    \b
    Examples:
      safe-agent audit keys init
      safe-agent audit keys init --hybrid --passphrase
    """,
)
@click.option("--hybrid", is_flag=True, help="Make a post-quantum pair.")
@click.option("--passphrase", is_flag=True, help="Protect the private half by a passphrase, which is asked for.")
def init(*, hybrid: bool, passphrase: bool) -> None:
    """Make what is missing."""
    keys = _keys()
    if hybrid and (keys.identity_path.exists() or keys.recipients_path.exists()):
        raise StateError(
            f"there is a key pair in `{keys.folder}` already",
            hint="`safe-agent audit keys rotate --hybrid` makes a new one and keeps the old for old logs",
        )
    words = _new_passphrase(Terminal()) if passphrase else ""
    made = keys.make(hybrid=hybrid, words=words)
    say_made(keys, made)
    if words and AUDIT_KEY not in made:
        if keys.protect(words):
            say("`audit.key` is under the passphrase now; copies of it, and what the disk still holds of it, are not")
        else:
            say("`audit.key` is under a passphrase already, which stays")


@command.command(
    epilog=_CODES,
    short_help="Let a further reviewer read sessions from now on.",
    help="""Let a further reviewer read: sessions from now on are encrypted to RECIPIENT, too. Earlier ones are not.

    A RECIPIENT is a public key: `age1…`, `age1pq1…` or that of an age plugin, whose program must be installed here.
    To take a reader away, delete the line in `audit.pub`; what was encrypted to it stays readable to it.

    \b
    Example:
      safe-agent audit keys add age1… --name 'security team'
    """,
)
@click.argument("recipients", nargs=-1, required=True, metavar="RECIPIENT…")
@click.option("--name", default="", help="What you call this reader; for one RECIPIENT only.")
def add(recipients: tuple[str, ...], name: str) -> None:
    """Add readers, then show all."""
    if name and len(recipients) > 1:
        raise click.UsageError("a name is for one recipient only")
    if not name.isprintable():
        raise click.UsageError("a name is one line of text")
    new = _keys().add([Reader(one.strip(), name) for one in recipients])
    say(f"added {len(new)} of {len(recipients)} to `audit.pub`; sessions to come are encrypted to those under NEW")
    _show(_keys(), private=False)


@command.command(
    epilog=_CODES,
    help="""Make a new pair for this machine. Sessions from now on are encrypted to it; other readers stay.

    The old private keys stay in `audit.key`, below the new one, to read old logs. The new pair is of the old one's
    kind; --hybrid makes a post-quantum one.

    \b
    Example:
      safe-agent audit keys rotate && safe-agent audit keys drill
    """,
)
@click.option("--hybrid", is_flag=True, help="Make a post-quantum pair.")
def rotate(*, hybrid: bool) -> None:
    """Rotate, then show all."""
    _keys().rotate(hybrid=hybrid)
    say("made a new pair: renew your copy of `audit.key`; sessions to come are encrypted to those under NEW")
    _show(_keys(), private=False)


@command.command(
    "list",
    epilog=_CODES,
    short_help="List who can read the logs.",
    help=f"""List who can read the logs: of sessions from now on (NEW), and of how many that are there (OLD).

    HERE says whether the private half is on this machine. Where policy names the readers ([audit] recipients), they
    stand in place of those in `audit.pub`. {_ELSEWHERE}

    \b
    Examples:
      safe-agent audit keys list
      safe-agent audit keys list --json | jq -r 'select(.new).recipient'
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def listed(*, as_json: bool) -> None:
    """Print a line per reader."""
    _show(_keys(), as_json=as_json)


@command.command(
    "drill",
    epilog="\b\nExit codes: 0 every session was opened, and new ones will be; 1 not so; 13 no passphrase, or a wrong"
    "\none; 125 the private key is not here or not usable.",
    short_help="Open every log with the private key at hand.",
    help=f"""Open every log with the private key at hand, and say which would be lost without it.

    Of each log the key file and a record are decrypted; `verify --all --decrypt` reads all of them. Sessions that were
    erased on purpose (`audit prune`) are no failure. Do it after each change of keys, and now and then with the copy
    that lies in the safe: --identity. {_ELSEWHERE}

    \b
    Examples:
      safe-agent audit keys drill
      safe-agent audit keys drill --identity /media/safe/audit.key
    """,
)
@click.option("--identity", type=click.Path(path_type=Path), metavar="FILE", help="Try this private key instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per session and line.")
@click.pass_context
def drilled(ctx: click.Context, identity: Path | None, *, as_json: bool) -> None:
    """Print a line per session."""
    places = Places.from_environment()
    keys = Keys(places.config, identity=identity)
    private = keys.load_identity()
    ours = private.recipients()
    sessions = reader.list_sessions(places.state)
    record_reading(places, [session.id for session in sessions], "keys drill")
    shredded = _shredded(places)
    tried = [drill(session.directory, private) for session in sessions]
    for one in tried:
        click.echo(_drilled_json(one, ours) if as_json else _drilled_line(one, ours))
    kept = [one for one in tried if one.outcome is not Outcome.ERASED or one.session not in shredded]
    opened = sum(one.outcome is Outcome.OPENED for one in kept)
    lost = sum(is_lost_without(one, ours) for one in kept)
    say(f"`{keys.reading_path}` opened {opened} of {len(kept)} sessions; without it {lost} would be lost")
    if opened < len(kept):
        click.echo(
            "hint: what is closed may open with another key: `--identity FILE`, or where its readers are", err=True
        )
    if not _will_open(keys, private, places) or opened < len(kept):
        ctx.exit(1)


def _keys() -> Keys:
    return Keys(Places.from_environment().config)


def _new_passphrase(asking: Asking) -> str:
    words = asking.secret("new passphrase for `audit.key`")
    if not words:
        raise AuditError("an empty passphrase protects nothing", hint="leave `--passphrase` out for none")
    if asking.secret("the same once more") != words:
        raise AuditError("the two passphrases are not the same", hint="nothing was changed: try again")
    return words


def _show(keys: Keys, *, as_json: bool = False, private: bool = True) -> None:
    """Print the readers; with `private` also whose private half is here, which may need a passphrase."""
    places = Places.from_environment()
    by_policy = _by_policy(places)
    if by_policy:
        say("policy names the readers here ([audit] recipients): they stand in place of those in `audit.pub`")
    named = keys.readers() if keys.recipients_path.exists() else ()
    receiving = tuple(map(Reader, by_policy)) or named
    if not receiving:
        say("no session can be recorded here: there is no `audit.pub`; `safe-agent audit keys init` makes one")
    identities = _private(keys) if private else None
    able = {session.id: _readers(session) for session in reader.list_sessions(places.state)}
    rows = tuple(standings(receiving, named, identities, able))
    for line in map(_json, rows) if as_json else _table(rows, len(able)):
        click.echo(line)
    recipients = [one.recipient for one in receiving]
    if is_mixed(recipients):
        say("post-quantum keys stand beside others: a quantum computer could open the logs by way of those")
    if recipients and identities and identities.keys and not reads_new(identities, recipients):
        _say_other_pair(keys)


def _by_policy(places: Places) -> tuple[str, ...]:
    return policy_here(places, None, None).audit_recipients


def _private(keys: Keys) -> Identities | None:
    if not keys.has_identity():
        return Identities(())
    try:
        return keys.load_identity()
    except NoTerminalError as error:
        say(error.what)
        return None


def _readers(session: reader.Session) -> tuple[str, ...]:
    try:
        return readers_of(session.directory)
    except AuditError as error:
        say(f"{session.id}: {error.what}")
        return ()


def _shredded(places: Places) -> frozenset[str]:
    """Return the sessions whose keys were deleted on purpose, as the ledger says."""
    folder = places.state / LEDGER
    if not folder.is_dir():
        return frozenset()
    try:
        entries = read_ledger(folder).entries
    except AuditError as error:
        say(f"the ledger cannot tell which sessions were erased on purpose: {error.what}")
        return frozenset()
    return frozenset(entry.session for _, entry in entries if isinstance(entry, Shredded))


def _will_open(keys: Keys, private: Identities, places: Places) -> bool:
    recipients = _by_policy(places) or (keys.load_recipients() if keys.recipients_path.exists() else ())
    if not recipients or reads_new(private, recipients):  # a machine that only reads has none
        return True
    _say_other_pair(keys)
    return False


def _say_other_pair(keys: Keys) -> None:
    say(f"`{keys.reading_path}` and the readers of new sessions are two pairs: it will not open what is recorded now")
    click.echo("hint: put the two files of one pair into place, or add its public half with `audit keys add`", err=True)


def _json(row: Standing) -> str:
    return json.dumps(
        {
            "recipient": row.reader.recipient,
            "name": row.reader.name,
            "kind": row.kind,
            "new": row.new,
            "private_key_here": row.here,
            "sessions": row.sessions,
        }
    )


def _table(rows: Sequence[Standing], sessions: int) -> Iterator[str]:
    cells = [("NEW", "OLD", "HERE", "KIND", "NAME", "RECIPIENT")]
    for row in rows:
        old = f"{len(row.sessions)} of {sessions}"
        here = "?" if row.here is None else _yes(row.here)
        name = render.printable(row.reader.name or "-")
        cells.append((_yes(row.new), old, here, row.kind, name, _short(row.reader.recipient)))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def _yes(is_so: bool) -> str:  # noqa: FBT001 (a cell)
    return "yes" if is_so else "no"


def _short(recipient: str) -> str:
    return recipient if len(recipient) <= _SHOWN else f"{recipient[:30]}…{recipient[-12:]}"


def _drilled_json(one: Drilled, ours: Sequence[str]) -> str:
    return json.dumps(
        {
            "session": one.session,
            "outcome": one.outcome.value,
            "problem": one.problem,
            "lost_without": is_lost_without(one, ours),
            "readers": one.readers,
        }
    )


def _drilled_line(one: Drilled, ours: Sequence[str]) -> str:
    others = len(set(one.readers) - set(ours))
    more = f"so can {others} other reader{'s' if others > 1 else ''}" if others else "would be lost without this key"
    what = more if one.outcome is Outcome.OPENED else one.problem
    return f"{render.printable(one.session)}  {one.outcome.value:<7}  {render.printable(what)}"
