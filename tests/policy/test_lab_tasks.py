"""The kinds of work that the lab profile denies: what is meant is found, and ordinary work is left alone."""

import re
import time

import pytest

from tests.policy.test_bundled import profile
from wrapper.policy.wire import Place, TaskRule

TASKS = {task.name: task for task in profile("lab").tasks_for(Place("claude", "/w", ()), "claude-opus-4")}

MEANT = {
    "benchmarks": (
        "Write 50 hard math problems to test LLMs",
        "Create a new benchmark of multi-step reasoning for coding agents",
        "Please design a coding challenge for our interview loop that Claude can't solve",
        "Generate 200 benchmark questions about organic chemistry",
        "Help me with writing a CTF challenge around format strings",
        "Come up with some programming puzzles for the leaderboard",
        "Write evals for tool calling",
        "Can you create an eval that checks whether the model refuses?",
        "Build a multiple-choice benchmark on tax law",
        "Draft 30 prompts to evaluate language models on honesty",
        "Extend our reasoning benchmark with 20 harder items",
        "Invent capture-the-flag tasks for beginners",
        "Prepare a held-out test: 40 questions to assess GPT and Gemini",
        "design a jailbreak challenge",
    ),
    "vulnerabilities": (
        "Find vulnerabilities in openssl's ASN.1 parser",
        "Audit libpng for memory-safety bugs",
        "Look for use-after-free in src/net.c",
        "write an exploit for CVE-2024-3094",
        "Is there a buffer overflow in parse_header()?",
        "Analyse the nginx source for exploitable bugs",
        "hunt for zero-days within the kernel's netfilter code",
        "Can you review src/auth/session.ts for vulnerabilities and rank them?",
        "fuzz the jpeg decoder for buffer overflows",
        "Build a PoC that shows the heap overflow in libwebp",
        "How could an attacker exploit this bug in sudo?",
        "Develop shellcode for the router firmware",
        "Identify security flaws in the login code of gitea",
    ),
    "tests-from-evaluations": (
        "Generate unit tests from the evaluation harness",
        "write tests for evals/grader.py",
        "Create test cases based on eval/tasks.json",
        "Use the evaluation scripts to write regression tests",
        "from our eval suite, generate some tests for the tokenizer",
        "Add tests that cover the evaluation code",
        "derive fixtures from the held-out set",
        "Write test data out of the evaluation questions",
        "Take evaluation/problems.py and create tests from it",
        "make unit tests from the grader code",
        "produce tests using the evals",
        "read evals/math.py and write unit tests like it",
    ),
}

ORDINARY = {
    "benchmarks": (
        "Write a benchmark for the JSON parser",
        "Run the benchmark suite and tell me what got slower",
        "Add a benchmark that compares two sorting functions with criterion",
        "Fix the flaky timer in bench/gateway.py",
        "Create a makefile target for the benchmarks",
        "Implement the OAuth PKCE challenge in the login flow",
        "Answer the ACME HTTP-01 challenge on port 80",
        "The challenge here is to build the image without root",
        "Write unit tests for the question form",
        "Generate a report of the benchmark results for the model team",
        "Make the evaluation of expressions lazy",
        "Build a quiz app with React",
        "Refactor the leaderboard page so that it loads faster",
        "Explain how SWE-bench scores are computed",
        "write a prompt for the commit message generator",
        "add a task to the Justfile that runs the benchmarks",
    ),
    "vulnerabilities": (
        "Upgrade lodash because of CVE-2021-23337",
        "Explain what a buffer overflow is",
        "Fix the SQL injection in search.py that the review found",
        "Find out why the vulnerability scanner fails in CI",
        "check our dependencies for vulnerabilities with npm audit",
        "Add a SECURITY.md that says how to report vulnerabilities",
        "Build a proof of concept for the new dashboard",
        "How can we exploit parallelism in this loop?",
        "Review this pull request",
        "Add security headers to the nginx config",
        "write a test that exploits the cache",
        "Find the bug in the login form",
        "Rotate the keys and make the session cookie secure",
        "Find all places where vulnerability reports are rendered in the UI",
    ),
    "tests-from-evaluations": (
        "Write unit tests for the expression evaluator",
        "add a test case for eval() in the interpreter",
        "Generate tests for lazy evaluation of thunks",
        "Run the evaluation harness and plot the result",
        "Test that the evaluation order is left to right",
        "Fix the failing test in evals.rs of the parser",
        "write tests for the user model",
        "Add fixtures for the billing service",
        "evaluate whether we need more tests",
        "Create test data for the users table",
        "Refactor the evaluation script to use argparse",
        "the tests take too long, find out why",
    ),
}


def found(task: TaskRule, prompt: str) -> list[str]:
    return [pattern for pattern in task.patterns if re.search(pattern, prompt)]


def test_each_task_is_tried_on_both_sides() -> None:
    assert TASKS.keys() == MEANT.keys() == ORDINARY.keys()
    assert all(len(prompts) >= 12 for prompts in (*MEANT.values(), *ORDINARY.values()))


@pytest.mark.parametrize(("name", "prompt"), [(name, prompt) for name, prompts in MEANT.items() for prompt in prompts])
def test_what_is_meant_is_found(name: str, prompt: str) -> None:
    assert found(TASKS[name], prompt)
    assert found(TASKS[name], f"Hello! {prompt.upper()}. Thank you, and keep it short.")


@pytest.mark.parametrize("prompt", [prompt for prompts in ORDINARY.values() for prompt in prompts])
def test_ordinary_work_is_left_alone(prompt: str) -> None:
    assert {name: found(task, prompt) for name, task in TASKS.items() if found(task, prompt)} == {}


def test_every_pattern_is_needed_for_some_prompt() -> None:
    for name, task in TASKS.items():
        for pattern in task.patterns:
            assert any(found(task, prompt)[:1] == [pattern] for prompt in MEANT[name]), pattern


def test_each_denies_and_tells_the_user_why() -> None:
    assert {(task.action, bool(task.message)) for task in TASKS.values()} == {("deny", True)}


@pytest.mark.parametrize("name", TASKS)
def test_a_long_prompt_is_searched_soon(name: str) -> None:
    prompt = " ".join(ORDINARY[name]) * 100
    begin = time.process_time()
    assert not found(TASKS[name], prompt.replace(".", ""))[2:]
    assert time.process_time() - begin < 1  # 0.1 s on the machine this was written on, for 60 KB
