"""Writes weights/: a network is saved as soon as its fold is done, and the manifest always names what is there."""

import fcntl
import json
import platform
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

import torch
from safetensors.torch import save
from torch.utils.flop_counter import FlopCounterMode

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import MANIFEST_NAME, Manifest, Member, read_manifest, sha256_of
from kernel_src.model import SEDenseNet
from kernel_src.weights import load_member
from train_offline.batches import Normalisation
from train_offline.evaluate import Validation
from train_offline.manifest_file import write_manifest
from train_offline.model_card import CARD_NAME, CARD_TITLE
from train_offline.recipes import Stage
from train_offline.replacements import Replacements
from train_offline.train_network import TrainedNetwork
from train_offline.training_log import FOLDER_NAME, gather_out_of_fold
from train_offline.whole_files import write_whole

VERSION_KEY = "versions"

LOCK_NAME = "lock"
"""Held by whoever writes a manifest; with a fold before it, by whoever trains it."""


class WeightsFolder:
    """The output of one training, which may go on where an earlier run of the same training stopped.

    Several processes may train different folds into it at the same time.

    Args:
        path: the folder; made when a training begins.
        labels: the vocabulary.
        priors: [labels] share of training clips with the label.
        created_with: recipe, size, seed and data; folds of another training are not mixed in.
        again: whether what is there is to be trained anew.

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
        _check_that_the_card_has_its_place(path)
        self._again = again
        self._holds_anothers = False
        self._replacing = Replacements(self.training_path, "")
        self._steps, self._manifest = self._kept_in(self.training_path), self._kept_in(path)

    @contextmanager
    def alone_with(self, folds: Sequence[int]) -> Iterator[None]:
        """Keeps other processes, such as one that was forgotten, from training the same folds meanwhile.

        Raises:
            KernelError: another one is at it, or the folder cannot be written to.
        """
        with ExitStack() as held:
            for fold in folds:
                file = held.enter_context(self._lock_file(f"fold{fold}.{LOCK_NAME}"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise KernelError(
                        f"{self.path}: fold {fold} is being trained by another process;"
                        " wait for it, or train others with --folds"
                    ) from error
                except OSError:
                    pass  # a file system without locks
            yield

    def begin(self, names: Sequence[str]) -> None:
        """Makes ready for the training of some members, before any of it is paid for.

        What is to be trained anew stays until it is replaced; and such a training goes on after an interruption, by
        the same call. A member whose file is missing or damaged is trained anew in any case.

        Args:
            names: as `member_name` makes them.

        Raises:
            KernelError: the folder cannot be written to.
        """
        with self._others_locked_out():
            pass  # what cannot be written to is not worth a night of training
        self._replacing = Replacements(self.training_path, self.identity(members=sorted(names)))
        damaged = [name for name in names if self._is_damaged(name)]
        if self._again and not self._replacing.go_on():
            if self._holds_anothers:
                self._forget_anothers_notes()
            for name in names:
                (self.training_path / f"{name}.checkpoint").unlink(missing_ok=True)
            self._replacing.add(names)
        self._replacing.add(damaged)

    def _forget_anothers_notes(self) -> None:
        for path in self.training_path.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif LOCK_NAME not in path.name:
                path.unlink()

    def _is_damaged(self, name: str) -> bool:
        for folder, members in ((self.path, self._manifest.members), (self.training_path, self._steps.members)):
            for member in members:
                file = folder / member.file
                if member.id == name and not (file.is_file() and sha256_of(file) == member.sha256):
                    print(f"{file}: is missing or damaged; it is trained anew", file=sys.stderr)
                    return True
        return False

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
        """The member of a fold and stage, if it is saved already and is not to be trained anew."""
        saved = (*self._manifest.members, *self._steps.members)
        name = member_name(fold, stage)
        return next((item for item in saved if item.id == name and name not in self._replacing), None)

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
        name = member_name(fold, stage.name)
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
        with self._lock, self._others_locked_out():
            if stage.exported:
                self._manifest = _with_member(self._kept_in(self.path), member)
                write_manifest(self.path, self._manifest)
                folds = {item.id: item.fold for item in self.members}
                gather_out_of_fold(self.path, folds, self._manifest.labels)
            else:
                self._steps = _with_member(self._kept_in(self.training_path), member)
                write_manifest(self.training_path, self._steps)
            self._replacing.done(name)
        return member

    @contextmanager
    def _others_locked_out(self) -> Iterator[None]:
        """Other processes, which train other folds, wait; the system lets go of the lock of one that is killed."""
        with self._lock_file(LOCK_NAME) as file:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _lock_file(self, name: str) -> TextIO:
        path = self.training_path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("w")
        except OSError as error:
            raise KernelError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error

    def _kept_in(self, folder: Path) -> Manifest:
        """The members of this training that are there by now, whichever process trained them."""
        nothing = replace(self._manifest, members=())
        if not (folder / MANIFEST_NAME).exists():
            return nothing
        try:
            return self._go_on_from(read_manifest(folder))
        except KernelError:
            if not self._again:
                raise
            self._holds_anothers = True
            return nothing

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


def _check_that_the_card_has_its_place(path: Path) -> None:
    card = path / CARD_NAME
    if (path / MANIFEST_NAME).exists() or not card.is_file():
        return
    if CARD_TITLE not in card.read_text(encoding="utf-8", errors="replace"):
        raise KernelError(
            f"{card}: is there, and no weights are; the model card would go there, so choose another --out"
        )


def member_name(fold: int, stage: str) -> str:
    """What a fold's network is called, and its files."""
    return f"fold{fold}-{stage}"


def _with_member(manifest: Manifest, member: Member) -> Manifest:
    others = [item for item in manifest.members if item.id != member.id]
    return replace(manifest, members=tuple(sorted([*others, member], key=lambda item: (item.fold, item.stage))))


def multiplications_of(model: SEDenseNet) -> int:
    """Multiplications of one window."""
    window = torch.zeros(1, 1, model.config.n_mels, model.config.crop_frames)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(window)
    return int(counter.get_total_flops()) // 2
