"""Write the tables of docs/reference/fixtures.md from the declarations of fixture files.

    python tools/generate_fixture_docs.py [--check]

With --check nothing is written; the exit code says whether the file is current.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from fakebus.fixture_files.structure.declarations import table, words
from fakebus.fixture_files.structure.event_models import Generate
from fakebus.fixture_files.structure.lineage_models import IdField, IdHeader, Service
from fakebus.fixture_files.structure.models import Profile, RootFile, Topic
from fakebus.fixture_files.structure.subject_models import Subject
from fakebus.fixture_files.structure.uses import Use

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "fixtures.md"
MODELS = (RootFile, Use, Topic, Subject, Generate, Profile, Service, IdHeader, IdField)
TABLE = re.compile(r"(<!-- Generated from (\w+); .*? -->\n)(?:\|.*\n)*")


def main() -> int:
    """Write the tables, or compare them."""
    tables = {model.__name__: table(model) for model in MODELS}
    rows = [f"| `{name}` | {means} |\n" for name, means in words()["events"].items()]
    tables["events"] = "".join(["| field | meaning |\n|---|---|\n", *rows])
    present = TARGET.read_text()
    text = TABLE.sub(lambda found: found[1] + tables[found[2]], present)
    if "--check" in sys.argv[1:]:
        return int(text != present)
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
