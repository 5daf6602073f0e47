"""What the modules of a package import, and whether each import of the package's own modules will succeed."""

import ast
import re
import symtable
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from bundler.sources import CarriedFile
from bundler.syntax import ParsedModule

IMPORT_FAULTS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
IMPORTING_FUNCTIONS = {"import_module", "__import__"}
NAMES_MADE_AT_RUN_TIME = re.compile(
    r"\bimport[\s\\]*\*|\b(?:globals|locals|vars)\s*\(\s*\)|\bexec\s*\(|\bmodules\s*\[\s*__name__\s*\]"
)
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
    never_runs: bool
    """Whether it is for type checkers only."""
    instead_of: tuple[str, ...]
    """The modules that were tried before; empty unless it stands where their ImportError is caught."""


def find_imports(module: ParsedModule) -> list[Import]:
    """All imports of a module, wherever they stand, in the order of their lines."""
    tried, for_types, instead_of = _tried_nodes(module), _nodes_for_types(module), _fallbacks(module)

    def found(node: ast.stmt | ast.Call, name: str, names: tuple[str, ...] = ()) -> Import:
        never_runs = node in for_types
        may_fail = never_runs or node in tried
        return Import(module.where(node), name, names, may_fail, never_runs, instead_of.get(node, ()))

    imports = [found(node, alias.name) for node in module.all_of(ast.Import) for alias in node.names]
    for from_node in module.all_of(ast.ImportFrom):
        names = tuple(alias.name for alias in from_node.names)
        imports.append(found(from_node, _absolute(module.file, from_node), names))
    calls = (call for call in module.all_of(ast.Call) if _last_name(call.func) in IMPORTING_FUNCTIONS)
    imports += [found(call, name) for call in calls if (name := _fixed_name(call))]
    return sorted(imports, key=lambda item: int(item.where.rpartition(":")[2]))


def _tried_nodes(module: ParsedModule) -> set[ast.AST]:
    """The nodes in which an import may fail: in a `try` for it, or where contextlib suppresses its error."""
    blocks = [node.body for node in module.all_of(ast.Try) if any(map(_catches_import_faults, node.handlers))]
    blocks += [node.body for node in module.all_of(ast.With) if any(map(_suppresses_import_faults, node.items))]
    return {node for block in blocks for node in _walk(block)}


def _nodes_for_types(module: ParsedModule) -> set[ast.AST]:
    blocks = [node.body for node in module.all_of(ast.If) if _last_name(node.test) == "TYPE_CHECKING"]
    return {node for block in blocks for node in _walk(block)}


def _fallbacks(module: ParsedModule) -> dict[ast.AST, tuple[str, ...]]:
    """What was to be imported before, by the nodes that run only if that has failed."""
    found: dict[ast.AST, tuple[str, ...]] = {}
    for node in module.all_of(ast.Try):
        imports = [inner for inner in _walk(node.body) if isinstance(inner, ast.Import | ast.ImportFrom)]
        tried = tuple(name for inner in imports for name in _modules_of(module.file, inner))
        handlers = [handler for handler in node.handlers if _catches_import_faults(handler)]
        found |= dict.fromkeys(_walk(handlers), tried)
    return found


def _walk(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    return chain.from_iterable(map(ast.walk, nodes))


def _modules_of(file: CarriedFile, node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [_absolute(file, node)]


def _fixed_name(call: ast.Call) -> str:
    """The module's name in a call of import_module; empty where it is made at run time or relative."""
    name = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    return name if isinstance(name, str) and not name.startswith(".") else ""


def _catches_import_faults(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or _last_name(kind) in IMPORT_FAULTS for kind in caught)


def _suppresses_import_faults(item: ast.withitem) -> bool:
    call = item.context_expr
    if not isinstance(call, ast.Call) or _last_name(call.func) != "suppress":
        return False
    return any(_last_name(kind) in IMPORT_FAULTS for kind in call.args)


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
        if item.never_runs:
            continue
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
    if "__getattr__" in table.get_identifiers() or NAMES_MADE_AT_RUN_TIME.search(file.text):
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
