"""Whether the script can call its entry."""

import ast
from collections.abc import Sequence

from bundler.imports import names_bound_in
from bundler.project import KERNEL_TOML, KernelTable
from bundler.sources import CarriedFile, is_name
from bundler.syntax import parse_module


def entry_problems(kernel: KernelTable, files: Sequence[CarriedFile], python: tuple[int, int]) -> list[str]:
    """Why the entry cannot be called without arguments, in one sentence; empty if it can."""
    where = f'{KERNEL_TOML} [kernel]: entry = "{kernel.entry}"'
    function = kernel.entry_function
    if not function.isidentifier() or kernel.entry_module.split(".")[0] != kernel.package:
        return [f'{where}; expected "module:function" with a module of the package {kernel.package}']
    if unfit := [part for part in [*kernel.entry_module.split("."), function] if not is_name(part)]:
        return [f'{where}: "{unfit[0]}" is no name that Python can import; rename it']
    file = next((file for file in files if file.module == kernel.entry_module), None)
    if file is None:
        return [f"{where}, but there is no {kernel.entry_module.replace('.', '/')}.py"]
    names = names_bound_in(file)
    if names is not None and function not in names:
        return [f"{where}, but {file.path} has no such function"]
    return _call_problems(where, _definition(parse_module(file, python).tree, function))


def _call_problems(where: str, definition: ast.stmt | None) -> list[str]:
    if isinstance(definition, ast.AsyncFunctionDef):
        return [f"{where} is async: the script calls it as a plain function"]
    if isinstance(definition, ast.FunctionDef) and (needed := _required_arguments(definition)):
        return [f"{where} needs arguments ({', '.join(needed)}); it is called with none"]
    return []


def _definition(tree: ast.Module, function: str) -> ast.stmt | None:
    """The last statement that gives the function's name a value; None if a decorator may have changed what it needs."""
    binding = (statement for statement in reversed(tree.body) if function in _names_given(statement))
    definition = next(binding, None)
    return None if getattr(definition, "decorator_list", None) else definition


def _names_given(statement: ast.stmt) -> set[str]:
    stored = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {getattr(statement, "name", "")}


def _required_arguments(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [argument.arg for argument in [*needed, *(name for name, default in keywords if default is None)]]
