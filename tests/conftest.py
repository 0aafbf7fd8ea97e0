"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# CI decides about a change, so it looks at the same examples every time; whoever runs the
# tests at their desk looks at new ones.
settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
