from __future__ import annotations

import subprocess
import sys
import traceback

import pytest

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.errors import EncodeError
from fakebus.protocol.messages import HeartbeatResponse
from fakebus.protocol.schema import MessageSchema, api_schema, parse_message

RACE = """
import sys
from threading import Barrier, Thread
from fakebus.protocol import codec, messages

sys.setswitchinterval(1e-6)
barrier, classes = Barrier(8), set()

def read():
    barrier.wait()
    for version in range(14):
        request = codec.decode_request(3, version, memoryview(bytes(30)))
        classes.add(type(request))

threads = [Thread(target=read) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(classes == {messages.MetadataRequest})
"""


def test_threads_that_meet_a_version_first_together_get_one_class() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr


def message(text: str) -> MessageSchema:
    return parse_message(text, 0)


def test_the_layout_changes_where_a_field_comes_goes_or_turns_nullable() -> None:
    schema = message(
        "ARequest 0-9 flexible 6+\n"
        "  early str 0-2 =x\n"
        "  late str 4+ ?5+ =null\n"
        "  tagged i32 6+ #0:8+"
    )
    assert schema.layout_versions == [0, 3, 4, 5, 6, 8]


def test_only_versions_that_the_message_has_count_as_layouts() -> None:
    schema = api_schema(ApiKey.PRODUCE)
    assert schema is not None
    assert schema.request.layout_versions == [3, 9, 13]


def test_a_failure_inside_generated_code_names_message_and_version() -> None:
    with pytest.raises(EncodeError) as caught:
        codec.encode_response(ApiKey.HEARTBEAT, 3, HeartbeatResponse(error_code=1 << 20))
    frames = traceback.extract_tb(caught.tb)
    assert frames[-1].filename == "<encode HeartbeatResponse v1>"
