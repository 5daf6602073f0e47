"""What must hold before a bundle leaves: what fails here would otherwise fail on Kaggle."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bundler.entry import entry_problems
from bundler.errors import BundleError
from bundler.image import REBUILD, Image
from bundler.imports import Import, find_imports, unresolved_imports
from bundler.leaks import find_leaks
from bundler.newer_names import newer_names
from bundler.project import KERNEL_TOML, Project
from bundler.sources import CarriedFile
from bundler.syntax import parse_module

MAX_SCRIPT_BYTES = 700_000


@dataclass(frozen=True)
class ModuleFacts:
    """What one module says, as far as it can be read without running it."""

    imports: Sequence[Import]
    """All that it imports."""
    problems: Sequence[str]
    """Uses of names that the image does not have."""
    remarks: Sequence[str]
    """What may be meant so."""


def check_package(project: Project, files: Sequence[CarriedFile], image: Image) -> list[str]:
    """Checks what the files say, before they are put together.

    Returns:
        What may be meant so, one sentence each.

    Raises:
        BundleError: what would fail on Kaggle, or must not get there.
    """
    facts = _read_modules(files, image)
    imports = [item for module in facts for item in module.imports]
    problems = [
        *_hidden_modules(project.kernel.package, image),
        *entry_problems(project.kernel, files, image.python_version),
        *unresolved_imports(files, imports, project.kernel.package),
        *_imports_outside(project, imports, image),
        *(problem for module in facts for problem in module.problems),
        *(leak for file in files for leak in find_leaks(file)),
    ]
    if problems:
        raise BundleError(problems)
    return [remark for module in facts for remark in module.remarks]


def _read_modules(files: Sequence[CarriedFile], image: Image) -> list[ModuleFacts]:
    facts, faults = [], []
    for file in files:
        if file.is_module:
            try:
                facts.append(_read_module(file, image))
            except BundleError as error:
                faults += error.problems
    if faults:
        raise BundleError(faults)
    return facts


def _read_module(file: CarriedFile, image: Image) -> ModuleFacts:
    module = parse_module(file, image.python_version)
    imports = find_imports(module)
    uses_of_file = [
        f"{module.where(node)}: __file__ names no file in the script; importlib.resources reads data files"
        for node in module.all_of(ast.Name)
        if node.id == "__file__"
    ]
    return ModuleFacts(imports, newer_names(module, imports, image), [*module.warnings, *uses_of_file])


def _hidden_modules(package: str, image: Image) -> list[str]:
    """Why the package cannot have its name: the script's modules come before all others of their names."""
    if package in image.standard_library:
        owner = "Python has a module"
    elif package in image.packages:
        owner = "the image has a package"
    else:
        return []
    where = f'{KERNEL_TOML} [kernel]: package = "{package}"'
    return [f"{where}, but {owner} of this name, which the script's would hide from all who import it; rename yours"]


def _imports_outside(project: Project, imports: Iterable[Import], image: Image) -> list[str]:
    """Imports of what is neither the package, nor Python's, nor in the image."""
    problems = []
    known = {project.kernel.package, "", *image.standard_library, *image.packages}
    for item in imports:
        top = item.module.split(".")[0]
        if item.may_fail or top in known or _never_needed(item, image):
            continue
        if (project.folder / top).is_dir() or (project.folder / f"{top}.py").is_file():
            reason = f"which lies beside the package {project.kernel.package}; only the package goes into the script"
        else:
            reason = f"which is neither in Python {image.python} nor in the image's list ({image.source}); {REBUILD}"
        problems.append(f"{item.where}: imports {item.module}, {reason}")
    return problems


def _never_needed(item: Import, image: Image) -> bool:
    """Whether it would be imported only if Python's own modules were missing, such as tomli instead of tomllib."""
    return bool(item.instead_of) and {name.split(".")[0] for name in item.instead_of} <= image.standard_library


def check_size(name: str, content: bytes, files: Sequence[CarriedFile]) -> None:
    """Checks that Kaggle will take the script.

    Raises:
        BundleError: it is too large; the sentence names what takes the most of it.
    """
    if len(content) < MAX_SCRIPT_BYTES:
        return
    largest = sorted(files, key=lambda file: len(file.content), reverse=True)[:5]
    parts = ", ".join(f"{file.path} {len(file.content):,}" for file in largest)
    raise BundleError(
        f"{name} has {len(content):,} bytes; Kaggle takes less than {MAX_SCRIPT_BYTES:,}. The most of it: {parts}"
    )
