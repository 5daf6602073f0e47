"""The manifest of a weights folder, which is whole at any moment."""

from pathlib import Path

from kernel_src.manifest import MANIFEST_NAME, Manifest, manifest_text
from train_offline.whole_files import write_whole


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest.json`.

    Raises:
        KernelError: it cannot be written; what was there is still there.
    """
    write_whole(folder / MANIFEST_NAME, manifest_text(manifest).encode())
