"""What tests and tools import is there: many of them run where make test does not come."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("benchmarks", "examples", "fakebus", "fuzzing", "tests", "tools", "torture")


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    files = (base.with_suffix(".py"), base.with_suffix(".pyi"), base / "__init__.py")
    found = (each for each in files if each.is_file())
    return next(found, base if base.is_dir() else None)


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements of a module bind, also within ``if`` and ``try``."""
    for each in body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield each.name
        elif isinstance(each, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in each.names)
        else:
            for node in ast.walk(each):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id
            for name in ("body", "orelse", "finalbody", "handlers"):
                for inner in getattr(each, name, ()):
                    yield from _bound(
                        inner.body if isinstance(inner, ast.ExceptHandler) else [inner]
                    )


@cache
def _names(module: str) -> frozenset[str] | None:
    """Return the names of a module; ``None`` if it makes them when they are asked for."""
    path = _path(module)
    if path is None or path.is_dir():
        return frozenset()
    names = frozenset(_bound(ast.parse(path.read_text()).body))
    return None if "__getattr__" in names or "*" in names else names


def _missing(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
        if module is None or module.split(".")[0] not in OURS:
            continue
        names = _names(module)
        for alias in node.names if names is not None else ():
            if alias.name not in {"*", *names} and _path(f"{module}.{alias.name}") is None:
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {module} has no {alias.name}"


def test_what_is_imported_is_there() -> None:
    found = [path for name in OURS if name != "fakebus" for path in (ROOT / name).rglob("*.py")]
    assert len(found) > 500
    assert [each for path in sorted(found) for each in _missing(path)] == []
