"""The folder that bundles are written to."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bundler.errors import BundleError


def write_files(contents: Mapping[str, bytes], folder: Path, *, stale: tuple[str, ...] = ()) -> None:
    """Writes all files, or none: each is written under another name first, and all are renamed at the end.

    Args:
        contents: by name.
        folder: made where it is missing.
        stale: names of files that go away when the new ones are there.

    Raises:
        BundleError: the folder cannot be written to; what lay there is whole.
    """
    waiting = {name: folder / f".{name}.{os.getpid()}" for name in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if blocked := [name for name in contents if (folder / name).is_dir()]:
            raise IsADirectoryError(f"{blocked[0]} is a folder")
        for name, path in waiting.items():
            path.write_bytes(contents[name])
        for name, path in waiting.items():
            path.replace(folder / name)
        for name in stale:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(f"{folder} cannot be written to: {error}; what lay there is as it was") from None
    finally:
        for path in waiting.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
