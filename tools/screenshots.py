"""``make screenshots``: pictures of the console for the docs, of the shop of ``fakebus demo``.

They are taken in Debian's Chromium and kept small: some 40 kB each.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
SIZE = {"width": 1180, "height": 760}
_COLOURS = 96
_ADDRESS = re.compile(r"http://[\w.:]+/ui\S*")
_WITHOUT_ROOT = """root => {
  for (const each of document.querySelectorAll('.mono'))
    each.textContent = each.textContent.replaceAll(root, '');
}"""
_PAGES = (
    ("console-flow", "", "light"),
    ("console-smells", "/ui/smells", "light"),
    ("console-why", "/ui/group/why?name=shipping", "light"),
    ("console-messages", "/ui/topics/orders", "light"),
    ("console-record", "/ui/topics/orders/0/6", "dark"),
    ("console-map", "/ui/map", "dark"),
    # The services have run for a while by now, and what is wrong with one of them shows.
    ("console-overview", "/ui", "light"),
)
"""Name of the picture, address of the page (that which the demo names if empty), colours."""


def take(directory: Path, pages: tuple[tuple[str, str, str], ...] = _PAGES, width: int = 0) -> None:
    """Run the demo and take the pictures."""
    command = [sys.executable, "-m", "fakebus", "demo"]
    command += ["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as demo:
        try:
            shown = _shown_page(demo)
            base = shown.partition("/ui")[0]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                for name, path, scheme in pages:
                    size = {**SIZE, "width": width or SIZE["width"]}
                    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
                    page.goto(base + path if path else shown)
                    page.wait_for_load_state("networkidle")
                    # Where the checkout lies on this machine is of no use to anybody else.
                    page.evaluate(_WITHOUT_ROOT, f"{ROOT}/")
                    _save(page.screenshot(), directory / f"{name}.png")
                    page.close()
                browser.close()
        finally:
            demo.terminate()


def _shown_page(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    for line in demo.stdout:
        found = _ADDRESS.search(line)
        if found is not None and "flow" in found[0]:
            return found[0]
    raise SystemExit("the demo named no page")


def _save(png: bytes, path: Path) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    take(arguments.to)


if __name__ == "__main__":
    main()
