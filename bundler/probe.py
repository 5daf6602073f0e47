"""The probe kernel: it looks what Kaggle's image has, for Kaggle publishes no list."""

import json
from dataclasses import replace
from pathlib import Path

from bundler.errors import BundleError
from bundler.metadata import kernel_metadata, metadata_problems
from bundler.output import write_files
from bundler.project import KERNEL_TOML, KernelTable

PROBE_PATH = Path(__file__).with_name("probe_kernel.py")
PROBE_TITLE = "Image probe"
PROBE_SLUG = "image-probe"


def write_probe(kernel: KernelTable, folder: Path) -> None:
    """Writes the probe kernel and its metadata, for the machine and the image that the project's kernel runs on.

    Raises:
        BundleError: kernel.toml names no valid owner or machine, or the folder cannot be written to.
    """
    owner = kernel.id.partition("/")[0]
    probe = replace(kernel, id=f"{owner}/{PROBE_SLUG}", title=PROBE_TITLE, competition="", datasets=(), private=True)
    metadata = kernel_metadata(probe, "kernel.py")
    if problems := metadata_problems(metadata):
        raise BundleError([f"{KERNEL_TOML} [kernel]: {problem}" for problem in problems])
    write_files(
        {
            "kernel.py": PROBE_PATH.read_bytes(),
            "kernel-metadata.json": (json.dumps(metadata, indent=2) + "\n").encode(),
        },
        folder,
    )
