"""From the name of an anchor in a policy to the adapter that speaks to it; each is imported when it is named."""

from pathlib import Path

from wrapper.audit.anchored import Anchor
from wrapper.errors import AuditError
from wrapper.policy.anchors import AnchorFormError, FileAnchor, GitAnchor, WitnessAnchor, parse_place


def parse_anchor(text: str, state: Path) -> Anchor:
    """Return the anchor that `text` names (`policy.anchors`); `state` is the folder that ends in `safe-agent`.

    Raises AuditError where it names none, or one inside `state`: whoever can cut the ledger there can cut the copy.
    """
    try:
        place = parse_place(text)
    except AnchorFormError as error:
        raise AuditError(f"`{text}` {error.what}", hint=error.hint) from error
    match place:
        case FileAnchor():
            from wrapper.anchors.files import AppendedFile  # noqa: PLC0415

            return AppendedFile(text, _outside(place.path, state, text))
        case GitAnchor():
            from wrapper.anchors.gitref import GitRef  # noqa: PLC0415

            return GitRef(text, _outside(place.repository, state, text), place.ref, place.remote)
        case WitnessAnchor():
            from wrapper.anchors.witness import Witness  # noqa: PLC0415

            return Witness(text, place.url, place.vkey, state / "ledger" / "cosigned")
    from wrapper.anchors.bucket import LockedBucket  # noqa: PLC0415

    return LockedBucket(text, place)


def _outside(text: str, state: Path, name: str) -> Path:
    path = Path(text).expanduser()
    if path.resolve().is_relative_to(state.resolve()):
        raise AuditError(
            f"`{name}` lies in safe-agent's own state folder",
            hint="name a place that is not lost or taken together with the ledger: another machine's share, a medium",
        )
    return path
