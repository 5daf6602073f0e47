"""Writes weights/: a network is saved as soon as its fold is done, and the manifest always names what is there."""

import platform
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import MANIFEST_NAME, Manifest, Member, read_manifest, sha256_of, write_manifest
from train_offline.evaluate import Validation
from train_offline.train_fold import TrainedNetwork

VERSION_KEY = "versions"


class WeightsFolder:
    """The output of one training, which may go on where an earlier run of the same training stopped.

    Args:
        path: the folder; made when the first network is saved.
        labels: the vocabulary.
        priors: [labels] share of training clips with the label.
        created_with: recipe, size, seed and data; folds of another training are not mixed in.
        again: forget what is there.

    Raises:
        KernelError: the folder holds the weights of another training, or is no folder.
    """

    def __init__(
        self,
        path: Path,
        labels: tuple[str, ...],
        priors: tuple[float, ...],
        created_with: Mapping[str, Any],
        *,
        again: bool,
    ) -> None:
        self.path = path
        self._lock = threading.Lock()  # folds are trained side by side
        versions = {"python": platform.python_version(), "torch": torch.__version__}
        self._manifest = Manifest(labels, priors, members=(), created_with={**created_with, VERSION_KEY: versions})
        if path.exists() and not path.is_dir():
            raise KernelError(f"{path}: is not a folder; choose another --out")
        if (path / MANIFEST_NAME).exists() and not again:
            self._go_on_from(read_manifest(path))

    @property
    def members(self) -> tuple[Member, ...]:
        """What is saved so far."""
        return self._manifest.members

    def finished(self, fold: int, stage: str) -> Member | None:
        """The member of a fold and stage, if it is saved already."""
        return next((item for item in self.members if (item.fold, item.stage) == (fold, stage)), None)

    def save(
        self, network: TrainedNetwork, frontend: FrontendConfig, *, fold: int, stage: str, score: Validation
    ) -> Member:
        """Saves one network and names it in the manifest."""
        self.path.mkdir(parents=True, exist_ok=True)
        name = f"fold{fold}-{stage}"
        file = self.path / f"{name}.safetensors"
        part = file.with_suffix(".part")
        save_file({key: value.contiguous() for key, value in network.model.state_dict().items()}, part)
        part.replace(file)
        member = Member(
            id=name,
            file=file.name,
            sha256=sha256_of(file),
            fold=fold,
            stage=stage,
            frontend=asdict(frontend),
            model=asdict(network.model.config),
            mean=network.mean,
            std=network.std,
            oof_lwlrap=score.lwlrap,
            view_gains=score.view_gains,
        )
        with self._lock:
            others = [item for item in self.members if item.id != name]
            members = sorted([*others, member], key=lambda item: (item.fold, item.stage))
            self._manifest = replace(self._manifest, members=tuple(members))
            write_manifest(self.path, self._manifest)
        return member

    def _go_on_from(self, old: Manifest) -> None:
        mine = {key: value for key, value in self._manifest.created_with.items() if key != VERSION_KEY}
        theirs = {key: value for key, value in old.created_with.items() if key != VERSION_KEY}
        if mine != theirs or old.labels != self._manifest.labels:
            differing = sorted(key for key in mine | theirs if mine.get(key) != theirs.get(key)) or ["labels"]
            raise KernelError(
                f"{self.path}: holds the weights of another training ({', '.join(differing)} differ);"
                " choose another --out, or replace them with --again"
            )
        self._manifest = replace(self._manifest, members=old.members)
