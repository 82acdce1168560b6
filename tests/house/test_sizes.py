"""Nothing grows beyond what one reading can hold; there is no list of exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.tree import Module, everything, source

FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 7

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: Module) -> Iterator[tuple[Function, bool]]:
    """Every function of a file, with whether it is a method."""
    for node in ast.walk(module.tree):
        in_class = isinstance(node, ast.ClassDef)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield child, in_class


def count_parameters(function: Function, *, method: bool) -> int:
    """All parameters of a function; `self` and `cls` are not counted."""
    args = function.args
    named = len(args.posonlyargs) + len(args.args) + len(args.kwonlyargs)
    static = any(
        isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list
    )
    return named + bool(args.vararg) + bool(args.kwarg) - (method and not static)


@pytest.mark.parametrize("module", everything(), ids=lambda module: module.where)
def test_a_file_stays_small(module: Module) -> None:
    """A file has fewer than 400 lines."""
    lines = len(module.text.splitlines())
    assert lines < FILE_LINES, f"{module.where} has {lines} lines, the maximum is {FILE_LINES - 1}"


@pytest.mark.parametrize("module", everything(), ids=lambda module: module.where)
def test_a_function_stays_small(module: Module) -> None:
    """A function has fewer than 60 lines and fewer than 7 parameters."""
    wrong = []
    for function, method in functions(module):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        parameters = count_parameters(function, method=method)
        place = f"{module.where}:{function.lineno} {function.name}"
        if lines >= FUNCTION_LINES:
            wrong.append(f"{place} has {lines} lines, the maximum is {FUNCTION_LINES - 1}")
        if parameters >= PARAMETERS:
            wrong.append(f"{place} has {parameters} parameters, the maximum is {PARAMETERS - 1}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", source(), ids=lambda module: module.where)
def test_a_module_says_what_it_is_for(module: Module) -> None:
    """The first statement of every module is a docstring whose first line ends a sentence."""
    docstring = ast.get_docstring(module.tree)
    assert docstring, f"{module.where} does not say what it is for"
    first = docstring.split("\n\n")[0]
    assert first.rstrip().endswith((".", ":")), f"{module.where} opens with no whole sentence"


def test_the_rules_see_the_package() -> None:
    """The house tests look at real files: an empty list would pass everything."""
    names = {module.name for module in source()}
    assert {"scrimp", "scrimp.calls", "scrimp.money", "scrimp.ports", "scrimp.errors"} <= names
