"""The schemas beside the way: whether there is a registry, and what keeps clients from using it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fakebus.cli.diagnosis.finding import Finding, fine, note, problem
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient

_MODES = {
    "READONLY": "no schema can be registered",
    "READONLY_OVERRIDE": "no schema can be registered",
    "IMPORT": "schemas are registered only with their ids, and are not checked",
    "FORWARD": "requests are handed on to another registry",
}
_SHOWN = 10


def no_answer(error: Exception, *, is_named: bool) -> Finding:
    """Return the finding that the registry cannot be reached.

    Args:
        error: what was tried.
        is_named: whether the user named it; else it is only what the bus says of itself, and
            perhaps nobody needs it.
    """
    return (problem if is_named else note)(
        str(error),
        "compare host and port; fakebus serves its registry on its HTTP address, by default "
        "127.0.0.1:8081",
        "in containers, publish the HTTP port too, and name it with --registry URL",
    )


def check_registry(registry: RegistryClient | None, topics: Sequence[str]) -> Iterator[Finding]:
    """Yield what is to be said of the registry.

    Args:
        registry: the one that was named, or that the cluster tells of.
        topics: those whose subjects are looked at more closely.

    Raises:
        RegistryClientError: it does not answer.
    """
    if registry is None:
        yield note("no schema registry is known", "if there is one, name it with --registry URL")
        return
    subjects = registry.request("GET", "/subjects")
    deleted = set(registry.request("GET", "/subjects?deleted=true")) - set(subjects)
    yield fine(f"the registry at {registry.url} has {counted(len(subjects), 'subject')}")
    yield from _mode("the registry", registry, "/mode")
    for subject in subjects:
        if any(subject.startswith(f"{topic}-") for topic in topics):
            yield from _mode(f"subject {subject}", registry, f"/mode/{registry.quoted(subject)}")
    if deleted:
        shown = ", ".join(sorted(deleted)[:_SHOWN])
        yield problem(
            f"{counted(len(deleted), 'subject')} without versions, as all are deleted: {shown}",
            "register the schema again; until then clients find none under the name",
            "or delete the name for good:  curl -X DELETE "
            f"'{registry.url}/subjects/{registry.quoted(min(deleted))}?permanent=true'",
        )


def _mode(what: str, registry: RegistryClient, path: str) -> Iterator[Finding]:
    from fakebus.client.registry import RegistryRefusalError

    try:
        mode = registry.request("GET", path)["mode"]
    except RegistryRefusalError:
        return  # a subject without a mode of its own, or a registry without modes
    if mode != "READWRITE":
        yield problem(
            f"{what} is in mode {mode}: {_MODES.get(mode, 'it is not READWRITE')}",
            f"if that is not wanted:  curl -X PUT '{registry.url}{path}' "
            """-H 'Content-Type: application/json' -d '{"mode": "READWRITE"}'""",
        )
