"""Which requests a browser may not be tricked into making.

The server need not have a token, so any page open in a developer's browser could talk to it. Two
checks stop that: the ``Host`` must be a name that no stranger's DNS can give to this machine
(DNS rebinding), and a write must not tell of another page as where it comes from. Browsers tell
that in ``Origin`` or, where a page's policy or an older browser leaves it out of a form's POST, in
``Sec-Fetch-Site``; scripts cannot change either.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Middleware

from fakebus.web.errors import Handler, RequestError

DEVSTACK_HOSTS = (
    "edx.devstack.kafka",
    "edx.devstack.schema-registry",
    "edx.devstack.kafka-control-center",
    "edx.devstack.kafka-rest-proxy",
)
"""Names of Open edX's devstack. Not ``edx.devstack.*``: ``edx.devstack.com`` can be bought."""

# Top-level domains that the public DNS will never hold: RFC 6761, RFC 6762 and ICANN's
# reservation of .internal, which container runtimes use for the machine they run on.
_PRIVATE_DOMAINS = ("localhost", "internal", "local", "test")
_OPEN = ("/health", "/ready")
"""What containers ask for to see whether the bus lives."""
_READS = frozenset(("GET", "HEAD", "OPTIONS"))


class HostCheck:
    """A middleware that refuses foreign hosts and foreign origins.

    Args:
        allowed_hosts: names without a port that pass besides IP addresses, names of one label
            (containers), reserved domains and the devstack's names.
    """

    def __init__(self, allowed_hosts: Sequence[str] = ()) -> None:
        self._allowed = frozenset(host.lower().rstrip(".") for host in allowed_hosts) | set(
            DEVSTACK_HOSTS
        )
        # A few clients send the same few hosts over and over.
        self.allows = lru_cache(maxsize=256)(self._allows)

    def _allows(self, host: str) -> bool:
        name = _without_port(host).lower().rstrip(".")
        if name in self._allowed or _is_ip_address(name):
            return True
        first, _, rest = name.partition(".")
        return bool(first) and (not rest or rest.rpartition(".")[2] in _PRIVATE_DOMAINS)

    def middleware(self) -> Middleware:
        """Return the aiohttp middleware."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            # Only HTTP/1.0 has no Host, and no browser speaks that.
            host = request.headers.get("Host", "localhost")
            if not self.allows(host):
                raise RequestError(
                    421, f"the host {host!r} is not served here; allow it if it is yours"
                )
            if request.method not in _READS:
                refuse_foreign_page(request)
            return await handler(request)

        return check


def token_check(token: str) -> Middleware:
    """Return the aiohttp middleware that refuses requests which do not show a token.

    It is the bearer's, or the password of any user: browsers ask for that, and clients of a
    registry take it in their URL.
    """
    wanted = token.encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = _shown_token(request.headers.get("Authorization", ""))
        if request.path not in _OPEN and not hmac.compare_digest(shown, wanted):
            raise RequestError(
                401, "show the token: Authorization: Bearer TOKEN, or as the password of any user"
            )
        return await handler(request)

    return check


def _shown_token(header: str) -> bytes:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def refuse_foreign_page(request: web.Request) -> None:
    """Refuse what a page of another origin asks a browser for; RequestError 403."""
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "localhost")
    if origin is not None and not _same(origin, host):
        raise RequestError(403, f"writes from pages of {origin!r} are refused")
    # "none" is what somebody does with the browser itself.
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise RequestError(403, "writes from pages of other sites are refused")


def _without_port(host: str) -> str:
    name, separator, port = host.rpartition(":")
    if separator and port.isdigit():
        host = name
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(origin: str, host: str) -> bool:
    scheme, separator, authority = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and authority.lower() == host.lower()
