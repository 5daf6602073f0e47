"""The folder that becomes the data set of weights: checked weights, their card, and what the client must know.

It holds links to the weights, so that it costs nothing; `kaggle datasets create -p` takes it as it is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slugify import slugify

from bundler.project import KERNEL_TOML, Project
from kernel_src.errors import KernelError
from kernel_src.manifest import MANIFEST_NAME, Manifest
from kernel_src.safetensors_header import safetensors_header
from publisher.redaction import leaks_in
from train_offline.model_card import CARD_NAME, published_card
from train_offline.weights_check import checked_manifest, weights_files

METADATA_NAME = "dataset-metadata.json"
SLUG_LENGTHS = range(6, 51)


@dataclass(frozen=True)
class DatasetFolder:
    """A folder that is ready to become a data set."""

    path: Path
    id: str
    """"owner/slug"."""
    title: str
    licence: str
    private: bool
    card: str
    """What the data set's page says."""
    sizes_bytes: Mapping[str, int]
    """The files that are uploaded, by name."""

    @property
    def total_bytes(self) -> int:
        """All of them together."""
        return sum(self.sizes_bytes.values())


def weights_dataset(project: Project) -> str:
    """The data set that holds the weights: the first one of kernel.toml.

    Raises:
        KernelError: kernel.toml names none, or not as Kaggle wants it.
    """
    where = f"{KERNEL_TOML} [kernel]"
    if not project.kernel.datasets:
        raise KernelError(f'{where}: datasets is empty; name the data set of weights, such as ["you/your-weights"]')
    owner, _, slug = project.kernel.datasets[0].partition("/")
    if not owner or slugify(slug) != slug:
        raise KernelError(f'{where}: datasets = ["{owner}/{slug}", ...]; expected "owner/slug" without a version first')
    if len(slug) not in SLUG_LENGTHS:
        raise KernelError(f'{where}: datasets: the slug "{slug}" has {len(slug)} characters; Kaggle wants 6 to 50')
    return f"{owner}/{slug}"


def check_weights(folder: Path, secrets: Iterable[str] = ()) -> Manifest:
    """The manifest of a folder of weights, if all that it says holds.

    Raises:
        KernelError: a file is missing, has another checksum, is no safetensors file, or carries a secret.
    """
    manifest = checked_manifest(folder)
    _refuse_leaks(folder / MANIFEST_NAME, (folder / MANIFEST_NAME).read_bytes(), secrets)
    for member in manifest.members:
        _refuse_leaks(folder / member.file, safetensors_header(folder / member.file), secrets)
    return manifest


def check_that_the_kernel_takes_them(folder: Path, manifest: Manifest) -> None:
    """Loads each network as the kernel will; raises a KernelError for one that does not fit its settings."""
    import torch  # noqa: PLC0415  # takes a second, which no other step should wait for

    from kernel_src.weights import load_member  # noqa: PLC0415  # the same

    for member in manifest.members:
        load_member(folder, member, len(manifest.labels), torch.device("cpu"))


def _refuse_leaks(path: Path, content: bytes, secrets: Iterable[str]) -> None:
    if found := leaks_in(content, secrets):
        raise KernelError(f"{path}: holds {found[0]}, which must not be uploaded; take it out and export it again")


def write_dataset_folder(
    project: Project, weights: Path, out: Path, licence: str, secrets: Sequence[str] = ()
) -> DatasetFolder:
    """Checks the weights and lays the data set out in a folder of links.

    Args:
        project: whose kernel.toml names the data set.
        weights: the folder of weights.
        out: the folder; made where it is missing, and emptied of files first.
        licence: its name on Kaggle, such as "CC-BY-4.0".
        secrets: what must not be in it.

    Raises:
        KernelError: the weights do not pass, or kernel.toml names no data set.
    """
    dataset = weights_dataset(project)
    manifest = check_weights(weights, secrets)
    check_that_the_kernel_takes_them(weights, manifest)
    title = dataset.partition("/")[2].replace("-", " ").capitalize()
    card = published_card(weights, manifest, title=title, licence=licence, competition=project.kernel.competition)
    _refuse_leaks(weights / CARD_NAME, card.encode(), secrets)
    metadata = {
        "id": dataset,
        "title": title,
        "licenses": [{"name": licence}],
        "isPrivate": project.kernel.private,
        "description": card,
    }
    names = weights_files(manifest)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        if old.is_symlink() or old.is_file():
            old.unlink()
    for name in names:
        (out / name).symlink_to((weights / name).resolve())
    (out / CARD_NAME).write_text(card, encoding="utf-8")
    (out / METADATA_NAME).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    sizes = {name: (out / name).stat().st_size for name in [*names, CARD_NAME]}
    return DatasetFolder(out, dataset, title, licence, project.kernel.private, card, sizes)
