"""References of a JSON Schema into itself: where each leads, whatever names the parts have.

A part is named by its place (``#/$defs/size``), by an anchor (``#size``), or by the ``$id`` of a
part that lies around it (``size.json#/$defs/unit``), from which on all else counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urldefrag, urljoin

from fakebus.schemas.json_schema.pointers import pointed_to

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
"""In a schema that is one document, a dynamic reference leads where a plain one does."""
_ANCHORS = ("$anchor", "$dynamicAnchor")
_DATA = frozenset(("const", "default", "enum", "example", "examples"))
"""Keywords whose values are data, which is no schema whatever it looks like."""


def own_references(root: Any) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield each part of a schema that refers to another, the keyword, and where it leads.

    Args:
        root: the schema as read from JSON.

    Yields:
        The last is a pointer as :func:`pointed_to` takes it, from the root. References out of the
        schema, and those that lead nowhere, are left out.
    """
    names = _Names(root)
    for part, base, _ in names.parts:
        for word in REFERENCES:
            if isinstance(reference := part.get(word), str):
                pointer = names.pointer(base, reference)
                if pointer is not None:
                    yield part, word, pointer


def settle_references(root: Any) -> None:
    """Write each reference of a schema into itself as a pointer from the root, in its place."""
    for part, word, pointer in list(own_references(root)):
        part[word] = f"#{pointer}"


class _Names:
    """Parts of a schema, by the names that references have for them."""

    def __init__(self, root: Any) -> None:
        self._root = root
        declared = str(root.get("$schema")) if isinstance(root, dict) else ""
        self._id_word = "id" if "draft-04" in declared else "$id"
        # Up to draft-07 a reference stands alone, and names nothing.
        self._ref_stands_alone = not ("2019-09" in declared or "2020-12" in declared)
        self._documents: dict[str, str] = {}
        self._anchors: dict[tuple[str, str], str] = {}
        self.parts: list[tuple[dict[str, Any], str, str]] = []
        """Each object of the schema, the URI that its references count from, and its place."""
        waiting: list[tuple[Any, str, str]] = [(root, "", "")]
        while waiting:
            node, base, pointer = waiting.pop()
            if isinstance(node, list):
                waiting += [(inner, base, f"{pointer}/{at}") for at, inner in enumerate(node)]
            elif isinstance(node, dict):
                base = self._name(node, base, pointer)
                self.parts.append((node, base, pointer))
                waiting += [
                    (inner, base, f"{pointer}/{_step(name)}")
                    for name, inner in node.items()
                    if name not in _DATA
                ]
        self._documents.setdefault("", "")

    def _name(self, node: Mapping[str, Any], base: str, pointer: str) -> str:
        """Note the names of a part, and return what the references in it count from."""
        own = node.get(self._id_word)
        if isinstance(own, str) and not (self._ref_stands_alone and "$ref" in node):
            uri, anchor = _resolved(base, own)
            if anchor:
                self._anchors.setdefault((uri, anchor), pointer)
            elif uri != base:
                base = uri
        self._documents.setdefault(base, pointer)
        for word in _ANCHORS:
            if isinstance(name := node.get(word), str):
                self._anchors.setdefault((base, name), pointer)
        return base

    def pointer(self, base: str, reference: str) -> str | None:
        """Return where a reference leads; ``None`` out of the schema, or nowhere."""
        uri, fragment = _resolved(base, reference)
        if fragment and not fragment.startswith("/"):
            return self._anchors.get((uri, fragment))
        document = self._documents.get(uri)
        if document is None:
            return None
        # What stands under definitions is found under $defs too, as in Confluent's registry.
        for within in (fragment, fragment.replace("/$defs/", "/definitions/", 1)):
            if pointed_to(self._root, document + within) is not None:
                return document + within
        return None


def _step(name: str) -> str:
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


def _resolved(base: str, reference: str) -> tuple[str, str]:
    """Return the URI of a document, and the fragment."""
    # A URN has no parts that others could be relative to, but fragments.
    if reference.startswith("#"):
        return base, reference[1:]
    uri, fragment = urldefrag(urljoin(base, reference))
    return uri, fragment
