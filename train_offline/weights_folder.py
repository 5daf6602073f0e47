"""Writes weights/: a network is saved as soon as its fold is done, and the manifest always names what is there."""

import json
import platform
import shutil
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch.utils.flop_counter import FlopCounterMode

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import MANIFEST_NAME, Manifest, Member, read_manifest, sha256_of, write_manifest
from kernel_src.model import SEDenseNet
from kernel_src.weights import load_member
from train_offline.batches import Normalisation
from train_offline.evaluate import Validation
from train_offline.recipes import Stage
from train_offline.train_network import TrainedNetwork
from train_offline.training_log import FOLDER_NAME, gather_out_of_fold
from train_offline.whole_files import write_whole

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
        self._steps = self._manifest
        if again:
            shutil.rmtree(self.training_path, ignore_errors=True)
        else:
            self._steps = self._kept_in(self.training_path)
            self._manifest = self._kept_in(path)

    @property
    def members(self) -> tuple[Member, ...]:
        """What is saved so far for the ensemble."""
        return self._manifest.members

    @property
    def training_path(self) -> Path:
        """What the kernel ignores: logs, checkpoints, networks that are only steps on the way."""
        return self.path / FOLDER_NAME

    def identity(self, **which: object) -> str:
        """Names one part of this training, so that it is not mixed up with another's."""
        mine = {key: value for key, value in self._manifest.created_with.items() if key != VERSION_KEY}
        return json.dumps({**mine, **which}, sort_keys=True)

    def finished(self, fold: int, stage: str) -> Member | None:
        """The member of a fold and stage, if it is saved already."""
        saved = (*self._manifest.members, *self._steps.members)
        return next((item for item in saved if (item.fold, item.stage) == (fold, stage)), None)

    def network(self, member: Member) -> TrainedNetwork:
        """A saved network.

        Raises:
            KernelError: its file is missing or damaged.
        """
        folder = self.path if member in self._manifest.members else self.training_path
        loaded = load_member(folder, member, len(self._manifest.labels), torch.device("cpu"))
        model = loaded.model.requires_grad_(requires_grad=True)  # the runtime's networks learn nothing more
        return TrainedNetwork(model, Normalisation(member.mean, member.std))

    def save(
        self, network: TrainedNetwork, frontend: FrontendConfig, *, fold: int, stage: Stage, score: Validation
    ) -> Member:
        """Saves one network and names it in the manifest.

        Raises:
            KernelError: there is no room; what was there is still there.
        """
        folder = self.path if stage.exported else self.training_path
        name = f"fold{fold}-{stage.name}"
        file = folder / f"{name}.safetensors"
        write_whole(file, save({key: value.contiguous() for key, value in network.model.state_dict().items()}))
        member = Member(
            id=name,
            file=file.name,
            sha256=sha256_of(file),
            fold=fold,
            stage=stage.name,
            frontend=asdict(frontend),
            model=asdict(network.model.config),
            mean=network.normalisation.mean,
            std=network.normalisation.std,
            oof_lwlrap=score.lwlrap,
            view_gains=score.view_gains,
            pass_cost=multiplications_of(network.model) / 1e6,
        )
        with self._lock:
            if stage.exported:
                self._manifest = _with_member(self._manifest, member)
                write_manifest(self.path, self._manifest)
                folds = {item.id: item.fold for item in self.members}
                gather_out_of_fold(self.path, folds, self._manifest.labels)
            else:
                self._steps = _with_member(self._steps, member)
                write_manifest(self.training_path, self._steps)
        return member

    def _kept_in(self, folder: Path) -> Manifest:
        return self._go_on_from(read_manifest(folder)) if (folder / MANIFEST_NAME).exists() else self._manifest

    def _go_on_from(self, old: Manifest) -> Manifest:
        mine = {key: value for key, value in self._manifest.created_with.items() if key != VERSION_KEY}
        theirs = {key: value for key, value in old.created_with.items() if key != VERSION_KEY}
        if mine != theirs or old.labels != self._manifest.labels:
            differing = sorted(key for key in mine | theirs if mine.get(key) != theirs.get(key)) or ["labels"]
            raise KernelError(
                f"{self.path}: holds the weights of another training ({', '.join(differing)} differ);"
                " choose another --out, or replace them with --again"
            )
        return replace(self._manifest, members=old.members)


def _with_member(manifest: Manifest, member: Member) -> Manifest:
    others = [item for item in manifest.members if item.id != member.id]
    return replace(manifest, members=tuple(sorted([*others, member], key=lambda item: (item.fold, item.stage))))


def multiplications_of(model: SEDenseNet) -> int:
    """Multiplications of one window."""
    window = torch.zeros(1, 1, model.config.n_mels, model.config.crop_frames)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(window)
    return int(counter.get_total_flops()) // 2
