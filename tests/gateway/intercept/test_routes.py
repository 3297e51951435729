import pytest

from tests.gateway.intercept.desk import HOST
from wrapper.gateway.intercept.exchange import RequestHead
from wrapper.gateway.intercept.routes import check_form, check_route
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Egress, HostRule, Request, Terms
from wrapper.policy.model import Layer, Rule

RULE = Rule("forge.test", "hosts", Layer.USER, "/policy.toml", 7)


def terms(*allow: tuple[str, ...]) -> Terms:
    rules = tuple(
        HostRule(hosts=("forge.test",), rule=RULE, allow=tuple(Request(*one.split(" ")) for one in requests))
        for requests in allow
    )
    return Egress(hosts=rules).terms(*HOST)


ALLOW = terms(("GET /repos/**", "POST /repos/*/*/issues/*/comments"))


def head(method: str, target: str, *headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(method, HOST.host, target, headers)


def refusal(method: str, target: str, *headers: tuple[bytes, bytes]) -> str:
    with pytest.raises(RefusedError) as caught:
        check_route(ALLOW, head(method, target, *headers), HOST)
    assert caught.value.status == 403
    return caught.value.message


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/repos/a/b"),
        ("GET", "/repos/a/b?page=2&q=a%2Fb;c"),
        ("GET", "/repos/a/b.git/x-y_z~1"),
        ("GET", "/repos/a/%C3%A9t%C3%A9"),
        ("GET", "/repos/a/b%20c"),
        ("POST", "/repos/a/b/issues/12/comments"),
    ],
)
def test_a_request_that_the_list_has_passes(method: str, target: str) -> None:
    check_route(ALLOW, head(method, target), HOST)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/repos/a/b"),
        ("DELETE", "/repos/a/b/issues/12/comments"),
        ("POST", "/repos/a/b/issues/12/comments/"),
        ("POST", "/repos/a/b/c/issues/12/comments"),
        ("GET", "/user/repos"),
        ("GET", "/repos"),
        ("GET", "/Repos/a"),
        ("OPTIONS", "*"),
        ("get", "/repos/a"),
    ],
)
def test_a_request_that_the_list_does_not_have_is_refused(method: str, target: str) -> None:
    refusal(method, target)


@pytest.mark.parametrize(
    "target",
    [
        "/repos/../user/keys",
        "/repos/./a",
        "/repos/a/..",
        "/repos/a/.",
        "/repos/%2e%2e/user/keys",
        "/repos/%2E./user",
        "/repos/..%2fuser",
        "/repos/a%5C..%5Cb",
        "/repos/a\\..\\b",
        "/repos/%252e%252e/user",
        "/repos/a%00b",
        "/repos/a%0Ab",
        "/repos/a%7F",
        "/repos/a%c0%ae%c0%ae/b",
        "/repos/a%FF",
        "repos/a",
        "https://other.test/repos/a",
    ],
)
def test_a_path_that_is_written_to_be_misread_is_refused(target: str) -> None:
    assert "misread" in refusal("GET", target)


@pytest.mark.parametrize(
    "target", ["/repos/a%2Fb", "/repos//a", "//repos/a", "/repos/a;/b", "/repos/%61%2fb", "/repos/ /a"]
)
def test_every_reading_of_a_path_must_be_allowed(target: str) -> None:
    with pytest.raises(RefusedError):
        check_route(terms(("GET /repos/*",)), head("GET", target), HOST)
    check_route(terms(("GET /repos/*", "GET /**")), head("GET", target), HOST)


@pytest.mark.parametrize(
    "header",
    [
        (b"x-http-method-override", b"DELETE"),
        (b"x-http-method", b"delete"),
        (b"x-method-override", b"PATCH"),
        (b"x_http_method_override", b"DELETE"),
        (b"x-original-url", b"/user/keys"),
        (b"x-rewrite-url", b"/user/keys"),
    ],
)
def test_a_header_that_asks_for_something_else_is_refused(header: tuple[bytes, bytes]) -> None:
    assert "asks for another" in refusal("GET", "/repos/a", header)
    check_route(terms(), head("GET", "/repos/a", header), HOST)


def test_a_header_that_repeats_the_method_passes() -> None:
    check_route(ALLOW, head("GET", "/repos/a", (b"x-http-method-override", b"get")), HOST)


@pytest.mark.parametrize("query", ["_method=DELETE", "a=1&_METHOD=delete", "%5Fmethod=DELETE", "a;_method=PUT"])
def test_a_parameter_that_asks_for_another_method_is_refused(query: str) -> None:
    assert "another method" in refusal("GET", f"/repos/a?{query}")
    form = head("POST", "/repos/a", (b"content-type", b"application/x-www-form-urlencoded"))
    with pytest.raises(RefusedError):
        check_form(ALLOW, form, HOST, query.encode())
    check_form(terms(), form, HOST, query.encode())


def test_a_field_of_a_multipart_form_that_asks_for_another_method_is_refused() -> None:
    form = head("POST", "/repos/a", (b"content-type", b"multipart/form-data; boundary=x"))
    with pytest.raises(RefusedError):
        check_form(ALLOW, form, HOST, b'--x\r\nContent-Disposition: form-data; name="_method"\r\n\r\nDELETE\r\n--x--')
    check_form(ALLOW, form, HOST, b'--x\r\nContent-Disposition: form-data; name="method"\r\n\r\nDELETE\r\n--x--')


def test_each_list_must_have_a_request_and_none_allows_all() -> None:
    both = terms(("GET /repos/**",), ("* /repos/org/**",))
    check_route(both, head("GET", "/repos/org/x"), HOST)
    with pytest.raises(RefusedError):
        check_route(both, head("GET", "/repos/other/x"), HOST)
    check_route(terms(), head("DELETE", "/a//../%2e"), HOST)
    with pytest.raises(RefusedError):
        check_route(terms(()), head("GET", "/"), HOST)


def test_a_refusal_names_the_rule_what_was_asked_and_what_is_allowed() -> None:
    said = refusal("PUT", "/user/keys?x=1")
    assert "`PUT /user/keys`" in said
    assert "/policy.toml:7" in said
    assert "`GET /repos/**`, `POST /repos/*/*/issues/*/comments`" in said


@pytest.mark.parametrize("query", [".method=DELETE", "[method=DELETE", "_method%00x=DELETE", "%2emethod=PUT"])
def test_a_field_is_read_as_lenient_frameworks_read_it(query: str) -> None:
    assert "another method" in refusal("GET", f"/repos/a?{query}")


@pytest.mark.parametrize(
    "body", [b'{"_method": "PUT"}', b'{"a":{},"\\u005fm\\u0065thod" :"DELETE"}', b'{"_method":["PUT"]}']
)
def test_json_that_asks_for_another_method_is_refused(body: bytes) -> None:
    asked = head("POST", "/repos/a", (b"content-type", b"application/json; charset=utf-8"))
    with pytest.raises(RefusedError):
        check_form(ALLOW, asked, HOST, body)


@pytest.mark.parametrize(
    "body", [b'{"_method": "POST"}', b'{"body": "say {\\"_method\\": \\"PUT\\"}"}', b'{"method": "PUT"}']
)
def test_json_that_asks_for_the_method_it_has_or_only_speaks_of_one_passes(body: bytes) -> None:
    asked = head("POST", "/repos/a", (b"content-type", b"application/json"))
    check_form(ALLOW, asked, HOST, body)
