"""Packages with fixture sets, as pip leaves them behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

Install = Callable[..., Path]


def install(
    site: Path,
    name: str,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    entries: Mapping[str, str] | None = None,
    module: str = "",
) -> Path:
    """Put a distribution into a folder of packages and return the folder of its set.

    Its module must never be imported, and fails if it is.
    """
    module = module or name.replace("-", "_")
    root = site.joinpath(*module.split("."))
    for folder in (root, *root.parents):
        if folder == site:
            break
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("raise AssertionError('the package was imported')\n")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    files_of_it = [path for path in root.rglob("*") if path.is_file()]
    (info / "RECORD").write_text("".join(f"{path.relative_to(site)},,\n" for path in files_of_it))
    named = {name: module} if entries is None else entries
    lines = [f"{key} = {value}\n" for key, value in named.items()]
    if lines:
        (info / "entry_points.txt").write_text("".join(["[fakebus.fixtures]\n", *lines]))
    return root
