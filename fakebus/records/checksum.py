"""CRC-32C, the checksum of record batches."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakebus.types import Buffer


def _load() -> Callable[[Buffer, int], int]:
    # The package's __init__ reads its own version through importlib.metadata, and that pulls
    # in email, socket and zipfile: 45 to 100 ms (python -X importtime). Its extension module
    # alone takes 0.5 ms. It is loaded here without entering sys.modules, so that a later
    # plain "import crc32c" elsewhere still finds the package whole.
    package = sys.modules.get("crc32c")
    if package is None:
        spec = importlib.util.find_spec("crc32c")
        places = None if spec is None else spec.submodule_search_locations
        extension = places and PathFinder.find_spec("crc32c._crc32c", places)
        if extension and extension.loader is not None:
            package = importlib.util.module_from_spec(extension)
            extension.loader.exec_module(package)
        else:
            package = importlib.import_module("crc32c")
    return cast("Callable[[Any, int], int]", package.crc32c)


crc32c = _load()
"""``crc32c(data, value=0)``: the CRC-32C of any buffer, without a copy."""
