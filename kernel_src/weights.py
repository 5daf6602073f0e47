"""Loads the members of a weights folder: networks with the settings that they were trained with."""

import contextlib
import copy
import platform
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from scipy.special import expit

from kernel_src.backend_names import EXACT
from kernel_src.backends import Network, build, usual
from kernel_src.devices import CPU, keep_float32_whole, usable_gpus
from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Member, config_from, sha256_of
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig
from kernel_src.weights_file import mapped_tensors

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LoadedMember:
    """A network that is ready to predict, and what its input must look like.

    It may be asked by several threads at the same time.
    """

    id: str
    model: SEDenseNet
    """As it was trained: float32, in evaluation mode, on its device."""
    frontend: FrontendConfig
    mean: float
    std: float
    oof_lwlrap: float | None
    backend: str = EXACT
    """The way that the logits are computed: one of `kernel_src.backend_names.BACKENDS`."""
    file: Path | None = None
    """Whose pages the model's weights are on a CPU; None where they are of no file."""
    network: Network = field(init=False, repr=False, compare=False)
    """The model in that way."""

    def __post_init__(self) -> None:
        """Prepares the backend."""
        keep_float32_whole()
        object.__setattr__(self, "network", build(self.backend, self.model, self.device, self.map_anew))

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

    def on(self, device: torch.device, backend: str | None = None) -> "LoadedMember":
        """The same member on another device, or by another backend; itself where nothing changes.

        Args:
            device: where it is to compute.
            backend: how; None for the same on the same device, and the likeliest one on another.
        """
        same_device = self.device == device
        backend = backend or (self.backend if same_device else usual(device))
        if same_device and backend == self.backend:
            return self
        model = self.model if same_device else copy.deepcopy(self.model).to(device)
        return replace(self, model=model, backend=backend)

    def map_anew(self) -> None:
        """Lets go of the file's pages that were read so far: all backends but the plain one compute with a copy.

        Nobody may be computing with the model itself. Where the file cannot be read again, its pages stay.
        """
        if self.file is None or self.device.type != "cpu":
            return
        with contextlib.suppress(OSError, SafetensorError, RuntimeError):
            self.model.load_state_dict(mapped_tensors(self.file), assign=True)
            self.model.requires_grad_(requires_grad=False)

    def probabilities(self, images: torch.Tensor) -> Float64:
        """What the network says of some windows.

        Args:
            images: [batch, 1, mels, frames] float32, not normalised.

        Returns:
            [batch, labels] float64, for ties cost score: single precision rounds every logit above 17 to the same 1.
            NaN where a logit is not finite.
        """
        logits = self.logits(images).astype(np.float64)
        return np.where(np.isfinite(logits), expit(logits), np.nan)

    def logits(self, images: torch.Tensor) -> Float32:
        """The same before the sigmoid, [batch, labels] float32."""
        with torch.inference_mode():
            normalised = (images.to(self.device) - self.mean).div_(self.std)
            logits: Float32 = self.network(normalised).cpu().numpy()
        return logits


def load_member(
    folder: Path, member: Member, n_labels: int, device: torch.device, backend: str | None = None
) -> LoadedMember:
    """Loads one network after checking its file.

    Args:
        folder: the weights folder.
        member: its entry in the manifest.
        n_labels: how many labels the manifest has.
        device: where the network is to live.
        backend: how it is to compute; None for what is most likely the quickest there.

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
    with torch.device("meta"):
        model = SEDenseNet(config)
    try:
        # The file's own pages, which the system may drop again.
        model.load_state_dict(mapped_tensors(path), assign=True)
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise KernelError(f"{path}: does not fit its settings ({reason}); export the weights again") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values()):
        raise KernelError(f"{path}: has values that are not finite; train this member again")
    loaded = LoadedMember(
        id=member.id,
        model=model.to(device).eval().requires_grad_(False),
        frontend=frontend,
        mean=member.mean,
        std=member.std,
        oof_lwlrap=member.oof_lwlrap,
        backend=backend or usual(device),
        file=path,
    )
    loaded.map_anew()
    return loaded


def pick_device() -> torch.device:
    """The first GPU that really computes, else the CPU."""
    return next(iter(usable_gpus()), CPU)


def device_name(device: torch.device) -> str:
    """What the device is called, for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()})"
