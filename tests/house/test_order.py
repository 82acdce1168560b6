"""The way of a call can be read in one place: every lever stands in ORDER, with a reason."""

from __future__ import annotations

import ast

from scrimp.levers.order import ORDER
from tests.house.tree import Module, modules


def lever_names(module: Module) -> list[str]:
    """Names of the levers in a file: classes with a constant `name` that can be called."""
    names = []
    for node in module.tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        callable_ = any(
            isinstance(n, ast.AsyncFunctionDef) and n.name == "__call__" for n in node.body
        )
        constants = [name for n in node.body if (name := constant_name(n)) is not None]
        names += constants if callable_ else []
    return names


def constant_name(statement: ast.stmt) -> str | None:
    """The text in `name = "text"` or `name: ClassVar[str] = "text"`, else None."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id="name")], value=ast.Constant(value=str(text)))
            | ast.AnnAssign(target=ast.Name(id="name"), value=ast.Constant(value=str(text)))
        ):
            return text
        case _:
            return None


def test_every_lever_stands_in_order_once() -> None:
    """ORDER names the levers that exist: all of them, each once, and no other."""
    built = [name for module in modules("src/scrimp/levers") for name in lever_names(module)]
    ordered = [line.name for line in ORDER]
    assert len(ordered) == len(set(ordered)), f"twice in ORDER: {ordered}"
    assert sorted(ordered) == sorted(built)
    assert built, "no lever was found: this test looks at the wrong thing"


def test_every_place_has_a_reason() -> None:
    """Each line of ORDER says in a sentence why the lever stands where it stands."""
    assert [line.name for line in ORDER if len(line.reason.split()) < 3] == []


def test_one_lever_per_file() -> None:
    """A file in levers/ holds one lever or none."""
    counts = {module.where: len(lever_names(module)) for module in modules("src/scrimp/levers")}
    assert {where: n for where, n in counts.items() if n > 1} == {}
