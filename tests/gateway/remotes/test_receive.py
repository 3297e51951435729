"""What a push asks for, and whether it may."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.remotes.forge import by_ssh
from tests.gateway.remotes.pushes import NEW, OLD, USUAL, ZERO, push
from wrapper.gateway.remotes.pktline import PacketReader, packet
from wrapper.gateway.remotes.receive import (
    MOST_BYTES,
    OTHER,
    Command,
    NotAPushError,
    Push,
    PushReader,
    refusals,
    report,
)

AGENTS = by_ssh("org/repo.git", "agent/*")


def read(*pieces: bytes) -> Push | None:
    reader = PushReader()
    for piece in pieces:
        if (found := reader.feed(piece)) is not None:
            return found
    return None


def said(data: bytes) -> Push:
    found = read(data)
    assert found is not None
    return found


def ones(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def test_a_push_is_read_with_its_commands_capabilities_and_options() -> None:
    found = said(push("refs/heads/agent/a", "refs/heads/b", capabilities=f"{USUAL} push-options", options=("x=y", "z")))
    assert found.commands == (Command(OLD, NEW, "refs/heads/agent/a"), Command(OLD, NEW, "refs/heads/b"))
    assert found.options == ("x=y", "z")
    assert found.can("report-status-v2")
    assert found.can("object-format")
    assert not found.can("report-status")


def test_a_push_from_a_shallow_clone_is_read() -> None:
    found = said(packet(f"shallow {OLD}\n".encode()) + push("refs/heads/agent/a"))
    assert [one.ref for one in found.commands] == ["refs/heads/agent/a"]


def test_a_push_with_ids_of_sha256_is_read() -> None:
    assert said(push("refs/heads/agent/a", old="0" * 64, new="a" * 64)).commands[0].new == "a" * 64


def test_a_push_of_nothing_is_one_without_commands() -> None:
    assert said(b"0000").commands == ()
    assert refusals(said(b"0000"), AGENTS) == {}


WHOLE = packet(f"shallow {OLD}".encode()) + push(
    "refs/heads/agent/a", "refs/heads/b", capabilities=f"{USUAL} push-options", options=("ci.skip",)
)


@given(st.lists(st.integers(1, 30), max_size=40), st.binary(max_size=30))
def test_the_pieces_it_comes_in_change_nothing_and_the_pack_behind_it_is_not_looked_at(
    sizes: list[int], pack: bytes
) -> None:
    data, pieces = WHOLE + pack, []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    assert read(*pieces, data) == said(WHOLE)


def test_nothing_is_known_of_a_push_before_its_last_byte() -> None:
    assert read(*ones(WHOLE[:-1])) is None
    assert read(*ones(WHOLE)) == said(WHOLE)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_push_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except NotAPushError:
        return
    assert found is None or found.commands == () or data.count(found.commands[0].ref.encode())


@pytest.mark.parametrize(
    "line",
    [
        b"push-cert\0 report-status",
        b"push-cert-end\n",
        f"{OLD} {NEW} refs/heads/agent/a\0 x\0 y".encode(),
        f"{OLD} {NEW} refs/heads/agent/a\n{OLD} {NEW} refs/heads/main".encode(),
        f"{OLD} {NEW} refs/heads/agent/a\0 x\n{OLD} {NEW} refs/heads/main".encode(),
        f"{OLD}  {NEW} refs/heads/agent/a".encode(),
        f"{OLD} {NEW}".encode(),
        f"{OLD[:-1]} {NEW} refs/heads/agent/a".encode(),
        f"{OLD} {'2' * 64} refs/heads/agent/a".encode(),
        f"{OLD} {'A' * 40} refs/heads/agent/a".encode(),
        f"{OLD} {NEW} ".encode(),
        f"{OLD} {NEW} refs/heads/".encode() + b"\xff",
        b"command=push",
        b"version 1",
        b"",
    ],
)
def test_a_line_that_is_no_command_is_refused(line: bytes) -> None:
    with pytest.raises(NotAPushError):
        read(packet(line) + b"0000")
    with pytest.raises(NotAPushError):
        read(push("refs/heads/agent/a")[:-4] + packet(line) + b"0000")


def test_capabilities_stand_behind_the_first_command_only() -> None:
    second = packet(f"{OLD} {NEW} refs/heads/b\0 push-options".encode())
    with pytest.raises(NotAPushError, match="more than the first"):
        read(push("refs/heads/agent/a")[:-4] + second + b"0000")


@pytest.mark.parametrize("mark", [b"0001", b"0002"])
def test_marks_that_no_push_has_are_refused(mark: bytes) -> None:
    with pytest.raises(NotAPushError):
        read(push("refs/heads/agent/a")[:-4] + mark)


def test_commands_without_end_are_refused() -> None:
    reader = PushReader()
    line = push("refs/heads/agent/" + "x" * 4000)[:-4]
    with pytest.raises(NotAPushError, match="longer than"):
        for _ in range(MOST_BYTES // 4000 + 1):
            reader.feed(line)
            line = packet(f"{OLD} {NEW} refs/heads/agent/{'x' * 4000}".encode())


def test_a_ref_with_a_name_too_long_for_a_report_is_refused() -> None:
    """The refusal names the ref, and has to fit into a packet too."""
    for size in (4000, 65_350):
        data = push("refs/heads/" + "x" * size)
        if size == 4000:
            assert len(report(said(data), refusals(said(data), AGENTS), "")) > size  # the control
        else:
            with pytest.raises(NotAPushError, match="too long a name"):
                read(data)


def test_an_option_that_hides_behind_a_value_is_still_an_option() -> None:
    """git's server takes `push-options=1` for `push-options`."""
    data = push("refs/heads/agent/a", capabilities="push-options=1", options=("ci.variable=X=1",))
    assert said(data).options == ("ci.variable=X=1",)


ALLOWED = ["refs/heads/agent/a", "refs/heads/agent/a/b", "refs/heads/agent/ä", "refs/heads/agent/a.b"]
REFUSED = [
    "refs/heads/main",
    "refs/heads/agent",
    "refs/heads/agents/x",
    "refs/heads/Agent/x",
    "refs/heads/agent/../main",
    "refs/heads/agent/..",
    "refs/heads/agent//x",
    "refs/heads/agent/",
    "refs/heads/agent/.x",
    "refs/heads/agent/x.lock",
    "refs/heads/agent/x.lock/y",
    "refs/heads/agent/x.",
    "refs/heads/agent/x y",
    "refs/heads/agent/x\ty",
    "refs/heads/agent/x\x7f",
    "refs/heads/agent/x~1",
    "refs/heads/agent/x^",
    "refs/heads/agent/x:y",
    "refs/heads/agent/*",
    "refs/heads/agent/[x",
    "refs/heads/agent/x?",
    "refs/heads/agent/x\\y",
    "refs/heads/agent/@{1}",
    "refs/tags/agent/x",
    "refs/tags/v1",
    "refs/for/main",
    "refs/pull/1/head",
    "refs/notes/commits",
    "refs/replace/" + OLD,
    "refs/agent/x",
    "refs/heads",
    "REFS/HEADS/agent/x",
    "agent/x",
    "HEAD",
    "/refs/heads/agent/x",
    "refs/remotes/origin/agent/x",
]


@pytest.mark.parametrize("ref", ALLOWED)
def test_a_branch_of_the_patterns_may_be_made_written_and_deleted(ref: str) -> None:
    for old, new in ((ZERO, NEW), (OLD, NEW), (OLD, ZERO)):
        assert refusals(said(push(ref, old=old, new=new)), AGENTS) == {}


@pytest.mark.parametrize("ref", REFUSED)
def test_any_other_ref_may_not(ref: str) -> None:
    for old, new in ((ZERO, NEW), (OLD, NEW), (OLD, ZERO)):
        assert list(refusals(said(push(ref, old=old, new=new)), AGENTS)) == [ref]


def test_one_ref_that_may_not_be_written_refuses_the_others_too() -> None:
    reasons = refusals(said(push("refs/heads/agent/a", "refs/heads/main", "refs/heads/agent/b")), AGENTS)
    assert reasons == {
        "refs/heads/agent/a": OTHER,
        "refs/heads/main": "policy lets only agent/* be pushed",
        "refs/heads/agent/b": OTHER,
    }


def test_a_repository_without_push_takes_nothing() -> None:
    reasons = refusals(said(push("refs/heads/agent/a")), by_ssh("org/repo.git"))
    assert reasons == {"refs/heads/agent/a": "policy lets it be fetched from only"}


def test_every_branch_is_not_every_ref() -> None:
    everything = by_ssh("org/repo.git", "*")
    assert refusals(said(push("refs/heads/main")), everything) == {}
    assert refusals(said(push("refs/tags/v1")), everything)


@pytest.mark.parametrize(
    ("option", "passes"),
    [
        ("merge_request.create", True),
        ("merge_request.title=Fix `this`", True),
        ("merge_request.target=main", True),
        ("merge_request.merge_when_pipeline_succeeds", False),
        ("merge_request.auto_merge", False),
        ("merge_request.createx", False),
        ("merge_request.create\nmerge_request.auto_merge", False),
        ("ci.skip", False),
        ("ci.variable=DEPLOY=1", False),
        ("", False),
    ],
)
def test_only_options_that_propose_something_to_people_pass(option: str, *, passes: bool) -> None:
    found = said(push("refs/heads/agent/a", capabilities="push-options", options=(option,)))
    assert (refusals(found, AGENTS) == {}) is passes


def test_a_report_is_written_as_git_wants_it() -> None:
    found = said(push("refs/heads/main"))
    reader = PacketReader()
    reader.feed(report(found, refusals(found, AGENTS), "safe-agent: no\n"))
    words, status = reader.packet(), reader.packet()
    assert words == b"\x02safe-agent: no\n"
    assert isinstance(status, bytes)
    assert status[:1] == b"\x01"
    inner = PacketReader()
    inner.feed(status[1:])
    assert inner.packet() == b"unpack ok\n"
    assert inner.packet() == b"ng refs/heads/main policy lets only agent/* be pushed\n"


def test_who_has_no_side_band_gets_the_bare_report_and_who_wants_none_gets_none() -> None:
    bare, none = (said(push("refs/heads/main", capabilities=one)) for one in ("report-status", "side-band-64k"))
    reader = PacketReader()
    reader.feed(report(bare, refusals(bare, AGENTS), "words"))
    assert reader.packet() == b"unpack ok\n"
    assert report(none, refusals(none, AGENTS), "words") == b""
