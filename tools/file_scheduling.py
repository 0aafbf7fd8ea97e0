"""Lets tests go on when a worker of pytest-xdist has ended, whatever the reason.

pytest-xdist gives the files that such a worker was done with to the next one, which has nothing to
do in them and is never told to do more: with ``--dist loadfile`` the run waits for ever.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class FileScheduling(LoadFileScheduling):
    """Distribution of whole files, which goes on when a worker has ended."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Give what a worker has not begun to others; return the test in which it ended."""
        files = self.assigned_work.pop(node)
        left = {file: [test for test in tests if not tests[test]] for file, tests in files.items()}
        begun = next((tests.pop(0) for tests in left.values() if tests), None)
        self.workqueue.update(
            {file: dict.fromkeys(tests, False) for file, tests in left.items() if tests}
        )
        if begun is not None:
            for other in self.nodes:
                self._reschedule(other)
        return begun


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    """Return what distributes the tests, if it is to be whole files."""
    is_by_file = config.getvalue("dist") == "loadfile"
    return FileScheduling(config, log) if is_by_file else None
