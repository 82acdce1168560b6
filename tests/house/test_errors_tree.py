"""The error tree is the house's: one root, two levels, fixed statuses."""

from __future__ import annotations

import ast

from scrimp import errors
from tests.house.tree import source

TREE: dict[str, dict[str, int]] = {
    "ConfigError": {},
    "Rejected": {
        "InvalidRequest": 400,
        "Unauthenticated": 401,
        "UnknownModel": 404,
        "NotThere": 404,
        "Conflict": 409,
        "BudgetExceeded": 429,
        "RateLimited": 429,
        "Unavailable": 503,
    },
    "UpstreamError": {},
    "StoreError": {},
    "PriceUnknown": {},
}


def test_the_tree_has_two_levels_and_these_names() -> None:
    """Below the root stand five kinds; only our own refusals are divided further, once."""
    found = {
        kind.__name__: {leaf.__name__ for leaf in kind.__subclasses__()}
        for kind in errors.ScrimpError.__subclasses__()
    }
    assert found == {kind: set(leaves) for kind, leaves in TREE.items()}
    assert errors.ScrimpError.__bases__ == (Exception,)
    deeper = [
        leaf for refusal in errors.Rejected.__subclasses__() for leaf in refusal.__subclasses__()
    ]
    assert deeper == []


def test_refusals_carry_their_status() -> None:
    """Each refusal of ours has the HTTP status that SDKs turn into their own exception."""
    found = {leaf.__name__: leaf.status for leaf in errors.Rejected.__subclasses__()}
    assert found == TREE["Rejected"]


def test_nobody_adds_to_the_tree_elsewhere() -> None:
    """A subclass of one of these errors is defined in errors.py or nowhere."""
    names = {"ScrimpError", *TREE, *TREE["Rejected"]}
    strays = [
        f"{module.where}:{node.lineno} {node.name}"
        for module in source()
        if module.name != "scrimp.errors"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if (base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")) in names
    ]
    assert strays == []
