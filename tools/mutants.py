"""Do the tests notice when the code is wrong? `make mutants` changes it in small ways and looks.

Each mutant is one change of one guard, bound, order or "not" in a copy of the checkout; the tests
of its module run until one fails. A mutant that survives is a rule that no test holds: write the
test, or take the rule out.

    make mutants                                        # of what differs from the branch main
    make mutants ARGS="fakebus/broker --count 30"       # of files or folders, thirty at random
    make mutants ARGS="fakebus/broker/turns.py --seed 5 --list"

Why not mutmut or cosmic-ray: mutmut 3 puts a trampoline around every function, which the tests of
the walk of a record and of generated coders see, and mutates what it finds in the order of the
file. Cosmic-ray runs one command for all mutants. Here the question is bounded: a sample of the
guards, each against the tests that stand beside its module, in minutes.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
COPIED = (
    "fakebus",
    "tests",
    "tools",
    "examples",
    "fixtures",
    "benchmarks",
    "docs",
    "pyproject.toml",
)
MORE_TESTS = {
    "broker": ("tests/wire",),
    "kafka": ("tests/wire",),
    "protocol": ("tests/unit/kafka", "tests/wire"),
    "registry": ("tests/unit/web/registry",),
    "redis": ("tests/unit/redis",),
    "schemas": ("tests/unit/schemas", "tests/unit/registry"),
    "storage": ("tests/unit/broker", "tests/wire"),
    "web": ("tests/unit/web",),
}
"""Besides the folder in tests/unit, the folders whose tests go through a room."""

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
SURVIVED = "SURVIVED"
HANGS = ["hangs"]
UNTOUCHED = ("logger", "log", "_log", "logging")
"""What is said in logs is not a rule of the code."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: what stands between two places of a file becomes something else."""

    path: Path
    line: int
    start: int
    end: int
    replacement: str
    before: str

    def __str__(self) -> str:
        place = f"{self.path.relative_to(CHECKOUT)}:{self.line}"
        before = " ".join(self.before.split())
        return f"{place}: {before[:60]!r} -> {self.replacement!r}"


class Finder(ast.NodeVisitor):
    """Finder of the places in a file where a rule can be turned into its opposite.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.mutants: list[Mutant] = []
        self._path = path
        self._source = path.read_bytes()
        self._starts = [0]
        for line in self._source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def find(self) -> list[Mutant]:
        """Return all mutants of the file."""
        self.visit(ast.parse(self._source))
        return self.mutants

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def _add(self, node: ast.expr | ast.stmt, replacement: str) -> None:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        self._add_between(
            node.lineno,
            self._at(node.lineno, node.col_offset),
            self._at(end_line, end_column),
            replacement,
        )

    def _add_between(self, line: int, start: int, end: int, replacement: str) -> None:
        before = self._source[start:end].decode()
        self.mutants.append(Mutant(self._path, line, start, end, replacement, before))

    def visit_If(self, node: ast.If) -> None:
        """Take a condition away, either way; what is only for type checkers stays."""
        if "TYPE_CHECKING" not in ast.dump(node.test):
            self._add(node.test, "True")
            self._add(node.test, "False")
            self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """Choose always the same."""
        self._add(node.test, "True")
        self._add(node.test, "False")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Shift a bound by one, or turn a comparison around."""
        left: ast.expr = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            start = self._at(left.end_lineno or 0, left.end_col_offset or 0)
            end = self._at(right.lineno, right.col_offset)
            between = self._source[start:end].decode()
            if "(" not in between and ")" not in between and "#" not in between:
                swapped = f" {COMPARISONS[type(operator)]} "
                self._add_between(left.end_lineno or node.lineno, start, end, swapped)
            left = right
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Leave out a "not"."""
        if isinstance(node.op, ast.Not):
            self._add(node, f"bool({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Leave out one of several conditions."""
        word = " and " if isinstance(node.op, ast.And) else " or "
        for left_out in range(len(node.values)):
            kept = [each for index, each in enumerate(node.values) if index != left_out]
            self._add(node, f"({word.join(f'({ast.unparse(each)})' for each in kept)})")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Leave out a call that is made for what it does."""
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and not self._is_log(call):
            self._add(node, "pass")
            self.generic_visit(node)

    @staticmethod
    def _is_log(call: ast.Call) -> bool:
        name = call.func
        while isinstance(name, ast.Attribute):
            if name.attr in UNTOUCHED:
                return True
            name = name.value
        return isinstance(name, ast.Name) and name.id in UNTOUCHED

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Leave out a count."""
        self._add(node, "pass")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        """Go on where a turn should end."""
        self._add(node, "pass")

    def visit_Assert(self, node: ast.Assert) -> None:
        """Leave what is asserted for type checkers alone."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave the words of errors alone."""


def python_files(names: Sequence[str]) -> list[Path]:
    """Return the modules of files and folders, or those that differ from the branch main."""
    if not names:
        command = ["git", "diff", "--name-only", "--diff-filter=d", "main", "--", "fakebus"]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
        names = [name for name in done.stdout.split() if name.endswith(".py")]
    found: list[Path] = []
    for name in names:
        path = CHECKOUT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def tests_of(path: Path) -> Iterator[list[str]]:
    """Yield the tests of a module: those beside it, those that name it, those of its room."""
    parts = path.relative_to(CHECKOUT / "fakebus").parts
    folder = Path("tests/unit", *parts[:-1])
    own = folder / f"test_{parts[-1]}"
    if (CHECKOUT / own).exists():
        yield [str(own)]
    dotted = ".".join(("fakebus", *path.relative_to(CHECKOUT / "fakebus").with_suffix("").parts))
    users = [
        test.relative_to(CHECKOUT)
        for test in (CHECKOUT / "tests" / "unit").rglob("test_*.py")
        if dotted in test.read_text() and test.relative_to(CHECKOUT) != own
    ]
    if users:
        yield sorted(map(str, users))
    room = Path("tests/unit", *parts[:1])
    yield [
        name for name in (str(room), *MORE_TESTS.get(parts[0], ())) if (CHECKOUT / name).exists()
    ]


class Copy:
    """Copy of the checkout, in which one mutant after the other is tried.

    Args:
        directory: where it is made.
        limit_s: how long tests may take; a mutant with which they hang counts as noticed.
    """

    def __init__(self, directory: Path, limit_s: float) -> None:
        self._directory = directory
        self._limit_s = limit_s
        self._deselected: list[str] = []
        for name in COPIED:
            source = CHECKOUT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, directory / name, ignore=ignored)
            elif source.exists():
                shutil.copy(source, directory / name)

    def try_out(self, mutant: Mutant) -> str:
        """Run the tests of the mutant's module; return what becomes of it."""
        target = self._directory / mutant.path.relative_to(CHECKOUT)
        original = target.read_bytes()
        changed = original[: mutant.start] + mutant.replacement.encode() + original[mutant.end :]
        tests = tests_of(mutant.path)
        names = next(tests)
        while True:
            self._write(target, changed)
            try:
                failed = self._run(names)
            finally:
                self._write(target, original)
            if failed is None:
                names = next(tests, [])
                if not names:
                    return SURVIVED
            elif failed == HANGS:
                return "hangs"
            elif failed and self._run(failed) is not None:
                # It fails without the change too, and says nothing.
                print(f"left out, as they fail in any case: {' '.join(failed)}", flush=True)
                self._deselected += failed
            else:
                return "noticed"

    @staticmethod
    def _write(target: Path, content: bytes) -> None:
        target.write_bytes(content)
        # Python takes a compiled module of the same second and size for this one.
        for compiled in target.parent.glob(f"__pycache__/{target.stem}.*"):
            compiled.unlink()

    def _run(self, names: Sequence[str]) -> list[str] | None:
        """Return the tests that failed, maybe none by name; ``None`` when all pass."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *names]
        command += [f"--deselect={name}" for name in self._deselected]
        try:
            done = subprocess.run(
                command,
                cwd=self._directory,
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=self._limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return HANGS
        if done.returncode == 0:
            return None
        # Without its parameters, whose names may hold spaces, and are cut off in the report.
        return re.findall(r"^(?:FAILED|ERROR) (\S+::[^\s\[]+)", done.stdout, re.MULTILINE)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def try_all(mutants: Sequence[Mutant], limit_s: float) -> list[Mutant]:
    """Return the mutants that no test notices; say of each what became of it."""
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory(prefix="fakebus-mutants-") as directory:
        copy = Copy(Path(directory), limit_s)
        for number, mutant in enumerate(mutants, start=1):
            began = time.monotonic()
            verdict = copy.try_out(mutant)
            took = time.monotonic() - began
            print(f"{number}/{len(mutants)} {verdict} in {took:.0f} s: {mutant}", flush=True)
            if verdict == SURVIVED:
                survivors.append(mutant)
    return survivors


def main() -> int:
    """Run the command line and return the exit status: 0 when nine of ten are noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="files and folders; what differs from main")
    parser.add_argument("--count", type=int, default=20, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--limit", type=float, default=600, help="seconds for the tests of one")
    parser.add_argument("--list", action="store_true", help="say what would be changed")
    options = parser.parse_args()
    mutants = [mutant for path in python_files(options.names) for mutant in Finder(path).find()]
    sampling = random.Random(options.seed)  # noqa: S311 - a sample, not a secret
    chosen = sampling.sample(mutants, min(options.count, len(mutants)))
    print(f"{len(chosen)} of {len(mutants)} mutants")
    if options.list:
        print(*chosen, sep="\n")
        return 0
    survivors = try_all(chosen, options.limit)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} were noticed")
    print(*(f"survived: {mutant}" for mutant in survivors), sep="\n")
    return int(len(survivors) * 10 > len(chosen))


if __name__ == "__main__":
    sys.exit(main())
