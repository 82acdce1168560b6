"""What the house tests look at: the files of this repository, parsed once."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "scrimp"


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its place, its text, its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def where(self) -> str:
        """Its path from the root of the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        """Its dotted name, for files below src."""
        parts = self.path.relative_to(ROOT / "src").with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Every Python file below these folders, in order of path; hidden folders are not ours."""
    paths = [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]
    texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    return tuple(Module(path, text, ast.parse(text, str(path))) for path, text in texts)


@cache
def source() -> tuple[Module, ...]:
    """Every module of the package."""
    return modules("src/scrimp")


@cache
def everything() -> tuple[Module, ...]:
    """Every Python file that is written by hand here."""
    return modules("src", "tests", "tools", "benchmarks")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that a clone would have, or will have once it is added."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is where it is
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    paths = (ROOT / name for name in listing.decode().split("\0") if name)
    return tuple(path for path in paths if path.is_file())
