"""Asking a fakebus over HTTP what only it can tell: the one client of ``/_fakebus/v1``."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from fakebus.addresses import http_url
from fakebus.errors import FakebusError

DEFAULT_URL = "http://127.0.0.1:8081"
_TIMEOUT_S = 30.0
_MAX_ANSWER_BYTES = 64 << 20


class BusHttpError(FakebusError):
    """Error: no fakebus answers, or it says no.

    Args:
        message: for people.
        status: HTTP's number; 0 if nothing answers, or no fakebus.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class BusHttp:
    """Client of a fakebus's own HTTP routes.

    Args:
        url: where it serves HTTP, as ``http://HOST:PORT`` or, if it asks for a token,
            ``http://any:TOKEN@HOST:PORT``; the address that ``fakebus up`` takes by default when
            left out.

    Raises:
        BusHttpError: it is no URL.
    """

    def __init__(self, url: str | None = None) -> None:
        self._guessed = url is None
        parts = http_url(url or DEFAULT_URL)
        if parts is None:
            raise BusHttpError(f"{url!r} is not the URL of a fakebus: write http://HOST:PORT")
        # A token may stand before the address; no message shows it.
        shown, _, where = parts.netloc.rpartition("@")
        self._headers = {"Accept": "application/json"}
        if shown:
            credentials = base64.b64encode(urllib.parse.unquote(shown).encode())
            self._headers["Authorization"] = f"Basic {credentials.decode()}"
        self.url = f"{parts.scheme}://{where}"

    def get(self, path: str, **query: object) -> Any:
        """Return the answer to a question; see :meth:`request`."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        return self.request("GET", path + ("?" + urllib.parse.urlencode(given) if given else ""))

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a request, decoded from JSON; ``None`` for an empty one.

        Args:
            method: as of HTTP.
            path: what follows ``/_fakebus/v1``, with the query; its parts are quoted.
            body: sent as JSON.

        Raises:
            BusHttpError: no fakebus answers, or it says no.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = dict(self._headers)
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            f"{self.url}/_fakebus/v1{path}", data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                raw = answer.read(_MAX_ANSWER_BYTES)
            return json.loads(raw) if raw.strip() else None
        except urllib.error.HTTPError as error:
            with error:
                told = _told(error, self.url)
            raise BusHttpError(told, error.code) from None
        except (OSError, ValueError, RecursionError, HTTPException) as error:
            advice = "is it running?"
            if self._guessed:
                advice = "start one with  fakebus up , or say where it is by --http URL or "
                advice += "FAKEBUS_HTTP_URL"
            raise BusHttpError(
                f"no fakebus answers at {self.url}: {reason_of(error)}; {advice}"
            ) from None


def reason_of(error: Exception) -> str:
    """Return why nothing has answered, without the number of the system's error."""
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _told(error: urllib.error.HTTPError, url: str) -> str:
    """Return what the bus says, or that it is none."""
    try:
        return str(json.loads(error.read(1 << 20))["message"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError, HTTPException):
        return f"what answers at {url} is no fakebus (HTTP {error.code})"
