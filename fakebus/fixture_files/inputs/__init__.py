"""Files of other tools; a new one is a file here and a line in ``INPUTS``."""

from __future__ import annotations

from fakebus.fixture_files.inputs.cloudevents import CLOUDEVENTS
from fakebus.fixture_files.inputs.csv import CSV
from fakebus.fixture_files.inputs.kcat import KCAT
from fakebus.fixture_files.inputs.pact import PACT

INPUTS = {
    input_.name: input_
    for input_ in (
        CLOUDEVENTS,
        CSV,
        KCAT,
        PACT,
    )
}
