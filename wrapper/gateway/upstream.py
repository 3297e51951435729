"""The provider's address, and why it could not be reached."""

import ssl

import aiohttp
from yarl import URL

from wrapper.errors import PolicyError
from wrapper.gateway.refusal import RefusedError


def checked_base(kind: str, upstream: str, *, plain_http: bool) -> str:
    """Return `upstream` without a closing slash. PolicyError where it is no base URL that may be used.

    Without encryption only loopback is reached, or what the policy names as `http://` on purpose (`plain_http`).
    """
    hint = "set `[upstream]` in your policy to a base URL such as `https://host/path`"
    try:
        url = URL(upstream, encoded=True)
        host, port = url.host, url.explicit_port
    except ValueError as error:
        raise PolicyError(f"the {kind} upstream is no URL", hint=hint) from error
    if url.scheme not in {"http", "https"} or not host:
        raise PolicyError(f"the {kind} upstream is no http or https URL", hint=hint)
    if url.user is not None or url.password is not None or url.raw_query_string or url.raw_fragment:
        raise PolicyError(f"the {kind} upstream holds more than scheme, host, port and path", hint=hint)
    if url.scheme == "http" and not plain_http and not _is_loopback(host):
        raise PolicyError(
            f"the {kind} upstream `{host}` would be reached without encryption",
            hint="use `https://`, or name the `http://` upstream in your own policy",
        )
    authority = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{authority}{f':{port}' if port else ''}{url.raw_path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or (host.startswith("127.") and host.replace(".", "").isdigit())


def upstream_fault(error: Exception, upstream: str) -> RefusedError:
    """Say in one line why the provider gave no answer; `upstream` is its base URL."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return RefusedError(
                502,
                f"the certificate of {upstream} is not trusted",
                hint="if a company proxy stands in between, point SSL_CERT_FILE at its certificate and start again",
            )
        case aiohttp.ClientConnectorDNSError():
            what = f"the name of {upstream} cannot be resolved"
        case TimeoutError():
            return RefusedError(504, f"no connection to {upstream} in time", hint="check your network, then try again")
        case aiohttp.ClientConnectorError():
            reason = error.os_error.strerror or "connection failed"
            what = f"cannot connect to {upstream}: {reason}"
        case _:
            what = f"{upstream} closed the connection before it answered"
    return RefusedError(502, what, hint="check your network and `[upstream]` in your policy, then try again")
