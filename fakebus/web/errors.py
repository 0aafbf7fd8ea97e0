"""Errors as JSON, whatever went wrong.

Registry clients take anything but JSON, and every 5xx, for a failing server and try again for
seconds, so nothing may leave as HTML or as an unexplained 500.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from fakebus.registry.errors import RegistryError, invalid_schema
from fakebus.schemas.interface import MissingExtraError

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ERROR_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
STORE_ERROR = 50001


class RequestError(Exception):
    """A request that is refused before the registry sees it.

    Args:
        status: the HTTP status.
        message: for people.
        error_code: the registry's code; the status if there is no special one.
    """

    def __init__(self, status: int, message: str, *, error_code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code or status
        self.message = message


def error_response(status: int, error_code: int, message: str) -> web.Response:
    """Return ``{"error_code": …, "message": …}``, the form of all registry errors."""
    # ASCII, because a message may quote what no encoding can write.
    return web.Response(
        status=status,
        body=json.dumps({"error_code": error_code, "message": message}).encode(),
        content_type=ERROR_CONTENT_TYPE,
    )


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers; our own failures are logged with their traceback."""
    try:
        return await handler(request)
    except (RegistryError, RequestError) as error:
        return error_response(error.status, error.error_code, error.message)
    except MissingExtraError as error:
        # A 5xx would be tried again, and nothing would change.
        refusal = invalid_schema(str(error))
        return error_response(refusal.status, refusal.error_code, refusal.message)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = error_response(error.status, error.status, f"HTTP {error.status} {error.reason}")
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception as error:
        logger.exception("%s %s failed", request.method, request.rel_url)
        return error_response(500, STORE_ERROR, f"fakebus failed: {type(error).__name__}: {error}")
