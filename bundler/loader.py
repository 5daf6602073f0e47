"""Serves the files that this script carries to `import`, from memory: nothing is written to disk.

From Hourglass's bundler. MIT licence, copyright (c) 2026 The Hourglass authors.
"""

from __future__ import annotations

import binascii
import importlib.machinery
import linecache
import os
import sys
import threading

TYPE_CHECKING = False  # type checkers read it as true; importing `typing` would slow the start down
if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator
    from types import CodeType, TracebackType


class CarriedFiles:
    """The carried files by path; `import` asks it for modules.

    Args:
        root: the folder that they pretend to lie in: this script's path, for no real file can lie below that.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: dict[str, str | bytes] = {}
        self.folders: set[str] = set()

    def add(self, path: str, text: str) -> None:
        """Carries a text, which starts in the line below its opening quotes."""
        self._add(path, text[1:])

    def add_base64(self, path: str, encoded: str) -> None:
        """Carries bytes."""
        self._add(path, binascii.a2b_base64(encoded))

    def _add(self, path: str, content: str | bytes) -> None:
        self.files[path] = content
        while path := path.rpartition("/")[0]:
            self.folders.add(path)

    def install(self) -> None:
        """From now on `import` finds the carried modules, before any others of the same names."""
        sys.meta_path.insert(0, self)
        sys.path_hooks.insert(0, lambda full_path: CarriedFolder(self, full_path))
        for path in self.files:  # for warnings, which ask linecache without saying whose line it is
            linecache.cache[f"{self.root}/{path}"] = (lambda path=path: self.content(path).decode(),)
        show_source_in_tracebacks()

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """The carried module or package of this name; a folder without `__init__.py` is an empty package."""
        inner = name.replace(".", "/")
        is_package = f"{inner}/__init__.py" in self.files or f"{inner}.py" not in self.files
        if is_package and inner not in self.folders:
            return None
        path = f"{self.root}/{inner}/__init__.py" if is_package else f"{self.root}/{inner}.py"
        loader = CarriedLoader(self, name, path)
        spec = importlib.machinery.ModuleSpec(name, loader, origin=path, is_package=is_package)
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(f"{self.root}/{inner}")
        return spec

    def inner_path(self, full_path: str) -> str:
        """A path below the root."""
        return full_path.replace(os.sep, "/").removeprefix(f"{self.root}/")

    def content(self, path: str) -> bytes:
        """A file's bytes."""
        if path not in self.files:
            raise FileNotFoundError(2, "no such file in this script", path)
        content = self.files[path]
        return content.encode() if isinstance(content, str) else content


class CarriedLoader(importlib.machinery.SourceFileLoader):
    """Loads a carried module; as a source file's, for then tracebacks leave Python's own import frames out."""

    def __init__(self, carried: CarriedFiles, name: str, full_path: str) -> None:
        super().__init__(name, full_path)
        self.carried = carried

    def get_data(self, path: str) -> bytes:
        """A file's bytes; pkgutil.get_data asks for them."""
        return self.carried.content(self.carried.inner_path(path))

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        """The module's text; tracebacks and inspect ask for it."""
        path = self.carried.inner_path(self.path)
        return self.carried.content(path).decode() if path in self.carried.files else ""

    def get_code(self, fullname: str) -> CodeType:
        """The module's code."""
        code: CodeType = compile(self.get_source(fullname), self.path, "exec", dont_inherit=True)
        return code

    def get_resource_reader(self, name: str) -> CarriedLoader:  # type: ignore[override]  # noqa: ARG002
        """What importlib.resources asks for `files`."""
        return self

    def files(self) -> zipfile.Path:
        """The package's folder, in the form that zip files have."""
        import io  # noqa: PLC0415
        import zipfile  # noqa: PLC0415

        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as written:
            for path in self.carried.files:
                written.writestr(zipfile.ZipInfo(path), self.carried.content(path))
        archive = zipfile.ZipFile(buffer)
        archive.filename = self.carried.root
        return zipfile.Path(archive, f"{self.carried.inner_path(self.path).rpartition('/')[0]}/")


class CarriedFolder:
    """An entry of a package's `__path__`, for pkgutil."""

    def __init__(self, carried: CarriedFiles, full_path: str) -> None:
        self.files = carried.files
        self.path = carried.inner_path(full_path)
        if self.path not in carried.folders or self.path == full_path:  # a relative path is a folder on the disk
            raise ImportError(f"{full_path} is no carried folder")

    def find_spec(self, *_: object) -> None:
        """Nothing: CarriedFiles was asked before."""

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """The modules by name, and whether each is a package."""
        below = [path.removeprefix(f"{self.path}/") for path in self.files if path.startswith(f"{self.path}/")]
        yield from sorted({(prefix + path.partition("/")[0], True) for path in below if "/" in path})
        for path in sorted(below):
            if "/" not in path and path.endswith(".py") and path != "__init__.py":
                yield prefix + path.removesuffix(".py"), False


def show_source_in_tracebacks() -> None:
    """Has errors that nobody catches printed by `traceback`, which asks loaders for the source.

    Python itself looks for the file on the disk: before 3.13 always, later for errors such as in `__del__`.
    """
    if sys.version_info < (3, 13):
        if sys.excepthook is sys.__excepthook__:
            sys.excepthook = print_uncaught
        if threading.excepthook is threading.__excepthook__:
            threading.excepthook = print_uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = print_unraisable


def print_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """For sys.excepthook."""
    try:
        import traceback  # noqa: PLC0415

        traceback.print_exception(kind, error, trace)
    except Exception:  # noqa: BLE001  # whatever is in the way, the error must be printed
        sys.__excepthook__(kind, error or kind(), trace)


def print_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    """For threading.excepthook."""
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else threading.get_ident()
        print(f"Exception in thread {name}:", file=sys.stderr, flush=True)
        print_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def print_unraisable(args: sys.UnraisableHookArgs) -> None:
    """For sys.unraisablehook."""
    print(f"{args.err_msg or 'Exception ignored in'}: {args.object!r}", file=sys.stderr, flush=True)
    print_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
