"""Whether the files of a weights folder are what its manifest says: there, unchanged, and safetensors."""

from pathlib import Path

from kernel_src.errors import KernelError
from kernel_src.manifest import MANIFEST_NAME, Manifest, read_manifest, sha256_of
from kernel_src.safetensors_header import safetensors_header


def weights_files(manifest: Manifest) -> list[str]:
    """The names of the files that weights consist of."""
    return [MANIFEST_NAME, *sorted({member.file for member in manifest.members})]


def checked_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of weights, if all that it says of its files holds.

    Raises:
        KernelError: a file is missing, has another checksum, or is no safetensors file.
    """
    manifest = read_manifest(folder)
    for member in manifest.members:
        path = folder / member.file
        if Path(member.file).name != member.file or not path.is_file():
            raise KernelError(f"{path}: the manifest names it, but it is not there; train or export the weights again")
        if (found := sha256_of(path)) != member.sha256:
            raise KernelError(
                f"{path}: sha256 is {found[:12]}..., the manifest says {member.sha256[:12]}...;"
                " export the weights again"
            )
        safetensors_header(path)
    return manifest
