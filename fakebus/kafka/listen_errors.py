"""Why an address could not be listened on, for people."""

from __future__ import annotations

import errno
import socket


def explain(error: Exception) -> str:
    """Return the reason for people, with what to do where there is something."""
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno == errno.EADDRINUSE:
            return (
                "the port is in use (another broker? see `fakebus doctor`; "
                "--kafka 127.0.0.1:0 takes any free port)"
            )
        if error.errno == errno.EACCES:
            return "not permitted; ports below 1024 need privileges"
        if error.errno == errno.EADDRNOTAVAIL:
            return "this machine has no such address"
    return str(error)
