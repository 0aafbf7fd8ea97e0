"""Pages are followed from top to bottom, as a reader does it who types what they show."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.docs.blocks import ROOT, Block, blocks_of, links_of
from tests.docs.terminal import terminal

TYPED = ("sh", "console")


@dataclass(frozen=True)
class Before:
    """What a page takes for granted."""

    checkout: Sequence[str] = ()
    """Directories and files of the checkout, which lie in the directory under their own names."""
    files: dict[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()


NOTHING = Before()


def follow(page: Path, directory: Path, before: Before = NOTHING) -> None:
    """Write the files of a page, run its commands and look at its addresses, in their order."""
    steps: list[tuple[int, Block | str]] = [*((each.line, each) for each in blocks_of(page))]
    steps += links_of(page)
    with terminal(directory) as shell:
        for source in before.checkout:
            copied = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copied(ROOT / source, shell.directory / Path(source).name)
        for title, text in before.files.items():
            shell.write(title, text)
        for command in before.commands:
            shell.do(command, None)
        for _, step in sorted(steps, key=lambda each: each[0]):
            if isinstance(step, str):
                answer = requests.get(shell.here(step), timeout=60)
                assert answer.status_code == 200, f"{page.name}: {step}: {answer.status_code}"
            elif step.title:
                shell.write(step.title, step.text)
            elif step.language in TYPED:
                for command, said in step.commands:
                    shell.do(command, said)
