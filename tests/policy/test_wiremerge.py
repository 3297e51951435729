"""What the layers say about requests: who may loosen what, and that every entry is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.writing import NOTHING, policy
from wrapper.errors import PolicyError
from wrapper.policy.model import Layer, Policy
from wrapper.policy.wire import Place

HERE = Place("claude", "/work/app", ("github.com/lab/app",))
WIRE = NOTHING.replace("budget = 0", 'budget = 0\nredact = ["*"]\nblock = ["PRIVATE-KEY"]')


def task(name: str = "a", action: str = "deny", more: str = 'patterns = ["x"]') -> str:
    return f'[[tasks]]\nname = "{name}"\naction = "{action}"\n{more}\n'


def upstream(name: str = "ours", url: str = "https://ours.test", kind: str = "anthropic") -> str:
    return f'[upstreams.{name}]\nkind = "{kind}"\nurl = "{url}"\n'


def route(name: str = "ours", more: str = "") -> str:
    return f'[[approved.rules]]\naction = "route"\nupstream = "{name}"\n{more}\n'


def keys(found: Policy) -> list[str]:
    return [notice.key for notice in found.notices]


def test_what_no_list_names_is_redacted_passed_and_sent() -> None:
    found = policy()
    assert (found.wire_action("EMAIL").action, found.identity_action("home").action, found.send("a").action) == (
        "redact",
        "pass",
        "always",
    )
    assert (found.redaction_budget, found.tasks, dict(found.upstreams)) == (0, (), {})


def test_the_strictest_list_decides_and_its_rule_is_named() -> None:
    found = policy(user='[wire]\nmonitor = ["EMAIL", "*-KEY"]\nredact = ["A-KEY"]\nblock = ["B-*"]')
    asked = ("EMAIL", "X-KEY", "A-KEY", "B-KEY", "PHONE")
    assert [found.wire_action(kind).action for kind in asked] == ["monitor", "monitor", "redact", "block", "redact"]
    assert str(found.wire_action("B-KEY").rule) == 'block "B-*" (user, user.toml:5)'


def test_the_users_monitor_beats_what_is_bundled_and_nothing_beats_the_organisations_lists() -> None:
    assert policy(bundle=WIRE).wire_action("PRIVATE-KEY").action == "block"
    assert policy(bundle=WIRE, user='wire.monitor = ["*"]').wire_action("PRIVATE-KEY").action == "monitor"
    assert policy(bundle=WIRE, user='wire.block = ["!PRIVATE-KEY"]').wire_action("PRIVATE-KEY").action == "redact"
    loosening = '[wire]\nmonitor = ["*"]\nblock = ["!*"]\nredact = ["!*"]'
    floored = policy(bundle=WIRE, organisation='wire.block = ["EMAIL"]\nwire.redact = ["P*"]', user=loosening)
    assert [floored.wire_action(kind).action for kind in ("EMAIL", "PHONE", "X")] == ["block", "redact", "monitor"]


def test_an_untrusted_project_blocks_masks_drops_and_holds_back_and_nothing_else() -> None:
    project = (
        '[wire]\nmonitor = ["*"]\nblock = ["EMAIL", "!X"]\nbudget = 9\n'
        '[identity]\npass = ["*"]\nmask = ["home"]\ndrop = ["device-id"]\n'
        '[files.send]\nalways = ["a"]\nask = ["b"]\nnever = ["c", "!d"]\n'
    )
    user = 'wire.block = ["X"]\nidentity.mask = ["account"]\nfiles.send.never = ["a", "d"]'
    found = policy(user=user, project=project)
    assert [found.wire_action(kind).action for kind in ("EMAIL", "X", "Y")] == ["block", "block", "redact"]
    asked = ("home", "device-id", "account", "date")
    assert [found.identity_action(field).action for field in asked] == ["mask", "drop", "mask", "pass"]
    assert [found.send(path).action for path in "abcd"] == ["never", "ask", "never", "never"]
    assert found.redaction_budget == 9
    assert keys(found) == ["files.send.always", "files.send.never", "wire.monitor", "wire.block", "identity.pass"]
    trusted = policy(user=user, project=project, trusted=True)
    assert trusted.wire_action("Y").action == "monitor"
    assert not trusted.notices


@pytest.mark.parametrize("action", ["deny", "store", "hide"])
def test_what_is_closed_to_the_inside_is_never_sent(action: str) -> None:
    found = policy(user=f'[files]\n{action} = ["secret/**"]\n[files.send]\nalways = ["**"]\nask = ["secret/x"]')
    decision = found.send("secret/x")
    assert decision.action == "never"
    assert decision.rule is not None
    assert decision.rule.action == action
    assert found.send("open").action == "always"


def test_a_file_that_is_only_masked_may_be_sent() -> None:
    assert policy(user='[files]\nmask = [".env"]').send(".env").action == "always"


def test_the_organisations_word_about_sending_stands() -> None:
    found = policy(
        organisation='[files.send]\nask = ["p/**"]\nnever = ["t/**"]',
        user='[files.send]\nalways = ["**"]\nask = ["!**"]\nnever = ["!**"]',
    )
    assert [found.send(path).action for path in ("p/x", "t/x", "u")] == ["ask", "never", "always"]


@pytest.mark.parametrize(
    ("organisation", "user", "budget", "noticed"),
    [
        (None, 5, 5, False),
        (0, 5, 5, False),
        (5, 0, 5, True),
        (5, 6, 5, True),
        (5, 4, 4, False),
        (5, 5, 5, False),
    ],
)
def test_a_budget_goes_down_and_never_up(organisation: int | None, user: int, budget: int, *, noticed: bool) -> None:
    ours = None if organisation is None else f"wire.budget = {organisation}"
    found = policy(organisation=ours, user=f"wire.budget = {user}")
    assert found.redaction_budget == budget
    assert keys(found) == (["wire.budget"] if noticed else [])
    if organisation:
        projects = policy(user=ours, project=f"wire.budget = {user}")
        assert projects.redaction_budget == budget


def test_tasks_count_where_their_lists_say() -> None:
    found = policy(
        user=task("a", more='patterns = ["x"]\nworkspaces = ["/work/**"]\nmodels = ["claude-*"]') + task("b")
    )
    assert [one.name for one in found.tasks_for(HERE, "claude-opus-4")] == ["a", "b"]
    assert [one.name for one in found.tasks_for(HERE, "gpt-5")] == ["b"]
    assert [one.name for one in found.tasks_for(Place("claude", "/else", ()), "claude-opus-4")] == ["b"]


def test_a_task_holds_what_was_written_and_its_rule() -> None:
    [one] = policy(user=task("a", "reason", 'patterns = ["x", "y"]\nmessage = "why?"')).tasks
    assert (one.name, one.action, one.patterns, one.message) == ("a", "reason", ("x", "y"), "why?")
    assert str(one.rule) == 'task "a" (user, user.toml:2)'


def test_a_higher_layer_replaces_a_task_or_takes_it_off() -> None:
    bundle = NOTHING + task("a") + task("b")
    found = policy(bundle=bundle, user=task("a", "warn") + task("b", "off", ""))
    assert [(one.name, one.action) for one in found.tasks] == [("a", "warn")]
    again = policy(bundle=bundle, user=task("b", "off", ""), project=task("b", "warn"), trusted=True)
    assert [(one.name, one.action) for one in again.tasks] == [("a", "deny"), ("b", "warn")]


@pytest.mark.parametrize("loosening", [task("a", "warn"), task("a", "off", "")])
def test_nobody_takes_a_task_of_the_organisation_off(loosening: str) -> None:
    for found in (
        policy(organisation=task("a"), user=loosening),
        policy(organisation=task("a"), project=loosening, trusted=True),
        policy(organisation=task("a"), project=loosening),
        policy(user=task("a"), project=loosening),
    ):
        assert [(one.name, one.action) for one in found.tasks] == [("a", "deny")]
        assert keys(found) == ["tasks a"]


@pytest.mark.parametrize("layer", ["user", "project"])
def test_a_task_that_is_off_may_be_set_anew_by_anybody(layer: str) -> None:
    bundle = NOTHING + task("a")
    anew = {layer: task("a", "warn")}
    found = policy(bundle=bundle, organisation=task("a", "off", ""), user=anew.get("user"), project=anew.get("project"))
    assert [(one.name, one.action) for one in found.tasks] == [("a", "warn")]
    assert not found.notices


def test_an_untrusted_project_may_add_tasks_and_denials() -> None:
    found = policy(project=task("a", "warn") + '[[approved.rules]]\naction = "deny"\nmodels = ["x"]')
    assert [(one.name, one.rule.layer) for one in found.tasks] == [("a", Layer.PROJECT)]
    assert (found.approved(HERE, "x").action, found.approved(HERE, "y").action) == ("deny", "allow")
    assert not found.notices


def test_what_else_an_untrusted_project_approves_is_noticed() -> None:
    found = policy(
        user='approved.default = "deny"', project='[[approved.rules]]\naction = "allow"\n' + route("nowhere")
    )
    assert found.approved(HERE, "x").action == "deny"
    assert keys(found) == ["approved.rules", "approved.rules"]


def test_an_upstream_is_replaced_by_a_higher_layer_but_not_the_organisations() -> None:
    ours, mine = upstream(url="https://ours.test/"), upstream(url="https://mine.test")
    assert policy(bundle=NOTHING + ours, user=mine).upstreams["ours"].url == "https://mine.test"
    kept = policy(organisation=ours, user=mine)
    assert kept.upstreams["ours"].url == "https://ours.test"
    assert keys(kept) == ["upstreams.ours"]


@pytest.mark.parametrize("trusted", [True, False])
def test_no_project_says_where_requests_go(*, trusted: bool) -> None:
    with pytest.raises(PolicyError, match=r"project\.toml:2: a project may not say where the provider is"):
        policy(project=upstream(), trusted=trusted)
    with pytest.raises(PolicyError, match=r"project\.toml:2"):
        policy(project='[upstreams.anthropic]\nrequires = ["x"]', trusted=trusted)


def test_what_is_required_of_an_upstream_is_told_by_its_name() -> None:
    required = 'requires = ["zero-data-retention"]\n'
    found = policy(user=upstream() + required + "[upstreams.openai]\n" + required)
    assert found.requires("ours") == found.requires("openai") == ("zero-data-retention",)
    assert found.requires("anthropic") == found.requires("unknown") == ()
    assert (found.upstreams["openai"].kind, found.upstreams["openai"].url) == ("openai", "")


@pytest.mark.parametrize(
    ("organisation", "user", "where", "what", "hint"),
    [
        ("", upstream() + route("our"), "user.toml:7", 'no upstream "our"', 'did you mean "ours"?'),
        ("", route("x"), "user.toml:4", 'no upstream "x"', "there are none"),
        (route("ours"), upstream(), "organisation.toml:4", 'no upstream "ours" in this layer or below', "none"),
        ("", route("anthropic"), "user.toml:4", "the client's own", '"allow"'),
        ("", '[upstreams.openai]\nrequires = ["x"]\n' + route("openai"), "user.toml:6", "the client's own", ""),
        ("", upstream() + route(more='agents = ["codex"]'), "user.toml:7", "codex does not speak", 'kind = "openai"'),
    ],
)
def test_a_route_that_leads_nowhere_is_an_error_with_its_line(
    organisation: str, user: str, where: str, what: str, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(organisation=organisation, user=user)
    assert caught.value.what.startswith(f"{where}: ")
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_every_entry_is_shown_with_its_origin_and_moves_the_digest() -> None:
    pieces = [
        'wire.monitor = ["EMAIL"]\n',
        "wire.budget = 5\n",
        'identity.mask = ["home"]\n',
        'files.send.never = ["x"]\n',
        'approved.default = "deny"\n',
        task("a", "deny", 'patterns = ["x"]'),
        task("a", "deny", 'patterns = ["y"]'),
        task("a", "warn", 'patterns = ["x"]'),
        task("a", "deny", 'patterns = ["x"]\nmessage = "m"'),
        task("a", "deny", 'patterns = ["x"]\nworkspaces = ["~/x"]'),
        '[[approved.rules]]\naction = "deny"\nmodels = ["x"]\n',
        '[[approved.rules]]\naction = "deny"\nmodels = ["x"]\nreason = "r"\n',
        upstream(),
        upstream() + 'requires = ["a"]\n',
        upstream() + 'key = "A"\n',
        upstream() + route(),
        upstream(url="https://other.test"),
    ]
    found = [policy(user=piece) for piece in pieces]
    assert len({one.digest for one in [policy(), *found]}) == len(pieces) + 1
    for one in found:
        assert [row for row in one.settings() if row.rule.layer is Layer.USER]
    shown = [(row.key, row.value) for row in found[-2].settings() if row.rule.layer is Layer.USER]
    assert shown == [
        ("approved.rules", 'route, upstream = "ours"'),
        ("upstreams.ours", 'anthropic, url = "https://ours.test"'),
    ]


def test_the_digest_does_not_follow_where_the_home_folder_lies() -> None:
    text = task(more='patterns = ["x"]\nworkspaces = ["~/x"]')
    assert policy(user=text, home="/home/a").digest == policy(user=text, home="/home/b").digest


ORDER = {"monitor": 0, "redact": 1, "block": 2}
LISTS = st.dictionaries(
    st.sampled_from(list(ORDER)),
    st.lists(st.sampled_from(["*", "EMAIL", "!EMAIL", "!*", "E*"]), max_size=3),
    max_size=3,
)


def wire(lists: dict[str, list[str]]) -> str:
    return "[wire]\n" + "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in lists.items())


@given(ours=LISTS, users=LISTS, projects=LISTS)
def test_no_lists_of_others_loosen_what_the_organisation_tightens_nor_an_untrusted_project_anything(
    ours: dict[str, list[str]], users: dict[str, list[str]], projects: dict[str, list[str]]
) -> None:
    strict = {key: value for key, value in ours.items() if key != "monitor"}
    floor = policy(organisation=wire(strict))
    without = policy(organisation=wire(ours), user=wire(users))
    found = policy(organisation=wire(ours), user=wire(users), project=wire(projects))
    rule = floor.wire_action("EMAIL").rule
    if rule is not None:
        assert ORDER[found.wire_action("EMAIL").action] >= ORDER[rule.action]
    assert ORDER[found.wire_action("EMAIL").action] >= ORDER[without.wire_action("EMAIL").action]
