"""Loads the members of a weights folder: networks with the settings that they were trained with."""

import copy
import platform
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Member, config_from, sha256_of
from kernel_src.model import ModelConfig, SEDenseNet

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LoadedMember:
    """A network that is ready to predict, and what its input must look like."""

    id: str
    model: SEDenseNet
    """In evaluation mode, on its device."""
    frontend: FrontendConfig
    mean: float
    std: float
    oof_lwlrap: float | None

    @property
    def config(self) -> ModelConfig:
        """The network's settings."""
        return self.model.config

    @property
    def padding(self) -> float | None:
        """What lies beyond the ends of a short clip; None where it is repeated."""
        return None if self.config.padding == "repeat" else self.frontend.silence

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return next(self.model.parameters()).device

    def on(self, device: torch.device) -> "LoadedMember":
        """The same member on another device; itself if it is there already."""
        return self if self.device == device else replace(self, model=copy.deepcopy(self.model).to(device))

    def logits(self, images: torch.Tensor) -> Float32:
        """What the network says of some windows.

        Args:
            images: [batch, 1, mels, frames] float32 on the CPU, not normalised.

        Returns:
            [batch, labels] float32.
        """
        with torch.inference_mode():
            normalised = (images.to(self.device) - self.mean) / self.std
            logits: Float32 = self.model(normalised).cpu().numpy()
        return logits


def load_member(folder: Path, member: Member, n_labels: int, device: torch.device) -> LoadedMember:
    """Loads one network after checking its file.

    Args:
        folder: the weights folder.
        member: its entry in the manifest.
        n_labels: how many labels the manifest has.
        device: where the network is to live.

    Raises:
        KernelError: the file is missing, damaged, or does not fit the settings beside it.
    """
    path = folder / member.file
    try:
        found = sha256_of(path)
    except OSError as error:
        raise KernelError(f"{path}: cannot be read ({error.strerror}); upload the weights again") from error
    if found != member.sha256:
        raise KernelError(
            f"{path}: sha256 is {found[:12]}..., the manifest says {member.sha256[:12]}...; upload the weights again"
        )
    frontend = config_from(FrontendConfig, member.frontend, f"{path}, frontend")
    config = config_from(ModelConfig, member.model, f"{path}, model")
    if config.n_labels != n_labels:
        raise KernelError(f"{path}: has {config.n_labels} outputs for {n_labels} labels; export the weights again")
    model = SEDenseNet(config)
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise KernelError(f"{path}: does not fit its settings ({reason}); export the weights again") from error
    return LoadedMember(
        id=member.id,
        model=model.to(device).eval(),
        frontend=frontend,
        mean=member.mean,
        std=member.std,
        oof_lwlrap=member.oof_lwlrap,
    )


def pick_device() -> torch.device:
    """The first GPU that really computes, else the CPU.

    Kaggle still hands out GPUs that today's torch has no code for: they are found, and fail at the first operation.
    """
    if torch.cuda.is_available():
        try:
            torch.ones(8, 8, device="cuda").mm(torch.ones(8, 8, device="cuda")).cpu()
        except RuntimeError:
            return torch.device("cpu")
        return torch.device("cuda")
    return torch.device("cpu")


def device_name(device: torch.device) -> str:
    """What the device is called, for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()})"
