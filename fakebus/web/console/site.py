"""The console as one function of a request: pages, what forms do, files, and who may do it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web

from fakebus import __version__
from fakebus.cluster.interface import Cluster, NotFoundError, NotOnThisCluster
from fakebus.errors import FakebusError
from fakebus.web.body import read_body
from fakebus.web.console.addresses import PREFIX, page_url
from fakebus.web.console.call import MAX_FIELDS, Call, Fields, Outcome, Page, Redirect
from fakebus.web.console.rendering import environment, static_files
from fakebus.web.console.table import Route, page_routes, parts_of
from fakebus.web.errors import RequestError

logger = logging.getLogger("fakebus.web")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'",
    # With "no-referrer", browsers hide the origin of forms also from the server that made them.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_TOKEN = "fakebus_form"  # noqa: S105 - the name of a cookie
_OUR_TOKEN = re.compile(r"[0-9a-f]{64}")
_DONE = "fakebus_done"


class Site:
    """Console of one cluster.

    Args:
        cluster: what it shows; closed with it.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._templates = environment()

    async def close(self) -> None:
        """Disconnect from the cluster."""
        await self._cluster.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return the answer to any request below ``/ui``."""
        path = request.rel_url.raw_path.removeprefix(PREFIX)
        parts = tuple(unquote(part, errors="replace") for part in parts_of(path))
        if parts[:1] == ("static",):
            return _static(parts)
        try:
            outcome = await self._outcome(request, parts)
        except (FakebusError, RequestError) as error:
            outcome = _refusal(error)
        except Exception as error:
            logger.error("%s %s failed", request.method, request.rel_url, exc_info=error)
            text = f"fakebus failed: {type(error).__name__}: {error}"
            outcome = Page(template="problem.html", values={"problem": text}, status=500)
        return await self._response(request, outcome)

    async def _outcome(self, request: web.Request, parts: tuple[str, ...]) -> Outcome:
        method = "GET" if request.method == "HEAD" else request.method
        route, found = _find(method, parts)
        # Its module is imported at the first call; clients are served meanwhile.
        handler = await asyncio.to_thread(route.load)
        form = await _form(request) if method == "POST" else Fields(())
        call = Call(
            cluster=self._cluster,
            request=request,
            parts=found,
            query=Fields(list(request.query.items())),
            form=form,
        )
        return await handler(call)

    async def _response(self, request: web.Request, outcome: Outcome) -> web.StreamResponse:
        if isinstance(outcome, Redirect):
            response: web.StreamResponse = web.Response(
                status=303, headers={**HEADERS, "Location": outcome.url}
            )
            if outcome.done:
                done = quote(outcome.done[:1000], errors="replace")
                response.set_cookie(_DONE, done, path=PREFIX, httponly=True, samesite="Strict")
            return response
        if isinstance(outcome, web.StreamResponse):
            return outcome
        known = _known_token(request)
        token, is_new = known or secrets.token_hex(32), not known
        values = {**await self._common(request, token), **outcome.values}
        template = self._templates.get_template(outcome.template)
        # A page may show millions of letters of strangers, which clients need not wait for.
        body = await asyncio.to_thread(lambda: template.render(values).encode())
        response = web.Response(
            body=body,
            charset="utf-8",
            status=outcome.status,
            content_type="text/html",
            headers=HEADERS,
        )
        if is_new:
            response.set_cookie(_TOKEN, token, path=PREFIX, httponly=True, samesite="Strict")
        if _DONE in request.cookies:
            response.del_cookie(_DONE, path=PREFIX)
        return response

    async def _common(self, request: web.Request, token: str) -> dict[str, Any]:
        path = request.rel_url.raw_path
        return {
            "version": __version__,
            "cluster": self._cluster,
            "navigation": [
                (route.label, page_url(*route.path), _is_here(path, page_url(*route.path)))
                for route in page_routes()
                if route.label
            ],
            "faults": self._faults(),
            "writes_fail": await self._write_failure(),
            "form_token": token,
            "done": unquote(request.cookies.get(_DONE, "")),
        }

    def _faults(self) -> list[str]:
        """Return the faults that are on, which every page tells."""
        try:
            faults = self._cluster.bus("what fails on purpose").broker.faults
        except NotOnThisCluster:
            return []
        return [fault.description for fault in faults.in_force()]

    async def _write_failure(self) -> str:
        try:
            check = self._cluster.bus("whether writes are stored").broker.write_check
        except NotOnThisCluster:
            return ""
        return await check.failure()


def _is_here(path: str, target: str) -> bool:
    # The page of one group or schema belongs to the list of all of them.
    parts = path.removeprefix(PREFIX).split("/")[1:2] or [""]
    return target.removeprefix(PREFIX + "/").removesuffix("s") == parts[0].removesuffix("s") or (
        target == PREFIX and parts == [""]
    )


def _find(method: str, parts: tuple[str, ...]) -> tuple[Route, dict[str, str]]:
    allowed = set()
    for route in page_routes():
        found = route.match(parts)
        if found is not None and route.method == method:
            return route, found
        if found is not None:
            allowed.add(route.method)
    if allowed:
        raise RequestError(405, f"this address takes {' and '.join(sorted(allowed))} only")
    raise RequestError(404, "there is no such page")


def _known_token(request: web.Request) -> str:
    """Return the token that a browser was given; empty for none, and for what was never given."""
    cookie = request.cookies.get(_TOKEN, "")
    return cookie if _OUR_TOKEN.fullmatch(cookie) else ""


async def _form(request: web.Request) -> Fields:
    if request.content_type != "application/x-www-form-urlencoded":
        raise RequestError(415, "a form is wanted: application/x-www-form-urlencoded")
    body = await read_body(request)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise RequestError(400, f"the form cannot be read: {error}") from None
    fields = Fields(pairs)
    # The page that has the form was made for the browser that has the cookie: another site's page
    # can make a browser send the one, but knows nothing of the other.
    cookie, token = _known_token(request), fields.raw("token")
    if not cookie or not hmac.compare_digest(cookie.encode(), token.encode()):
        raise RequestError(403, "the form is not from a page of this console; load the page again")
    return fields


def _refusal(error: FakebusError | RequestError) -> Page:
    status = 400
    if isinstance(error, RequestError):
        status = error.status
    elif isinstance(error, NotFoundError):
        status = 404
    elif isinstance(error, NotOnThisCluster):
        status = 501
    text = error.message if isinstance(error, RequestError) else str(error)
    return Page(template="problem.html", values={"problem": text}, status=status)


def _static(parts: tuple[str, ...]) -> web.Response:
    found = static_files().get("/".join(parts[1:]))
    if found is None:
        return web.Response(status=404, text="there is no such file")
    suffix = parts[-1].rpartition(".")[2]
    # Its address changes with its content.
    headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(
        body=found[0], content_type=_TYPES[suffix], charset="utf-8", headers=headers
    )


def attachment(name: str, content_type: str = "application/octet-stream") -> dict[str, str]:
    """Return the headers of a file with bytes of strangers, which no browser shows."""
    return {
        **HEADERS,
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    }
