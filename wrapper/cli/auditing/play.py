"""`safe-agent audit play`: what stood on the screen, as it went."""

import click

from wrapper.audit import reader
from wrapper.cli.auditing.opening import opened
from wrapper.cli.auditing.playing import play
from wrapper.messages import say

OPEN = 10
_IDLE = 2.0


@click.command(
    epilog="\b\nExit codes: 0 played; 2 wrong usage; 10 open (its recorder was killed); 11 truncated; 12 tampered with;"
    "\n13 no key here opens it; 125 cannot be read, or TEXT never stood on the screen.",
    help="""Play in this terminal what SESSION showed: its id, the beginning of it, or `last` (the default).

    \b
    Keys:
      space        pause, and go on
      .            one step
      left, right  5 seconds back, on
      + -          faster, slower
      q            quit

    The last line says where you are. A screen larger than your terminal is cut, around its cursor. Nothing that was
    recorded reaches your terminal but letters and colours: what the agent wrote cannot act on it. Where a client paints
    without a pause, when each picture was shown is estimated.

    With --goto it stands still at the moment when frame SEQ was written (`show` and `search` say numbers), or when TEXT
    first stood on the screen. Without a terminal the screens are printed as text: one for each pause of --idle seconds,
    or that of --goto.

    \b
    Examples:
      safe-agent audit play
      safe-agent audit play last --speed 4 --idle 0.5
      safe-agent audit play --goto 1042
      safe-agent audit play --goto 'npm ERR!' | less
    """,
)
@click.argument("session", default="last")
@click.option("--speed", type=click.FloatRange(1 / 16, 64), default=1.0, show_default=True, help="Play so much faster.")
@click.option(
    "--idle", type=click.FloatRange(0), default=_IDLE, show_default=True, help="Make pauses no longer: seconds."
)
@click.option("--goto", default="", metavar="SEQ|TEXT", help="Begin at this frame, or where this text is first seen.")
@click.pass_context
def command(ctx: click.Context, session: str, *, speed: float, idle: float, goto: str) -> None:
    """Play it."""
    log = opened(session, "play")
    code = play(log.records(), idle=idle, speed=speed, goto=goto)
    if code == 0 and log.session.state is reader.State.OPEN:
        say("the log is not sealed: its recorder was killed; what came last may be missing")
        code = OPEN
    ctx.exit(code)
