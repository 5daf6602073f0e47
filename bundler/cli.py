"""The command line of the bundler."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bundler.build import NOTEBOOK_NAME, SCRIPT_NAME, Bundle, build
from bundler.errors import BundleError
from bundler.output import write_files
from bundler.probe import write_probe
from bundler.project import Project, read_project
from bundler.smoke import LOG_NAME, smoke
from bundler.up_to_date import differences, holds_notebook


def main(arguments: Sequence[str] | None = None) -> int:
    """Bundles a project.

    Returns:
        0 as promised, 1 where `--check` finds that the bundle is out of date, 2 where it cannot be made, 130 where
        somebody interrupts it.
    """
    options = _options(arguments)
    try:
        return _run(options)
    except BundleError as error:
        return _failed(error.problems, 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _failed([f"{where}{error.strerror or error}; make sure that it can be read and written"], 2)
    except KeyboardInterrupt:
        return _failed(["interrupted"], 128 + signal.SIGINT)


def _failed(problems: Sequence[str], code: int) -> int:
    for problem in problems:
        print(f"bundle: {problem}", file=sys.stderr)
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.weights and not options.smoke:
        parser.error("--weights is for --smoke, which tries the script with them")
    if options.notebook and options.probe:
        parser.error("the probe kernel is a script; leave out --notebook")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bundle.py", description="One readable script out of a runtime package.")
    parser.add_argument("--project", type=Path, default=Path(), help="the folder with kernel.toml (this one)")
    parser.add_argument("--out", type=Path, help="where the bundle goes (`build` in the project)")
    parser.add_argument("--notebook", action="store_true", help="give Kaggle the kernel as a notebook")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; say whether the bundle is up to date")
    what.add_argument("--smoke", action="store_true", help="try the script on a tiny input before it is written")
    what.add_argument("--probe", action="store_true", help="write a kernel that looks what Kaggle's image has")
    parser.add_argument("--weights", type=Path, help="for --smoke: trained weights (`weights` in the project)")
    return parser


def _run(options: argparse.Namespace) -> int:
    project = read_project(options.project)
    out = options.out or project.folder / "build"
    if options.probe:
        write_probe(project.kernel, out / "probe")
        print(f"{out / 'probe'}: push it to Kaggle, fetch its image.json, then `python -m bundler.image image.json`")
        return 0
    if options.check:
        return _check(project, out, notebook=options.notebook)
    bundle = build(project, notebook=options.notebook)
    _check_folder(project, out)
    for warning in bundle.warnings:
        print(f"bundle: note: {warning}", file=sys.stderr)
    if options.smoke:
        weights = options.weights or project.folder / "weights"
        print(smoke(project, bundle.outputs[SCRIPT_NAME], weights, out / LOG_NAME))
    stale = () if NOTEBOOK_NAME in bundle.outputs or not holds_notebook(out) else (NOTEBOOK_NAME,)
    write_files(bundle.outputs, out, stale=stale)
    print(_summary(bundle, out))
    return 0


def _check_folder(project: Project, out: Path) -> None:
    """Refuses a folder in which the bundle would replace its own sources, or would carry itself the next time."""
    package = (project.folder / project.kernel.package).resolve()
    replaced = package.with_suffix(".py")
    if out.resolve().is_relative_to(package) or (not package.is_dir() and out.resolve() / SCRIPT_NAME == replaced):
        raise BundleError(f"{out} holds the sources of {package.name}; give the bundle a folder of its own with --out")


def _check(project: Project, out: Path, *, notebook: bool) -> int:
    found = differences(build(project, notebook=notebook or holds_notebook(out)), out)
    for difference in found:
        print(difference)
    print(f"{out} is {'out of date' if found else 'up to date'}")
    return 1 if found else 0


def _summary(bundle: Bundle, out: Path) -> str:
    code = NOTEBOOK_NAME if NOTEBOOK_NAME in bundle.outputs else SCRIPT_NAME
    largest = max(bundle.files, key=lambda file: len(file.content))
    return (
        f"{out / code}: {len(bundle.outputs[code]):,} bytes from {len(bundle.files)} files, "
        f"the largest {largest.path} with {len(largest.content):,}"
    )
