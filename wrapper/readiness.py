"""Is everything there that a session needs? First what the machine must give, then what is the user's own.

Each check does what a session would do, with the same code; so the check of the rules also leaves their compiled form
in the cache, which `install.sh` counts on.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from redactors.vault import Vault
from wrapper.agents.client import Client
from wrapper.agents.registry import CLIENTS
from wrapper.audit.keys import MASKING_KEY_SIZE, Keys
from wrapper.errors import SafeAgentError, SessionError, StateError, WorkspaceError
from wrapper.plan.chosen import load_chosen
from wrapper.plan.facts import NESTED, find_workspace
from wrapper.plan.places import Places
from wrapper.policy.model import Policy
from wrapper.programs import trusted_path
from wrapper.recognition import make_engine
from wrapper.sandbox import doctor
from wrapper.sandbox.doctor import Check, Status


def examine(environ: Mapping[str, str]) -> Iterator[Check]:
    """Try everything for a session in the current folder.

    Raises SessionError inside a session, where nothing of this can be seen, and StateError without a usable HOME.
    """
    if environ.get(NESTED):
        raise SessionError("this shell is inside a safe-agent session", hint="ask outside of it")
    path = environ.get("PATH", "")
    places = Places.from_environment(environ)
    policy = _policy(environ, places)
    for check in doctor.examine(_trusted(path, places)):
        yield _as_wanted(check, policy)
    yield _try("folders", partial(_folders, places))
    yield _try("workspace", partial(_workspace, places), otherwise="optional")  # one may ask from anywhere
    if isinstance(policy, Check):
        yield policy
        yield _try("keys", partial(_keys, places, ()))
    else:
        yield Check("policy", "ok", f"profile {policy.profile}")
        yield _try("keys", partial(_keys, places, policy.audit_recipients))
        yield _try("rules", partial(_rules, policy, places))
    for client in CLIENTS:
        yield _try(client.name, partial(_client, client, path, places), otherwise="optional")


def _trusted(path: str, places: Places) -> str:
    """Give where a session here would look for its own programs."""
    try:
        return trusted_path(path, but=(find_workspace(None, places)[1],))
    except WorkspaceError:
        return trusted_path(path)


def _as_wanted(check: Check, policy: Policy | Check) -> Check:
    """Judge what is only good to have by what the policy asks for."""
    if check.name != "view" or check.status == "ok" or isinstance(policy, Check) or policy.files_view != "fuse":
        return check
    return replace(check, status="missing", found=f'{check.found} (the policy says `files.view = "fuse"`)')


def _try(name: str, attempt: Callable[[], str], *, otherwise: Status = "missing") -> Check:
    try:
        return Check(name, "ok", attempt())
    except SafeAgentError as error:
        return Check(name, otherwise, error.what, error.hint)
    except Exception as error:  # noqa: BLE001 (a table of what is there must not end at the first thing that is not)
        return Check(name, otherwise, f"{type(error).__name__}: {error}")


def _folders(places: Places) -> str:
    """Write something: a folder may be ours and its disk full."""
    places.private(places.sessions, places.cache)
    for folder in (places.sessions, places.cache):
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4096))
        except OSError as error:
            hint = "free space there, or point XDG_STATE_HOME and XDG_CACHE_HOME elsewhere"
            raise StateError(f"cannot write `{folder}`: {error.strerror}", hint=hint) from error
    return f"logs go to `{places.sessions}`"


def _workspace(places: Places) -> str:
    return f"`{find_workspace(None, places)[1]}`"


def policy_here(environ: Mapping[str, str], places: Places) -> Policy:
    """Load the policy of a session in the current folder. Raises PolicyError and StateError as `load_policy` does."""
    try:
        workspace = find_workspace(None, places)[1]
    except WorkspaceError:
        workspace = places.config  # a folder without a project's file
    return load_chosen(None, None, environ=environ, workspace=workspace, places=places)


def _policy(environ: Mapping[str, str], places: Places) -> Policy | Check:
    try:
        return policy_here(environ, places)
    except SafeAgentError as error:
        return Check("policy", "missing", error.what, error.hint)


def _keys(places: Places, recipients: tuple[str, ...]) -> str:
    keys = Keys(places.config)
    keys.masking_key()
    count = len(recipients or keys.load_recipients())
    readable = "can be read here" if keys.has_identity() else "cannot be read here: `audit.key` is elsewhere"
    return f"logs are encrypted to {count} public key{'s' if count > 1 else ''} and {readable}"


def _rules(policy: Policy, places: Places) -> str:
    make_engine(policy, Vault(bytes(MASKING_KEY_SIZE)), places)  # any masking key: nothing is masked
    return "the redaction rules are compiled"


def _client(client: Client, path: str, places: Places) -> str:
    program = client.find(path.split(":"), places.home)
    return f"{program.version or 'version unknown'}, `{program.path}`"
