"""/associations: which subjects belong to which topic.

Serializers ask this before the first record of each topic. No association is stored, so every
answer is an empty list, upon which they take the subject from the topic's name.
"""

from __future__ import annotations

from fakebus.web.registry.parameters import Call


async def list_associations(call: Call) -> object:
    """List the subjects of a topic, or the topics of a subject; always none."""
    return []
