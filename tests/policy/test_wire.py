"""Who may ask what where: patterns over places, names of remotes, and which layer has the last word."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.writing import NOTHING, policy
from wrapper.agents.registry import CLIENTS
from wrapper.policy.model import Policy
from wrapper.policy.wire import AGENTS, UNKNOWN_MODEL, Place, remote_name

HERE = Place("claude", "/work/app", ("github.com/lab/app",))


def rule(action: str, **lists: object) -> str:
    rows = [f"{key} = {value!r}".replace("'", '"') for key, value in lists.items()]
    return "[[approved.rules]]\n" + "\n".join([f'action = "{action}"', *rows]) + "\n"


def said(found: Policy, model: str = "claude-opus-4", place: Place = HERE) -> str:
    return found.approved(place, model).action


def reaches(lists: dict[str, object], place: Place = HERE, model: str = "claude-opus-4") -> bool:
    return said(policy(user=rule("deny", **lists)), model, place) == "deny"


def test_every_client_is_an_agent_that_rules_may_name() -> None:
    assert set(AGENTS) == {*(client.name for client in CLIENTS), "command"}


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({}, True),
        ({"agents": [], "workspaces": [], "remotes": [], "models": []}, True),
        ({"agents": ["claude"]}, True),
        ({"agents": ["codex"]}, False),
        ({"agents": ["*", "!claude"]}, False),
        ({"agents": ["c*"], "models": ["claude-*"]}, True),
        ({"agents": ["claude"], "models": ["gpt-*"]}, False),
        ({"models": ["CLAUDE-Opus-*"]}, True),
        ({"models": ["*", "!claude-opus-*"]}, False),
        ({"workspaces": ["/work/**"]}, True),
        ({"workspaces": ["/work/app"]}, True),
        ({"workspaces": ["/work/app/**"]}, True),
        ({"workspaces": ["/work/ap"]}, False),
        ({"workspaces": ["/work/app/sub/**"]}, False),
        ({"workspaces": ["**/app"]}, True),
        ({"workspaces": ["*"]}, True),
        ({"workspaces": ["/work/*", "!/work/app"]}, False),
        ({"workspaces": ["~/**"]}, False),
        ({"remotes": ["github.com/lab/*"]}, True),
        ({"remotes": ["github.com/lab"]}, True),
        ({"remotes": ["GitHub.com/Lab/App"]}, True),
        ({"remotes": ["github.com"]}, True),
        ({"remotes": ["lab/app"]}, False),
        ({"remotes": ["**/lab/*"]}, True),
        ({"remotes": ["github.com/*/app"]}, True),
        ({"remotes": ["gitlab.com/**"]}, False),
    ],
)
def test_a_rule_reaches_what_all_its_lists_name(lists: dict[str, object], *, expected: bool) -> None:
    assert reaches(lists) is expected


def test_home_is_the_users_own_and_no_pattern() -> None:
    inside = Place("claude", "/home/a[b]/work/x", ())
    denying = rule("deny", workspaces=["~/work/**"])
    assert said(policy(user=denying, home="/home/a[b]"), place=inside) == "deny"
    assert said(policy(user=denying, home="/home/other"), place=inside) == "allow"
    assert said(policy(user=denying, home=""), place=Place("claude", "/work/x", ())) == "allow"
    assert [row.value for row in policy(user=denying).settings() if row.key == "approved.rules"] == [
        'deny, workspaces = ["~/work/**"]'
    ]


def test_a_star_goes_over_the_slash_of_a_models_name() -> None:
    assert reaches({"models": ["*"]}, model="meta/llama-4")
    assert reaches({"models": ["m*llama*b"]}, model="meta/llama-4-70b")
    assert not reaches({"models": ["meta/*"]}, model="llama")


def test_any_of_several_remotes_is_enough_and_none_is_not() -> None:
    two = Place("claude", "/w", ("github.com/me/app", "git.example.org/lab/app"))
    assert reaches({"remotes": ["git.example.org/**"]}, two)
    assert not reaches({"remotes": ["*"]}, Place("claude", "/w", ()))


def test_within_a_layer_the_last_rule_that_matches_wins() -> None:
    found = policy(user=rule("deny", models=["claude-*"]) + rule("allow", models=["claude-haiku-*"]))
    assert (said(found), said(found, "claude-haiku-4")) == ("deny", "allow")


def test_a_higher_layer_wins_over_a_lower_one() -> None:
    bundle = rule("deny", models=["claude-*"])
    assert said(policy(bundle=NOTHING + bundle)) == "deny"
    assert said(policy(bundle=NOTHING + bundle, user=rule("allow"))) == "allow"
    assert said(policy(user=rule("deny"), project=rule("allow"), trusted=True)) == "allow"


def test_a_decision_names_its_rule_layer_file_and_line() -> None:
    found = policy(user=rule("deny", models=["claude-*"], reason="too dear")).approved(HERE, "claude-opus-4")
    assert found.rule is not None
    assert str(found.rule) == 'deny "models = ["claude-*"]" (user, user.toml:2)'
    assert found.reason == "too dear"
    nothing = policy().approved(HERE, "claude-opus-4")
    assert (nothing.action, nothing.rule, nothing.reason) == ("allow", None, "")


def test_a_default_that_denies_says_where_it_stands() -> None:
    found = policy(organisation='approved.default = "deny"').approved(HERE, "x")
    assert (found.action, found.rule) == ("deny", None)
    assert found.reason == 'no rule of `[approved]` allows it, and default "deny" (organisation, organisation.toml:2)'


def test_rules_come_before_the_default_of_their_own_layer() -> None:
    lab = 'approved.default = "deny"\n' + rule("allow", models=["claude-*"])
    assert (said(policy(user=lab)), said(policy(user=lab), "gpt-5")) == ("allow", "deny")
    assert (said(policy(organisation=lab)), said(policy(organisation=lab), "gpt-5")) == ("allow", "deny")


def test_what_the_organisations_default_denies_no_rule_of_the_user_allows() -> None:
    found = policy(organisation='approved.default = "deny"\n' + rule("allow", models=["a*"]), user=rule("allow"))
    assert (said(found, "a1"), said(found, "b1")) == ("allow", "deny")


def test_the_users_default_may_be_stricter_than_the_organisations() -> None:
    assert said(policy(organisation='approved.default = "allow"', user='approved.default = "deny"')) == "deny"
    loosened = policy(organisation='approved.default = "deny"', user='approved.default = "allow"')
    assert said(loosened) == "deny"
    assert [notice.key for notice in loosened.notices] == ["approved.default"]


SERVERS = (
    '[upstreams.ours]\nkind = "anthropic"\nurl = "https://ours.example.org/"\n'
    '[upstreams.mine]\nkind = "anthropic"\nurl = "http://127.0.0.1:8000"\n'
)


def test_what_the_organisation_routes_the_user_may_deny_but_neither_allow_nor_route_elsewhere() -> None:
    ours = SERVERS + rule("route", upstream="ours")
    assert policy(organisation=ours).approved(HERE, "x").upstream == "ours"
    assert policy(organisation=ours, user=rule("allow")).approved(HERE, "x").upstream == "ours"
    assert policy(organisation=ours, user=rule("route", upstream="mine")).approved(HERE, "x").upstream == "ours"
    assert said(policy(organisation=ours, user=rule("deny"))) == "deny"


def test_the_user_may_route_what_the_organisation_allows() -> None:
    found = policy(organisation=rule("allow"), user=SERVERS + rule("route", upstream="mine", agents=["claude"]))
    assert found.approved(HERE, "x").upstream == "mine"
    assert found.upstreams["ours"].url == "https://ours.example.org"


def test_a_route_to_a_server_of_another_api_is_a_denial_that_says_so() -> None:
    found = policy(user=SERVERS + rule("route", upstream="ours"))
    denied = found.approved(Place("codex", "/w", ()), "gpt-5")
    assert (denied.action, denied.upstream) == ("deny", "")
    assert "`ours`, which speaks the API of anthropic" in denied.reason
    assert found.approved(Place("command", "/w", ()), "x").action == "route"


def test_a_model_that_cannot_be_told_is_covered_by_all_that_is_strict_and_nothing_else() -> None:
    assert said(policy(user=rule("deny", models=["claude-opus-*"])), UNKNOWN_MODEL) == "deny"
    assert said(policy(user='approved.default = "deny"\n' + rule("allow", models=["a"])), UNKNOWN_MODEL) == "deny"
    assert said(policy(user='approved.default = "deny"\n' + rule("allow")), UNKNOWN_MODEL) == "allow"
    task = '[[tasks]]\nname = "x"\naction = "deny"\npatterns = ["x"]\nmodels = ["gpt-*"]\n'
    assert policy(user=task).tasks_for(HERE, UNKNOWN_MODEL)
    assert not policy(user=task).tasks_for(HERE, "claude-opus-4")


def test_a_request_that_asks_no_model_is_denied_by_rules_about_places_only() -> None:
    assert said(policy(user=rule("deny", models=["claude-*"])), "") == "allow"
    assert said(policy(user=rule("deny", workspaces=["/work/**"])), "") == "deny"


LISTS = st.sampled_from(
    [{}, {"models": ["a*"]}, {"models": ["*", "!b*"]}, {"agents": ["codex"]}, {"workspaces": ["/w/x"]}]
)
RULES = st.lists(st.tuples(st.sampled_from(["allow", "deny"]), LISTS), max_size=4)
PLACES = st.builds(Place, st.sampled_from(["claude", "codex"]), st.sampled_from(["/w/x", "/w/y"]), st.just(()))


def written(rules: list[tuple[str, dict[str, object]]], default: str | None) -> str:
    first = f'approved.default = "{default}"\n' if default else ""
    return first + "".join(rule(action, **lists) for action, lists in rules)


DEFAULTS = st.sampled_from([None, "allow", "deny"])


@given(
    ours=RULES,
    users=RULES,
    projects=RULES,
    defaults=st.tuples(DEFAULTS, DEFAULTS, DEFAULTS),
    trusted=st.booleans(),
    place=PLACES,
    model=st.sampled_from(["a1", "b1", "", UNKNOWN_MODEL]),
)
def test_nothing_allows_what_the_organisation_denies_and_an_untrusted_project_only_denies_more(
    ours: list[tuple[str, dict[str, object]]],
    users: list[tuple[str, dict[str, object]]],
    projects: list[tuple[str, dict[str, object]]],
    defaults: tuple[str | None, str | None, str | None],
    *,
    trusted: bool,
    place: Place,
    model: str,
) -> None:
    organisation, user, project = (
        written(rules, default) for rules, default in zip((ours, users, projects), defaults, strict=True)
    )
    alone = policy(organisation=organisation)
    without = policy(organisation=organisation, user=user)
    found = policy(organisation=organisation, user=user, project=project, trusted=trusted)
    if said(alone, model, place) == "deny":
        assert said(found, model, place) == "deny"
    if said(without, model, place) == "deny" and not trusted:
        assert said(found, model, place) == "deny"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/lab/app.git", "github.com/lab/app"),
        ("https://user:word@GitHub.com:443/Lab/App/", "github.com/lab/app"),
        ("git@github.com:lab/app.git", "github.com/lab/app"),
        ("github.com:lab/app", "github.com/lab/app"),
        ("git@github.com:/lab/app", "github.com/lab/app"),
        ("ssh://git@github.com/lab/app.git", "github.com/lab/app"),
        ("ssh://git@ssh.github.com:443/lab/app.git", "github.com/lab/app"),
        ("ssh://git@altssh.gitlab.com:443/a/b/c.git", "gitlab.com/a/b/c"),
        ("git://example.org/x.git", "example.org/x"),
        ("git+ssh://git@example.org/a/b", "example.org/a/b"),
        ("HTTPS://www.github.com/lab/app", "github.com/lab/app"),
        ("https://github.com./lab//app.git/", "github.com/lab/app"),
        ("https://github.com/other/../lab/app", "github.com/lab/app"),
        ("https://github.com/l%61b/app", "github.com/lab/app"),
        ("https://github.com/lab/app?x=1#y", "github.com/lab/app"),
        ("https://a@b@github.com/lab/app", "github.com/lab/app"),
        ("hg::https://example.org/a/b", "example.org/a/b"),
        ("ssh://git@[::1]:22/a/b.git", "[::1]/a/b"),
        ("git@[::1]:a/b.git", "[::1]/a/b"),
        ("[git@example.org:22]:a/b.git", "example.org/a/b"),
        ("  https://github.com/lab/app\n", "github.com/lab/app"),
        ("https://github.com/", ""),
        ("https:///lab/app", ""),
        ("file:///srv/app.git", ""),
        ("FILE://host/srv/app.git", ""),
        ("/srv/app.git", ""),
        ("../app", ""),
        ("./a:b", ""),
        ("~/app:x", ""),
        ("folder/app:x", ""),
        ("app", ""),
        ("", ""),
    ],
)
def test_a_remotes_address_gets_one_name_however_it_is_written(url: str, name: str) -> None:
    assert remote_name(url) == name


PARTS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=8)


@given(
    host=st.lists(st.text(string.ascii_letters, min_size=1, max_size=5), min_size=2, max_size=3).map(".".join),
    path=st.lists(PARTS, min_size=2, max_size=4).map("/".join),
    user=st.sampled_from(["", "git@", "me:word@"]),
    port=st.sampled_from(["", ":22", ":8443"]),
    end=st.sampled_from(["", ".git", "/", ".git/"]),
)
def test_all_ways_to_write_an_address_are_one(host: str, path: str, user: str, port: str, end: str) -> None:
    expected = f"{host}/{path}".lower()
    for scheme in ("https", "ssh", "git", "http"):
        assert remote_name(f"{scheme}://{user}{host}{port}/{path}{end}") == expected
    assert remote_name(f"{user.partition(':')[0].rstrip('@')}{'@' if user else ''}{host}:{path}{end}") == expected


@given(url=st.text(max_size=60) | st.text("ab:/@.[]~%2F?#", max_size=20))
def test_any_text_has_a_name_of_host_and_path_or_none(url: str) -> None:
    name = remote_name(url)
    assert name == "" or (name.partition("/")[0] and name.partition("/")[2])
    assert name == name.lower()
    assert not name.endswith(("/", " "))
