"""Uses of names that the image's versions of some packages do not have yet.

What can be told: `np.unstack`, `F.some_function`, `from torch.nn import Something`, where the module's names are
listed. What cannot: methods of objects (`tensor.something()`), arguments, and changed behaviour; running the tests in
an environment like the image tells those.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence, Set

from bundler.image import Image
from bundler.imports import Import
from bundler.syntax import ParsedModule

ASKING_FUNCTIONS = {"hasattr", "getattr"}


def newer_names(module: ParsedModule, imports: Sequence[Import], image: Image) -> list[str]:
    """The uses of such names in a module, one sentence each.

    Names that the module asks for with hasattr or getattr are its own care.
    """
    used = [*_imported(imports, image.names), *_attributes(module, image.names)]
    asked_for = _asked_for(module) if used else set()
    return [
        f"{where}: {owner}.{name} is not in the image ({image.names_source})"
        for where, owner, name in dict.fromkeys(used)
        if name not in asked_for
    ]


def _imported(imports: Sequence[Import], names: Mapping[str, Set[str]]) -> Iterator[tuple[str, str, str]]:
    for item in imports:
        if item.may_fail:
            continue
        for owner, name in [*_parents(item.module), *((item.module, name) for name in item.names)]:
            if owner in names and name != "*" and not name.startswith("_") and name not in names[owner]:
                yield item.where, owner, name


def _parents(module: str) -> list[tuple[str, str]]:
    """Each package on the way to a module, and what is imported from it: ("torch", "nn"), ("torch.nn", "init")."""
    parts = module.split(".")
    return [(".".join(parts[:depth]), parts[depth]) for depth in range(1, len(parts))]


def _attributes(module: ParsedModule, names: Mapping[str, Set[str]]) -> Iterator[tuple[str, str, str]]:
    owners = _names_of_modules(module, names)
    if not owners:
        return
    for node in module.all_of(ast.Attribute):
        owner = _owner(node.value, owners, names)
        if owner and not node.attr.startswith("_") and node.attr not in names[owner]:
            yield module.where(node), owner, node.attr


def _owner(node: ast.expr, owners: Mapping[str, str], names: Mapping[str, Set[str]]) -> str:
    """The listed module that an expression such as `torch.nn` is; empty for all others."""
    if isinstance(node, ast.Name):
        return owners.get(node.id, "")
    if isinstance(node, ast.Attribute) and (parent := _owner(node.value, owners, names)):
        owner = f"{parent}.{node.attr}"
        return owner if owner in names else ""
    return ""


def _names_of_modules(module: ParsedModule, names: Mapping[str, Set[str]]) -> dict[str, str]:
    """What each name of the module stands for, as far as it stands for a listed module and for nothing else."""
    found: dict[str, str] = {}
    for node in module.all_of(ast.Import):
        found |= {a.asname: a.name for a in node.names if a.asname}
        found |= {a.name.partition(".")[0]: a.name.partition(".")[0] for a in node.names if not a.asname}
    for from_node in module.all_of(ast.ImportFrom):
        found |= {a.asname or a.name: f"{from_node.module}.{a.name}" for a in from_node.names}
    found = {name: owner for name, owner in found.items() if owner in names}
    if found:
        stored = {node.id for node in module.all_of(ast.Name) if isinstance(node.ctx, ast.Store)}
        stored |= {node.arg for node in module.all_of(ast.arg)}
        found = {name: owner for name, owner in found.items() if name not in stored}
    return found


def _asked_for(module: ParsedModule) -> set[object]:
    return {
        argument.value
        for call in module.all_of(ast.Call)
        if isinstance(call.func, ast.Name) and call.func.id in ASKING_FUNCTIONS
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }
