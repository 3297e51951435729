"""The files that `safe-agent policy init` writes: valid, without any effect, and each line says what it could do."""

import os
from pathlib import Path
from typing import Final

from wrapper.errors import PolicyError

USER: Final = """\
# Your policy, on top of the bundled profile. Remove the `#` before what you need; docs/policy.md explains every key.
# `safe-agent policy check` says whether it is valid, `safe-agent policy show --origin` what is in effect.
version = 1

# Variables that the agent sees as they are, as placeholders, not at all.
# [environment]
# pass = ["RAILS_ENV"]
# mask = ["*_PIN"]
# drop = ["WORK_*"]

# Files of the workspace: not readable; secrets as placeholders; shown as they are.
# [files]
# deny = ["customers/**"]
# mask = ["settings.local.json"]
# pass = ["spec/fixtures/fake.key"]

# Files whose content leaves only if you say so, or never.
# [files.send]
# ask = ["pricing/**"]
# never = ["training/**"]

# Where programs inside may connect, beside the provider.
# [network]
# allow = ["git.example.org"]
# loopback = [8000]

# A secret that works at these hosts, though the agent has its placeholder only: from env:, file:, cmd: or keyring:.
# [[secrets]]
# name = "staging"
# from = "cmd:pass show work/staging"
# hosts = ["api.staging.example.org"]
# where = ["header:X-Api-Key"]
# variables = ["STAGING_KEY"]

# What hosts may be asked, and how much is sent there in a session.
# [[hosts]]
# hosts = ["api.staging.example.org"]
# allow = ["GET /**", "POST /v1/orders"]
# send_bytes = 1000000

# Repositories, and the branches that may be pushed there.
# [[remotes]]
# url = "git@git.example.org:team/app.git"
# push = ["agent/*"]

# Services of this machine, with their password put in outside.
# [[loopback]]
# port = 5432
# protocol = "postgresql"
# from = "env:DATABASE_URL"

# What is no secret and must not leave: terms, expressions, built-ins.
# [[context]]
# kind = "CODE-NAME"
# terms = ["falcon"]

# Findings in requests, by kind: left and recorded; the request is not sent. How many values without asking.
# [wire]
# monitor = ["EMAIL"]
# block = ["*PRIVATE-KEY"]
# budget = 50

# The audit log: for how many days it can be read, and where its checkpoints are kept besides (docs/anchors.md).
# [audit]
# keep_days = 365
# anchors = ["file:/mnt/audit/laptop-7.notes"]

# What clients add by themselves, by the names in docs/identity.md.
# [identity]
# mask = ["home", "git-user"]
# drop = ["device-id"]

# Kinds of work, known by what is asked: warn, reason (it must be written), deny.
# [[tasks]]
# name = "exams"
# patterns = ['(?i)\\bexam questions?\\b']
# action = "reason"
# workspaces = ["~/school/**"]
# message = "Exams are written by people here: say why this one is not."

# Which agent may ask which model where: allow, deny, or route to a server of your own.
# [approved]
# default = "allow"
# [[approved.rules]]
# remotes = ["git.example.org/research/**"]
# agents = ["claude"]
# action = "route"
# upstream = "internal"
# reason = "research stays on our own machines"

# [upstreams.internal]
# kind = "anthropic"
# url = "https://llm.example.org"
# key = "INTERNAL_LLM_KEY"
# requires = ["zero-data-retention"]
"""

PROJECT: Final = """\
# What every agent is kept from in this project. It may only tighten what the user's own policy says; anything else
# counts once the user has read it (`safe-agent policy trust`). docs/policy.md explains every key.
version = 1

# Files: not readable; secrets as placeholders; read-only.
# [files]
# deny = ["customers/**"]
# mask = ["settings.local.json"]
# protect = ["deploy/"]

# Files whose content never leaves.
# [files.send]
# never = ["training/**"]

# What is no secret and must not leave.
# [[context]]
# kind = "CODE-NAME"
# terms = ["falcon"]

# What hosts may be asked from here, at most.
# [[hosts]]
# hosts = ["api.example.org"]
# allow = ["GET /**"]

# Findings for which a request is not sent.
# [wire]
# block = ["DENIED-CODE"]

# Kinds of work that are not for an agent here.
# [[tasks]]
# name = "exams"
# patterns = ['(?i)\\bexam questions?\\b']
# action = "deny"
# message = "Exams are written by people here."

# Models that are not for this project.
# [[approved.rules]]
# models = ["*-preview"]
# action = "deny"
# reason = "previews may be trained on what they are sent"
"""


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, for nobody else to write. Raises PolicyError where it is, or cannot be."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise PolicyError(f"{path}: is there already", hint="edit it, or move it away first") from None
    except OSError as error:
        raise PolicyError(f"{path}: cannot be written: {error.strerror}", hint="make the folder yours") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
