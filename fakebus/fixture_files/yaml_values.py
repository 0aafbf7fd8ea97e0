"""The nodes of YAML as the JSON values that they stand for."""

from __future__ import annotations

from fakebus.fixture_files.yaml_tree import YamlMapping, YamlNode, YamlScalar

_TRUE = frozenset({"true", "yes", "on", "y"})


def json_value(node: YamlNode) -> object:
    """Return a tree as JSON data: numbers, booleans and null where YAML has them.

    What JSON has no type for, such as a date, stays a text.
    """
    if isinstance(node, YamlScalar):
        return _scalar(node)
    if isinstance(node, YamlMapping):
        return {name: json_value(entry.value) for name, entry in node.entries.items()}
    return [json_value(item) for item in node.items]


def _scalar(node: YamlScalar) -> object:
    if node.is_null:
        return None
    if node.kind == "bool":
        return node.text.lower() in _TRUE
    try:
        if node.kind == "int":
            return int(node.text, 10)
        if node.kind == "float":
            number = float(node.text)
            # JSON has neither infinity nor NaN.
            return number if abs(number) != float("inf") and number == number else node.text
    except ValueError:
        # YAML has numbers in other bases and with colons; as a text nothing of them is lost.
        pass
    return node.text
