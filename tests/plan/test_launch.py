import json
from types import MappingProxyType
from typing import Any

from wrapper.plan.environment import EnvironmentPlan, Variable
from wrapper.plan.launch import EGRESS_PORT, GATEWAY_PORT, Covered, LaunchPlan, Upstream, Usable
from wrapper.plan.mounts import Mount


def plan(**more: Any) -> LaunchPlan:
    values: dict[str, Any] = {
        "client": "claude",
        "command": ("/usr/bin/claude", "-p", "hello"),
        "folder": "/w",
        "workspace": "/w",
        "profile": "default",
        "policy": "0" * 64,
        "environment": EnvironmentPlan(
            (
                Variable("KEY", "mask", "MASKED-KEY-00000000", "rule", ("KEY",), "its name"),
                Variable("GONE", "drop", None, "default"),
            )
        ),
        "mounts": (Mount("read-only", "/usr", "/usr", "system"),),
        "covered": (Covered("/w/.env", "mask", "dotenv", ("STRIPE",)), Covered("/w/id", "hide", "key store")),
        "protected": (),
        "upstreams": (
            Upstream("anthropic", "https://api.example", "policy"),
            Upstream("anthropic", "https://llm.example", "policy", ("zero-data-retention",), "internal"),
        ),
        "listeners": MappingProxyType({GATEWAY_PORT: "anthropic", EGRESS_PORT: "egress"}),
        "unmatched": MappingProxyType({"PIN": "too short"}),
        "degraded": ("watch",),
        "notices": ("look",),
        "secrets": (
            Usable("hub", "env:KEY", ("api.example",), ("basic",), ("KEY",), "MASKED-KEY-00000000", "", "rule"),
        ),
    }
    return LaunchPlan(**values | more)


def test_the_schema_of_the_plan_is_stable() -> None:
    """Reviewers' scripts and old logs read it."""
    assert json.loads(plan().to_json()) == {
        "version": 1,
        "client": "claude",
        "command": ["/usr/bin/claude", "-p", "hello"],
        "folder": "/w",
        "workspace": "/w",
        "profile": "default",
        "policy": "0" * 64,
        "environment": [
            {
                "name": "KEY",
                "action": "mask",
                "value": "MASKED-KEY-00000000",
                "rule": "rule",
                "kinds": ["KEY"],
                "why": "its name",
            },
            {"name": "GONE", "action": "drop", "value": None, "rule": "default", "kinds": [], "why": ""},
        ],
        "mounts": [{"kind": "read-only", "target": "/usr", "source": "/usr", "reason": "system"}],
        "covered": [
            {"path": "/w/.env", "mode": "mask", "reason": "dotenv", "kinds": ["STRIPE"]},
            {"path": "/w/id", "mode": "hide", "reason": "key store", "kinds": []},
        ],
        "protected": [],
        "frozen": {},
        "upstreams": [
            {"kind": "anthropic", "url": "https://api.example", "reason": "policy", "requires": [], "name": ""},
            {
                "kind": "anthropic",
                "url": "https://llm.example",
                "reason": "policy",
                "requires": ["zero-data-retention"],
                "name": "internal",
            },
        ],
        "listeners": {"41197": "anthropic", "41198": "egress"},
        "unmatched": {"PIN": "too short"},
        "degraded": ["watch"],
        "notices": ["look"],
        "secrets": [
            {
                "name": "hub",
                "source": "env:KEY",
                "hosts": ["api.example"],
                "where": ["basic"],
                "variables": ["KEY"],
                "placeholder": "MASKED-KEY-00000000",
                "missing": "",
                "rule": "rule",
            }
        ],
    }


def test_names_that_are_no_utf_8_are_written_so_that_json_can_hold_them() -> None:
    odd = b"/w/\xff.env".decode("utf-8", "surrogateescape")
    written = json.loads(plan(covered=(Covered(odd, "mask", "x"),), command=(odd,)).to_json())
    assert written["covered"][0]["path"] == "/w/\\xff.env"
    assert written["command"] == ["/w/\\xff.env"]


def test_files_are_counted_by_what_happens_to_them() -> None:
    assert plan().count("mask") == 1
    assert plan().count("deny", "hide") == 1
    assert plan().count() == 0


def test_the_clients_own_upstream_is_told_from_those_that_rules_route_to() -> None:
    assert [one.url for one in plan().own] == ["https://api.example"]
    assert [str(one) for one in plan().upstreams] == [
        "https://api.example",
        "internal https://llm.example, requires zero-data-retention",
    ]


def test_the_outermost_dot_folder_of_each_protected_path_is_held_once() -> None:
    protected = ("/w/.git/config", "/w/.git/hooks", "/w/a/.vscode/x/tasks.json", "/w/.envrc", "/w/Makefile")
    assert plan(protected=protected).held == ("/w/.git", "/w/a/.vscode")


def test_a_dot_in_the_workspaces_own_path_holds_nothing() -> None:
    made = plan(workspace="/h/.work/w", protected=("/h/.work/w/plain/file", "/h/.work/main/.git/config"))
    assert made.held == ()
