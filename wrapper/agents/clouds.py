"""Claude Code at Amazon Bedrock, Google Vertex AI and Microsoft Foundry: where each is, and who the client is there.

Facts without another source were seen with Claude Code 2.1.330 against a scripted provider:
- Of several switches the first in the order of `_CLOUDS` counts. Each cloud has a variable for its base URL; the client
  appends `/model/ID/invoke…` and `/inference-profiles` (Bedrock), `/v1/messages` (Bedrock's Mantle, Foundry), or
  `/projects/ID/locations/REGION/publishers/anthropic/models/ID:…` (Vertex), whose own base URL ends in `/v1`.
- Bedrock takes `AWS_BEARER_TOKEN_BEDROCK` as a bearer token, Foundry `ANTHROPIC_FOUNDRY_AUTH_TOKEN` likewise before
  `ANTHROPIC_FOUNDRY_API_KEY`, which goes as `x-api-key`. With `CLAUDE_CODE_SKIP_…_AUTH` the client asks for none of
  these, and sends what it has for Anthropic, for a gateway of the user's.
- Without a region it asks Bedrock in `us-east-1`, and Vertex in `us-east5`. By the region it chooses a model's id.

Hosts of the clouds: "Amazon Bedrock endpoints and quotas" in the AWS General Reference, "Mantle" in Bedrock's user
guide, "Locations" of Vertex AI, and "Claude Code on Microsoft Foundry" in the client's documentation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wrapper.agents.client import ClientFacts, Credential, Secret, header_safe
from wrapper.errors import SessionError

BEDROCK: Final = "CLAUDE_CODE_USE_BEDROCK"
MANTLE: Final = "CLAUDE_CODE_USE_MANTLE"
VERTEX: Final = "CLAUDE_CODE_USE_VERTEX"
FOUNDRY: Final = "CLAUDE_CODE_USE_FOUNDRY"
_REFUSED: Final = (
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "CLAUDE_CODE_USE_GATEWAY",
)
_KEY_OF_AWS: Final = "AWS_BEARER_TOKEN_BEDROCK"
_KEYS_OF_FOUNDRY: Final = {
    "ANTHROPIC_FOUNDRY_AUTH_TOKEN": ("authorization", "Bearer "),
    "ANTHROPIC_FOUNDRY_API_KEY": ("x-api-key", ""),
}
_TOKEN_OF_GOOGLE: Final = "gcloud auth application-default print-access-token"  # noqa: S105 (a command)
BASES: Final = {
    BEDROCK: "ANTHROPIC_BEDROCK_BASE_URL",
    MANTLE: "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
    VERTEX: "ANTHROPIC_VERTEX_BASE_URL",
    FOUNDRY: "ANTHROPIC_FOUNDRY_BASE_URL",
}
_SKIPS: Final = {
    BEDROCK: "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
    MANTLE: "CLAUDE_CODE_SKIP_MANTLE_AUTH",
    VERTEX: "CLAUDE_CODE_SKIP_VERTEX_AUTH",
    FOUNDRY: "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
}
SWITCHES: Final = (*BASES, *_REFUSED)
"""What no settings inside may say: which cloud."""
VARIABLES: Final = (
    *SWITCHES, *BASES.values(), *_SKIPS.values(), _KEY_OF_AWS, *_KEYS_OF_FOUNDRY,
    "ANTHROPIC_FOUNDRY_RESOURCE", "AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
)  # fmt: skip
"""What they may not say either where the client is set to one: where it is, by which key."""
_ON: Final = frozenset({"1", "true", "yes", "on"})
_REGION: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)*(?:-?\d+)?")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9.:-]{0,126}")
_PROJECTS: Final = ("ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")
_INVOKING: Final = (
    "POST /model/**/invoke",
    "POST /model/**/invoke-with-response-stream",
    "GET /inference-profiles",
    "GET /inference-profiles/**",
)
_PREDICTING: Final = ("POST /projects/*/locations/*/publishers/anthropic/models/*",)
_MESSAGES: Final = ("POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models", "GET /v1/models/*")
_MULTIREGIONS: Final = frozenset({"us", "eu"})


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud's provider: `own` is where it is by itself, `upstream` where requests go.

    `environment` is set inside, with the variable `base` for the gateway's address. `credential` is None where the
    user's own gateway takes what the client has for Anthropic. `asks` and `beside` are as in ClientLaunch: a key of a
    cloud's opens more than models.
    """

    base: str
    own: str
    upstream: str
    environment: Mapping[str, str]
    credential: Credential | None
    asks: tuple[str, ...]
    beside: Mapping[str, str] = field(default_factory=dict)


def cloud(environ: Mapping[str, str], facts: ClientFacts) -> Cloud | None:
    """Say which cloud the client is set to; None for Anthropic's own API. SessionError for what cannot be served."""
    for name in _REFUSED:
        if _is_on(environ, name):
            raise SessionError(
                f"`{name}` sends Claude Code to a provider whose interface safe-agent cannot redact yet",
                hint=f"unset `{name}` (also in `env` of settings.json): Anthropic, Bedrock, Vertex and Foundry work",
            )
    chosen = next((name for name in (BEDROCK, FOUNDRY, MANTLE, VERTEX) if _is_on(environ, name)), None)
    return None if chosen is None else _MAKERS[chosen](environ, facts)


def _bedrock(environ: Mapping[str, str], facts: ClientFacts) -> Cloud:
    region = _region_of_aws(environ, facts)
    own = f"https://bedrock-runtime.{_aws(region)}"
    upstream = _said(environ, BEDROCK) or own
    return Cloud(
        BASES[BEDROCK],
        own,
        upstream,
        {BEDROCK: "1", "AWS_REGION": region, **_skip(environ, BEDROCK)},
        _credential_of_aws(environ, BEDROCK),
        _INVOKING,
        {"/inference-profiles": f"https://bedrock.{_aws(region)}"} if upstream == own else {},
    )


def _mantle(environ: Mapping[str, str], facts: ClientFacts) -> Cloud:
    region = _region_of_aws(environ, facts)
    own = f"https://bedrock-mantle.{region}.api.aws/anthropic"
    return Cloud(
        BASES[MANTLE],
        own,
        _said(environ, MANTLE) or own,
        {MANTLE: "1", "AWS_REGION": region, **_skip(environ, MANTLE)},
        _credential_of_aws(environ, MANTLE),
        _MESSAGES,
    )


def _vertex(environ: Mapping[str, str], facts: ClientFacts) -> Cloud:
    del facts
    region = environ.get("CLOUD_ML_REGION", "") or "us-east5"
    project = next((environ[name] for name in _PROJECTS if environ.get(name)), "")
    if not _REGION.fullmatch(region):
        raise SessionError("`CLOUD_ML_REGION` is no region of Google's", hint="set it as in `us-east5`, or `global`")
    if not _PROJECT.fullmatch(project):
        raise SessionError(
            "Claude Code is set to Vertex AI, and no project is named",
            hint=f"set `{_PROJECTS[0]}` to the id of your project",
        )
    own = f"https://{_google(region)}/v1"
    return Cloud(
        BASES[VERTEX],
        own,
        _said(environ, VERTEX) or own,
        # One region for all models: the gateway's upstream is one.
        {VERTEX: "1", "CLOUD_ML_REGION": region, _PROJECTS[0]: project, _SKIPS[VERTEX]: "1"},
        None if _skip(environ, VERTEX) else Credential(f"`{_TOKEN_OF_GOOGLE}`", {}, (), command=_TOKEN_OF_GOOGLE),
        _PREDICTING,
    )


def _foundry(environ: Mapping[str, str], facts: ClientFacts) -> Cloud:
    del facts
    resource = environ.get("ANTHROPIC_FOUNDRY_RESOURCE", "")
    said = _said(environ, FOUNDRY)
    if not said and not _NAME.fullmatch(resource):
        raise SessionError(
            "Claude Code is set to Microsoft Foundry, and no resource is named",
            hint="set `ANTHROPIC_FOUNDRY_RESOURCE` to its name, or `ANTHROPIC_FOUNDRY_BASE_URL` to its address",
        )
    own = f"https://{resource}.services.ai.azure.com/anthropic" if _NAME.fullmatch(resource) else ""
    return Cloud(
        BASES[FOUNDRY],
        own,
        said or own,
        {FOUNDRY: "1", **_skip(environ, FOUNDRY)},
        _credential(environ, FOUNDRY, _KEYS_OF_FOUNDRY, "logins of Entra ID are not used; set `{}`"),
        _MESSAGES,
    )


def _credential_of_aws(environ: Mapping[str, str], name: str) -> Credential | None:
    hint = "requests are not signed for you: make an API key in Bedrock's console, or a short-lived one, and set `{}`"
    return _credential(environ, name, {_KEY_OF_AWS: ("authorization", "Bearer ")}, hint)


def _credential(
    environ: Mapping[str, str], name: str, keys: Mapping[str, tuple[str, str]], hint: str
) -> Credential | None:
    """Take the first of `keys` that is set. SessionError, with the hint, where there is none and one is needed."""
    if _skip(environ, name):
        return None
    for variable, (header, scheme) in keys.items():
        value = environ.get(variable, "").strip()
        if header_safe(value):
            secret = Secret(variable, "API-KEY", value.encode())
            return Credential(variable, {header: scheme + value}, (secret,), {variable: secret})
    wanted = list(keys)[-1]
    what = f"Claude Code is set to a cloud (`{name}`), and there is no key for it"
    raise SessionError(what, hint=hint.format(wanted))


def _skip(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """Give the switch by which the client leaves the cloud's credentials alone, if the user has set it."""
    return {_SKIPS[name]: "1"} if _is_on(environ, _SKIPS[name]) else {}


def _said(environ: Mapping[str, str], name: str) -> str:
    return environ.get(BASES[name], "").rstrip("/")


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() in _ON


def _region_of_aws(environ: Mapping[str, str], facts: ClientFacts) -> str:
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or _region_of_profile(environ, facts)
    if not _REGION.fullmatch(region or "us-east-1"):
        raise SessionError("`AWS_REGION` is no region of Amazon's", hint="set it as in `us-east-1`")
    return region or "us-east-1"


def _region_of_profile(environ: Mapping[str, str], facts: ClientFacts) -> str:
    """Read the region in the settings of the AWS tools ("Configuration and credential file settings")."""
    import configparser  # noqa: PLC0415 (2 ms: where no variable says it)

    file = Path(environ.get("AWS_CONFIG_FILE") or facts.home / ".aws/config")
    profile = environ.get("AWS_PROFILE") or "default"
    settings = configparser.RawConfigParser(strict=False)
    try:
        settings.read_string((facts.read(file) or b"").decode("utf-8", "replace"))
    except configparser.Error:
        return ""
    section = "default" if profile == "default" else f"profile {profile}"
    return settings.get(section, "region", fallback="").strip()


def _aws(region: str) -> str:
    return f"{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def _google(region: str) -> str:
    if region == "global":
        return "aiplatform.googleapis.com"
    if region in _MULTIREGIONS:
        return f"aiplatform.{region}.rep.googleapis.com"
    return f"{region}-aiplatform.googleapis.com"


_MAKERS: Final = {BEDROCK: _bedrock, FOUNDRY: _foundry, MANTLE: _mantle, VERTEX: _vertex}
