"""Imports point down, only assembly meets adapters, and importing a module does nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT, source

HEAVY = {
    "aiohttp",
    "anthropic",
    "asyncio",
    "numpy",
    "openai",
    "pydantic",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "tiktoken",
    "uvicorn",
    "uvloop",
}

IMPORT_ALL = """
import importlib, logging, os, sys, threading

third_party, ours = (names.split() for names in sys.stdin.read().split("/"))
for name in third_party:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        pass  # a name inside a module, or for another platform

CODE = (".py", ".pyc", ".so", ".pyd", ".pth")
BANNED = (
    "os.exec", "os.fork", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.rename",
    "os.system", "shutil.", "socket.", "sqlite3.", "subprocess.", "tempfile.",
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
seen, armed = [], True

def watch(event, args):
    if not armed:
        return
    if event == "open":
        path = str(args[0])
        if "__pycache__" not in path and (args[2] & WRITES or not path.endswith(CODE)):
            seen.append(f"{current}: open {path}")
    elif event.startswith(BANNED):
        seen.append(f"{current}: {event}")

class Watched(type(os.environ)):
    def __getitem__(self, key):
        if armed:
            seen.append(f"{current}: reads the environment ({key!r})")
        return super().__getitem__(key)

def start(thread):
    seen.append(f"{current}: starts a thread")

os.environ.__class__ = Watched
threading.Thread.start = start
handlers = list(logging.root.handlers)
sys.addaudithook(watch)
for current in ours:
    importlib.import_module(current)
armed = False
if logging.root.handlers != handlers:
    seen.append("logging was set up")
print("\\n".join(seen))
"""


def run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command at the root of the repository."""
    return subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
    )


def imported(tree: ast.AST) -> set[str]:
    """Every dotted name that a syntax tree imports, with the names taken out of modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_contracts_of_import_linter_hold() -> None:
    """Floors, cycles, independence, adapters and purity, as pyproject.toml words them."""
    linter = Path(sys.executable).with_name("lint-imports")
    result = run(str(linter), "--no-cache", "--no-logo")
    assert result.returncode == 0, result.stdout + result.stderr


def test_import_scrimp_is_light() -> None:
    """`import scrimp` loads no network, server, database, tokenizer or display module."""
    code = "import sys; old = set(sys.modules); import scrimp; print(*set(sys.modules) - old)"
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr
    assert "scrimp" in result.stdout.split()
    assert {name.split(".")[0] for name in result.stdout.split()} & HEAVY == set()


def test_importing_every_module_does_nothing() -> None:
    """No import of ours opens a file or a socket, starts a thread, or reads the environment.

    Libraries of others are imported before the watch begins: some of them do such things.
    """
    ours = [module.name for module in source()]
    names = set().union(*(imported(module.tree) for module in source()))
    others = sorted(name for name in names if name.split(".")[0] != "scrimp")
    result = run(sys.executable, "-c", IMPORT_ALL, stdin=f"{' '.join(others)} / {' '.join(ours)}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""
