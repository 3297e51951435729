"""Objects come apart and together again byte for byte; what is damaged raises one error."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.guard.objectforms import Item, ObjectFormError, items, links, relinked, retargeted, target, tree_of

_OLD, _NEW = "1" * 40, "2" * 40
_ID = st.binary(min_size=20, max_size=20).map(bytes.hex)
_NAME = st.binary(min_size=1, max_size=9).map(lambda name: name.replace(b"\0", b"x"))
_ITEM = st.builds(Item, st.sampled_from([b"100644", b"100755", b"40000", b"120000", b"160000"]), _NAME, _ID)
_TEXT = st.binary(max_size=60)


@given(st.lists(_ITEM))
def test_a_tree_comes_back_as_it_was(found: list[Item]) -> None:
    assert items(tree_of(found), 20) == found


@given(st.lists(_ITEM, min_size=1), st.integers(1, 20))
def test_a_tree_that_is_cut_is_an_error(found: list[Item], cut: int) -> None:
    with pytest.raises(ObjectFormError):
        items(tree_of(found)[:-cut], 20)


@given(st.binary(max_size=80), st.sampled_from([b"", b"tree " + b"0" * 40 + b"\n", b"object " + b"0" * 40 + b"\n"]))
def test_damaged_objects_raise_their_own_error_and_nothing_else(data: bytes, head: bytes) -> None:
    for look in (lambda one: items(one, 20), links, target, lambda one: relinked(one, _NEW, [])):
        with contextlib.suppress(ObjectFormError):
            look(head + data)


@given(message=_TEXT, parents=st.lists(_ID, max_size=3), rest=_TEXT.filter(lambda text: b"\n" not in text))
def test_a_commit_with_the_same_links_is_the_same(message: bytes, parents: list[str], rest: bytes) -> None:
    lines = "".join(f"parent {parent}\n" for parent in parents).encode()
    commit = b"tree %b\n%bauthor a <b> 1 +0000\ncommitter %b\n\n%b" % (_OLD.encode(), lines, rest, message)
    assert links(commit) == (_OLD, parents)
    assert relinked(commit, _OLD, parents) == (commit, False)
    changed, was_signed = relinked(commit, _NEW, parents)
    assert (changed, was_signed) == (commit.replace(_OLD.encode(), _NEW.encode(), 1), False)


@given(message=_TEXT, signature=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=4))
def test_only_the_signature_goes_from_a_commit(message: bytes, signature: list[bytes]) -> None:
    head = b"tree %b\nauthor a\ncommitter c" % _OLD.encode()
    signed = b"".join(b"\n " + line for line in signature)
    commit = head + b"\ngpgsig begin" + signed + b"\nmergetag object\n gpgsig no\n\n" + message
    assert relinked(commit, _OLD, []) == (head + b"\nmergetag object\n gpgsig no\n\n" + message, True)


@given(message=_TEXT.filter(lambda text: b"-----BEGIN" not in text))
def test_a_tag_leads_to_the_new_object_and_only_its_signature_goes(message: bytes) -> None:
    head = b"object %b\ntype commit\ntag v1\ntagger t\n\n" % _OLD.encode()
    signature = b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
    changed = head.replace(_OLD.encode(), _NEW.encode())
    assert target(head + message) == (_OLD, "commit")
    assert retargeted(head + message, {_OLD: _NEW}) == (changed + message, False)
    assert retargeted(head + message + b"\n" + signature, {_OLD: _NEW}) == (changed + message + b"\n", True)
