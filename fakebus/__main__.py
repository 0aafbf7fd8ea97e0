"""``python -m fakebus`` and the ``fakebus`` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # What is imported stays for ever; looking for garbage among it takes a tenth of the
    # start. The commands turn the collector on again.
    gc.disable()
    from fakebus.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
