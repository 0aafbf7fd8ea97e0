"""Errors as JSON, whatever went wrong.

Registry clients take anything but JSON, and every 5xx, for a failing server and try again for
seconds, so nothing may leave as HTML or as an unexplained 500.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from fakebus.errors import MissingExtraError
from fakebus.escaping import shortened
from fakebus.limited_log import LimitedLog
from fakebus.registry.errors import RegistryError, invalid_schema
from fakebus.web.compact_json import compact_json

logger = logging.getLogger("fakebus.web")
_limited = LimitedLog(logger)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ERROR_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
STORE_ERROR = 50001
_CHALLENGE = 'Basic realm="fakebus", charset="UTF-8"'
_PAGES = (401, 403, 421)
"""What security refuses, whatever was asked for."""


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: the HTTP status.
        message: for people.
        error_code: the registry's code; the status if there is no special one.
    """

    content_type = ERROR_CONTENT_TYPE
    """What the answer is labelled as."""

    def __init__(self, status: int, message: str, *, error_code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code or status
        self.message = message


class ClientGoneError(Exception):
    """The client has gone, or does not read: there is nobody to answer."""


def error_response(
    status: int, error_code: int, message: str, content_type: str = ERROR_CONTENT_TYPE
) -> web.Response:
    """Return ``{"error_code": …, "message": …}``, the form of all errors."""
    # ASCII, because a message may quote what no encoding can write, of any length.
    # Browsers ask their user then.
    headers = {"WWW-Authenticate": _CHALLENGE} if status == 401 else {}
    return web.Response(
        status=status,
        headers=headers,
        body=compact_json({"error_code": error_code, "message": shortened(message)}).encode(),
        content_type=content_type,
    )


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers, and tell the log of refusals and deletions."""
    reason = ""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = error_response(error.status, error.status, f"HTTP {error.status} {error.reason}")
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except ClientGoneError:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is JSON
        response, reason = _answer_to(error, request)
    _log(request, response.status, reason)
    return response


def _answer_to(error: Exception, request: web.Request) -> tuple[web.Response, str]:
    """Return the answer to an error, and the reason; our own are logged with their traceback."""
    if isinstance(error, MissingExtraError):
        # A 5xx would be tried again, and nothing would change.
        error = invalid_schema(str(error))
    if isinstance(error, RequestError):
        answer = error.status, error.error_code, error.message, error.content_type
        return error_response(*answer), error.message
    if isinstance(error, RegistryError):
        return error_response(error.status, error.error_code, error.message), error.message
    logger.error("%s %s failed", request.method, request.rel_url, exc_info=error)
    reason = f"fakebus failed: {type(error).__name__}: {error}"
    return error_response(500, STORE_ERROR, reason), reason


def _log(request: web.Request, status: int, reason: str) -> None:
    told = "%s %s of %s answers %d%s"
    values = (
        request.method,
        request.rel_url,
        request.remote,
        status,
        f": {reason}" if reason else "",
    )
    if status in _PAGES:
        # A page that nobody expected, or a name that --http-allowed-hosts should have.
        _limited.warning(told, *values)
    elif request.method == "DELETE" and status < 300:
        logger.info(told, *values)
    else:
        logger.debug(told, *values)
