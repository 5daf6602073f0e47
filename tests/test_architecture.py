"""What may import what: the picture in the README, held against the code."""

import ast
import importlib.metadata
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A package may import itself and those before it; `bundler` handles any project and so knows none of ours.
PACKAGES = ("kernel_src", "train_offline", "simulator", "publisher")
MAY_IMPORT = {package: set(PACKAGES[: index + 1]) for index, package in enumerate(PACKAGES)} | {"bundler": {"bundler"}}
MAY_IMPORT["publisher"].add("bundler")

# What the runtime may import beside the standard library: all of it is in Kaggle's image.
IN_KAGGLES_IMAGE = {
    "librosa",
    "numpy",
    "pandas",
    "psutil",
    "safetensors",
    "scipy",
    "sklearn",
    "soundfile",
    "soxr",
    "torch",
}

# Written before torch is loaded, so that a valid submission is there in a moment.
BEFORE_TORCH = (
    "run",
    "backend_names",
    "block_source",
    "budget",
    "clips",
    "errors",
    "events",
    "frontend_source",
    "last_resort",
    "limits",
    "manifest",
    "mel_source",
    "native_code",
    "overrides",
    "small_image_source",
    "submission",
    "winograd_source",
)


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path, *, at_import: bool = False) -> set[str]:
    """The modules that a file imports; with `at_import` only those outside of functions and type checks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if at_import else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            found.add(node.module or "")
    return found


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", modules("kernel_src"), ids=lambda path: path.stem)
def test_the_runtime_imports_only_the_standard_library_and_what_kaggles_image_has(path: Path) -> None:
    foreign = tops(imports(path)) - set(sys.stdlib_module_names) - IN_KAGGLES_IMAGE
    assert foreign <= {"kernel_src"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_between_packages_point_one_way(package: str) -> None:
    for path in modules(package):
        ours = tops(imports(path)) & set(MAY_IMPORT)
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours - MAY_IMPORT[package]}"


def test_rooms_of_the_runtime_do_not_import_in_circles() -> None:
    arrows = {
        path.stem: {name.partition(".")[2] for name in imports(path) if name.startswith("kernel_src.")}
        for path in modules("kernel_src")
    }
    while leaves := {room for room, below in arrows.items() if not below & set(arrows)}:
        arrows = {room: below for room, below in arrows.items() if room not in leaves}
    assert not arrows


@pytest.mark.parametrize("room", BEFORE_TORCH)
def test_the_first_submission_needs_the_standard_library_alone(room: str) -> None:
    names = imports(ROOT / "kernel_src" / f"{room}.py", at_import=True)
    assert tops(names) <= set(sys.stdlib_module_names) | {"kernel_src"}


@pytest.mark.parametrize("package", [*MAY_IMPORT])
def test_no_module_is_named_like_a_package_that_is_installed(package: str) -> None:
    installed = set(importlib.metadata.packages_distributions()) | set(sys.stdlib_module_names)
    names = {path.stem for path in modules(package)} - {"__init__", "__main__"}
    assert names & installed <= set()


def test_the_doors_are_a_few_lines_long() -> None:
    for door in ("bundle.py", "simulate.py", "publish.py"):
        tree = ast.parse((ROOT / door).read_text(encoding="utf-8"))
        assert len([node for node in ast.walk(tree) if isinstance(node, ast.stmt)]) <= 5
