"""The modules as Python reads them: their syntax trees, in a form that is quick to search."""

import ast
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from bundler.errors import BundleError
from bundler.sources import CarriedFile

Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class ParsedModule:
    """A module and the nodes of its syntax tree."""

    file: CarriedFile
    """The module."""
    tree: ast.Module
    """Its syntax tree."""
    nodes: dict[type[ast.AST], list[ast.AST]]
    """All the tree's nodes by their kind."""
    warnings: list[str]
    """What Python warns of as it reads the module, one sentence each."""

    def all_of(self, kind: type[Node]) -> Iterator[Node]:
        """All nodes of a kind."""
        return (node for node in self.nodes.get(kind, ()) if isinstance(node, kind))

    def where(self, node: ast.AST) -> str:
        """The place of a node: "path:line"."""
        return f"{self.file.path}:{getattr(node, 'lineno', 0)}"


def parse_module(file: CarriedFile, python: tuple[int, int]) -> ParsedModule:
    """Reads a module.

    Args:
        file: the module.
        python: the version whose grammar it must keep, as far as the Python that runs us knows it.

    Raises:
        BundleError: it is no valid Python.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tree = ast.parse(file.text, file.path, feature_version=python)
            compile(tree, file.path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError) as error:
            where = f"{file.path}:{getattr(error, 'lineno', None) or 1}"
            raise BundleError(f"{where}: {getattr(error, 'msg', error)}{_older_than(python)}") from None
    remarks = [f"{file.path}:{warning.lineno}: {warning.message}" for warning in caught]
    return ParsedModule(file, tree, nodes_by_kind(tree), list(dict.fromkeys(remarks)))


def _older_than(python: tuple[int, int]) -> str:
    """What to know where we cannot read what the image's Python may well read."""
    ours = sys.version_info[:2]
    return f" (for Python {ours[0]}.{ours[1]}; the image has {python[0]}.{python[1]})" if ours < python else ""


def nodes_by_kind(tree: ast.AST) -> dict[type[ast.AST], list[ast.AST]]:
    """All nodes of a tree; ast.walk takes three times as long."""
    found: dict[type[ast.AST], list[ast.AST]] = {}
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        found.setdefault(type(node), []).append(node)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [item for item in value if isinstance(item, ast.AST)]
    return found
