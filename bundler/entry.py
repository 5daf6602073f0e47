"""Whether the script can call its entry."""

import ast
from collections.abc import Sequence

from bundler.imports import names_bound_in
from bundler.project import KERNEL_TOML, KernelTable
from bundler.sources import CarriedFile
from bundler.syntax import parse_module


def entry_problems(kernel: KernelTable, files: Sequence[CarriedFile], python: tuple[int, int]) -> list[str]:
    """Why the entry cannot be called without arguments, in one sentence; empty if it can."""
    where = f'{KERNEL_TOML} [kernel]: entry = "{kernel.entry}"'
    function = kernel.entry_function
    if not function.isidentifier() or kernel.entry_module.split(".")[0] != kernel.package:
        return [f'{where}; expected "module:function" with a module of the package {kernel.package}']
    file = next((file for file in files if file.module == kernel.entry_module), None)
    if file is None:
        return [f"{where}, but there is no {kernel.entry_module.replace('.', '/')}.py"]
    names = names_bound_in(file)
    if names is not None and function not in names:
        return [f"{where}, but {file.path} has no such function"]
    definition = next(
        (node for node in parse_module(file, python).tree.body if getattr(node, "name", "") == function), None
    )
    if isinstance(definition, ast.AsyncFunctionDef):
        return [f"{where} is async: the script calls it as a plain function"]
    if isinstance(definition, ast.FunctionDef) and (needed := _required_arguments(definition)):
        return [f"{where} needs arguments ({', '.join(needed)}); it is called with none"]
    return []


def _required_arguments(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [argument.arg for argument in [*needed, *(name for name, default in keywords if default is None)]]
