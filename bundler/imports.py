"""What the modules of a package import, and whether each import of the package's own modules will succeed."""

import ast
import symtable
import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from bundler.sources import CarriedFile
from bundler.syntax import ParsedModule

IMPORT_FAULTS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
IMPORTING_FUNCTIONS = {"import_module", "__import__"}
MODULE_ATTRIBUTES = {"__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"}


@dataclass(frozen=True)
class Import:
    """One import statement, or one call of import_module with a fixed name."""

    where: str
    """The place: "path:line"."""
    module: str
    """The module's full name; empty where a relative import leads out of the package."""
    names: tuple[str, ...]
    """What is imported from it; empty for the module itself."""
    may_fail: bool
    """Whether the module does without: it catches the ImportError, or imports for type checkers only."""


def find_imports(module: ParsedModule) -> list[Import]:
    """All imports of a module, wherever they stand, in the order of their lines."""
    forgiven = _forgiven_nodes(module)
    found: list[Import] = []
    for node in module.all_of(ast.Import):
        found += [Import(module.where(node), alias.name, (), node in forgiven) for alias in node.names]
    for from_node in module.all_of(ast.ImportFrom):
        names = tuple(alias.name for alias in from_node.names)
        found.append(Import(module.where(from_node), _absolute(module.file, from_node), names, from_node in forgiven))
    for call in module.all_of(ast.Call):
        if _last_name(call.func) in IMPORTING_FUNCTIONS and (name := _fixed_name(call)):
            found.append(Import(module.where(call), name, (), call in forgiven))
    return sorted(found, key=lambda item: int(item.where.rpartition(":")[2]))


def _forgiven_nodes(module: ParsedModule) -> set[ast.AST]:
    """The nodes in which an import may fail: in a `try` for it, or in a block for type checkers."""
    blocks = [node.body for node in module.all_of(ast.Try) if any(map(_catches_import_faults, node.handlers))]
    blocks += [node.body for node in module.all_of(ast.If) if _last_name(node.test) == "TYPE_CHECKING"]
    return {node for block in blocks for statement in block for node in ast.walk(statement)}


def _fixed_name(call: ast.Call) -> str:
    """The module's name in a call of import_module; empty where it is made at run time or relative."""
    name = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    return name if isinstance(name, str) and not name.startswith(".") else ""


def _catches_import_faults(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or _last_name(kind) in IMPORT_FAULTS for kind in caught)


def _last_name(node: ast.AST) -> str:
    """The name, or the last part of the dotted name, that an expression is; empty for others."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _absolute(file: CarriedFile, node: ast.ImportFrom) -> str:
    """The full name of the module that a `from` imports from; empty where it lies above the package."""
    if node.level == 0:
        return node.module or ""
    parts = file.module.split(".")
    up = node.level - file.path.endswith("/__init__.py")
    if up >= len(parts):
        return ""
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def unresolved_imports(files: Sequence[CarriedFile], imports: Iterable[Import], package: str) -> list[str]:
    """The imports of the package's own modules that would fail in the script, one sentence each.

    Args:
        files: all that the script carries.
        imports: of all its modules.
        package: the name of the package.
    """
    modules: dict[str, CarriedFile | None] = {}
    for file in files:
        folders = file.path.split("/")[:-1]
        modules |= {".".join(folders[: depth + 1]): None for depth in range(len(folders))} | modules
    modules |= {file.module: file for file in files if file.is_module}
    problems = []
    for item in imports:
        if not item.module:
            problems.append(f"{item.where}: the relative import leads out of the package {package}")
        elif item.module.split(".")[0] == package:
            problems += _unresolved(item, modules)
    return problems


def _unresolved(item: Import, modules: Mapping[str, CarriedFile | None]) -> list[str]:
    if item.module not in modules:
        return [f"{item.where}: imports {item.module}, but the script would not carry such a module"]
    file = modules[item.module]
    names: Set[str] | None = names_bound_in(file) if file else frozenset()
    if names is None:
        return []
    return [
        f"{item.where}: imports {name} from {item.module}, which has neither such a name nor such a module"
        for name in item.names
        if name != "*" and name not in names and f"{item.module}.{name}" not in modules
    ]


@lru_cache(maxsize=1000)
def names_bound_in(file: CarriedFile) -> Set[str] | None:
    """The names that a module has once it is imported, or None where only running it tells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were told when the module was parsed
        table = symtable.symtable(file.text, file.path, "exec")
    if "import *" in file.text or "__getattr__" in table.get_identifiers() or "globals()" in file.text:
        return None
    bound = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    return bound | _declared_global(table) | MODULE_ATTRIBUTES


def _declared_global(table: symtable.SymbolTable) -> set[str]:
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_declared_global()}
    return names.union(*map(_declared_global, table.get_children()))
