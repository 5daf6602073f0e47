"""How to train, by name (recipes), and how much of it, by name (sizes).

Some settings are as they are in every recipe here: LOG.md has what came of others.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

from kernel_src.frontend import FrontendConfig, PcenStart, Scaling
from kernel_src.model_config import ModelConfig
from train_offline.noisy_pick import PickSettings


@dataclass(frozen=True)
class Augmentation:
    """What is done to the crops of a batch."""

    max_gain_db: float = 0.0
    """Clips are made louder or softer by up to this, where their spectrograms tell of the level."""
    max_zoom: float = 1.1
    """Crops are enlarged by up to this factor, around a random place; the kernel's windows are alike."""
    max_warp: float = 0.05
    """Crops are seen in perspective: their corners move by up to this share of the size."""
    mixing: Literal["average", "maximum"] = "average"
    """Two clips are averaged, labels too (mixup); or the louder wins at each point, with the labels of both."""
    mixed_share: float = 1.0
    """The share of clips that are mixed with another one."""
    partners: Literal["batch", "all"] = "batch"
    """Who a clip is mixed with, or followed by: another one of its batch, or any clip, in an order of its own."""
    mixup_alpha: float = 0.4
    """Averages have a weight from Beta(alpha, alpha)."""
    following_share: float = 0.0
    """The share of clips that another one follows within the crop, with the labels of both; they are not mixed, too."""
    masks: int = 0
    """Bands of mels and stretches of frames that are blanked (SpecAugment), so many each way."""
    mask_share: float = 0.15
    """The largest share of the mels or frames that one of them takes."""


@dataclass(frozen=True)
class NoisyUse:
    """How a stage uses the noisy split."""

    pick: PickSettings | None
    """Which clips; None for all."""
    weight: float
    """What a noisy clip counts beside a curated one."""
    soft_share: float = 0.0
    """How much of a noisy clip's target is what the last stage's network says instead of its label."""


@dataclass(frozen=True)
class Stage:
    """One training of a fold's network; it goes on from the stage before."""

    name: str
    epochs_share: float
    """How long, as a share of the size's epochs. In every stage an epoch is as many steps as curated clips fill."""
    peak_learning_rate: float
    """The top of the one-cycle schedule."""
    noisy: NoisyUse | None = None
    """None for curated clips alone."""
    exported: bool = True
    """Whether its network becomes a member of the ensemble."""


@dataclass(frozen=True)
class FoldFrontend:
    """What a fold's spectrograms have of their own, beside what its size says."""

    scaling: Scaling
    """How mel energies are compressed."""
    hop_share: float = 1.0
    """Of the size's hop. At 0.5 frames are twice as fine, and crops of as many frames last half as long."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    name: str
    stages: tuple[Stage, ...]
    augmentation: Augmentation = Augmentation()
    padding: Literal["silence", "repeat"] = "silence"
    """What follows a clip that is shorter than a crop."""
    lsep_share: float = 0.0
    """How much of the ranking loss is added to the binary cross-entropy."""
    warm_up_share: float = 0.3
    """The share of a stage's steps in which the learning rate rises."""
    weight_decay: float = 0.01
    """The optimizers'."""
    muon_factor: float | None = None
    """Muon optimizes the convolutions at so many times a stage's learning rate; None: AdamW does it, as all else."""
    frontends: tuple[FoldFrontend, ...] = (FoldFrontend("pcen"),)
    """Of the spectrograms; folds take turns, so that an ensemble hears in all of these ways."""
    pcen_start: PcenStart = "one"
    """Of spectrograms with PCEN."""
    averaged_share: float = 0.25
    """The share of a stage's steps, at the end, whose weights are averaged into the network that is kept."""
    average_decay: float = 0.99
    """Of the exponential average over these steps."""

    def size_of_fold(self, size: "Size", fold: int) -> "Size":
        """A size with the frontend that one fold has."""
        own = self.frontends[fold % len(self.frontends)]
        hop_samples = round(size.frontend.hop_samples * own.hop_share)
        frontend = replace(size.frontend, scaling=own.scaling, hop_samples=hop_samples, pcen_start=self.pcen_start)
        return replace(size, frontend=frontend)

    @property
    def uses_noisy(self) -> bool:
        """Whether any stage wants the noisy split."""
        return any(stage.noisy for stage in self.stages)


@dataclass(frozen=True)
class Size:
    """How much is trained."""

    name: str
    for_whom: str
    """What it is for, for the help text."""

    frontend: FrontendConfig
    crop_frames: int
    """The length of the network's input; 4.0 s in all sizes, where a fold's frontend has no other hop."""
    width: int
    """The network's `ModelConfig.width`."""
    depth: int
    """The network's `ModelConfig.depth`."""

    n_folds: int
    epochs: int
    """Of a stage whose share is 1."""
    batch_clips: int

    def model(self, n_labels: int, padding: Literal["silence", "repeat"] = "silence") -> ModelConfig:
        """The network's settings for a vocabulary."""
        return ModelConfig(
            n_labels=n_labels,
            n_mels=self.frontend.n_mels,
            crop_frames=self.crop_frames,
            width=self.width,
            depth=self.depth,
            padding=padding,
        )


METHOD = 2
"""Counts changes of what is done that no setting tells of. 2: networks predict with means of probabilities."""


def digest_of(recipe: Recipe, size: Size) -> str:
    """A short name for all settings of a training, for recipes and sizes keep their names when people change them."""
    settings = json.dumps([asdict(recipe), asdict(size), METHOD], sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


CURATED_STAGE = "curated"
NOISY_STAGE = "noisy"

AGREED = PickSettings(clips_per_label=50, threshold=0.33)
"""The silver solution's pick."""

SILVER = Recipe(
    name="silver",
    stages=(
        Stage(CURATED_STAGE, epochs_share=1.0, peak_learning_rate=3e-3),
        Stage(NOISY_STAGE, epochs_share=0.5, peak_learning_rate=3e-4, noisy=NoisyUse(AGREED, weight=0.5)),
    ),
)

# LOG.md says what each of these brought.
BEST = replace(
    SILVER,
    name="best",
    frontends=(FoldFrontend("pcen"), FoldFrontend("db", hop_share=0.5)),
    pcen_start="first_frame",
    muon_factor=20 / 3,
    augmentation=Augmentation(max_gain_db=10.0, mixed_share=0.6, following_share=0.4, partners="all"),
    stages=(
        Stage(CURATED_STAGE, epochs_share=1.0, peak_learning_rate=3e-3, exported=False),
        Stage(NOISY_STAGE, epochs_share=0.5, peak_learning_rate=1e-3, noisy=NoisyUse(AGREED, weight=0.5)),
    ),
)

RECIPES = {recipe.name: recipe for recipe in (SILVER, BEST)}

DEMO = Size(
    name="demo",
    for_whom="a minute or two on two cores",
    frontend=FrontendConfig(n_mels=64, n_fft=4096, hop_samples=1378),
    crop_frames=128,
    width=8,
    depth=6,
    n_folds=6,
    epochs=26,
    batch_clips=16,
)
SMALL = Size(
    name="small",
    for_whom="some ten minutes a fold of 750 clips on two cores",
    frontend=FrontendConfig(n_mels=128),
    crop_frames=256,
    width=8,
    depth=8,
    n_folds=6,
    epochs=48,
    batch_clips=16,
)
FULL = Size(
    name="full",
    for_whom="the silver solution's size, for a GPU",
    frontend=FrontendConfig(),
    crop_frames=256,
    width=16,
    depth=8,
    n_folds=6,
    epochs=100,
    batch_clips=64,
)

SIZES = {size.name: size for size in (DEMO, SMALL, FULL)}
