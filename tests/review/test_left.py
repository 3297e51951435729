import base64
import itertools
import json
import secrets

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.recording import asked
from wrapper.audit import events
from wrapper.audit.deltas import Bodies, Deltas
from wrapper.review.left import Account, Leaving, Left, covered
from wrapper.review.parts import Parts
from wrapper.review.runs import Known

_FILE = "".join(f"def part_{number}(one):\n    return one * {number} + {number * 7}\n\n\n" for number in range(12))
_OLD = _FILE.replace("part_", "piece_")


def _left(bodies: list[object], *contents: str, **changes: object) -> list[Leaving]:
    """Send bodies as a client does, each holding the ones before, and ask what of the contents left."""
    texts = [text.encode() for text in contents or (_FILE,)]
    left = Left("s-1", texts, Known(texts))
    writer, reader = Deltas(), Bodies()
    for number, body in enumerate(bodies, 1):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        written = asked(number, writer.shorten(number, data))
        whole = msgspec.structs.replace(written, base=0, body=reader.whole(written), **changes)
        left.feed(number * 10, whole)
    assert left.requests == len(bodies)
    return list(left.leavings())


def _conversation(*said: str) -> list[object]:
    system = "you are of help, and do what you are told to do. " * 40
    messages = [{"role": "user", "content": text} for text in said]
    tail = {"metadata": {"number": 1}, "tools": ["a tool that is described at length " * 30]}
    return [{"model": "m-1", "system": system, "messages": messages[: at + 1], **tail} for at in range(len(said))]


def test_a_file_that_was_read_left_whole_from_that_request_on() -> None:
    (leaving,) = _left(_conversation("fix it", _FILE, "thanks", "and then?"))
    assert (leaving.sequence, leaving.number, leaving.times, leaving.until) == (20, 2, 3, 4)
    assert (leaving.model, leaving.url) == ("m-1", "https://api.invalid/v1/messages")
    ((offset, length, first, last, hidden),) = leaving.part.spans
    assert (offset, length, hidden) == (0, len(_FILE), ())
    assert (first, last) == (1, _FILE.count("\n"))
    assert leaving.part.forms == ()


def test_a_file_that_was_posted_to_another_host_left() -> None:
    left = Left("s-1", [_FILE.encode()], Known([_FILE.encode()]))
    body, parts, short = json.dumps({"body": _FILE}).encode(), Parts(), 31  # what is sent so has no run in any part
    for at in range(0, len(body), short):
        piece = body[at : at + short]
        part = events.Sent(
            at=5.0, number=3, host="forge.invalid", port=443, method="POST", target="/comments", headers={}, body=piece,
            size=len(piece), sha256="", offset=at, ended=at + short >= len(body),
        )  # fmt: skip
        for sequence, whole in parts.feed(30 + at, part):
            left.feed(sequence, whole)
    assert left.requests == 1
    (leaving,) = left.leavings()
    assert (leaving.sequence, leaving.number, leaving.url) == (30, 3, "https://forge.invalid/comments")
    assert covered([leaving.part]) == len(_FILE)


def test_lines_and_bytes_are_those_of_the_part_that_left() -> None:
    lines = _FILE.splitlines(keepends=True)
    (leaving,) = _left(_conversation("look: " + "".join(lines[4:10])))
    (span,) = leaving.part.spans
    assert _FILE.encode()[span.offset : span.offset + span.length].decode() == "".join(lines[4:10])
    assert (span.first, span.last) == (5, 10)


def test_a_file_that_never_left_says_so() -> None:
    assert _left(_conversation("nothing of it", "and nothing more")) == []


def test_what_is_no_longer_sent_is_not_said_to_be() -> None:
    """The conversation is made anew, as a client does that sums up: what stands in it no more has not left again."""
    before, after = _conversation("fix it", _FILE), _conversation("a summary", "go on")
    (leaving,) = _left([*before, *after])
    assert (leaving.times, leaving.until) == (1, 2)


def test_what_is_sent_again_after_that_is() -> None:
    (leaving,) = _left([*_conversation("fix it", _FILE), *_conversation("a summary"), *_conversation("go on", _FILE)])
    assert (leaving.number, leaving.times, leaving.until) == (2, 2, 5)


def test_a_part_that_grows_over_the_border_of_two_requests_is_found_whole() -> None:
    half = len(_FILE) // 2
    bodies = [b'{"x": "' + b"y" * 3000 + json.dumps(_FILE[:end])[1:-1].encode() + b'"}' for end in (half, len(_FILE))]
    first, second = _left(list(bodies))
    assert covered([first.part]) == half
    assert covered([second.part]) == len(_FILE)


def test_only_the_version_that_left_is_named() -> None:
    (leaving,) = _left(_conversation(_OLD), _FILE, _OLD)
    assert leaving.part.content == 1


def test_two_versions_in_one_request_are_both_named() -> None:
    leavings = _left(_conversation(f"{_OLD}\nand now\n{_FILE}"), _FILE, _OLD)
    assert {leaving.part.content: leaving.part.bytes for leaving in leavings} == {0: len(_FILE), 1: len(_OLD)}


def test_masked_values_did_not_leave_and_what_is_around_them_did() -> None:
    value = secrets.token_urlsafe(30)
    file = f"# settings of the service\nMODE=fast\nSTRIPE_KEY={value}\nREGION=north\n"
    (leaving,) = _left(_conversation(file.replace(value, "MASKED-STRIPE-KEY-0123ABCD")), file)
    assert leaving.part.bytes == len(file) - len(value)
    assert leaving.part.spans[0].masked == len(value)


def test_urls_headers_and_encoded_forms_are_looked_through() -> None:
    secret = "the plan of the merger is to be kept from everybody until May\n"
    encoded = base64.b64encode(secret.encode()).decode()
    (by_body,) = _left(_conversation(encoded), secret)
    (by_header,) = _left([b"{}"], secret, headers={"x-note": encoded})
    (by_url,) = _left([b"{}"], secret, url="https://api.invalid/?q=" + secret.strip().replace(" ", "%20"))
    assert [leaving.part.forms for leaving in (by_body, by_header, by_url)] == [
        ("in base64",),
        ("in base64",),
        ("percent-encoded",),
    ]


def test_each_destination_is_told_apart() -> None:
    left = Left("s-1", [_FILE.encode()], Known([_FILE.encode()]))
    for number, url in enumerate(("https://one.invalid/", "https://two.invalid/", "https://one.invalid/"), 1):
        event = events.Request(at=1.0, number=number, method="POST", url=url, headers={}, body=_FILE.encode())
        left.feed(number, event)
    assert [(leaving.url, leaving.times) for leaving in left.leavings()] == [
        ("https://one.invalid/", 2),
        ("https://two.invalid/", 1),
    ]


def test_a_request_that_could_not_be_put_together_is_searched_for_what_is_there() -> None:
    left = Left("s-1", [_FILE.encode()], Known([_FILE.encode()]))
    known = {"at": 1.0, "number": 7, "method": "POST", "url": "https://one.invalid/", "headers": {}}
    left.feed(1, events.Request(**known, body=_FILE.encode(), base=3, prefix=4000, suffix=100))  # type: ignore[arg-type]
    assert left.leavings()[0].part.bytes == len(_FILE)


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, len(_FILE)), min_size=2, max_size=6), noise=st.text(max_size=50))
def test_searching_only_what_is_new_finds_what_searching_all_does(cuts: list[int], noise: str) -> None:
    pieces = [_FILE[min(pair) : max(pair)] + noise for pair in itertools.pairwise(cuts)]
    bodies = _conversation(*pieces)
    for number in range(1, len(bodies) + 1):
        together = _left(bodies[:number])
        alone = _left([bodies[number - 1]])
        last = [leaving.part for leaving in together if leaving.until == number]
        assert covered(last) == covered([leaving.part for leaving in alone])


def _one(event: events.Request | events.Sent, *answers: events.Response) -> Leaving:
    left = Left("s-1", [_FILE.encode()], Known([_FILE.encode()]))
    left.feed(7, event)
    for answer in answers:
        left.answered(answer)
    (leaving,) = left.leavings()
    return leaving


def _asked_by(user: str, **changes: object) -> events.Request:
    body = json.dumps({"model": "m-1", "metadata": {"user_id": user}, "messages": [{"content": _FILE}]}).encode()
    return msgspec.structs.replace(asked(3, Deltas().shorten(3, body)), **changes)


def test_the_account_is_what_the_record_tells_of_login_user_and_organisation() -> None:
    answer = events.Response(at=9.0, number=3, status=200, headers={"anthropic-organization-id": "org-9"}, body=b"")
    user = json.dumps({"device_id": "d", "account_uuid": "11-22", "session_id": "s"})
    leaving = _one(_asked_by(user, account="Claude login MASKED-API-KEY-0123ABCD"), answer)
    assert leaving.account == Account("Claude login MASKED-API-KEY-0123ABCD", "11-22", "org-9")
    assert _one(_asked_by("user_ab_account_33-44_session_55")).account == Account("", "33-44", "")
    assert _one(_asked_by("", headers={"chatgpt-account-id": "a-1"})).account == Account("", "a-1", "")


def test_of_a_record_that_tells_no_account_none_is_said() -> None:
    assert _one(_asked_by("")).account == Account()


def test_of_a_request_to_another_host_the_secrets_that_were_put_in_are_its_account() -> None:
    body = json.dumps({"body": _FILE}).encode()
    sent = events.Sent(
        at=5.0, number=3, host="forge.invalid", port=443, method="POST", target="/c", headers={}, body=body,
        size=len(body), sha256="", used=("github",),
    )  # fmt: skip
    assert _one(sent).account == Account("with github")
