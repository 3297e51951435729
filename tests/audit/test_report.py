import json
import string

from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit import events
from wrapper.audit.report import MOST, Report, Tally

_PLAN = {
    "profile": "ci",
    "workspace": "/w",
    "environment": [
        {"name": "PATH", "action": "pass", "kinds": []},
        {"name": "A_TOKEN", "action": "mask", "kinds": ["A-TOKEN"]},
        {"name": "GONE", "action": "drop", "kinds": ["KEY"]},
        {"name": "OWN_KEY", "action": "set", "kinds": ["API-KEY"]},
        {"name": "HOME", "action": "set", "kinds": []},
    ],
    "covered": [
        {"path": "/w/.env", "mode": "mask", "kinds": ["KEY"]},
        {"path": "/home/u/.claude.json", "mode": "deny", "kinds": []},
    ],
}


def start() -> events.SessionStart:
    return events.SessionStart(
        at=1.0, session="s-1", user="u", host="h", workspace="/w", agent="claude", agent_version="2.1", version="1",
        argv=("claude",), policy="", plan=json.dumps(_PLAN), degraded=("watch",), view="fuse",
    )  # fmt: skip


def report(*passed: events.Event) -> Report:
    tally = Tally("/logs/s-1")
    for event in passed:
        tally.add(events.encode(event))
    made = tally.report()
    assert made is not None
    return made


def redacted(kind: str, placeholder: str, place: str = "request", count: int = 1) -> events.Redacted:
    return events.Redacted(at=2.0, kind=kind, placeholder=placeholder, place=place, where="1", rule="r", count=count)


def request(body: bytes, url: str = "https://api.example.com/v1/messages?beta=true", **more: int) -> events.Request:
    return events.Request(at=2.0, number=1, method="POST", url=url, headers={}, body=body, **more)  # type: ignore[arg-type]


def sent(number: int, size: int, host: str = "forge.invalid", offset: int = 0) -> events.Sent:
    return events.Sent(
        at=2.0, number=number, host=host, port=443, method="PUT", target="/x", headers={}, body=b"", size=size,
        sha256="", offset=offset,
    )  # fmt: skip


def test_requests_to_hosts_are_counted_with_what_left_and_what_came_back() -> None:
    answers = [
        events.Answered(at=3.0, number=number, status=200, size=size) for number, size in ((1, 50), (2, 7), (9, 1))
    ]
    made = report(start(), sent(1, 10), sent(1, 5, offset=10), sent(2, 1), sent(3, 2, "other.invalid"), *answers)
    assert [(one.host, one.port, one.count, one.sent, one.received) for one in made.hosts] == [
        ("forge.invalid", 443, 2, 16, 57),
        ("other.invalid", 443, 1, 2, 0),
    ]
    assert json.loads(made.to_json())["hosts"][0]["host"] == "forge.invalid"
    assert made.requests.count == 0


def test_the_inside_cannot_fill_the_list_of_hosts() -> None:
    made = report(start(), *(sent(number, 1, f"h{number}.invalid") for number in range(MOST + 50)))
    assert len(made.hosts) <= MOST + 1
    assert sum(one.count for one in made.hosts) == MOST + 50


def test_a_session_that_never_began_has_none() -> None:
    assert Tally("/logs/s-1").report() is None


def test_what_is_masked_comes_from_the_plan_and_from_what_was_masked_later() -> None:
    changes = [events.FileChange(at=2.0, path=path, action="masked") for path in (".env", "late.env")]
    made = report(start(), *changes, events.FileChange(at=3.0, path="b.txt", action="restored"))
    assert made.restored == ("b.txt",)
    assert [(one.name, one.kinds) for one in made.masked.environment] == [
        ("A_TOKEN", ("A-TOKEN",)), ("OWN_KEY", ("API-KEY",)),
    ]  # fmt: skip
    assert [(one.path, one.mode) for one in made.masked.files] == [
        (".env", "mask"), ("/home/u/.claude.json", "deny"), ("late.env", "mask"),
    ]  # fmt: skip
    assert (made.profile, made.degraded, made.log) == ("ci", ("watch",), "/logs/s-1")


def test_the_same_value_is_one_value_however_often_it_was_replaced() -> None:
    made = report(
        start(), redacted("KEY", "MASKED-KEY-A"), redacted("KEY", "MASKED-KEY-A", count=4), redacted("KEY", "B")
    )
    assert [(one.kind, one.values, one.count) for one in made.redactions] == [("KEY", 2, 6)]


def test_places_are_counted_apart() -> None:
    made = report(start(), redacted("KEY", "A"), redacted("KEY", "A", "terminal"))
    assert sorted((one.place, one.values) for one in made.redactions) == [("request", 1), ("terminal", 1)]


def test_the_bytes_of_a_delta_are_those_of_the_whole_request() -> None:
    made = report(start(), request(b"x" * 100), request(b"y" * 10, base=1, prefix=90, suffix=5))
    assert (made.requests.count, made.requests.bytes) == (2, 205)
    assert [one.url for one in made.requests.upstreams] == ["https://api.example.com"]


def test_tunnels_and_decisions_are_counted_by_rule() -> None:
    tunnel = events.Connection(at=2.0, host="h.example.com", port=443, allowed=True, rule="r", sent=5, received=7)
    judged = events.Judged(at=2.0, number=1, about="task", rule="benchmarks", action="denied")
    refused = events.Refused(at=2.0, number=2, method="GET", url="/x", reason="no")
    made = report(start(), tunnel, tunnel, judged, refused)
    assert [(one.host, one.count, one.sent, one.received) for one in made.connections] == [("h.example.com", 2, 10, 14)]
    assert [(one.rule, one.action, one.count) for one in made.judged] == [("benchmarks", "denied", 1)]
    assert made.requests.refused == 1


def test_how_it_ended_is_said() -> None:
    made = report(start(), events.SessionEnd(at=9.0, exit_code=3, reason="why"))
    assert (made.exit_code, made.reason, made.started, made.ended) == (3, "why", 1.0, 9.0)


def test_a_session_without_an_end_did_not_end_well() -> None:
    assert report(start()).exit_code == 125


def test_a_client_that_asks_for_hosts_without_end_fills_no_memory() -> None:
    hosts = (
        events.Connection(at=2.0, host=f"{number}.example.com", port=443, allowed=False, rule="r")
        for number in range(MOST * 3)
    )
    files = (events.FileChange(at=2.0, path=f"{number}.env", action="masked") for number in range(MOST * 3))
    sent = events.Connection(at=2.0, host="allowed.example.com", port=443, allowed=True, rule="r", sent=9)
    kinds = (redacted(f"KIND-{number}", "P") for number in range(MOST))
    made = report(start(), *hosts, *files, sent, *kinds, redacted("STRIPE-KEY", "P", count=3))
    assert len(made.connections) == MOST + 2
    # what comes after is counted all the same: who fills the list first hides nothing
    assert sum(one.count for one in made.connections if not one.allowed) == MOST * 3
    assert [(one.host, one.count, one.sent) for one in made.connections if one.allowed] == [("others", 1, 9)]
    assert [one.count for one in made.redactions if one.kind == "STRIPE-KEY"] == [3]
    assert len(made.masked.files) <= MOST


@given(st.lists(st.text(string.ascii_letters, min_size=8, max_size=8), min_size=1, unique=True))
def test_no_placeholder_and_no_body_stands_in_the_report(values: list[str]) -> None:
    passed = [redacted("KEY", f"MASKED-{value}") for value in values]
    bodies = [request(f"MASKED-{value}".encode()) for value in values]
    text = report(start(), *passed, *bodies).to_json()
    assert b"MASKED-" not in text
    assert json.loads(text)["version"] == 1
    assert json.loads(text)["redactions"][0]["values"] == len(values)
