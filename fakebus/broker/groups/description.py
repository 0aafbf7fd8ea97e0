"""Groups as administrators see them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDescription:
    """A member of a group."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    """What it joined with for the group's protocol; empty unless the group is stable."""
    assignment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescription:
    """A group and its members."""

    group_id: str
    group_type: str
    state: str
    protocol_type: str
    protocol_name: str
    generation_id: int
    members: tuple[MemberDescription, ...]
