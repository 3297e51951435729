"""Which layer wins: the strictest rule, the user's explicit `pass`, the organisation's floor."""

import pytest

from tests.policy.writing import NOTHING, layer, policy
from wrapper.errors import PolicyError
from wrapper.policy.merge import merge
from wrapper.policy.model import Layer, Policy

FILES = NOTHING.replace("[files.scan]", 'mask = [".env", ".env.*", "!.env.example"]\nstore = ["*.key"]\n[files.scan]')


def keys(found: Policy) -> list[str]:
    return [notice.key for notice in found.notices]


def test_what_no_rule_names_gets_the_default() -> None:
    found = policy()
    assert (found.variable("A").action, found.file("a").action, found.host("a.test", 443).action) == (
        "drop",
        "",
        "deny",
    )
    assert found.is_protected("a").action == ""
    assert found.is_scanned("a")
    assert found.variable("A").rule is None


def test_a_decision_names_its_rule_layer_file_and_line() -> None:
    rule = policy(user='[environment]\npass = [\n "A",\n "B",\n]').variable("B").rule
    assert rule is not None
    assert (rule.pattern, rule.action, rule.layer, rule.file, rule.line) == ("B", "pass", Layer.USER, "user.toml", 5)
    assert str(rule) == 'pass "B" (user, user.toml:5)'


def test_within_a_layer_the_strictest_list_wins() -> None:
    found = policy(
        user='[environment]\npass = ["*"]\nmask = ["A*"]\ndrop = ["AB"]\n'
        '[files]\npass = ["*"]\nmask = ["a*"]\ndeny = ["ab*"]\nstore = ["abc*"]\nhide = ["abcd"]\n'
        '[network]\nallow = ["*"]\ndeny = ["a.test"]'
    )
    assert [found.variable(name).action for name in ("X", "A", "AB")] == ["pass", "mask", "drop"]
    assert [found.file(path).action for path in ("x", "a", "ab", "abc", "abcd")] == [
        "pass",
        "mask",
        "deny",
        "store",
        "hide",
    ]
    assert [found.host(host, 443).action for host in ("b.test", "a.test")] == ["allow", "deny"]


def test_the_users_pass_beats_what_is_bundled() -> None:
    found = policy(bundle=FILES, user='[files]\npass = [".env", "dev.key"]')
    assert [found.file(path).action for path in (".env", "dev.key", ".env.local", "prod.key")] == [
        "pass",
        "pass",
        "mask",
        "store",
    ]


def test_a_bundled_pass_does_not_beat_a_bundled_mask() -> None:
    bundle = NOTHING + '[environment]\npass = ["*"]\nmask = ["*_TOKEN"]\n'
    assert policy(bundle=bundle).variable("A_TOKEN").action == "mask"


def test_the_users_milder_word_does_not_loosen_what_is_bundled_but_taking_back_does() -> None:
    assert policy(bundle=FILES, user='[files]\nmask = ["*"]').file("a.key").action == "store"
    taken = policy(bundle=FILES, user='[files]\nmask = ["a.key"]\nstore = ["!a.key"]')
    assert taken.file("a.key").action == "mask"
    assert taken.file("b.key").action == "store"


def test_a_later_layers_pattern_wins_within_a_list() -> None:
    assert policy(bundle=FILES).file(".env.example").action == ""
    assert policy(bundle=FILES, user='[files]\nmask = [".env.example"]').file(".env.example").action == "mask"


@pytest.mark.parametrize(
    "user",
    [
        '[files]\npass = ["**"]',
        '[files]\ndeny = ["!**", "!prod/**"]',
        '[files]\npass = ["prod/**"]\ndeny = ["!prod/**"]\nmask = ["prod/**"]',
    ],
)
def test_nothing_loosens_the_organisations_files(user: str) -> None:
    found = policy(organisation='[files]\ndeny = ["prod/**"]', user=user, project=user, trusted=True)
    assert found.file("prod/a").action == "deny"
    rule = found.file("prod/a").rule
    assert rule is not None
    assert rule.layer is Layer.ORGANISATION


def test_nothing_loosens_the_organisations_variables_hosts_and_protected_paths() -> None:
    found = policy(
        organisation='[environment]\ndrop = ["*", "!PATH"]\n[network]\ndeny = ["*", "!ok.test"]\n[files]\nprotect = ["x"]',
        user='[environment]\npass = ["*"]\ndrop = ["!*"]\n[network]\nallow = ["*"]\ndeny = ["!*"]\n[files]\nprotect = ["!x"]',
    )
    assert [found.variable(name).action for name in ("A", "PATH")] == ["drop", "pass"]
    assert [found.host(host, 443).action for host in ("a.test", "ok.test")] == ["deny", "allow"]
    assert found.is_protected("x").action == "protect"


def test_hosts_of_ones_own_network_are_allowed_and_denied_as_others_and_never_named_by_a_project() -> None:
    user = '[network]\nallow = ["open.test"]\ninternal = ["*.corp.test", "far.test:8443"]\ndeny = ["no.corp.test"]'
    found = policy(user=user, project='[network]\ninternal = ["evil.test"]', trusted=True)
    asked = [("a.corp.test", 443), ("far.test", 8443), ("far.test", 443), ("no.corp.test", 443), ("open.test", 443)]
    assert [found.host(*one).action for one in asked] == ["allow", "allow", "deny", "deny", "allow"]
    assert [found.is_internal(*one) for one in asked] == [True, True, False, True, False]
    assert str(found.host("a.corp.test", 443).rule).startswith('internal "*.corp.test"')
    assert not found.is_internal("evil.test", 443)
    assert [notice.key for notice in found.notices] == ["network.internal"]
    bounded = policy(organisation='[network]\ninternal = ["one.corp.test"]', user=user)
    assert [bounded.is_internal(name, 443) for name in ("one.corp.test", "a.corp.test")] == [True, False]


def test_what_an_untrusted_project_denies_is_denied_by_its_rule_where_only_the_default_denied_it() -> None:
    found = policy(user='[network]\ninternal = ["*.corp.test"]', project='[network]\ndeny = ["a.corp.test"]')
    assert [found.host(f"{name}.corp.test", 443).action for name in "ab"] == ["deny", "allow"]
    assert str(found.host("a.corp.test", 443).rule) == 'deny "a.corp.test" (project, project.toml:3)'


def test_the_user_may_be_stricter_than_the_organisation() -> None:
    found = policy(organisation='[files]\nmask = ["a"]\npass = ["b"]', user='[files]\nhide = ["a", "b"]')
    assert [found.file(path).action for path in ("a", "b")] == ["hide", "hide"]


def test_the_organisation_may_loosen_what_is_bundled() -> None:
    assert policy(bundle=FILES, organisation='[files]\npass = [".env"]').file(".env").action == "pass"


@pytest.mark.parametrize(
    ("organisation", "user", "field", "value", "noticed"),
    [
        ("[home]\ncache = false", "[home]\ncache = true", "keep_cache", False, True),
        ("[home]\ncache = true", "[home]\ncache = false", "keep_cache", False, False),
        ("[limits]\nbody_bytes = 50", "[limits]\nbody_bytes = 60", "body_limit", 50, True),
        ("[limits]\nbody_bytes = 50", "[limits]\nbody_bytes = 40", "body_limit", 40, False),
        ("[limits]\nbody_bytes = 50", "[limits]\nbody_bytes = 50", "body_limit", 50, False),
        ("files.scan.enabled = true", "files.scan.enabled = false", "scan_enabled", True, True),
        ("files.scan.max_bytes = 9", "files.scan.max_bytes = 8", "scan_max_bytes", 9, True),
        ("files.scan.max_bytes = 9", "files.scan.max_bytes = 10", "scan_max_bytes", 10, False),
        ("audit.keystrokes = true", "audit.keystrokes = false", "audit_keystrokes", True, True),
        ("audit.keystrokes = false", "audit.keystrokes = true", "audit_keystrokes", False, True),
        ("audit.keep_days = 30", "audit.keep_days = 0", "audit_keep_days", 30, True),
        ("audit.keep_days = 0", "audit.keep_days = 30", "audit_keep_days", 0, True),
        ("audit.segment_bytes = 1048576", "audit.segment_bytes = 2097152", "audit_segment_bytes", 1048576, True),
        ("audit.segment_hours = 1", "audit.segment_hours = 2", "audit_segment_hours", 1, True),
        ('audit.anchors = ["file:/a"]', 'audit.anchors = ["file:/a"]', "audit_anchors", ("file:/a",), False),
        ('files.view = "auto"', 'files.view = "binds"', "files_view", "auto", True),
        ('files.view = "fuse"', 'files.view = "auto"', "files_view", "fuse", True),
        ('files.view = "binds"', 'files.view = "fuse"', "files_view", "fuse", False),
        ('files.damaged = "refuse"', 'files.damaged = "keep"', "files_damaged", "refuse", True),
        ('files.damaged = "keep"', 'files.damaged = "refuse"', "files_damaged", "refuse", False),
        ('files.restore = "files"', 'files.restore = "all"', "files_restore", "files", True),
        ('files.restore = "all"', 'files.restore = "files"', "files_restore", "files", False),
        ('files.commits = "refuse"', 'files.commits = "rewrite"', "files_commits", "refuse", True),
        ('files.commits = "review"', 'files.commits = "refuse"', "files_commits", "review", True),
        ('files.commits = "refuse"', 'files.commits = "review"', "files_commits", "review", False),
        ('files.commits = "rewrite"', 'files.commits = "refuse"', "files_commits", "refuse", False),
        ("terminal.status_line = true", "terminal.status_line = false", "status_line", True, True),
        (
            'upstream.openai = "https://a.test"',
            'upstream.openai = "https://b.test"',
            "upstream",
            {"openai": "https://a.test"},
            True,
        ),
        ("home.read_only = []", 'home.read_only = ["~/x"]', "home_read_only", (), True),
        ('home.read_only = ["~/x"]', 'home.read_only = ["~/x"]', "home_read_only", ("x",), False),
        ("home.read_write = []", 'home.read_write = ["x"]', "home_read_write", (), True),
        ("network.loopback = [1]", "network.loopback = [1, 2]", "loopback", (1,), True),
        ("redaction.disable = []", 'redaction.disable = ["a"]', "redaction_disable", (), True),
        ("redaction.allow = []", 'redaction.allow = ["a"]', "redaction_allow", (), True),
        ("run.allow_degraded = []", 'run.allow_degraded = ["view"]', "degraded", (), True),
    ],
)
def test_the_organisations_single_settings_are_a_floor(
    organisation: str, user: str, field: str, value: object, *, noticed: bool
) -> None:
    found = policy(organisation=organisation, user=user)
    assert getattr(found, field) == value
    assert bool(found.notices) is noticed
    if noticed:
        assert found.notices[0].what.startswith(f"user.toml:{2 + user.count(chr(10))}: ")
        assert "organisation" in found.notices[0].hint


def test_without_the_organisations_word_the_user_sets_what_he_likes() -> None:
    found = policy(
        user='home.cache = false\nhome.read_only = ["~/.m2/", "b"]\nnetwork.loopback = [5432]\nupstream.openai = "https://a.test/v1/"\n'
        'run.allow_degraded = ["view"]\nlimits.body_bytes = 99999\nfiles.scan.enabled = false\naudit.keystrokes = true\n'
        'redaction.disable = ["x"]\nredaction.allow = ["y"]'
    )
    assert not found.notices
    assert not found.keep_cache
    assert found.home_read_only == (".m2", "b")
    assert found.loopback == (5432,)
    assert found.upstream == {"openai": "https://a.test/v1"}
    assert found.degraded == ("view",)
    assert found.body_limit == 99999
    assert not found.scan_enabled
    assert found.audit_keystrokes
    assert (found.redaction_disable, found.redaction_allow) == (("x",), ("y",))


def test_degrading_on_the_command_line_is_bounded_by_the_organisations_list() -> None:
    assert policy().may_degrade("view")
    bounded = policy(organisation='run.allow_degraded = ["watch"]')
    assert (bounded.may_degrade("view"), bounded.may_degrade("watch")) == (False, True)


def test_skipped_folders_add_up_and_are_taken_back() -> None:
    bundle = NOTHING.replace("enabled = true", 'enabled = true\nskip = ["build/", "*.png"]')
    found = policy(bundle=bundle, user='files.scan.skip = ["!build/", "gen/"]')
    assert [found.is_scanned(path) for path in ("build/", "build/x", "build", "a.png", "gen/", "gen")] == [
        True,
        True,
        True,
        False,
        False,
        True,
    ]
    floored = policy(
        bundle=bundle, organisation='files.scan.skip = ["org/"]', user='files.scan.skip = ["gen/", "org/"]'
    )
    assert [floored.is_scanned(path) for path in ("gen/", "org/", "build/")] == [True, False, False]
    assert keys(floored) == ["files.scan.skip"]


def test_native_folders_add_up_are_taken_back_and_end_where_the_organisation_says() -> None:
    found = policy(user='files.native = ["node_modules/", ".venv/"]', project='files.native = ["!.venv/"]')
    assert not found.notices
    asked = ("node_modules/", "app/node_modules/", "node_modules/a/", ".venv/", "src/", "node_modules")
    assert [found.is_native(path) for path in asked] == [True, True, True, False, False, False]
    assert [(row.value, row.rule.layer) for row in found.settings() if row.key == "files.native"] == [
        ("node_modules/", Layer.USER),
        (".venv/", Layer.USER),
        ("!.venv/", Layer.PROJECT),
    ]
    floored = policy(organisation='files.native = ["a/"]', user='files.native = ["a/", "b/"]')
    assert [floored.is_native(path) for path in ("a/", "b/")] == [True, False]
    assert keys(floored) == ["files.native"]
    assert not any(policy(organisation="files.native = []", user='files.native = ["**"]').is_native(p) for p in asked)


def test_what_is_native_decides_nothing_about_how_a_file_is_shown() -> None:
    found = policy(bundle=FILES, user='files.native = ["lib/"]')
    assert (found.file("lib/.env").action, found.is_protected("lib/x").action) == ("mask", "")


def test_variables_are_set_by_the_highest_layer_but_not_against_the_organisation() -> None:
    found = policy(
        organisation='[environment]\ndrop = ["B"]\nset = { A = "org" }',
        user='[environment]\nset = { A = "user", B = "user", C = "user" }',
    )
    assert found.variables_set == {"A": "org", "C": "user"}
    assert keys(found) == ["environment.set.A", "environment.set.B"]


def rule(kind: str, regex: str) -> str:
    return f'[[redaction.rules]]\nid = "r"\nkind = "{kind}"\nregex = "{regex}"\n'


def test_a_redaction_rule_replaces_its_namesake_but_not_the_organisations() -> None:
    assert policy(bundle=NOTHING + rule("A", "a"), user=rule("B", "b")).redaction_rules[0].kind == "B"
    kept = policy(organisation=rule("A", "a"), user=rule("B", "b"))
    assert [one.kind for one in kept.redaction_rules] == ["A"]
    assert keys(kept) == ["redaction.rules"]


def test_recipients_of_all_layers_may_read_the_log() -> None:
    one, two = "age1" + "q" * 58, "age1" + "p" * 58
    found = policy(organisation=f'audit.recipients = ["{one}"]', user=f'audit.recipients = ["{two}", "{one}"]')
    assert found.audit_recipients == (one, two)


def test_a_bundled_profile_that_lacks_a_setting_is_refused() -> None:
    bare = NOTHING.partition("[home]")[0].replace("version = 1", "")
    with pytest.raises(PolicyError, match=r"home\.cache"):
        merge("default", [layer(Layer.BUNDLED, bare)])


def test_the_digest_follows_what_is_in_effect_and_not_how_it_is_written() -> None:
    one = policy(user='[environment]\npass = ["A"]')
    spaced = policy(user='# comment\n\n[environment]\npass = [\n  "A",\n]')
    assert one.digest == spaced.digest
    assert len(one.digest) == 64
    others = [
        policy(),
        policy(user='[environment]\npass = ["B"]'),
        policy(user='[environment]\nmask = ["A"]'),
        policy(organisation='[environment]\npass = ["A"]'),
        policy(user='[environment]\npass = ["A"]\nset = { B = "1" }'),
        policy(user='[environment]\npass = ["A"]\nset = { B = "2" }'),
    ]
    assert len({found.digest for found in [one, *others]}) == 7


def test_settings_name_every_entry_with_its_origin_and_never_a_variables_value() -> None:
    found = policy(user='[environment]\npass = ["A"]\nset = { B = "hunter2" }\n[network]\nloopback = [5432]')
    rows = [(row.key, row.value, row.rule.layer, row.rule.line) for row in found.settings()]
    assert ("environment.pass", "A", Layer.USER, 3) in rows
    assert ("environment.set", "B", Layer.USER, 4) in rows
    assert ("network.loopback", "5432", Layer.USER, 6) in rows
    assert ("home.cache", "true", Layer.BUNDLED, 12) in rows
    assert rows == sorted(rows, key=lambda row: row[0])
    assert "hunter2" not in found.to_json()


def test_what_is_frozen_is_protected_whatever_is_taken_off_the_other_list() -> None:
    found = policy(user='files.protect = ["!**", "a"]\nfiles.frozen = ["evals/**", "!evals/README.md"]')
    asked = ("a", "evals/x", "evals/README.md", "b")
    assert [found.is_protected(path).action for path in asked] == ["protect", "protect", "", ""]
    assert [found.is_frozen(path) for path in asked] == [False, True, False, False]
    assert str(found.is_protected("evals/x").rule).startswith('frozen "evals/**"')
    assert {one.pattern for one in found.protected} == {"a", "evals/**"}


def test_protected_names_the_rules_that_make_read_only() -> None:
    found = policy(
        organisation='files.protect = ["a"]', user='files.protect = ["!a", "b"]', project='files.protect = ["c"]'
    )
    assert [one.pattern for one in found.protected] == ["a", "b", "c"]
    assert [found.is_protected(path).action for path in ("a", "b", "c", "d")] == ["protect"] * 3 + [""]


def test_the_organisations_anchors_stay_and_those_of_others_are_added() -> None:
    found = policy(
        organisation='audit.anchors = ["file:/kept/theirs"]',
        user='audit.anchors = ["file:/kept/mine"]',
        project='audit.anchors = ["file:/kept/ours"]',
        trusted=True,
    )
    assert found.audit_anchors == ("file:/kept/theirs", "file:/kept/mine", "file:/kept/ours")
    assert policy(organisation='audit.anchors = ["file:/a"]', user="audit.anchors = []").audit_anchors == ("file:/a",)
    assert [(row.value, row.rule.layer) for row in found.settings() if row.key == "audit.anchors"] == [
        ("file:/kept/theirs", Layer.ORGANISATION),
        ("file:/kept/mine", Layer.USER),
        ("file:/kept/ours", Layer.PROJECT),
    ]


@pytest.mark.parametrize("trusted", [True, False])
def test_no_project_says_how_long_all_sessions_are_readable(*, trusted: bool) -> None:
    found = policy(user="audit.keep_days = 400", project="audit.keep_days = 1", trusted=trusted)
    assert found.audit_keep_days == 400
    assert [notice.what for notice in found.notices] == [
        "project.toml:2: `audit.keep_days` is about all sessions, hence not a project's to say: ignored"
    ]
    assert "your own policy" in found.notices[0].hint


def test_a_trusted_project_may_say_where_segments_end() -> None:
    found = policy(project="audit.segment_bytes = 1048576\naudit.segment_hours = 0.5", trusted=True)
    assert (found.audit_segment_bytes, found.audit_segment_hours) == (1048576, 0.5)


def test_a_number_of_hours_is_shown_as_it_was_written() -> None:
    rows = {row.key: row.value for row in policy(user="audit.segment_hours = 2").settings()}
    assert rows["audit.segment_hours"] == "2"
