"""What Kaggle's image has: its Python, its packages, and the public names of some of them.

Two data files beside this module say it. Kaggle publishes no list; `python bundle.py --probe` writes a kernel that
looks, and `python -m bundler.image image.json` makes the data files from what that kernel leaves.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bundler.errors import BundleError
from bundler.output import write_files

FOLDER = Path(__file__).parent
IMAGE_NAME = "image.json"
NAMES_NAME = "image_names.json"
REBUILD = "`python bundle.py --probe` writes a kernel that looks what the image has"


@dataclass(frozen=True)
class Image:
    """The image that bundles are checked against."""

    source: str
    """Where the list of packages comes from."""
    complete: bool
    """Whether the image has nothing else; the list of a probe kernel is complete."""
    python: str
    """The version of its Python."""
    standard_library: Set[str]
    """The top-level modules that come with this Python."""
    packages: Mapping[str, Mapping[str, str]]
    """By the name that is imported: `distribution`, and `version`, which is empty where nobody knows it."""
    names: Mapping[str, Set[str]]
    """The public names of some modules, by the module."""
    names_source: str
    """The packages and versions that the names come from."""

    @property
    def python_version(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor, *_ = self.python.split(".")
        return int(major), int(minor)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the packages, where known, by distribution."""
        packages = self.packages.values()
        return {package["distribution"]: package["version"] for package in packages if package["version"]}


@cache
def read_image(folder: Path = FOLDER) -> Image:
    """The image's list.

    Raises:
        BundleError: a data file is missing or broken.
    """
    try:
        image = json.loads((folder / IMAGE_NAME).read_text(encoding="utf-8"))
        names = json.loads((folder / NAMES_NAME).read_text(encoding="utf-8"))
        return Image(
            source=image["source"],
            complete=image["complete"],
            python=image["python"],
            standard_library=frozenset(image["standard_library"]),
            packages=image["packages"],
            names={module: frozenset(found.split()) for module, found in names["names"].items()},
            names_source=names["source"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder}: the list of the image is broken ({error!r}); {REBUILD}") from None


def write_image(probed: Mapping[str, Any], folder: Path, *, names_only: bool = False) -> None:
    """Writes the data files from what the probe kernel left.

    Args:
        probed: the contents of its image.json.
        folder: where the data files go.
        names_only: whether the list of packages stays as it is: the probe ran in another environment, which has the
            image's versions of those packages whose names are listed.

    Raises:
        BundleError: it is no probe's output, or the folder cannot be written to.
    """
    try:
        roots = sorted({module.partition(".")[0] for module in probed["names"]})
        source = ", ".join(f"{root} {probed['packages'][root]['version'].partition('+')[0]}" for root in roots)
        image = {key: probed[key] for key in ("source", "complete", "python", "standard_library", "packages")}
        contents = {NAMES_NAME: {"source": source, "names": probed["names"]}, IMAGE_NAME: image}
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"that is no output of the probe kernel: {error!r} is missing or wrong; {REBUILD}") from None
    if names_only:
        del contents[IMAGE_NAME]
    write_files({name: (json.dumps(value, indent=1) + "\n").encode() for name, value in contents.items()}, folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the data files from a probe kernel's output; 2 where that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m bundler.image", description=__doc__)
    parser.add_argument("probed", type=Path, help="the image.json that the probe kernel left")
    parser.add_argument("--names-only", action="store_true", help="keep the list of packages")
    options = parser.parse_args(arguments)
    try:
        probed = json.loads(options.probed.read_text(encoding="utf-8"))
        write_image(probed, FOLDER, names_only=options.names_only)
    except (OSError, ValueError) as error:
        print(f"image: {options.probed} cannot be read: {error}", file=sys.stderr)
        return 2
    except BundleError as error:
        print(f"image: {error}", file=sys.stderr)
        return 2
    print(f"the list of the image now comes from {options.probed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
