"""detect-secrets as a second opinion on small credential files, where its depth helps and its speed does not hurt.

It reads about 0.2 MB/s and takes 120 ms to import: never for the wire, and beside a session that runs already. Its
network verification stays off: a detector must not send what it found anywhere.
"""

import re
from collections.abc import Iterator

from redactors import filters
from redactors.finding import Confidence, Finding
from redactors.vault import PLACEHOLDER

_OURS = re.compile(PLACEHOLDER)
LARGEST = 64 * 1024
"""Bytes; a larger file is left to the engine."""

_PLUGINS = (
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "CloudantDetector",
    "DiscordBotTokenDetector",
    "IbmCloudIamDetector",
    "IbmCosHmacDetector",
    "JwtTokenDetector",
    "KeywordDetector",
    "MailchimpDetector",
    "NpmDetector",
    "SendGridDetector",
    "SlackDetector",
    "SoftlayerDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TwilioKeyDetector",
)
_FILTERS = (
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_templated_secret",
    "detect_secrets.filters.heuristic.is_indirect_reference",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
    "detect_secrets.filters.heuristic.is_not_alphanumeric_string",
    "detect_secrets.filters.allowlist.is_line_allowlisted",
)


def second_opinion(data: bytes) -> list[Finding]:
    """Give what detect-secrets sees in a small text file: LIKELY findings, sorted, not overlapping.

    Files beyond `LARGEST` and binary files give none.
    """
    if len(data) > LARGEST or b"\0" in data:
        return []
    found: list[Finding] = []
    for finding in sorted(_findings(data)):
        if not found or found[-1].end <= finding.start:
            found.append(finding)
    return found


def _findings(data: bytes) -> Iterator[Finding]:
    from detect_secrets.core.scan import scan_line  # noqa: PLC0415 (120 ms)
    from detect_secrets.settings import transient_settings  # noqa: PLC0415

    settings = {
        "plugins_used": [{"name": name} for name in _PLUGINS],
        "filters_used": [{"path": path} for path in _FILTERS],
    }
    with transient_settings(settings):
        offset = 0
        for line in data.splitlines(keepends=True):
            for secret in scan_line(line.decode("utf-8", "replace").rstrip("\r\n")):
                value = (secret.secret_value or "").encode()
                start = line.find(value) if value else -1
                if start >= 0 and not filters.is_stock_password(value) and not _OURS.search(value):
                    at = offset + start
                    yield Finding(at, at + len(value), "SECRET", Confidence.LIKELY, "detect-secrets", value)
            offset += len(line)
