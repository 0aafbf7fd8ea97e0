"""``python -m fakebus`` and the ``fakebus`` command."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # What is imported stays for ever; looking for garbage among it takes a tenth of the
    # start. The commands turn the collector on again.
    gc.disable()
    # Without a standard output, as after  >&-  in a shell, what is printed goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    from fakebus.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
