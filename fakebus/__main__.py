"""``python -m fakebus`` and the ``fakebus`` command."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line and exit with its code."""
    # What is imported stays for ever; looking for garbage among it takes a tenth of the
    # start. The commands turn the collector on again.
    gc.disable()
    # Without a standard output, as after  >&-  in a shell, what is printed goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    from fakebus.cli.main import run

    # What a command has written so far, and its folders, are put away in either case.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def _interrupt(*_: object) -> NoReturn:
    """Raise what Ctrl-C does, also where the shell lets that do nothing (``command &``)."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
